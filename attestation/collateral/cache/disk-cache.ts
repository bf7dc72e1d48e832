/**
 * Intel's collateral on disk: one file a platform, CA and channel.
 *
 * @module
 */
import type { CollateralRequest } from '../collateral-service.ts'
import { MAX_CACHE_ENTRIES, MAX_CACHE_FILE_BYTES } from '../limits.ts'
import { entryName, parseEntry, parseEntryName, renderEntry } from './cache-entry.ts'
import type { CacheEntry } from './cache-entry.ts'
import { openFileStore } from './file-store.ts'

export interface DiskCache {
  readonly directory: string
  /** @returns null where there is none, or one that is not whole */
  read(request: CollateralRequest): Promise<CacheEntry | null>
  /** @returns what stands in the way, as the system calls it, e.g. `ENOSPC`; null where it was kept */
  write(entry: CacheEntry): Promise<string | null>
  /** What is there by name, whole or not. */
  list(): Promise<readonly CollateralRequest[]>
}

export function openDiskCache(directory: string): DiskCache {
  const store = openFileStore({
    directory,
    owns: (name) => parseEntryName(name) !== null,
    maxFiles: MAX_CACHE_ENTRIES,
    maxBytes: MAX_CACHE_FILE_BYTES,
  })
  return {
    directory,
    async read(request) {
      const bytes = await store.read(entryName(request))
      return bytes === null ? null : parseEntry(bytes, request)
    },
    write: (entry) => store.write(entryName(entry.request), renderEntry(entry)),
    async list() {
      const names = await store.list()
      return names.map(parseEntryName).filter((request) => request !== null)
    },
  }
}
