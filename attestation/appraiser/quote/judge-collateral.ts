/**
 * Judges verified collateral against a quote and a moment: time windows, revocation, fit, and the state that follows.
 *
 * @module
 */
import { toHex } from '../../protocol/hex.ts'
import type { Certificate } from '../x509/parse-certificate.ts'
import { validityFault } from '../x509/verify-chain.ts'
import { matchesMasked, svnLevelOf, tdxLevel } from './evaluate-tcb.ts'
import type { Fault, TdxLevel } from './evaluate-tcb.ts'
import type { Quote } from './parse-quote.ts'
import type { LevelState, SvnLevel, TcbInfo } from './parse-tcb-info.ts'
import type { QeIdentity } from './parse-qe-identity.ts'
import type { PckPlatform } from './read-sgx-extension.ts'
import { mergeStatuses, relaunchStatus } from './tcb-status.ts'
import type { TcbStatus } from './tcb-status.ts'
import type { TdxPolicy } from './tdx-policy.ts'
import type { Part, VerifiedCollateral } from './verify-collateral.ts'

/** SGX report body, Intel SDM volume 3D, "REPORT": offsets in the report of the quoting enclave. */
const QE_MISC_SELECT = 16
const QE_ATTRIBUTES = 48
const QE_MR_SIGNER = 128
const QE_ISV_PROD_ID = 256
const QE_ISV_SVN = 258
/** Second bit of the attributes. */
const SGX_DEBUG = 0x02

export interface Moment {
  /** Unix seconds. */
  readonly at: number
  readonly policy: TdxPolicy
}

/** Leaf, issuing authority, root: the chain in the quote, already verified. */
export type PckChain = readonly Certificate[]

function windowFault(
  from: number,
  to: number,
  name: 'crl' | 'tcb_info' | 'qe_identity',
  what: string,
  { at, policy }: Moment,
): Fault | null {
  // Written so that a clock that is not a number refuses too.
  if (!(at >= from)) return { code: `${name}_not_yet_valid`, detail: `${what} issued at ${from}` }
  if (!(at <= to + policy.collateralGraceS)) {
    return { code: `${name}_expired`, detail: `${what} to be replaced by ${to}` }
  }
  return null
}

function isSame(a: Certificate, b: Certificate): boolean {
  return a === b || (a.der.length === b.der.length && a.der.every((byte, i) => byte === b.der[i]))
}

/** Windows of the certificates, and that the collateral stands under the root of the quote and no other accepted one. */
function chainFault(
  chain: readonly Certificate[],
  pck: PckChain,
  what: string,
  at: number,
): Fault | null {
  const root = chain.at(-1)
  const quoted = pck.at(-1)
  if (root === undefined || quoted === undefined || !isSame(root, quoted)) {
    return { code: 'collateral_chain_other_root', detail: what }
  }
  const fault = validityFault(chain, at)
  return fault === null
    ? null
    : { code: `collateral_${fault.code}`, detail: `${what}: ${fault.detail}` }
}

function isRevoked(certificate: Certificate | undefined, revoked: ReadonlySet<string>): boolean {
  return certificate === undefined || revoked.has(toHex(certificate.serial))
}

/** Nothing that the quote or the collateral stands on has been taken back. */
export function revocationFault(
  verified: VerifiedCollateral,
  pck: PckChain,
  moment: Moment,
): Fault | null {
  const { lists } = verified
  if (!lists.ok) return lists.fault
  const { root, pck: pckList } = lists.value
  const [leaf, authority] = pck
  const [issuer] = lists.chain
  const fault =
    chainFault(lists.chain, pck, 'pck_crl_issuer_chain', moment.at) ??
    windowFault(root.thisUpdate, root.nextUpdate, 'crl', 'root_ca_crl', moment) ??
    windowFault(pckList.thisUpdate, pckList.nextUpdate, 'crl', 'pck_crl', moment)
  if (fault !== null) return fault
  // The list must be of the authority that certified this platform: Intel has two, each with its own list. Name and key,
  // because an authority may be certified anew.
  if (
    authority === undefined ||
    issuer === undefined ||
    toHex(authority.subject) !== toHex(issuer.subject) ||
    toHex(authority.spki) !== toHex(issuer.spki)
  ) {
    return { code: 'crl_issuer_mismatch', detail: 'pck_crl is of another authority than the quote' }
  }
  // A root that names itself is one that its owner has given up: whoever still trusts it must not.
  for (const certifier of [authority, issuer, ...pck.slice(2)]) {
    if (isRevoked(certifier, root.revoked)) {
      return { code: 'pck_ca_revoked', detail: toHex(certifier.serial) }
    }
  }
  if (isRevoked(leaf, pckList.revoked)) {
    return { code: 'pck_revoked', detail: leaf === undefined ? '' : toHex(leaf.serial) }
  }
  for (const part of [verified.tcbInfo, verified.qeIdentity]) {
    const signer = part.ok ? part.chain[0] : undefined
    if (signer !== undefined && isRevoked(signer, root.revoked)) {
      return { code: 'tcb_signer_revoked', detail: toHex(signer.serial) }
    }
  }
  return null
}

