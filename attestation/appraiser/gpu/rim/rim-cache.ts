/**
 * RIMs that were verified once, kept for the next device with the same firmware.
 *
 * An entry holds only what follows from the bytes of the RIM, the accepted roots, whether simulated ones count and the
 * cryptography port: its key names the first three, and no port answers for another. Validity at the time of the appraisal,
 * revocation and fit are judged anew at each use, so a RIM that has expired since is refused from the cache as without it.
 * Only RIMs that were good are kept, so a flood of bad ones evicts nothing.
 *
 * @module
 */
import type { CryptoPort } from '../../../crypto/port.ts'
import { toHex } from '../../../protocol/hex.ts'
import type { Rim, RimOptions, RimResult } from './verify-rim.ts'

/** Entries of a cache whose maker names no number: drivers and VBIOS versions of a fleet, at some 20 kB each. */
export const DEFAULT_RIM_CACHE_ENTRIES = 64

/** Made by {@link createRimCache}; its contents are of no use to anybody else. */
export interface RimCache {
  readonly maxEntries: number
  /** Least recently used first. */
  readonly entries: Map<string, { readonly crypto: CryptoPort; readonly rim: Rim }>
}

export function createRimCache(maxEntries: number = DEFAULT_RIM_CACHE_ENTRIES): RimCache {
  if (!Number.isSafeInteger(maxEntries) || maxEntries < 1) {
    throw new RangeError('a cache has room for one entry or more')
  }
  return Object.freeze({ maxEntries, entries: new Map() })
}

/** The result of `verify`, which must not depend on a time, from the cache where the same was verified before. */
export function verifyCachedRim(
  bytes: Uint8Array,
  options: RimOptions,
  verify: () => RimResult,
): RimResult {
  const { cache, crypto } = options
  if (cache === undefined) return verify()
  const key = JSON.stringify([
    toHex(crypto.sha256(bytes)),
    options.allowSimulated,
    options.rootSha256.map(toHex),
  ])
  const known = cache.entries.get(key)
  cache.entries.delete(key)
  const result: RimResult = known?.crypto === crypto ? { ok: true, rim: known.rim } : verify()
  if (result.ok) cache.entries.set(key, { crypto, rim: result.rim })
  for (const oldest of cache.entries.keys()) {
    if (cache.entries.size <= cache.maxEntries) break
    cache.entries.delete(oldest)
  }
  return result
}
