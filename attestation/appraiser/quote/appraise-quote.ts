/**
 * Appraises one TDX quote with its collateral: everything about the processor side that needs no event log.
 *
 * @module
 */
import type { CryptoPort } from '../../crypto/port.ts'
import type { DcapCollateral } from '../../protocol/dcap-collateral.ts'
import { toHex } from '../../protocol/hex.ts'
import type { Check } from '../check.ts'
import { requireBytes, requireTime } from '../required-options.ts'
import { isSimulatedRoot } from '../x509/verify-chain.ts'
import { certifyCached, verifyCached } from './collateral-cache.ts'
import type { CollateralCache } from './collateral-cache.ts'
import { moduleFault } from './evaluate-tcb.ts'
import type { Fault } from './evaluate-tcb.ts'
import {
  ageFault,
  evaluateTcb,
  qeIdentityFault,
  revocationFault,
  statusFault,
  tcbInfoFault,
} from './judge-collateral.ts'
import type { TcbVerdict } from './judge-collateral.ts'
import {
  judgeImage,
  judgeMeasurements,
  mrConfigIdFault,
  ownerFault,
  seamFault,
  tdAttributesFault,
  xfamFault,
} from './judge-td.ts'
import { MAX_QUOTE_BYTES, parseQuote } from './parse-quote.ts'
import type { Quote } from './parse-quote.ts'
import type { PckPlatform } from './read-sgx-extension.ts'
import { createStepList } from './step-list.ts'
import type { Judgement, StepList } from './step-list.ts'
import { requireTdxPolicy } from './tdx-policy.ts'
import type { TdxPolicy } from './tdx-policy.ts'
import type { VerifiedCollateral } from './verify-collateral.ts'
import { qeBindingFault, qeReportFault, quoteSignatureFault } from './verify-quote.ts'
import type { CertifiedPlatform } from './verify-quote.ts'

export interface QuoteInput {
  /** As received, zero padding included. */
  readonly quote: Uint8Array
  /** Null: none is at hand. The checks that need it are then skipped, never passed. */
  readonly collateral: DcapCollateral | null
  /** Unix seconds at which everything must hold. */
  readonly at: number
  readonly policy: TdxPolicy
  readonly crypto: CryptoPort
  /** SHA-256 of the DER of each accepted root; `INTEL_SGX_ROOT_SHA256` for hardware. */
  readonly rootSha256: readonly Uint8Array[]
  /** Accept a root that carries the simulator's mark, if it is one of `rootSha256`. Default: false. */
  readonly allowSimulated?: boolean
  /** Collateral and platforms that were verified before; see `createCollateralCache`. */
  readonly cache?: CollateralCache
}

export interface QuoteAppraisal {
  readonly checks: readonly Check[]
  /** The quote as read; null where it could not be. Believe it only where no check failed. */
  readonly report: Quote | null
  /** Known also where the policy does not accept it. */
  readonly tcb: TcbVerdict | null
}

/** Every check and the sentence of what holds when it passes. */
export const QUOTE_PROVES = Object.freeze({
  'quote.structure': 'The quote can be read in one way only.',
  'quote.pck_chain': 'An accepted root certifies the platform that made the quote.',
  'quote.qe_report': 'The certified platform vouches for its quoting enclave.',
  'quote.qe_binding': 'The quoting enclave vouches for the key that signs the quote.',
  'quote.signature': 'The quote is what the quoting enclave signed, to the bit.',
  'quote.crl': 'No certificate that quote and collateral stand on has been revoked.',
  'quote.tcb_info': "Intel's current TCB information is about this platform.",
  'quote.qe_identity': "The quoting enclave is Intel's.",
  'quote.tdx_module': 'The TDX module is one that Intel lists.',
  'quote.tcb_status': "The platform's firmware is in a state that the policy accepts.",
  'quote.collateral_age': 'The collateral is as recent as the policy asks.',
  'quote.platform': 'The platform is one that the policy names.',
  'quote.td_attributes': 'The TD is not under debug and the host has no known way into it.',
  'quote.xfam': 'The TD runs with the extended features that the policy accepts.',
  'quote.seam':
    'The TDX module is signed by Intel, runs in production mode and is one that the policy accepts.',
  'quote.owner': 'The TD has the owner that the policy accepts, by default none.',
  'quote.mr_config_id': 'mr_config_id has a form that the policy accepts.',
  'quote.measurements': 'MRTD and RTMRs are among those that the policy names.',
  'quote.image': 'The TD booted a known operating system image.',
})