function documentFault(
  part: Part<TcbInfo> | Part<QeIdentity>,
  name: 'tcb_info' | 'qe_identity',
  pck: PckChain,
  moment: Moment,
): Fault | null {
  if (!part.ok) return part.fault
  const { issueDate, nextUpdate } = part.value
  return (
    chainFault(part.chain, pck, `${name}_issuer_chain`, moment.at) ??
    windowFault(issueDate, nextUpdate, name, name, moment)
  )
}

/** The TCB info is current and speaks of this platform. */
export function tcbInfoFault(
  part: Part<TcbInfo>,
  pck: PckChain,
  platform: PckPlatform,
  moment: Moment,
): Fault | null {
  const fault = documentFault(part, 'tcb_info', pck, moment)
  if (fault !== null || !part.ok) return fault
  const { fmspc, pceId } = part.value
  if (toHex(fmspc) !== toHex(platform.fmspc)) {
    const detail = `TCB info for ${toHex(fmspc)}, platform ${toHex(platform.fmspc)}`
    return { code: 'fmspc_mismatch', detail }
  }
  if (toHex(pceId) !== toHex(platform.pceId)) {
    const detail = `TCB info for ${toHex(pceId)}, platform ${toHex(platform.pceId)}`
    return { code: 'pce_id_mismatch', detail }
  }
  return null
}

function uint16At(bytes: Uint8Array, offset: number): number {
  return (bytes[offset] ?? 0) + 256 * (bytes[offset + 1] ?? 0)
}

export const qeIsvSvn = (qeReport: Uint8Array): number => uint16At(qeReport, QE_ISV_SVN)
function qeLevel(qeReport: Uint8Array, identity: QeIdentity): SvnLevel | undefined {
  return svnLevelOf(identity.levels, qeIsvSvn(qeReport))
}

/**
 * The identity is current, and the enclave whose report the platform signed is the one it describes. Without this every
 * enclave of a certified platform could certify attestation keys (CVE-2026-22696 in dcap-qvl before 0.3.9).
 */
export function qeIdentityFault(
  part: Part<QeIdentity>,
  pck: PckChain,
  quote: Quote,
  moment: Moment,
): Fault | null {
  const fault = documentFault(part, 'qe_identity', pck, moment)
  if (fault !== null || !part.ok) return fault
  const identity = part.value
  const report = quote.qeReport
  const slice = (offset: number, length: number): Uint8Array =>
    report.subarray(offset, offset + length)
  const attributes = slice(QE_ATTRIBUTES, 16)
  if (((attributes[0] ?? 0) & SGX_DEBUG) !== 0)
    return { code: 'qe_debug', detail: toHex(attributes) }
  const wrong =
    (toHex(slice(QE_MR_SIGNER, 32)) !== toHex(identity.mrSigner) && 'mrsigner') ||
    (uint16At(report, QE_ISV_PROD_ID) !== identity.isvProdId && 'isvprodid') ||
    (!matchesMasked(slice(QE_MISC_SELECT, 4), identity.miscSelect, identity.miscSelectMask) &&
      'miscselect') ||
    (!matchesMasked(attributes, identity.attributes, identity.attributesMask) && 'attributes')
  if (wrong !== false) return { code: 'qe_identity_mismatch', detail: wrong }
  return qeLevel(report, identity) === undefined
    ? { code: 'qe_level_missing', detail: `SVN ${qeIsvSvn(report)}` }
    : null
}

/** State of one part of the platform, by the level that it reaches. */
export interface TcbLevelVerdict {
  readonly status: TcbStatus
  /** Unix seconds: the level has all fixes up to this day. */
  readonly date: number
  readonly advisories: readonly string[]
}

