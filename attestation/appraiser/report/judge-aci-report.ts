/**
 * A report of ACI: report data are SHA-256 of a statement over the keyset's digest and the client's nonce, and 32 zeros.
 *
 * @module
 */
import { aciReportData } from '../../protocol/aci-statement.ts'
import { toHex } from '../../protocol/hex.ts'
import type { Hex32 } from '../../protocol/hex.ts'
import { keysetDigest } from '../../protocol/keyset.ts'
import { toUtf8 } from '../../protocol/utf8.ts'
import { appraiseDocument } from '../appraise-document.ts'
import { fail, info, pass, skip } from '../check.ts'
import type { Check } from '../check.ts'
import { verifyAddressKey } from '../document/verify-address-key.ts'
import { verifyKeyset } from '../document/verify-keyset.ts'
import { appraiseTdxEvidence } from './appraise-tdx-evidence.ts'
import type { ReportOptions, TdxEvidenceAppraisal } from './appraise-tdx-evidence.ts'
import type { ReportFindings } from './appraise-report.ts'
import type { AciReport } from './read-aci-report.ts'
import { slotOf, verifyReportData } from './verify-report-data.ts'

const PROVES = {
  binding: 'The enclave put forward exactly this keyset, for this nonce.',
  nonce: 'The report was made after the nonce was chosen.',
  digest: 'The digest that receipts name is that of this keyset.',
  stated: 'The report data that the report states are those of the quote.',
  provenance: 'Where the software comes from, as the report says. Nothing measured backs it.',
  document: 'The attestation document inside is accepted too, for the same keyset.',
  uncompared: 'Which members of the report nothing was compared with.',
} as const

/** The statement holds the nonce, so without the caller's the one of a report that answers none is all that can be tried. */
function nonceCheck(nonce: Hex32 | null, binding: readonly Check[]): Check {
  const id = 'report.nonce'
  if (nonce === null) return skip(id, 'not_provided', PROVES.nonce, 'no nonce was given')
  return binding.every(({ status }) => status === 'pass')
    ? pass(id, PROVES.nonce)
    : skip(id, 'depends_on_failed', PROVES.nonce)
}

function statedCheck(report: AciReport, { quote }: TdxEvidenceAppraisal): Check {
  const id = 'report.claims'
  if (quote === null) return skip(id, 'depends_on_failed', PROVES.stated)
  const slot = toHex(quote.reportData)
  return report.reportData + '00'.repeat(32) === slot &&
    (report.quoteReportData === null || report.quoteReportData === slot)
    ? pass(id, PROVES.stated)
    : fail(id, 'report_contradicts_evidence', PROVES.stated)
}

function provenanceCheck({ provenance }: AciReport): Check {
  const id = 'aci.provenance'
  return provenance.size === 0
    ? info(id, 'aci_provenance_absent', PROVES.provenance)
    : skip(id, 'not_yet_checked', PROVES.provenance, [...provenance.keys()].join(', '))
}

type Inner = Pick<ReportFindings, 'devices' | 'binding'> & { readonly check: Check }

/** GPUs are no part of this layout; those of the document inside are judged there. */
function judgeDocument(report: AciReport, nonce: Hex32 | null, options: ReportOptions): Inner {
  const id = 'aci.document'
  if (report.document === null) {
    const check = skip(id, 'not_provided', PROVES.document, 'not a report of Countersign')
    return { check, devices: [], binding: null }
  }
  const { trusted, verdict, devices, binding } = appraiseDocument(toUtf8(report.document), {
    ...options,
    nonce,
  })
  const mismatch = (detail: string): Check =>
    fail(id, 'aci_document_mismatch', PROVES.document, detail)
  if (trusted === null) return { check: mismatch(verdict.sentence), devices, binding }
  const same = trusted.keysetDigest === report.keysetDigest
  return {
    check: same ? pass(id, PROVES.document, verdict.sentence) : mismatch('another keyset'),
    devices,
    binding,
  }
}

/** None of it is under the quote: whoever passes the report on can write there what they like. */
function uncomparedCheck({ uncompared }: AciReport): Check[] {
  const detail = uncompared.join(', ')
  return detail === ''
    ? []
    : [info('report.uncompared', 'report_claims_uncompared', PROVES.uncompared, detail)]
}

/** @param nonce that the caller chose; null: the report answers none */
export function judgeAciReport(
  report: AciReport,
  nonce: Hex32 | null,
  options: ReportOptions,
): ReportFindings {
  const { crypto, at, policy } = options
  const evidence = appraiseTdxEvidence(report, options)
  const digest = keysetDigest(report.keyset, crypto)
  const expected = slotOf(aciReportData(digest, nonce, crypto))
  const binding = verifyReportData(expected, evidence, PROVES.binding, crypto)
  // The report has no time of its own, so the keyset's lifetime is judged from the time of the appraisal.
  const keyset = verifyKeyset(report.keyset, at, { crypto, at, policy })
  const inner = judgeDocument(report, nonce, options)
  const checks = [
    ...evidence.checks,
    ...binding,
    nonceCheck(nonce, binding),
    digest === report.keysetDigest
      ? pass('aci.keyset_digest', PROVES.digest, digest)
      : fail('aci.keyset_digest', 'aci_keyset_mismatch', PROVES.digest, digest),
    statedCheck(report, evidence),
    ...uncomparedCheck(report),
    ...keyset.checks,
    provenanceCheck(report),
    ...verifyAddressKey(report, evidence.system, { crypto, policy }),
    inner.check,
  ]
  const required = [
    ...['report.binding', 'report.claims', 'aci.keyset_digest', 'compose.hash'],
    ...['keyset.roles', 'keyset.valid'],
  ]
  if (nonce !== null) required.push('report.nonce')
  if (report.document !== null) required.push('aci.document')
  return {
    checks,
    required,
    simulated: evidence.simulated,
    signer: null,
    devices: inner.devices,
    binding: inner.binding,
    meaning: `the keyset was put forward by the measured software that the evidence describes${
      nonce === null ? '; nothing shows when' : ''
    }`,
  }
}
