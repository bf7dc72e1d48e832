/**
 * What lies outside of the machine: whether collateral can be had from here, what it says of this platform, and what time it
 * is elsewhere. Asked of nobody without the operator's word: whoever is asked learns what this machine is.
 *
 * @module
 */
import type { GpuEvidence } from '../../attestation/attester/evidence-source.ts'
import { CollateralError } from '../../attestation/collateral/collateral-error.ts'
import { fetchGpuCollateral } from '../../attestation/collateral/gpu/fetch-gpu-collateral.ts'
import type { FetchGpuCollateralOptions } from '../../attestation/collateral/gpu/fetch-gpu-collateral.ts'
import { isJsonObject, parseJsonText } from '../../attestation/protocol/json.ts'
import { finding, good, unreached } from './doctor-row.ts'
import type { DoctorRow } from './doctor-row.ts'
import type { GuestTexts } from './guest-texts.ts'

/** Seconds off from which the clock is a fault, and from which it is worth a word. */
export const SKEWED_S = 60
export const DRIFTING_S = 5
/** What is named of that which could not be had. */
const SHOWN = 3

/** What one channel of Intel's says of this platform. */
export interface ChannelFinding {
  readonly channel: string
  readonly accepted: boolean
  /** Status and date in words. */
  readonly seen: string
}

export interface NetworkSources {
  /**
   * Intel's collateral and what it says of the platform behind a quote.
   * @throws CollateralError
   */
  readonly judgeTcb: (quote: Uint8Array) => Promise<readonly ChannelFinding[]>
  readonly gpu: FetchGpuCollateralOptions
  /** The `Date` of an answer of Intel's, unix milliseconds; null where it had none. @throws CollateralError */
  readonly date: () => Promise<number | null>
  readonly nowMs: () => number
}

export interface NetworkInput {
  /** Null: nobody may be asked. */
  readonly sources: NetworkSources | null
  /** Null where the agent gave none. */
  readonly quote: Uint8Array | null
  /** Null where none was collected. */
  readonly evidence: readonly GpuEvidence[] | null
  readonly info: GuestTexts | null
}

const TCB_CHECKS = ['collateral.intel', 'tcb.now', 'tcb.early']
const GPU_CHECKS = ['collateral.rim', 'collateral.ocsp']

function unavailable(check: string, error: unknown): DoctorRow {
  if (!(error instanceof CollateralError)) throw error
  return finding(check, 'collateral_unavailable', `${error.code}: ${error.message}`)
}

async function examineTcb(
  quote: Uint8Array | null,
  { judgeTcb }: NetworkSources,
): Promise<readonly DoctorRow[]> {
  if (quote === null) return unreached(TCB_CHECKS, 'the agent gives no quote')
  let channels: readonly ChannelFinding[]
  try {
    channels = await judgeTcb(quote)
  } catch (error) {
    const why = 'no collateral'
    return [unavailable('collateral.intel', error), ...unreached(TCB_CHECKS.slice(1), why)]
  }
  return [
    good('collateral.intel', 'TCB info, QE identity and both lists'),
    ...channels.map(({ channel, accepted, seen }) =>
      channel === 'early'
        ? accepted
          ? good('tcb.early', seen)
          : finding('tcb.early', 'tcb_soon_not_accepted', seen)
        : accepted
          ? good('tcb.now', seen)
          : finding('tcb.now', 'tcb_not_accepted', seen),
    ),
  ]
}

async function examineGpuCollateral(
  evidence: readonly GpuEvidence[] | null,
  { gpu }: NetworkSources,
): Promise<readonly DoctorRow[]> {
  if (evidence === null) return unreached(GPU_CHECKS, 'there is no GPU evidence to ask about')
  const { collateral, missing } = await fetchGpuCollateral(evidence, gpu)
  const row = (check: string, count: number, lacking: typeof missing): DoctorRow => {
    if (lacking.length === 0) return good(check, `${count} received`)
    const named = lacking.slice(0, SHOWN).map(({ error }) => `${error.code}: ${error.message}`)
    return finding(
      check,
      'collateral_unavailable',
      `${lacking.length} missing: ${named.join('; ')}`,
    )
  }
  const ofOcsp = missing.filter(({ what }) => what.startsWith('OCSP'))
  const ofRims = missing.filter(({ what }) => !what.startsWith('OCSP'))
  return [
    row('collateral.rim', collateral.rims.length, ofRims),
    row('collateral.ocsp', collateral.ocsp.length, ofOcsp),
  ]
}

async function examineSkew({ date, nowMs }: NetworkSources): Promise<DoctorRow> {
  const check = 'clock.skew'
  let theirs: number | null
  const before = nowMs()
  try {
    theirs = await date()
  } catch (error) {
    return unavailable(check, error)
  }
  if (theirs === null) return finding(check, 'not_reached', 'an answer without a Date')
  const after = nowMs()
  // A Date has whole seconds and is of some moment between question and answer: only what cannot be that is a skew.
  const off = before > theirs + 1_000 ? before - theirs - 1_000 : Math.max(theirs - after, 0)
  const seconds = Math.round(off / 1_000)
  const seen = `${seconds} s ${before > theirs ? 'ahead of' : 'behind'} Intel's server`
  if (seconds > SKEWED_S) return finding(check, 'clock_skewed', seen)
  if (seconds > DRIFTING_S) return finding(check, 'clock_drifts', seen)
  return good(check, `within ${DRIFTING_S} s of Intel's server`)
}

/** Who sets the clock stands in the measured text of dstack; what a compose file under TAPP says is nothing about it. */
function examineClockSource(info: GuestTexts | null): DoctorRow {
  const check = 'clock.source'
  if (info === null) return finding(check, 'not_reached', 'the agent does not say what it serves')
  if (info.platform === 'tapp') {
    return finding(check, 'clock_unstated', 'the image of TAPP keeps the time as its maker chose')
  }
  const parsed = parseJsonText(info.appCompose)
  const secure = parsed.ok && isJsonObject(parsed.value) && parsed.value['secure_time'] === true
  return secure
    ? good(check, 'secure_time in app-compose.json')
    : finding(check, 'clock_insecure', 'no secure_time in app-compose.json')
}

export async function examineNetwork(input: NetworkInput): Promise<readonly DoctorRow[]> {
  const { sources } = input
  const source = examineClockSource(input.info)
  if (sources === null) {
    const rest = [...TCB_CHECKS, ...GPU_CHECKS, 'clock.skew']
    return [...rest.map((check) => finding(check, 'not_asked', 'not asked')), source]
  }
  const [tcb, gpu, skew] = await Promise.all([
    examineTcb(input.quote, sources),
    examineGpuCollateral(input.evidence, sources),
    examineSkew(sources),
  ])
  return [...tcb, ...gpu, skew, source]
}