export type QuoteCheckId = keyof typeof QUOTE_PROVES

/** Those that need collateral; without it they are skipped. */
export const COLLATERAL_CHECKS: readonly QuoteCheckId[] = Object.freeze([
  'quote.crl',
  'quote.tcb_info',
  'quote.qe_identity',
  'quote.tdx_module',
  'quote.tcb_status',
  'quote.collateral_age',
])

/** The steps with the sentences filled in. */
type Steps = Pick<StepList, 'checks' | 'passed'> & {
  readonly step: (id: QuoteCheckId, needs: readonly QuoteCheckId[], judge: () => Judgement) => void
  readonly skipped: (id: QuoteCheckId, code: Check['code'], detail: string) => void
}

function createSteps(): Steps {
  const list = createStepList()
  return {
    checks: list.checks,
    passed: list.passed,
    step: (id, needs, judge) => list.step(id, QUOTE_PROVES[id], needs, judge),
    skipped: (id, code, detail) => list.skipped(id, QUOTE_PROVES[id], code, detail),
  }
}

/** The signatures of the quote. @returns the platform where the chain is good */
function judgeSignatures(
  steps: Steps,
  quote: Quote,
  input: QuoteInput,
  verified: VerifiedCollateral | null,
): CertifiedPlatform | null {
  const { crypto } = input
  const result = certifyCached(quote, input, verified, input.cache)
  const certified = 'code' in result ? null : result
  steps.step('quote.pck_chain', ['quote.structure'], () => {
    if ('code' in result) return result
    return result.chain.some(isSimulatedRoot)
      ? { note: 'SIMULATED root, accepted because it was allowed' }
      : null
  })
  steps.step('quote.qe_report', ['quote.pck_chain'], () =>
    certified === null ? null : qeReportFault(quote, certified.leaf, crypto),
  )
  steps.step('quote.qe_binding', ['quote.qe_report'], () => qeBindingFault(quote, crypto))
  steps.step('quote.signature', ['quote.qe_binding'], () => quoteSignatureFault(quote, crypto))
  return certified
}

/** What the state of a platform follows from. */
const TCB_GROUND: readonly QuoteCheckId[] = [
  ...(['quote.signature', 'quote.crl', 'quote.tcb_info', 'quote.qe_identity'] as const),
  'quote.tdx_module',
]

/** @returns null where a part is missing, which is so only where a check of {@link TCB_GROUND} did not pass */
function tcbOf(
  quote: Quote,
  { lists, tcbInfo, qeIdentity }: VerifiedCollateral,
  platform: PckPlatform | undefined,
): TcbVerdict | Fault | null {
  if (!lists.ok || !tcbInfo.ok || !qeIdentity.ok || platform === undefined) return null
  const { root, pck } = lists.value
  const [info, identity] = [tcbInfo.value, qeIdentity.value]
  return evaluateTcb({
    quote,
    platform,
    info,
    identity,
    // The list of the root is renewed once a year and would be too old for any limit on the rest.
    issuedAt: Math.min(info.issueDate, identity.issueDate, pck.thisUpdate),
    expiresAt: Math.min(info.nextUpdate, identity.nextUpdate, pck.nextUpdate, root.nextUpdate),
  })
}

/** What the collateral says. @returns the state of the platform where it is known */
function judgeCollateral(
  steps: Steps,
  quote: Quote,
  input: QuoteInput,
  verified: VerifiedCollateral,
  certified: CertifiedPlatform | null,
): TcbVerdict | null {
  const { tcbInfo, qeIdentity } = verified
  const chain = certified?.chain ?? []
  const platform = certified?.platform
  steps.step('quote.crl', ['quote.pck_chain'], () => revocationFault(verified, chain, input))
  steps.step('quote.tcb_info', ['quote.pck_chain'], () =>
    platform === undefined ? null : tcbInfoFault(tcbInfo, chain, platform, input),
  )
  steps.step('quote.qe_identity', ['quote.qe_report'], () =>
    qeIdentityFault(qeIdentity, chain, quote, input),
  )
  steps.step('quote.tdx_module', ['quote.signature', 'quote.tcb_info'], () =>
    tcbInfo.ok ? moduleFault(quote, tcbInfo.value) : null,
  )
  const result = TCB_GROUND.every(steps.passed) ? tcbOf(quote, verified, platform) : null
  steps.step('quote.tcb_status', TCB_GROUND, () => {
    if (result === null || 'code' in result) return result
    return statusFault(result, input.policy) ?? { note: result.status }
  })
  if (result === null || 'code' in result) {
    const detail = 'the state of the platform is not known'
    steps.skipped('quote.collateral_age', 'depends_on_failed', detail)
    return null
  }
  steps.step('quote.collateral_age', TCB_GROUND, () => ageFault(result, input))
  return result
}

