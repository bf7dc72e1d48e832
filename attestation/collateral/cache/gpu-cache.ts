/**
 * RIMs and stapled OCSP responses that were fetched before: in memory, or as files that several processes share.
 *
 * The digest in a file finds files that were cut or damaged, so that they are fetched anew. It stops nobody who may write to
 * the folder; what they can put there is refused by the appraiser, which checks signatures whatever its way was.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import { decodeBase64 } from '../../protocol/base64.ts'
import { isJsonObject, parseJson } from '../../protocol/json.ts'
import { MAX_GPU_CACHE_ENTRIES, MAX_GPU_CACHE_FILE_BYTES } from '../limits.ts'
import { openFileStore } from './file-store.ts'

export interface GpuCacheEntry {
  /** `rim-<id>` or `ocsp-<SHA-256 of the request without a nonce>`. */
  readonly key: string
  /** Origin and path of the service. */
  readonly service: string
  /** Unix seconds. */
  readonly fetchedAt: number
  readonly bytes: Uint8Array
}

export interface GpuCache {
  /** @returns null where there is none, or one that is not whole */
  read(key: string): Promise<GpuCacheEntry | null>
  /** @returns what stands in the way, as the system calls it; null where it was kept */
  write(entry: GpuCacheEntry): Promise<string | null>
}

const FORM = 'countersign.gpu-cache.v1'
const KEY = /^(?:rim-[A-Z0-9][A-Z0-9_.]{0,127}|ocsp-[0-9a-f]{64})$/
const MEMBERS = ['bytes', 'digest', 'fetched_at', 'form', 'key', 'service']
const MAX_SERVICE_LENGTH = 2048

function assertKey(key: string): void {
  if (!KEY.test(key)) throw new TypeError('not a key of the GPU cache')
}

/** Lives as long as its process; the entry that was written longest ago goes first. */
export function createMemoryGpuCache(): GpuCache {
  const entries = new Map<string, GpuCacheEntry>()
  return {
    read: (key) => Promise.resolve(entries.get(key) ?? null),
    write(entry) {
      assertKey(entry.key)
      entries.delete(entry.key)
      entries.set(entry.key, entry)
      const [oldest] = entries.keys()
      if (entries.size > MAX_GPU_CACHE_ENTRIES && oldest !== undefined) entries.delete(oldest)
      return Promise.resolve(null)
    },
  }
}

function digestOf(key: string, service: string, fetchedAt: number, bytes: string): string {
  const text = JSON.stringify([FORM, key, service, fetchedAt, bytes])
  return createHash('sha256').update(text, 'utf8').digest('hex')
}

function render({ key, service, fetchedAt, bytes }: GpuCacheEntry): string {
  const text = Buffer.from(bytes).toString('base64')
  const digest = digestOf(key, service, fetchedAt, text)
  return `${JSON.stringify({ form: FORM, key, service, fetched_at: fetchedAt, digest, bytes: text })}\n`
}

function parse(file: Uint8Array, key: string): GpuCacheEntry | null {
  const parsed = parseJson(file)
  if (!parsed.ok || !isJsonObject(parsed.value)) return null
  const { value } = parsed
  if (Object.keys(value).toSorted().join() !== MEMBERS.join()) return null
  const { form, key: named, service, fetched_at: fetchedAt, digest, bytes: text } = value
  if (form !== FORM || named !== key || typeof fetchedAt !== 'number') return null
  if (typeof service !== 'string' || service.length > MAX_SERVICE_LENGTH) return null
  if (typeof text !== 'string' || digest !== digestOf(key, service, fetchedAt, text)) return null
  const bytes = decodeBase64(text)
  return bytes === null ? null : { key, service, fetchedAt, bytes }
}

/** @param directory may also hold Intel's collateral */
export function openGpuDiskCache(directory: string): GpuCache {
  const store = openFileStore({
    directory,
    owns: (name) => name.endsWith('.json') && KEY.test(name.slice(0, -'.json'.length)),
    maxFiles: MAX_GPU_CACHE_ENTRIES,
    maxBytes: MAX_GPU_CACHE_FILE_BYTES,
  })
  return {
    async read(key) {
      assertKey(key)
      const file = await store.read(`${key}.json`)
      return file === null ? null : parse(file, key)
    },
    write: (entry) => store.write(`${entry.key}.json`, render(entry)),
  }
}
