/**
 * The part of `countersign verify` that judges an evidence file: from what stands in it, asking nobody.
 *
 * @module
 */
import type { Appraisal } from '../../attestation/appraiser/appraise-document.ts'
import { CHECK_CODES } from '../../attestation/appraiser/codes.ts'
import { appraiseEvidence } from '../../attestation/appraiser/evidence/appraise-evidence.ts'
import type {
  EvidenceAppraisal,
  EvidenceOptions,
  ReceiptToJudge,
} from '../../attestation/appraiser/evidence/appraise-evidence.ts'
import type { VouchedTime } from '../../attestation/appraiser/evidence/vouched-time.ts'
import type { GpuBinding } from '../../attestation/appraiser/gpu/gpu-ladder.ts'
import type { GpuDevice } from '../../attestation/appraiser/gpu/read-gpu-devices.ts'
import { withoutInclusion } from '../../attestation/appraiser/log/verify-inclusion.ts'
import { VERDICT_EXIT_CODES } from '../../attestation/appraiser/verdict.ts'
import type { Verdict } from '../../attestation/appraiser/verdict.ts'
import { fromHex, isHex32 } from '../../attestation/protocol/hex.ts'
import { checkEncodings, checkReceipt } from './check-receipt.ts'
import type { EncodingVerdict, ReceiptOptions } from './check-receipt.ts'
import { formatBinding, formatDevices } from './print-devices.ts'
import { adviceOn, formatChecks } from './print-verdict.ts'
import { printable, printableJson } from './printable.ts'
import { Refusal } from './refusal.ts'
import { refuseUnknownChecks } from './refuse-unknown-checks.ts'

export interface EvidenceFileOptions extends Pick<
  ReceiptOptions,
  'challenge' | 'level' | 'anyOutcome' | 'opening'
> {
  readonly json?: boolean
  readonly require?: readonly string[]
}

const NOT_AS_OF =
  'Judged as of now. What was saved grows stale, collateral within days: --at TIME judges it as of another time.'

interface Report extends Verdict {
  readonly layout: 'evidence'
  readonly time: VouchedTime | null
  readonly devices: readonly GpuDevice[]
  readonly binding: GpuBinding | null
  readonly earlier: readonly Verdict[]
  readonly receipts: readonly JudgedReceipt[]
}

interface JudgedReceipt extends EncodingVerdict {
  /** Its place in the file. */
  readonly index: number
}

function judgeReceipt(
  { entry, trusted }: ReceiptToJudge,
  moment: EvidenceOptions,
  options: EvidenceFileOptions,
): readonly EncodingVerdict[] {
  const { request, response, inclusion } = entry
  const opening = entry.opening ?? options.opening ?? null
  const files = {
    opening: opening === null ? null : fromHex(opening),
    request: request === null ? null : Buffer.from(request),
    response: response === null ? null : Buffer.from(response),
    inclusion,
  }
  return checkEncodings(entry, (receipt) => {
    const verdict = checkReceipt(options, { ...files, receipt }, trusted, moment.at, moment.policy)
    // Of a receipt that is not genuine there is no record to look for.
    if (inclusion !== null || verdict.record === null) return verdict
    return { ...verdict, checks: [...verdict.checks, withoutInclusion(trusted)] }
  })
}

/** One that would be ignored, or could be for either of two. */
function refuseOpening(
  receipts: readonly ReceiptToJudge[],
  { opening }: EvidenceFileOptions,
): void {
  if (opening === undefined) return
  if (!isHex32(opening)) throw new Refusal('The opening is 64 lower-case hex digits.')
  if (receipts.length > 1) {
    throw new Refusal('--opening is that of one answer, and the file holds several receipts.')
  }
  if (receipts.some(({ entry }) => entry.opening !== null)) {
    throw new Refusal('The file holds the opening, so that --opening would be ignored.')
  }
}

function nameOf({ index, encoding }: Pick<JudgedReceipt, 'index' | 'encoding'>): string {
  return `receipt ${index}${encoding === 'cose' ? ' as COSE_Sign1' : ''}`
}

/** A receipt that is there in two encodings is one receipt; it says one level where both reach the same. */
function levelSentence(receipts: readonly JudgedReceipt[]): string {
  const places = [...new Set(receipts.map(({ index }) => index))]
  const levels = places.map((place) => {
    const encodings = receipts.filter(({ index }) => index === place)
    return [...new Set(encodings.map(({ level }) => level))].join(' and ')
  })
  if (levels.length === 0) return ''
  return ` The ${levels.length === 1 ? 'receipt shows' : 'receipts show'}: ${levels.join(', ')}.`
}

function conclude(appraisal: EvidenceAppraisal, receipts: readonly JudgedReceipt[]): Verdict {
  const { verdict } = appraisal
  for (const { checks, ...one } of receipts) {
    const failed = checks.find(({ status }) => status === 'fail')
    if (failed === undefined) continue
    const { family, meaning } = CHECK_CODES[failed.code]
    return {
      ...verdict,
      verdict: family === 'malformed' ? 'malformed' : 'rejected',
      sentence: `Rejected, although the service itself was accepted: ${nameOf(one)}: ${failed.id}: ${meaning}.`,
    }
  }
  return { ...verdict, sentence: `${verdict.sentence}${levelSentence(receipts)}` }
}

function print(report: Report, current: Appraisal | null, asOf: boolean): void {
  const { devices, binding, earlier, receipts, time } = report
  const parts = [formatChecks(report.checks)]
  if (devices.length > 0) parts.push(formatDevices(devices))
  if (binding !== null) parts.push(formatBinding(binding))
  for (const { checks } of earlier)
    parts.push(`of another keyset that a receipt names\n${formatChecks(checks)}`)
  for (const { level, checks, ...one } of receipts) {
    parts.push(`${nameOf(one)}, level reached: ${level}\n${formatChecks(checks)}`)
  }
  const unsupported = report.verdict === 'unsupported' && current !== null
  const advice = unsupported ? adviceOn(current.verdict.checks) : null
  if (advice !== null) parts.push(advice)
  if (!asOf) parts.push(NOT_AS_OF)
  if (time !== null) parts.push(printable(time.sentence))
  parts.push(printable(report.sentence))
  process.stdout.write(`${parts.join('\n\n')}\n`)
}

/** @returns the exit code */
export function judgeEvidenceFile(
  bytes: Uint8Array,
  moment: EvidenceOptions,
  options: EvidenceFileOptions,
): number {
  const appraisal = appraiseEvidence(bytes, moment)
  refuseUnknownChecks(options, appraisal.verdict)
  if (options.challenge !== undefined && appraisal.receipts.length > 1) {
    throw new Refusal('--challenge is that of one request, and the file holds several receipts.')
  }
  refuseOpening(appraisal.receipts, options)
  const receipts = appraisal.receipts.flatMap((one, index) =>
    judgeReceipt(one, moment, options).map((judged) => ({ ...judged, index })),
  )
  const { current } = appraisal
  const report: Report = {
    ...conclude(appraisal, receipts),
    layout: 'evidence',
    time: appraisal.time,
    devices: current?.devices ?? [],
    binding: current?.binding ?? null,
    earlier: appraisal.earlier.map(({ verdict }) => verdict),
    receipts,
  }
  if (options.json === true) process.stdout.write(`${printableJson(report)}\n`)
  else print(report, current, moment.asOf === true)
  return VERDICT_EXIT_CODES[report.verdict]
}
