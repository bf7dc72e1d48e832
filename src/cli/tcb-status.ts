/**
 * `countersign tcb-status <file>`: what Intel's collateral says of a platform now and, by the early channel, will say when
 * the standard one follows; which version numbers are short, by how much; when the answer expires.
 *
 * @module
 */
import { acceptedRoots } from '../../attestation/appraiser/accepted-roots.ts'
import { createCollateralCache } from '../../attestation/appraiser/quote/collateral-cache.ts'
import { describeSvns, explainTcb } from '../../attestation/appraiser/quote/explain-tcb.ts'
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
import { instant } from './collateral.ts'
import { EXIT } from './exit-codes.ts'
import { isFolder, MissingCollateral, openCollateralSource } from './obtain-collateral.ts'
import type { CollateralOptions } from './obtain-collateral.ts'
import { printable, printableJson } from './printable.ts'
import { readQuote } from './read-quote.ts'
import { Refusal } from './refusal.ts'
import { loadPolicy } from './load-policy.ts'
import { timeOf } from './verify.ts'

export interface TcbStatusOptions extends Omit<CollateralOptions, 'fetchCollateral' | 'channel'> {
  readonly at?: string
  readonly policy?: string
  readonly roots?: string
  readonly allowSimulated?: boolean
  readonly json?: boolean
}

/** What one channel says, or a set that was given as a file and does not tell its channel. */
interface ChannelStatus {
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

/** In words, e.g. `PCE SVN 11, 13 wanted (short by 2)`. */
export function describeShortfall({ part, index, have, want }: SvnShortfall): string {
  const names = {
    sgx_component: 'SGX TCB component',
    pce: 'PCE SVN',
    tdx_component: 'TDX TCB component',
    tdx_module: 'TDX module SVN',
    quoting_enclave: 'quoting enclave SVN',
  }
  const name = index === null ? names[part] : `${names[part]} ${index + 1}`
  return `${name} ${have}, ${want} wanted (short by ${want - have})`
}

function render({ channel, sentence, tcb, shortfalls }: ChannelStatus): string[] {
  const lines = [`${channel}: ${printable(sentence)}`]
  if (tcb !== null) {
    const { platform, module, quotingEnclave, tcbEvaluationDataNumber, expiresAt } = tcb
    lines.push(
      `  ${tcb.status}: platform ${platform.status} (level of ${instant(platform.date)}), ` +
        `TDX module ${module?.status ?? 'without levels of its own'}, ` +
        `quoting enclave ${quotingEnclave.status}`,
      `  evaluation ${tcbEvaluationDataNumber}; counts until ${instant(expiresAt)}`,
    )
    if (tcb.advisories.length > 0)
      lines.push(`  advisories ${printable(tcb.advisories.join(', '))}`)
  }
  if (shortfalls?.length === 0) lines.push('  no version number is short')
  for (const shortfall of shortfalls ?? []) lines.push(`  ${describeShortfall(shortfall)}`)
  return lines
}

function acceptance(asOf: boolean, simulated: boolean): string {
  const as = simulated ? ' as a SIMULATION' : ''
  return `The policy accepts the state of the platform${asOf ? ' at the time given' : ''}${as}.`
}

/** How one channel's answer reads in a sentence. */
function inShort({ tcb, verdict }: ChannelStatus): string {
  return tcb === null ? `no status (${verdict})` : tcb.status
}

function conclude([first, early]: readonly ChannelStatus[]): string {
  if (first === undefined) throw new TypeError('no channel was judged')
  const until = first.tcb === null ? '' : ` until ${instant(first.tcb.expiresAt)}`
  const { channel } = first
  const whose = channel === 'given' ? 'collateral given' : `${channel} channel`
  const state = `By the ${whose} ${inShort(first)}${until}`
  if (channel === 'given') return `${state}.`
  if (early === undefined) {
    const other = channel === 'standard' ? 'early' : 'standard'
    return `${state}; the folder holds none of the ${other} channel that is whole.`
  }
  return inShort(first) === inShort(early)
    ? `${state}; the early channel says the same.`
    : `${state}; by the early channel already ${inShort(early)}.`
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

/** @returns the exit code of the verdict under the standard channel; under the early one where a folder holds no other */
export async function tcbStatus(file: string, options: TcbStatusOptions): Promise<number> {
  const quote = await readQuote(file)
  const policy = await loadPolicy(options)
  const at = timeOf(options.at)
  const certificates = certificatesOf(quote)
  const simulated = certificates.some(isSimulatedRoot)
  if (simulated && !policy.allowSimulated) {
    // Before anybody is asked: Intel knows nothing of such a platform.
    throw new Refusal(
      `${file} is of a SIMULATION, which has no status of Intel's (--allow-simulated).`,
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
  const parsed = parseQuote(quote)
  if (options.json === true) {
    process.stdout.write(`${printableJson({ at, channels: statuses })}\n`)
  } else {
    if (parsed.ok) process.stdout.write(`${describeSvns(parsed.quote)}\n`)
    for (const line of statuses.flatMap(render)) process.stdout.write(`${line}\n`)
    process.stdout.write(`\n${conclude(statuses)}\n`)
  }
  return VERDICT_EXIT_CODES[statuses[0]?.verdict ?? 'malformed']
}