function judgePlatform(certified: CertifiedPlatform | null, policy: TdxPolicy): Judgement {
  const { fmspcs, ppids } = policy
  const fmspc = certified === null ? '' : toHex(certified.platform.fmspc)
  const ppid = certified === null ? '' : toHex(certified.platform.ppid)
  if (fmspcs !== null && !fmspcs.includes(fmspc)) {
    return { code: 'platform_not_accepted', detail: `fmspc ${fmspc}` }
  }
  if (ppids !== null && !ppids.includes(ppid)) {
    return { code: 'platform_not_accepted', detail: `ppid ${ppid}` }
  }
  const note = `fmspc ${fmspc}`
  return fmspcs === null && ppids === null ? { code: 'platform_not_pinned', note } : { note }
}

/** What the quote says of the TD, which nobody need believe before the signatures passed. */
function judgeTd(steps: Steps, quote: Quote, policy: TdxPolicy): void {
  const needs = ['quote.signature'] as const
  steps.step('quote.td_attributes', needs, () => tdAttributesFault(quote, policy))
  steps.step('quote.xfam', needs, () => xfamFault(quote, policy))
  steps.step('quote.seam', needs, () => seamFault(quote, policy))
  steps.step('quote.owner', needs, () => ownerFault(quote, policy))
  steps.step('quote.mr_config_id', needs, () => mrConfigIdFault(quote, policy))
  steps.step('quote.measurements', needs, () => judgeMeasurements(quote, policy))
  const { images } = policy
  if (images === null) {
    const detail = 'MRTD and RTMR0 to RTMR2 are compared with no reference values'
    steps.skipped('quote.image', 'image_references_not_given', detail)
  } else {
    steps.step('quote.image', needs, () => judgeImage(quote, images))
  }
}

/**
 * Judges a quote at one moment. Never throws on any bytes.
 *
 * @returns every check in order of dependence, the parsed quote, and the state of the platform where it is known. The
 *   quote is genuine only where `isGenuine` says so of the checks
 * @throws TypeError for a quote that is not bytes, a time that is no finite number or a policy that is malformed
 */
export function appraiseQuote(given: QuoteInput): QuoteAppraisal {
  const once = { ...given }
  const input = {
    ...once,
    at: requireTime(once.at),
    policy: requireTdxPolicy(once.policy),
    // Read once: a member that answers otherwise the second time would be kept under the key of the first.
    collateral: once.collateral === null ? null : { ...once.collateral },
    quote: requireBytes(once.quote, 'quote', MAX_QUOTE_BYTES),
  }
  const { collateral, policy, cache } = input
  const steps = createSteps()
  const parsed = parseQuote(input.quote)
  if (!parsed.ok) {
    steps.step('quote.structure', [], () => ({ code: parsed.code, detail: parsed.detail }))
    return { checks: steps.checks, report: null, tcb: null }
  }
  const { quote } = parsed
  steps.step('quote.structure', [], () => ({ note: `version ${quote.version}, ${quote.bodyType}` }))
  const verified = collateral === null ? null : verifyCached(collateral, input, cache)
  const certified = judgeSignatures(steps, quote, input, verified)
  let tcb: TcbVerdict | null = null
  if (verified === null) {
    for (const id of COLLATERAL_CHECKS) steps.skipped(id, 'collateral_not_given', 'no collateral')
  } else {
    tcb = judgeCollateral(steps, quote, input, verified, certified)
  }
  steps.step('quote.platform', ['quote.pck_chain'], () => judgePlatform(certified, policy))
  judgeTd(steps, quote, policy)
  return { checks: steps.checks, report: quote, tcb }
}
