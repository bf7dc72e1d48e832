/**
 * From the bytes of a report to what its layout is and what it holds.
 *
 * Layouts give the same 64 bytes of report data different meanings, so nothing is tried out: a report is read under the
 * layout that the caller names, or under the one that its own members name without doubt.
 *
 * @module
 */
import { isJsonObject, parseJson } from '../../protocol/json.ts'
import type { JsonObject } from '../../protocol/json.ts'
import { ACI_VERSION } from '../../protocol/aci-statement.ts'
import { DOCUMENT_VERSION } from '../document/parse-document.ts'
import { Unreadable } from '../read-members.ts'
import { readAciReport } from './read-aci-report.ts'
import type { AciReport } from './read-aci-report.ts'
import { readDstackReport } from './read-dstack-report.ts'
import type { DstackReport } from './read-dstack-report.ts'
import { readVllmProxyReport } from './read-vllm-proxy-report.ts'
import type { VllmProxyReport } from './read-vllm-proxy-report.ts'

/** Bytes of a report; one of eight GPUs with its own copy among `all_attestations` has about 1 MB. */
export const MAX_REPORT_TEXT_BYTES = 8 * 1024 * 1024

/** Layouts that are told apart; `countersign` is the attestation document, which `appraiseDocument` judges. */
export const REPORT_LAYOUTS = Object.freeze(['countersign', 'dstack', 'vllm-proxy', 'aci'] as const)
export type ReportLayout = (typeof REPORT_LAYOUTS)[number]

export type Report =
  | { readonly layout: 'countersign' }
  | { readonly layout: 'dstack'; readonly report: DstackReport }
  | { readonly layout: 'vllm-proxy'; readonly report: VllmProxyReport }
  | { readonly layout: 'aci'; readonly report: AciReport }

export type ReportResult =
  | ({ readonly ok: true } & Report)
  | {
      readonly ok: false
      readonly code: 'report_malformed' | 'report_unsupported' | 'report_layout_unclear'
      readonly detail: string
    }

/** What only one layout has; a report must have the mark of exactly one. */
const MARKS: Readonly<Record<ReportLayout, (report: JsonObject) => boolean>> = {
  countersign: ({ api_version: version }) => version === DOCUMENT_VERSION,
  aci: ({ api_version: version }) => version === ACI_VERSION,
  'vllm-proxy': (report) => 'intel_quote' in report || 'signing_address' in report,
  // Not `quote` alone: others have that too. 0G's legacy quote differs by its tcb_info, and by what its report data mean.
  dstack: (report) =>
    'quote' in report &&
    'vm_config' in report &&
    !('api_version' in report || 'intel_quote' in report || 'tcb_info' in report),
}

/** @returns the one layout that the members name, or null */
export function recogniseLayout(report: JsonObject): ReportLayout | null {
  const named = REPORT_LAYOUTS.filter((layout) => MARKS[layout](report))
  return named.length === 1 ? (named[0] ?? null) : null
}

function readUnder(layout: ReportLayout, value: JsonObject): Report {
  switch (layout) {
    case 'countersign':
      return { layout }
    case 'dstack':
      return { layout, report: readDstackReport(value) }
    case 'vllm-proxy':
      return { layout, report: readVllmProxyReport(value) }
    case 'aci':
      return { layout, report: readAciReport(value) }
  }
}

/**
 * Parses one report. Never throws.
 *
 * @param told the layout that the caller expects; null: the one that the report names itself
 */
export function parseReport(bytes: Uint8Array, told: ReportLayout | null): ReportResult {
  if (bytes.length > MAX_REPORT_TEXT_BYTES) {
    return { ok: false, code: 'report_malformed', detail: `over ${MAX_REPORT_TEXT_BYTES} bytes` }
  }
  const parsed = parseJson(bytes)
  if (!parsed.ok || !isJsonObject(parsed.value)) {
    const detail = parsed.ok ? 'not an object' : `not strict JSON: ${parsed.fault}`
    return { ok: false, code: 'report_malformed', detail }
  }
  const layout = told ?? recogniseLayout(parsed.value)
  if (layout === null) return { ok: false, code: 'report_layout_unclear', detail: '' }
  try {
    return { ok: true, ...readUnder(layout, parsed.value) }
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error
    return { ok: false, code: `report_${error.kind}`, detail: error.message }
  }
}
