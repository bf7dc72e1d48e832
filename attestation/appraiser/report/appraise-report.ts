/**
 * Appraises a report that was made for other clients: dstack's quote, the vllm-proxy family's report, ACI's.
 *
 * @module
 */
import type { Hex32 } from '../../protocol/hex.ts'
import { fromHex } from '../../protocol/hex.ts'
import { fail, info, pass } from '../check.ts'
import type { Check } from '../check.ts'
import { appraiseDocument } from '../appraise-document.ts'
import type { GpuBinding } from '../gpu/gpu-ladder.ts'
import type { GpuDevice } from '../gpu/read-gpu-devices.ts'
import { unwrapDocument } from '../document/parse-document.ts'
import { pinnedChecks } from '../pinned-checks.ts'
import { requireBytes, requireNonce, requireOptions } from '../required-options.ts'
import { decideVerdict } from '../verdict.ts'
import type { Verdict } from '../verdict.ts'
import { CORE_TDX_CHECKS } from './appraise-tdx-evidence.ts'
import type { ReportOptions } from './appraise-tdx-evidence.ts'
import { judgeAciReport } from './judge-aci-report.ts'
import { judgeDstackReport } from './judge-dstack-report.ts'
import { judgeVllmProxyReport } from './judge-vllm-proxy-report.ts'
import { MAX_REPORT_TEXT_BYTES, parseReport } from './parse-report.ts'
import type { Report, ReportLayout } from './parse-report.ts'
import type { SigningIdentity } from './read-vllm-proxy-report.ts'
import { REPORT_DATA_BYTES } from './verify-report-data.ts'

export interface AppraiseReportOptions extends ReportOptions {
  /** The layout that the report must have; null: the one that its members name without doubt. Default: null. */
  readonly layout?: ReportLayout | null
  /** The nonce that the caller chose; null where it chose none. */
  readonly nonce: Hex32 | null
  /** For a dstack report: what the caller had quoted, 1 to 64 bytes. Default: the nonce, which is then all of it. */
  readonly reportData?: Uint8Array | null
  /** Raw app-compose.json, for reports that hold none. Default: null. */
  readonly appCompose?: string | null
}

/** What one layout's judge found. */
export interface ReportFindings {
  readonly checks: readonly Check[]
  /** Ids that must pass beside those of the quote and the log. */
  readonly required: readonly string[]
  readonly simulated: boolean
  readonly signer: SigningIdentity | null
  /** GPUs of the report, as their signed reports describe them. */
  readonly devices: readonly GpuDevice[]
  /** How far their evidence reaches; null without any. */
  readonly binding: GpuBinding | null
  /** What acceptance means, as the end of a sentence. */
  readonly meaning: string
}

export interface ReportAppraisal {
  readonly verdict: Verdict
  /** Under which the report was read; null where it could not be. */
  readonly layout: ReportLayout | null
  /** Whose signatures may be believed; only for an accepted report that names a signer. */
  readonly signer: SigningIdentity | null
  /** GPUs of the report, as their signed reports describe them. */
  readonly devices: readonly GpuDevice[]
  /** How far their evidence reaches; null without any. */
  readonly binding: GpuBinding | null
}

const NO_GPUS = { devices: [], binding: null } as const

const PROVES = {
  structure: 'The report can be read in one way only.',
  layout: 'Which meaning the report data were given.',
} as const

function judge(report: Report, options: AppraiseReportOptions): ReportFindings | null {
  const { nonce, appCompose = null, reportData = null } = options
  switch (report.layout) {
    case 'countersign':
      return null
    case 'dstack':
      return judgeDstackReport(
        report.report,
        appCompose,
        reportData ?? (nonce === null ? null : fromHex(nonce)),
        options,
      )
    case 'vllm-proxy':
      return judgeVllmProxyReport(report.report, appCompose, nonce, options)
    case 'aci':
      return judgeAciReport(report.report, nonce, options)
  }
}

function reportDataOf(value: Uint8Array | null): Uint8Array | null {
  if (value === null) return null
  const bytes = requireBytes(value, 'reportData', REPORT_DATA_BYTES)
  // None at all would be met by a quote over zeros, which anybody may have asked for.
  if (bytes.length === 0 || bytes.length > REPORT_DATA_BYTES) {
    throw new RangeError('reportData: 1 to 64 bytes')
  }
  return bytes
}

/**
 * Appraises one report. Never throws on any bytes.
 *
 * @param bytes its text, or `{"document": "<its exact text>"}`
 * @throws TypeError for bytes that are none, a time that is no finite number, a nonce that is neither 64 hex digits nor null, or
 *   a policy that `parsePolicy` refuses; RangeError for `reportData` of no bytes or more than 64
 */
export function appraiseReport(bytes: Uint8Array, given: AppraiseReportOptions): ReportAppraisal {
  const once = requireOptions(given)
  const options = { ...once, reportData: reportDataOf(once.reportData ?? null) }
  const { asOf = false, layout: told = null, policy } = options
  const nonce = requireNonce(options.nonce)
  const text = unwrapDocument(requireBytes(bytes, 'bytes', MAX_REPORT_TEXT_BYTES))
  const parsed = parseReport(text, told)
  if (!parsed.ok) {
    const checks = [fail('report.structure', parsed.code, PROVES.structure, parsed.detail)]
    const none = { required: [], asOf, simulated: false, acceptUnchecked: [] }
    return { verdict: decideVerdict(checks, none), layout: told, signer: null, ...NO_GPUS }
  }
  const { layout } = parsed
  const findings = judge(parsed, options)
  if (findings === null) {
    const { verdict, devices, binding } = appraiseDocument(text, { ...options, nonce })
    return { verdict, layout, signer: null, devices, binding }
  }
  const source = told === null ? 'recognised by its members' : 'as told'
  const checks = [
    pass('report.structure', PROVES.structure),
    info('report.layout', 'report_layout_told', PROVES.layout, `${layout}, ${source}`),
    ...findings.checks,
  ]
  const verdict = decideVerdict(checks, {
    required: [
      ...[...CORE_TDX_CHECKS, ...findings.required],
      ...[...pinnedChecks(policy), ...policy.require],
    ],
    asOf,
    simulated: findings.simulated,
    acceptUnchecked: policy.acceptUnchecked,
    meaning: findings.meaning,
  })
  const accepted = verdict.verdict === 'accepted' || verdict.verdict === 'accepted-as-of'
  const { signer, devices, binding } = findings
  return { verdict, layout, signer: accepted ? signer : null, devices, binding }
}
