/**
 * Whether a set of DCAP collateral may take the place of the one that is served: authentic, of this platform, and not older.
 *
 * What it says of the platform is not judged here. A set that revokes it is as welcome as any other; one that nobody signed
 * would make every verifier refuse the document, and so would be a way to silence a service for whoever sits between it and
 * Intel.
 *
 * @module
 */
import { verifyCollateral } from '../../appraiser/quote/verify-collateral.ts'
import { nodeCrypto } from '../../crypto/node.ts'
import type { DcapCollateral } from '../../protocol/dcap-collateral.ts'
import { describeCollateral } from '../describe-collateral.ts'
import type { CollateralDescription } from '../describe-collateral.ts'
import { nameAuthority } from '../name-authority.ts'
import { MAX_ENTRY_BYTES } from './limits.ts'
import type { StapleWarning } from './staple-warning.ts'

/** SHA-256 of the DER of each accepted root. */
export interface StapleRoots {
  readonly sgx: readonly Uint8Array[]
  readonly nvidia: readonly Uint8Array[]
  readonly rim: readonly Uint8Array[]
  /** They may be a simulator's. */
  readonly allowSimulated: boolean
}

export interface HeldDcap {
  readonly collateral: DcapCollateral
  readonly description: CollateralDescription
  /** Who signed its PCK CRL, by `nameAuthority`. */
  readonly pckIssuer: string
}

/** What the machine's own quote says. */
export interface VettedPlatform {
  /** 12 lower-case hex digits. */
  readonly fmspc: string
  /** Of the authority that certified it, by `nameAuthority`. */
  readonly pckIssuer: string
}

export type DcapVetting =
  | { readonly ok: true; readonly held: HeldDcap }
  | { readonly ok: false; readonly warning: StapleWarning }

function refuse(code: StapleWarning['code'], detail: string): DcapVetting {
  return { ok: false, warning: { code, detail: `DCAP: ${detail}` } }
}

/** No document of the new set may be older than its predecessor, or an old set could hide a revocation. */
function olderPart(held: HeldDcap, next: HeldDcap): string | null {
  const [old, late] = [held.description, next.description]
  if (late.tcbEvaluationDataNumber < old.tcbEvaluationDataNumber) return 'evaluation data number'
  const older = (part: 'tcbInfo' | 'qeIdentity' | 'pckCrl' | 'rootCrl'): boolean =>
    late[part].issuedAt < old[part].issuedAt
  // Lists of two authorities are no successors of each other.
  if (held.pckIssuer === next.pckIssuer && older('pckCrl')) return 'pckCrl'
  return (['tcbInfo', 'qeIdentity', 'rootCrl'] as const).find(older) ?? null
}

export function vetDcap(
  collateral: DcapCollateral,
  platform: VettedPlatform,
  held: HeldDcap | null,
  roots: StapleRoots,
): DcapVetting {
  if (JSON.stringify(collateral).length > MAX_ENTRY_BYTES) {
    return refuse('staple_refused', `longer than ${MAX_ENTRY_BYTES} bytes`)
  }
  const { lists, tcbInfo, qeIdentity } = verifyCollateral(collateral, {
    crypto: nodeCrypto,
    rootSha256: roots.sgx,
    allowSimulated: roots.allowSimulated,
  })
  if (!lists.ok) return refuse('staple_refused', lists.fault.code)
  for (const part of [tcbInfo, qeIdentity]) {
    if (!part.ok) return refuse('staple_refused', part.fault.code)
  }
  const described = describeCollateral(collateral)
  if (!described.ok) return refuse('staple_refused', 'collateral_malformed')
  const { description } = described
  if (description.fmspc !== platform.fmspc) return refuse('staple_refused', 'fmspc_mismatch')
  const [issuer] = lists.chain
  const pckIssuer = issuer === undefined ? '' : nameAuthority(issuer)
  // Intel's two authorities stand under one root. The list of the wrong one is genuine and useless, and no verifier could judge
  // the platform by it.
  if (pckIssuer !== platform.pckIssuer) return refuse('staple_refused', 'crl_issuer_mismatch')
  const next = { collateral, description, pckIssuer }
  const older = held === null ? null : olderPart(held, next)
  return older === null ? { ok: true, held: next } : refuse('staple_rolled_back', older)
}
