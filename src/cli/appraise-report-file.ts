/**
 * The part of `countersign verify` that judges reports which were made for other clients.
 *
 * @module
 */
import { isEvidenceFile } from '../../attestation/appraiser/evidence/parse-evidence-file.ts'
import { isGpuFile } from '../../attestation/appraiser/gpu/parse-gpu-file.ts'
import { isNrasFile } from '../../attestation/appraiser/gpu/nras/parse-nras-answer.ts'
import { appraiseRaTls } from '../../attestation/appraiser/ratls/appraise-ratls.ts'
import { appraiseReport } from '../../attestation/appraiser/report/appraise-report.ts'
import type {
  AppraiseReportOptions,
  ReportAppraisal,
} from '../../attestation/appraiser/report/appraise-report.ts'
import { REPORT_LAYOUTS, recogniseLayout } from '../../attestation/appraiser/report/parse-report.ts'
import type { ReportLayout } from '../../attestation/appraiser/report/parse-report.ts'
import { fromHex } from '../../attestation/protocol/hex.ts'
import { isJsonObject, parseJson } from '../../attestation/protocol/json.ts'
import { fromUtf8 } from '../../attestation/protocol/utf8.ts'
import { gunzip } from '../gunzip.ts'
import { readBounded } from './read-bounded.ts'
import { Refusal } from './refusal.ts'

const REPORT_DATA_BYTES = 64
/** What no attestation document has at its top. */
const REPORT_MEMBERS = ['quote', 'intel_quote', 'signing_address'] as const

export interface ReportFileOptions {
  readonly layout?: string
  readonly compose?: string
  readonly reportData?: string
}

const FILE_LAYOUTS = Object.freeze([...REPORT_LAYOUTS, 'ratls', 'gpu', 'nras', 'evidence'] as const)
const PEM_START = '-----BEGIN CERTIFICATE-----'

/**
 * What a file is: a layout that was told or that it names itself, a certificate with evidence inside, GPU evidence alone, what NVIDIA's service says of it, or an evidence file;
 * `unclear` where it names no layout, or several.
 */
export type FileLayout = ReportLayout | 'ratls' | 'gpu' | 'nras' | 'evidence' | 'unclear'

/**
 * A file that cannot be read, or names an unknown version, counts as an attestation document: that is what this command
 * is mostly given, and its parser says best what is wrong.
 *
 * @param bytes unwrapped
 * @throws Refusal for a layout that does not exist
 */
export function layoutOf(bytes: Uint8Array, options: ReportFileOptions): FileLayout {
  if (options.layout !== undefined) {
    const told = FILE_LAYOUTS.find((layout) => layout === options.layout)
    if (told === undefined) throw new Refusal(`--layout takes ${FILE_LAYOUTS.join(', ')}.`)
    return told
  }
  if (fromUtf8(bytes)?.trimStart().startsWith(PEM_START) === true) return 'ratls'
  const parsed = parseJson(bytes)
  if (parsed.ok && isGpuFile(parsed.value)) return 'gpu'
  if (parsed.ok && isNrasFile(parsed.value)) return 'nras'
  if (parsed.ok && isEvidenceFile(parsed.value)) return 'evidence'
  if (!parsed.ok || !isJsonObject(parsed.value)) return 'countersign'
  const named = recogniseLayout(parsed.value)
  if (named !== null) return named
  const report = parsed.value
  return REPORT_MEMBERS.some((name) => Object.hasOwn(report, name)) ? 'unclear' : 'countersign'
}

async function readCompose(path: string): Promise<string> {
  const text = fromUtf8(await readBounded(path))
  if (text === null) throw new Refusal(`${path} is not UTF-8.`)
  return text
}

function reportDataOf(hex: string): Uint8Array {
  const bytes = fromHex(hex)
  if (bytes === null || bytes.length === 0 || bytes.length > REPORT_DATA_BYTES) {
    throw new Refusal('--report-data takes 2 to 128 lower-case hex digits.')
  }
  return bytes
}

type Appraisal = Omit<AppraiseReportOptions, 'layout' | 'appCompose' | 'reportData'>

/** @param layout anything but an attestation document and what `judgeGpuFile` takes */
export async function appraiseReportFile(
  bytes: Uint8Array,
  layout: Exclude<FileLayout, 'gpu' | 'nras' | 'evidence'>,
  appraisal: Appraisal,
  options: ReportFileOptions,
): Promise<Omit<ReportAppraisal, 'layout'>> {
  const { compose, reportData } = options
  if (reportData !== undefined && layout !== 'dstack') {
    throw new Refusal('--report-data is for dstack reports; this layout says what is quoted.')
  }
  const given = {
    ...appraisal,
    appCompose: compose === undefined ? null : await readCompose(compose),
  }
  if (layout === 'ratls') {
    if (appraisal.nonce !== null) throw new Refusal('--nonce: a certificate answers none.')
    const { verdict } = appraiseRaTls(fromUtf8(bytes) ?? '', { ...given, gunzip })
    return { verdict, signer: null, devices: [], binding: null }
  }
  return appraiseReport(bytes, {
    ...given,
    layout: options.layout === undefined || layout === 'unclear' ? null : layout,
    reportData: reportData === undefined ? null : reportDataOf(reportData),
  })
}
