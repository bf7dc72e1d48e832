/**
 * Collateral that was verified once, kept for the next quote of the same platforms.
 *
 * Why this is safe. An entry holds only what follows from the bytes of the collateral, the roots and the cryptography port
 * given: which signatures are good and what the signed documents say. The key is the SHA-256 of all of these bytes, each with
 * its length, and names the port, so another byte is another entry, and no port answers for another. Time windows, revocation of the certificates in the quote, fit and policy are judged anew at each
 * use: collateral that has expired since, or that a stricter policy refuses, is refused from the cache as without it.
 * Only collateral of which every part was good is kept, so a flood of bad one evicts nothing.
 *
 * @module
 */
import type { CryptoPort } from '../../crypto/port.ts'
import type { DcapCollateral } from '../../protocol/dcap-collateral.ts'
import { toHex } from '../../protocol/hex.ts'
import { toUtf8 } from '../../protocol/utf8.ts'
import { verifyCollateral } from './verify-collateral.ts'
import type { CollateralOptions, VerifiedCollateral } from './verify-collateral.ts'

/** Entries of a cache whose maker names no number. One serves all platforms of one processor family for a while. */
export const DEFAULT_CACHE_ENTRIES = 64

const PURPOSE = 'countersign.dcap_collateral_cache.v1'

/** Made by {@link createCollateralCache}; its contents are of no use to anybody else. */
export interface CollateralCache {
  readonly maxEntries: number
  /** Least recently used first. */
  readonly entries: Map<string, VerifiedCollateral>
}

export function createCollateralCache(maxEntries: number = DEFAULT_CACHE_ENTRIES): CollateralCache {
  if (!Number.isSafeInteger(maxEntries) || maxEntries < 1) {
    throw new RangeError('a cache has room for one entry or more')
  }
  return Object.freeze({ maxEntries, entries: new Map<string, VerifiedCollateral>() })
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
  if (known !== undefined) {
    cache.entries.delete(key)
    cache.entries.set(key, known)
    return known
  }
  const verified = verifyCollateral(collateral, options)
  const { lists, tcbInfo, qeIdentity } = verified
  if (lists.ok && tcbInfo.ok && qeIdentity.ok) {
    cache.entries.set(key, verified)
    for (const oldest of cache.entries.keys()) {
      if (cache.entries.size <= cache.maxEntries) break
      cache.entries.delete(oldest)
    }
  }
  return verified
}
