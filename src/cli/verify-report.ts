/**
 * What `countersign verify` prints: one verdict, one sentence, and every check behind them.
 *
 * @module
 */
import type { Appraisal } from '../../attestation/appraiser/appraise-document.ts'
import { CHANNEL_CHECK } from '../../attestation/appraiser/channel/judge-channel.ts'
import type { Check } from '../../attestation/appraiser/check.ts'
import { CHECK_CODES } from '../../attestation/appraiser/codes.ts'
import { timeText } from '../../attestation/appraiser/evidence/vouched-time.ts'
import type { GpuBinding } from '../../attestation/appraiser/gpu/gpu-ladder.ts'
import type { GpuDevice } from '../../attestation/appraiser/gpu/read-gpu-devices.ts'
import type { ReceiptVerdict } from '../../attestation/appraiser/receipt/verify-receipt.ts'
import type { SigningIdentity } from '../../attestation/appraiser/report/read-vllm-proxy-report.ts'
import { VERDICT_EXIT_CODES } from '../../attestation/appraiser/verdict.ts'
import type { Verdict } from '../../attestation/appraiser/verdict.ts'
import type { FileLayout } from './appraise-report-file.ts'
import { formatBinding, formatDevices } from './print-devices.ts'
import { adviceOn, formatChecks } from './print-verdict.ts'
import { printable, printableJson } from './printable.ts'

export interface Report extends Verdict {
  readonly receipt: ReceiptVerdict | null
  /** Of the document in force, where the receipt was judged under an archived one. */
  readonly inForce?: Verdict
  /** Of a report made for other clients. */
  readonly layout?: FileLayout
  /** Whose signatures may be believed, where the report is over a single key. */
  readonly signer?: SigningIdentity | null
  readonly devices: readonly GpuDevice[]
  /** How far the GPU evidence reaches; null without any. */
  readonly binding: GpuBinding | null
}

/** Empty where nobody looked at the connection, as for a saved document. */
function channelSentence(checks: readonly Check[]): string {
  const found = checks.find(({ id }) => id === CHANNEL_CHECK)
  if (found?.status === 'pass') return ' Channel: bound, TLS ends on a key of the keyset.'
  if (found?.code === 'channel_intermediary') {
    return ' Channel: intermediary, whoever ended TLS reads what is sent.'
  }
  return found?.code === 'channel_plain'
    ? ' Channel: intermediary (plain HTTP), everybody on the way reads what is sent.'
    : ''
}

/** What a verdict as of a time was reached for. */
export interface JudgedTime {
  /** Unix seconds. */
  readonly at: number
  /** By --at; else it is the clock of this machine. */
  readonly given: boolean
}

function timeSentence({ at, given }: JudgedTime): string {
  const time = timeText(at)
  return given
    ? ` The time is ${time}, from --at.`
    : ` The time is now, ${time} by the clock of this machine: the document is the archived one of the receipt’s keyset, so its age alone is not judged.`
}

/**
 * One verdict and one sentence over the document, its log where that was followed, and the receipt together.
 *
 * @param log checks that are made of an accepted service beside its document
 * @param time for which everything was judged
 * @param inForce of the document in force, where `appraisal` is of an archived one
 */
export function conclude(
  { verdict: judged, trusted, devices, binding }: Appraisal,
  receipt: ReceiptVerdict | null,
  time: JudgedTime,
  log: readonly Check[] = [],
  inForce: Appraisal | null = null,
): Report {
  const beside = inForce === null ? {} : { inForce: inForce.verdict }
  const verdict = { ...judged, checks: [...judged.checks, ...log] }
  const failed = [...log, ...(receipt?.checks ?? [])].find(({ status }) => status === 'fail')
  if (failed === undefined) {
    // The connection led to the service in force. Of a service that is not accepted it says nothing.
    const channel = trusted === null ? '' : channelSentence((inForce?.verdict ?? judged).checks)
    const shown = receipt === null ? '' : ` The receipt shows: ${receipt.level}.`
    const when = verdict.verdict === 'accepted-as-of' ? timeSentence(time) : ''
    const sentence = `${verdict.sentence}${when}${channel}${shown}`
    return { ...verdict, sentence, receipt, ...beside, devices, binding }
  }
  const { family, meaning } = CHECK_CODES[failed.code]
  return {
    ...verdict,
    verdict: family === 'malformed' ? 'malformed' : 'rejected',
    sentence: `Rejected, although the service itself was accepted: ${failed.id}: ${meaning}.`,
    receipt,
    ...beside,
    devices,
    binding,
  }
}

/** @returns the exit code */
export function printReport(
  report: Report,
  options: { readonly json?: boolean },
  receiptUnjudged = false,
): number {
  const { receipt, inForce, devices, binding } = report
  if (options.json === true) {
    process.stdout.write(`${printableJson(report)}\n`)
    return VERDICT_EXIT_CODES[report.verdict]
  }
  if (inForce !== undefined) {
    process.stdout.write(
      `document in force: ${inForce.verdict}\n${formatChecks(inForce.checks)}\n\narchived document of the receipt:\n`,
    )
  }
  process.stdout.write(`${formatChecks(report.checks)}\n`)
  if (devices.length > 0) process.stdout.write(`\n${formatDevices(devices)}\n`)
  if (binding !== null) process.stdout.write(`\n${formatBinding(binding)}\n`)
  if (receipt !== null) {
    process.stdout.write(
      `\nreceipt, level reached: ${receipt.level}\n${formatChecks(receipt.checks)}\n`,
    )
  } else if (receiptUnjudged) {
    process.stdout.write('\nThe receipt was not judged: there is no keyset to judge it by.\n')
  }
  const advice = report.verdict === 'unsupported' ? adviceOn(report.checks) : null
  if (advice !== null) process.stdout.write(`\n${advice}\n`)
  process.stdout.write(`\n${printable(report.sentence)}\n`)
  return VERDICT_EXIT_CODES[report.verdict]
}