/** What Intel's signed documents say of the platform. Exists only where they and the quote were verified. */
export interface TcbVerdict {
  /** Platform, TDX module and quoting enclave merged. */
  readonly status: TcbStatus
  /** Of all three, without repetition. */
  readonly advisories: readonly string[]
  readonly platform: TcbLevelVerdict
  /** Null for a module of version 0, which has no levels of its own. */
  readonly module: TcbLevelVerdict | null
  readonly quotingEnclave: TcbLevelVerdict
  /** Platform and module as the TD runs now; differs from the launch after an update of the module. Null for TD 1.0. */
  readonly current: TcbStatus | null
  /** 6, 2 and 16 bytes, lower-case hex. */
  readonly fmspc: string
  readonly pceId: string
  readonly ppid: string
  /** The lower of TCB info and QE identity. */
  readonly tcbEvaluationDataNumber: number
  /** Unix seconds: when the oldest piece of collateral was issued, and when the first must be renewed. */
  readonly issuedAt: number
  readonly expiresAt: number
}

/** What the verdict is made of; each part was found good before. */
export interface TcbGround {
  readonly quote: Quote
  readonly platform: PckPlatform
  readonly info: TcbInfo
  readonly identity: QeIdentity
  readonly issuedAt: number
  readonly expiresAt: number
}

function stateOf({ status, date, advisories }: LevelState): TcbLevelVerdict {
  return { status, date, advisories }
}

/** @returns the state, or why no level is reached */
export function evaluateTcb(ground: TcbGround): TcbVerdict | Fault {
  const { quote, platform, info, identity } = ground
  const launch = tdxLevel(info, platform, quote.teeTcbSvn)
  if ('code' in launch) return launch
  const current: TdxLevel | Fault | null =
    quote.teeTcbSvn2 === null ? null : tdxLevel(info, platform, quote.teeTcbSvn2)
  if (current !== null && 'code' in current) return current
  const enclave = qeLevel(quote.qeReport, identity)
  if (enclave === undefined) return { code: 'qe_level_missing', detail: '' }
  const tdx = current === null ? launch.status : relaunchStatus(launch.status, current.status)
  const levels = [launch.platform, launch.module, current?.platform, current?.module, enclave]
  const advisories = levels.flatMap((level) => level?.advisories ?? [])
  return {
    status: mergeStatuses([tdx, enclave.status]),
    advisories: [...new Set(advisories)].toSorted(),
    platform: stateOf(launch.platform),
    module: launch.module === null ? null : stateOf(launch.module),
    quotingEnclave: stateOf(enclave),
    current: current === null ? null : current.status,
    fmspc: toHex(platform.fmspc),
    pceId: toHex(platform.pceId),
    ppid: toHex(platform.ppid),
    tcbEvaluationDataNumber: Math.min(
      info.tcbEvaluationDataNumber,
      identity.tcbEvaluationDataNumber,
    ),
    issuedAt: ground.issuedAt,
    expiresAt: ground.expiresAt,
  }
}

export function statusFault(tcb: TcbVerdict, policy: TdxPolicy): Fault | null {
  const detail = `${tcb.status}${tcb.advisories.length === 0 ? '' : `: ${tcb.advisories.join(', ')}`}`
  // No policy can accept it: the parser refuses the word.
  if (tcb.status === 'Revoked') return { code: 'tcb_revoked', detail }
  if (!policy.acceptedStatuses.some((status) => status === tcb.status)) {
    return { code: 'tcb_status_not_accepted', detail }
  }
  const { acceptedAdvisories } = policy
  const unknown =
    acceptedAdvisories === null
      ? undefined
      : tcb.advisories.find((advisory) => !acceptedAdvisories.includes(advisory))
  return unknown === undefined ? null : { code: 'tcb_advisory_not_accepted', detail: unknown }
}

export function ageFault(tcb: TcbVerdict, { at, policy }: Moment): Fault | null {
  const { tcbEvaluationDataNumber, issuedAt } = tcb
  if (tcbEvaluationDataNumber < policy.minTcbEvaluationDataNumber) {
    const detail = `${tcbEvaluationDataNumber}, at least ${policy.minTcbEvaluationDataNumber} asked for`
    return { code: 'tcb_evaluation_too_old', detail }
  }
  const { maxCollateralAgeS } = policy
  return maxCollateralAgeS !== null && at - issuedAt > maxCollateralAgeS
    ? { code: 'collateral_too_old', detail: `issued at ${issuedAt}` }
    : null
}
