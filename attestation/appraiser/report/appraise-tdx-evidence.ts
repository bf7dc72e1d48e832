/**
 * The part that all kinds of report share: a quote with its collateral, and the event log that belongs to it.
 *
 * @module
 */
import type { CryptoPort } from '../../crypto/port.ts'
import type { DcapCollateral } from '../../protocol/dcap-collateral.ts'
import type { GpuCollateral } from '../../protocol/gpu-collateral.ts'
import { fromHex } from '../../protocol/hex.ts'
import { acceptedRoots } from '../accepted-roots.ts'
import { fail } from '../check.ts'
import type { Check } from '../check.ts'
import { CORE_LOG_CHECKS, CORE_QUOTE_CHECKS } from '../core-tdx-checks.ts'
import { appraiseEventLog } from '../eventlog/appraise-event-log.ts'
import type { EventLogEvidence } from '../eventlog/appraise-event-log.ts'
import type { SystemIdentity } from '../eventlog/read-system-events.ts'
import { verifySystemPolicy } from '../eventlog/verify-system-policy.ts'
import { platformCheck } from '../platform-check.ts'
import type { AppraisalPolicy } from '../policy.ts'
import { appraiseQuote } from '../quote/appraise-quote.ts'
import type { TcbVerdict } from '../quote/judge-collateral.ts'
import { isGenuine } from '../quote/only-if-genuine.ts'
import type { GpuCache } from '../gpu/gpu-cache.ts'
import { parseQuote } from '../quote/parse-quote.ts'
import type { Quote } from '../quote/parse-quote.ts'
import { simulationCheck } from '../simulation-check.ts'
import type { Certificate } from '../x509/parse-certificate.ts'
import { parsePemChain } from '../x509/parse-pem-chain.ts'
import { isSimulatedRoot } from '../x509/verify-chain.ts'

export interface TdxEvidence extends EventLogEvidence {
  /** Lower-case hex. */
  readonly quote: string
}

export interface ReportOptions {
  readonly crypto: CryptoPort
  /** Unix seconds at which everything must hold. */
  readonly at: number
  /** `at` is not the present; the verdict then says so. Default: false. */
  readonly asOf?: boolean
  readonly policy: AppraisalPolicy
  /** What Intel says of the platform; null: none is at hand. */
  readonly collateral: DcapCollateral | null
  /** What NVIDIA says of the GPUs. Default: none is at hand. */
  readonly gpuCollateral?: GpuCollateral | null
  /** See `createGpuCache`. */
  readonly gpuCache?: GpuCache
}

export interface TdxEvidenceAppraisal {
  /** quote.*, evidence.simulation, then those of `appraiseEventLog`. */
  readonly checks: Check[]
  /** As read; believe it only where `genuine`. */
  readonly quote: Quote | null
  readonly genuine: boolean
  readonly simulated: boolean
  /** State of the platform where the collateral says it. */
  readonly tcb: TcbVerdict | null
  /** Null unless the log was verified under a genuine quote. */
  readonly system: SystemIdentity | null
}

/** Checks that no report can do without. */
export const CORE_TDX_CHECKS: readonly string[] = Object.freeze([
  ...CORE_QUOTE_CHECKS,
  'evidence.simulation',
  ...CORE_LOG_CHECKS,
  'compose.mr_config_id',
])

const PROVES_QUOTE = 'The quote can be read in one way only.'
const MAX_CHAIN_CERTIFICATES = 8

function pckChainOf(bytes: Uint8Array): readonly Certificate[] {
  const parsed = parseQuote(bytes)
  if (!parsed.ok) return []
  const chain = parsePemChain(parsed.quote.pemChain, MAX_CHAIN_CERTIFICATES)
  return chain.ok ? chain.certificates : []
}

/** Never throws on any texts. */
export function appraiseTdxEvidence(
  evidence: TdxEvidence,
  options: ReportOptions,
): TdxEvidenceAppraisal {
  const { crypto, at, policy, collateral } = options
  const bytes = fromHex(evidence.quote)
  const chain = bytes === null ? [] : pckChainOf(bytes)
  const simulated = chain.some(isSimulatedRoot)
  const appraisal =
    bytes === null
      ? {
          checks: [fail('quote.structure', 'quote_malformed', PROVES_QUOTE, 'not lower-case hex')],
          report: null,
          tcb: null,
        }
      : appraiseQuote({
          quote: bytes,
          collateral,
          at,
          policy: policy.tdx,
          crypto,
          rootSha256: acceptedRoots(policy.sgxRoots, [chain], policy, crypto),
          allowSimulated: policy.allowSimulated,
        })
  const quote = appraisal.report
  const genuine = isGenuine(appraisal.checks)
  const log =
    quote === null
      ? { checks: verifySystemPolicy(null, policy), system: null }
      : appraiseEventLog(evidence, quote, { crypto, policy, genuine })
  return {
    // First of all, so that who meets a simulation is told that and not that some root is unknown.
    checks: [
      simulationCheck([chain], policy.allowSimulated),
      // Reports and certificates are of dstack's guests, whatever is in them.
      ...(policy.platform === 'dstack' ? [] : [platformCheck('dstack', policy)]),
      ...appraisal.checks,
      ...log.checks,
    ],
    quote,
    genuine,
    simulated,
    tcb: appraisal.tcb,
    system: log.system,
  }
}
