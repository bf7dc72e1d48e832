/**
 * A quote as the guest agent hands it out. What its report data mean is a matter of whoever asked for the quote.
 *
 * @module
 */
import { fromHex, toHex } from '../../protocol/hex.ts'
import { isJsonObject, parseJsonText } from '../../protocol/json.ts'
import { info, skip } from '../check.ts'
import type { Check } from '../check.ts'
import { appraiseTdxEvidence } from './appraise-tdx-evidence.ts'
import type { ReportOptions } from './appraise-tdx-evidence.ts'
import type { ReportFindings } from './appraise-report.ts'
import type { DstackReport } from './read-dstack-report.ts'
import { slotOf, verifyReportData } from './verify-report-data.ts'

const PROVES = {
  stated: 'The quote was made over the bytes that the report states.',
  nonce: 'The quote was made over the bytes that the caller chose.',
  gpus: 'Whether there is evidence of the GPUs that the host says the machine has.',
} as const

/** A machine with GPUs is asked for their evidence elsewhere: a verdict on its CPU must not be read as one on them. */
function gpuNotice({ vmConfig }: DstackReport): Check[] {
  const parsed = parseJsonText(vmConfig)
  const count = parsed.ok && isJsonObject(parsed.value) ? parsed.value['num_gpus'] : undefined
  if (typeof count !== 'number' || count <= 0) return []
  const detail = `${count} in vm_config, which nobody signs`
  return [info('report.gpus', 'report_gpus_unevidenced', PROVES.gpus, detail)]
}

/**
 * @param appCompose raw text that the caller has; null: none
 * @param expected what the caller had quoted, at most 64 bytes; shorter is padded as the guest agent does. Null: unknown
 */
export function judgeDstackReport(
  report: DstackReport,
  appCompose: string | null,
  expected: Uint8Array | null,
  options: ReportOptions,
): ReportFindings {
  const { crypto } = options
  const evidence = appraiseTdxEvidence({ ...report, appCompose }, options)
  const stated = report.reportData === null ? null : fromHex(report.reportData)
  const checks: Check[] = [...evidence.checks]
  checks.push(
    ...(stated === null
      ? [skip('report.binding', 'not_provided', PROVES.stated, 'the report states none')]
      : verifyReportData(slotOf(stated), evidence, PROVES.stated, crypto)),
  )
  const required = stated === null ? [] : ['report.binding']
  if (expected !== null) {
    const [check] = verifyReportData(slotOf(expected), evidence, PROVES.nonce, crypto)
    if (check !== undefined) checks.push({ ...check, id: 'report.nonce' })
    required.push('report.nonce')
  } else if (evidence.genuine && evidence.quote !== null) {
    const detail = toHex(evidence.quote.reportData)
    checks.push(info('report.nonce', 'report_data_unstated', PROVES.nonce, detail))
  }
  checks.push(...gpuNotice(report))
  return {
    checks,
    required,
    simulated: evidence.simulated,
    signer: null,
    devices: [],
    binding: null,
    meaning:
      'this software made the quote in a genuine TD; what the quoted bytes mean, its caller knows',
  }
}
