/**
 * What earlier appraisals verified of devices and of NVIDIA's statements about them, for the next report of the same devices.
 *
 * Why this is safe. Kept are parsed documents and which key signed which of them, both of which follow from bytes and the
 * cryptography port alone; the port stands beside each entry, and no port answers for another. Roots, names, usages, times,
 * revocation, fit and policy are judged anew at each use by the same code as without a cache. Reports are never kept. Only
 * what was good is kept, so a flood of bad evidence evicts nothing.
 *
 * @module
 */
import type { CryptoPort } from '../../crypto/port.ts'
import { createCertificateMemo } from '../x509/certificate-memo.ts'
import type { CertificateMemo } from '../x509/certificate-memo.ts'
import type { Certificate } from '../x509/parse-certificate.ts'
import type { OcspMemo } from './ocsp/ocsp-memo.ts'
import { createRimCache } from './rim/rim-cache.ts'
import type { RimCache } from './rim/rim-cache.ts'

/** RIMs of a cache whose maker names no number: drivers and VBIOS versions of a fleet, at some 20 kB each. */
export const DEFAULT_GPU_CACHE_ENTRIES = 64
/** Devices whose chain is kept, at about 10 kB each, for each RIM that a cache may hold. */
export const CACHED_CHAINS_PER_ENTRY = 4
/** Sets of OCSP responses, each as it was given: about 100 kB for a machine of twelve devices. */
export const CACHED_RESPONSE_SETS = 8

interface Entry<T> {
  readonly crypto: CryptoPort
  readonly memo: T
}

/** Made by {@link createGpuCache}; its contents are of no use to anybody else. */
export interface GpuCache {
  readonly rims: RimCache
  readonly maxChains: number
  /** By the chain as given, least recently used first. */
  readonly chains: Map<string, Entry<CertificateMemo>>
  /** By all responses as given, least recently used first. */
  readonly responses: Map<string, Entry<OcspMemo>>
}

/** @throws RangeError for a number of entries that is no positive whole number */
export function createGpuCache(maxEntries: number = DEFAULT_GPU_CACHE_ENTRIES): GpuCache {
  return Object.freeze({
    rims: createRimCache(maxEntries),
    maxChains: CACHED_CHAINS_PER_ENTRY * maxEntries,
    chains: new Map<string, Entry<CertificateMemo>>(),
    responses: new Map<string, Entry<OcspMemo>>(),
  })
}

function recall<T>(map: ReadonlyMap<string, Entry<T>>, key: string, crypto: CryptoPort): T | null {
  const entry = map.get(key)
  return entry?.crypto === crypto ? entry.memo : null
}

/** Makes the entry the one that was used last, and drops those beyond `room`. */
function keep<T>(map: Map<string, Entry<T>>, key: string, entry: Entry<T>, room: number): void {
  map.delete(key)
  map.set(key, entry)
  for (const oldest of map.keys()) {
    if (map.size <= room) break
    map.delete(oldest)
  }
}

/** What is known of the chain that is given as `text`. */
export function recallChain(
  cache: GpuCache | undefined,
  text: string,
  crypto: CryptoPort,
): CertificateMemo | null {
  return cache === undefined ? null : recall(cache.chains, text, crypto)
}

/**
 * Keeps a chain that path validation accepted.
 * @param memo in which it was read, together with others
 */
export function keepChain(
  cache: GpuCache | undefined,
  text: string,
  chain: readonly Certificate[],
  memo: CertificateMemo,
  crypto: CryptoPort,
): void {
  if (cache === undefined) return
  const own = createCertificateMemo()
  for (const [base64, certificate] of memo.parsed) {
    if (chain.includes(certificate)) own.parsed.set(base64, certificate)
  }
  for (const [subject, issuer] of memo.issuers) {
    if (chain.includes(subject) && chain.includes(issuer)) own.issuers.set(subject, issuer)
  }
  keep(cache.chains, text, { crypto, memo: own }, cache.maxChains)
}

/** One key for a set of responses in base64, which holds no comma. */
function keyOf(responses: readonly string[]): string {
  return responses.join()
}

export function recallResponses(
  cache: GpuCache | undefined,
  responses: readonly string[],
  crypto: CryptoPort,
): OcspMemo | null {
  return cache === undefined ? null : recall(cache.responses, keyOf(responses), crypto)
}

/** Keeps what was found of responses by which all that they were asked for is good. */
export function keepResponses(
  cache: GpuCache | undefined,
  responses: readonly string[],
  memo: OcspMemo,
  crypto: CryptoPort,
): void {
  if (cache === undefined || responses.length === 0) return
  keep(cache.responses, keyOf(responses), { crypto, memo }, CACHED_RESPONSE_SETS)
}
