/**
 * What Intel's collateral says of the platform behind a quote, by each channel.
 *
 * @module
 */
import { acceptedRoots } from '../../attestation/appraiser/accepted-roots.ts'
import { createCollateralCache } from '../../attestation/appraiser/quote/collateral-cache.ts'
import { explainTcb } from '../../attestation/appraiser/quote/explain-tcb.ts'
import type { SvnShortfall } from '../../attestation/appraiser/quote/explain-tcb.ts'
import type { TcbVerdict } from '../../attestation/appraiser/quote/judge-collateral.ts'
import { parseQuote } from '../../attestation/appraiser/quote/parse-quote.ts'
import { decideVerdict, VERDICT_EXIT_CODES } from '../../attestation/appraiser/verdict.ts'
import type { VerdictName } from '../../attestation/appraiser/verdict.ts'
import { parsePemChain } from '../../attestation/appraiser/x509/parse-pem-chain.ts'
import { isSimulatedRoot } from '../../attestation/appraiser/x509/verify-chain.ts'
import type { Certificate } from '../../attestation/appraiser/x509/parse-certificate.ts'
import { UPDATE_CHANNELS } from '../../attestation/collateral/collateral-service.ts'
import type { UpdateChannel } from '../../attestation/collateral/collateral-service.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { EXIT } from './exit-codes.ts'
import { loadPolicy } from './load-policy.ts'
import { isFolder, MissingCollateral, openCollateralSource } from './obtain-collateral.ts'
import type { CollateralOptions } from './obtain-collateral.ts'
import { Refusal } from './refusal.ts'
import { timeOf } from './verify.ts'

export interface JudgeTcbOptions extends Omit<CollateralOptions, 'fetchCollateral' | 'channel'> {
  readonly at?: string
  readonly policy?: string
  readonly roots?: string
  readonly allowSimulated?: boolean
}

/** What one channel says, or a set that was given as a file and does not tell its channel. */
export interface ChannelStatus {
  readonly channel: UpdateChannel | 'given'
  readonly verdict: VerdictName
  readonly sentence: string
  /** Null where the collateral or the quote is not good enough to tell. */
  readonly tcb: TcbVerdict | null
  readonly shortfalls: readonly SvnShortfall[] | null
}

/** Leaf, authority, root. */
const MAX_CHAIN = 3

/** What a state of the platform follows from; what the TD on it does is not asked here. */
const REQUIRED: readonly string[] = [
  ...['quote.structure', 'quote.pck_chain', 'quote.qe_report', 'quote.qe_binding'],
  ...['quote.signature', 'quote.crl', 'quote.tcb_info', 'quote.qe_identity', 'quote.tdx_module'],
  ...['quote.tcb_status', 'quote.collateral_age'],
]

function certificatesOf(bytes: Uint8Array): readonly Certificate[] {
  const parsed = parseQuote(bytes)
  const chain = parsed.ok ? parsePemChain(parsed.quote.pemChain, MAX_CHAIN) : null
  return chain?.ok === true ? chain.certificates : []
}

function acceptance(asOf: boolean, simulated: boolean): string {
  const as = simulated ? ' as a SIMULATION' : ''
  return `The policy accepts the state of the platform${asOf ? ' at the time given' : ''}${as}.`
}

/**
 * A folder may hold one channel alone; the other one is then not judged, which the last line says.
 *
 * @throws MissingCollateral where it holds neither
 */
async function judgeAll(
  channels: readonly ChannelStatus['channel'][],
  judge: (channel: ChannelStatus['channel']) => Promise<ChannelStatus>,
): Promise<readonly ChannelStatus[]> {
  const settled = await Promise.allSettled(channels.map(judge))
  const judged: ChannelStatus[] = []
  let missing: MissingCollateral | null = null
  for (const each of settled) {
    if (each.status === 'fulfilled') judged.push(each.value)
    else if (each.reason instanceof MissingCollateral) missing ??= each.reason
    else throw each.reason
  }
  if (judged.length === 0 && missing !== null) throw missing
  return judged
}

/** @param whose what a refusal calls the quote */
export async function judgeTcb(
  quote: Uint8Array,
  whose: string,
  options: JudgeTcbOptions,
): Promise<{ readonly at: number; readonly statuses: readonly ChannelStatus[] }> {
  const policy = await loadPolicy(options)
  const at = timeOf(options.at)
  const certificates = certificatesOf(quote)
  const simulated = certificates.some(isSimulatedRoot)
  if (simulated && !policy.allowSimulated) {
    // Before anybody is asked: Intel knows nothing of such a platform.
    throw new Refusal(
      `${whose} is of a SIMULATION, which has no status of Intel's (--allow-simulated).`,
      VERDICT_EXIT_CODES.rejected,
    )
  }
  const shared = {
    quote,
    at,
    policy: policy.tdx,
    crypto: nodeCrypto,
    rootSha256: acceptedRoots(policy.sgxRoots, [certificates], policy, nodeCrypto),
    allowSimulated: policy.allowSimulated,
    cache: createCollateralCache(),
  }
  const source = await openCollateralSource({
    ...options,
    fetchCollateral: options.collateral === undefined,
  })
  const judge = async (channel: ChannelStatus['channel']): Promise<ChannelStatus> => {
    const collateral = await source(
      quote,
      channel === 'given' ? 'standard' : channel,
      policy.tdx.maxCollateralAgeS,
    )
    const { appraisal, shortfalls } = explainTcb({ ...shared, collateral })
    const checks = appraisal.checks.filter(
      ({ id }) => REQUIRED.includes(id) || id === 'quote.platform',
    )
    const asOf = options.at !== undefined
    const decided = decideVerdict(checks, {
      required: REQUIRED,
      asOf,
      simulated,
      acceptUnchecked: [],
    })
    const good = VERDICT_EXIT_CODES[decided.verdict] === EXIT.accepted
    const sentence = good ? acceptance(asOf, simulated) : decided.sentence
    return { channel, verdict: decided.verdict, sentence, tcb: appraisal.tcb, shortfalls }
  }
  const given = options.collateral !== undefined && !(await isFolder(options.collateral))
  const statuses = await judgeAll(given ? ['given'] : UPDATE_CHANNELS, judge)
  return { at, statuses }
}
