/**
 * Collateral that was verified once, kept for the next quote of the same platforms, and the chains of those platforms.
 *
 * Why this is safe. An entry holds only what follows from the bytes of the collateral, the roots and the cryptography port
 * given: which signatures are good and what the signed documents say. The key is the SHA-256 of all of these bytes, each with
 * its length, and names the port, so another byte is another entry, and no port answers for another. Time windows,
 * revocation of the certificates in the quote, fit and policy are judged anew at each use: collateral that has expired
 * since, or that a stricter policy refuses, is refused from the cache as without it. Only collateral of which every part was
 * good is kept, so a flood of bad one evicts nothing.
 *
 * Of a platform even less is kept: its certificates as parsed, and who signed which. The key is the whole chain as it stands
 * in the quote, and the port. Roots, names, usages, windows and revocation are judged at each use by the same code as without
 * a cache, and the report of the quoting enclave and the quote itself are verified each time.
 *
 * @module
 */
import type { CryptoPort } from '../../crypto/port.ts'
import type { DcapCollateral } from '../../protocol/dcap-collateral.ts'
import { toHex } from '../../protocol/hex.ts'
import { toUtf8 } from '../../protocol/utf8.ts'
import { createCertificateMemo } from '../x509/certificate-memo.ts'
import type { CertificateMemo } from '../x509/certificate-memo.ts'
import type { Certificate } from '../x509/parse-certificate.ts'
import type { Fault } from './evaluate-tcb.ts'
import { createMemoOfRoot } from './intel-sgx-root.ts'
import type { Quote } from './parse-quote.ts'
import { verifyCollateral } from './verify-collateral.ts'
import type { CollateralOptions, VerifiedCollateral } from './verify-collateral.ts'
import { certifyPlatform } from './verify-quote.ts'
import type { CertifiedPlatform, ChainRoots } from './verify-quote.ts'

/** Entries of a cache whose maker names no number. One serves all platforms of one processor family for a while. */
export const DEFAULT_CACHE_ENTRIES = 64
/** Platforms whose chain is kept, at about 10 kB each, for each entry that a cache may have. */
export const CACHED_PLATFORMS_PER_ENTRY = 4

const PURPOSE = 'countersign.dcap_collateral_cache.v1'

/** Made by {@link createCollateralCache}; its contents are of no use to anybody else. */
export interface CollateralCache {
  readonly maxEntries: number
  /** Least recently used first. */
  readonly entries: Map<string, VerifiedCollateral>
  /** By port and chain, least recently used first. */
  readonly platforms: Map<string, CertificateMemo>
}

export function createCollateralCache(maxEntries: number = DEFAULT_CACHE_ENTRIES): CollateralCache {
  if (!Number.isSafeInteger(maxEntries) || maxEntries < 1) {
    throw new RangeError('a cache has room for one entry or more')
  }
  return Object.freeze({
    maxEntries,
    entries: new Map<string, VerifiedCollateral>(),
    platforms: new Map<string, CertificateMemo>(),
  })
}

/** Makes `value` the one that was used last, and drops those beyond `room`. */
function keep<T>(map: Map<string, T>, key: string, value: T, room: number): void {
  map.delete(key)
  map.set(key, value)
  for (const oldest of map.keys()) {
    if (map.size <= room) break
    map.delete(oldest)
  }
}

const portNumbers = new WeakMap<CryptoPort, number>()
let ports = 0

/** A number that no other port of this process has. */
function numberOf(port: CryptoPort): number {
  const known = portNumbers.get(port)
  if (known !== undefined) return known
  ports++
  portNumbers.set(port, ports)
  return ports
}

function keyOf(collateral: DcapCollateral, options: CollateralOptions): string {
  const texts = [
    collateral.pck_crl_issuer_chain,
    collateral.root_ca_crl,
    collateral.pck_crl,
    collateral.tcb_info_issuer_chain,
    collateral.tcb_info,
    collateral.tcb_info_signature,
    collateral.qe_identity_issuer_chain,
    collateral.qe_identity,
    collateral.qe_identity_signature,
  ]
  const head = JSON.stringify([
    PURPOSE,
    numberOf(options.crypto),
    options.allowSimulated === true,
    options.rootSha256.map(toHex),
    texts.map(({ length }) => length),
  ])
  return options.crypto.sha256Text(toUtf8(head), texts.join(''))
}

/** {@link verifyCollateral}, from the cache where the same was verified before. */
export function verifyCached(
  collateral: DcapCollateral,
  options: CollateralOptions,
  cache: CollateralCache | undefined,
): VerifiedCollateral {
  if (cache === undefined) return verifyCollateral(collateral, options)
  const key = keyOf(collateral, options)
  const known = cache.entries.get(key)
  const verified = known ?? verifyCollateral(collateral, options)
  const { lists, tcbInfo, qeIdentity } = verified
  if (lists.ok && tcbInfo.ok && qeIdentity.ok) {
    keep(cache.entries, key, verified, cache.maxEntries)
  }
  return verified
}

/**
 * {@link certifyPlatform}, without verifying again the signatures of a chain that was good before.
 *
 * @param verified collateral whose certificates need not be parsed again, for a chain that was not met before
 */
export function certifyCached(
  quote: Quote,
  roots: ChainRoots,
  verified: VerifiedCollateral | null,
  cache: CollateralCache | undefined,
): CertifiedPlatform | Fault {
  const met = (): CertificateMemo =>
    verified === null ? createMemoOfRoot() : createCertificateMemo(verified.memo)
  if (cache === undefined) return certifyPlatform(quote, roots, met())
  const key = `${numberOf(roots.crypto)} ${quote.pemChain}`
  const known = cache.platforms.get(key)
  const memo = known ?? met()
  const result = certifyPlatform(quote, roots, memo)
  if (!('code' in result)) {
    const kept = known ?? onlyOf(result.chain, memo)
    keep(cache.platforms, key, kept, cache.maxEntries * CACHED_PLATFORMS_PER_ENTRY)
  }
  return result
}

/** What `memo` knows of the certificates of `chain`, and of no others. */
function onlyOf(chain: CertifiedPlatform['chain'], memo: CertificateMemo): CertificateMemo {
  const of = (certificate: Certificate): boolean => chain.includes(certificate)
  return {
    parsed: new Map([...memo.parsed].filter(([, certificate]) => of(certificate))),
    issuers: new Map([...memo.issuers].filter(([subject, issuer]) => of(subject) && of(issuer))),
  }
}
