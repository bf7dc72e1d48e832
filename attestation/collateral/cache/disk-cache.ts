/**
 * Collateral on disk: one file a platform, CA and channel, written whole or not at all.
 *
 * Several processes may share a folder: a file is written under another name and then renamed (rename(2) replaces at once),
 * so a reader sees the old or the new set, never parts of both. A folder that cannot be written costs a fetch, nothing else.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { mkdir, open, readdir, rename, stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { CollateralRequest } from '../collateral-service.ts'
import { ABANDONED_FILE_MS, MAX_CACHE_ENTRIES, MAX_CACHE_FILE_BYTES } from '../limits.ts'
import { entryName, parseEntry, parseEntryName, renderEntry } from './cache-entry.ts'
import type { CacheEntry } from './cache-entry.ts'

export interface DiskCache {
  readonly directory: string
  /** @returns null where there is none, or one that is not whole */
  read(request: CollateralRequest): Promise<CacheEntry | null>
  /** @returns what stands in the way, as the system calls it, e.g. `ENOSPC`; null where it was kept */
  write(entry: CacheEntry): Promise<string | null>
  /** What is there by name, whole or not. */
  list(): Promise<readonly CollateralRequest[]>
}

const DIRECTORY_MODE = 0o700
const FILE_MODE = 0o600
const TEMPORARY = /^\.[0-9a-f]{12}-[a-z]+-[a-z]+\.json\.[0-9a-f]{16}\.tmp$/

export function openDiskCache(directory: string): DiskCache {
  return {
    directory,
    async read(request) {
      const bytes = await readWhole(join(directory, entryName(request)))
      return bytes === null ? null : parseEntry(bytes, request)
    },
    async write(entry) {
      try {
        await mkdir(directory, { recursive: true, mode: DIRECTORY_MODE })
        await replace(directory, entryName(entry.request), renderEntry(entry))
        await tidy(directory)
        return null
      } catch (error) {
        return systemCode(error)
      }
    },
    list: () => list(directory),
  }
}

function systemCode(error: unknown): string {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') throw error
  return error.code
}

/** Opens without following a link and without waiting for a pipe: the folder may not be ours alone. */
async function readWhole(path: string): Promise<Uint8Array | null> {
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    try {
      const { size } = await file.stat()
      if (size > MAX_CACHE_FILE_BYTES) return null
      const buffer = new Uint8Array(size)
      const { bytesRead } = await file.read(buffer, 0, size)
      return buffer.subarray(0, bytesRead)
    } finally {
      await file.close()
    }
  } catch (error) {
    systemCode(error)
    return null
  }
}

async function replace(directory: string, name: string, text: string): Promise<void> {
  const temporary = join(directory, `.${name}.${randomBytes(8).toString('hex')}.tmp`)
  try {
    const file = await open(temporary, 'wx', FILE_MODE)
    try {
      await file.writeFile(text)
      // Otherwise a power cut after the rename could leave a name with nothing behind it.
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, join(directory, name))
  } catch (error) {
    await unlink(temporary).catch(() => undefined)
    throw error
  }
}

async function list(directory: string): Promise<CollateralRequest[]> {
  let names: string[]
  try {
    names = await readdir(directory)
  } catch (error) {
    systemCode(error)
    return []
  }
  return names
    .toSorted()
    .map(parseEntryName)
    .filter((request) => request !== null)
}

/** Removes what was written longest ago beyond the bound, and what a killed process left behind. Never anything else. */
async function tidy(directory: string): Promise<void> {
  const names = await readdir(directory)
  const age = async (name: string): Promise<number> =>
    stat(join(directory, name)).then(
      ({ mtimeMs }) => mtimeMs,
      // Another process was faster.
      () => 0,
    )
  const remove = async (name: string): Promise<void> =>
    unlink(join(directory, name)).catch(() => undefined)
  for (const name of names.filter((each) => TEMPORARY.test(each))) {
    if (Date.now() - (await age(name)) > ABANDONED_FILE_MS) await remove(name)
  }
  const entries = names.filter((name) => parseEntryName(name) !== null)
  if (entries.length <= MAX_CACHE_ENTRIES) return
  const dated = await Promise.all(entries.map(async (name) => ({ name, at: await age(name) })))
  const oldest = dated.toSorted((a, b) => a.at - b.at)
  for (const { name } of oldest.slice(0, entries.length - MAX_CACHE_ENTRIES)) await remove(name)
}
