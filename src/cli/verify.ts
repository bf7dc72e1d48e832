/**
 * `countersign verify <url | file>`: appraises a live service's attestation, a saved document, or a report of another kind.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { appraiseDocument } from '../../attestation/appraiser/appraise-document.ts'
import { POLICIES } from '../../attestation/appraiser/policies.ts'
import { DEFAULT_POLICY } from '../../attestation/appraiser/policy.ts'
import { unwrapDocument } from '../../attestation/appraiser/document/parse-document.ts'
import { keysetOfReceipt } from '../../attestation/appraiser/receipt/keyset-of-receipt.ts'
import type { KeysetLookup } from '../../attestation/appraiser/receipt/verify-receipt.ts'
import { parseQuote } from '../../attestation/appraiser/quote/parse-quote.ts'
import type { AppraisalPolicy } from '../../attestation/appraiser/policy.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import type { DcapCollateral } from '../../attestation/protocol/dcap-collateral.ts'
import { MAX_EVIDENCE_BYTES } from '../../attestation/protocol/evidence-file.ts'
import { isHex32, toHex32 } from '../../attestation/protocol/hex.ts'
import type { Hex32 } from '../../attestation/protocol/hex.ts'
import { appraiseArchived, lookUpArchived } from './archived-document.ts'
import {
  isBareReport,
  judgeGpuFile,
  refuseGpuFileOptions,
  refuseIntelCollateral,
} from './appraise-gpu-file.ts'
import type { GpuFileOptions } from './appraise-gpu-file.ts'
import { appraiseReportFile, layoutOf } from './appraise-report-file.ts'
import type { FileLayout, ReportFileOptions } from './appraise-report-file.ts'
import { checkReceipt, readReceiptFiles } from './check-receipt.ts'
import type { ReceiptFiles, ReceiptOptions } from './check-receipt.ts'
import { EXIT } from './exit-codes.ts'
import { fetchArchived, fetchDocument, reached } from './fetch-document.ts'
import type { FetchedDocument } from './fetch-document.ts'
import { obtainGpuCollateral } from './obtain-gpu-collateral.ts'
import type { GpuCollateralOptions } from './obtain-gpu-collateral.ts'
import { judgeEvidenceFile } from './judge-evidence-file.ts'
import { loadPolicy } from './load-policy.ts'
import type { PolicyOptions } from './load-policy.ts'
import { obtainCollateral, refuseUnreadSettings } from './obtain-collateral.ts'
import type { CollateralOptions } from './obtain-collateral.ts'
import { MAX_DOCUMENT_BYTES, readBounded } from './read-bounded.ts'
import { findQuote } from './read-quote.ts'
import { Refusal } from './refusal.ts'
import { refuseUnknownChecks } from './refuse-unknown-checks.ts'
import { openServiceLog, refuseStateOptions } from './service-log.ts'
import type { ServiceLogOptions } from './service-log.ts'
import { conclude, printReport } from './verify-report.ts'

export interface VerifyOptions
  extends
    ReceiptOptions,
    ReportFileOptions,
    GpuFileOptions,
    GpuCollateralOptions,
    CollateralOptions,
    PolicyOptions,
    ServiceLogOptions {
  readonly nonce?: string
  readonly at?: string
  readonly json?: boolean
}

function nonceOf(options: VerifyOptions, live: boolean): Hex32 | null {
  if (options.nonce !== undefined) {
    if (!isHex32(options.nonce)) throw new Refusal('--nonce takes 64 lower-case hex digits.')
    return options.nonce
  }
  return live ? toHex32(randomBytes(32)) : null
}

export function timeOf(text: string | undefined): number {
  if (text === undefined) return Math.floor(Date.now() / 1000)
  const seconds = /^\d{1,10}$/.test(text) ? Number(text) : Math.floor(Date.parse(text) / 1000)
  if (!Number.isSafeInteger(seconds)) throw new Refusal('--at takes unix seconds or an ISO time.')
  return seconds
}

const REPORT_FLAGS = { compose: 'compose', reportData: 'report-data' } as const
const FLAGS_WITHOUT_USE = {
  countersign: REPORT_FLAGS,
  // Everything comes from the file.
  evidence: {
    ...REPORT_FLAGS,
    collateral: 'collateral',
    gpuCollateral: 'gpu-collateral',
    fetchCollateral: 'fetch-collateral',
    receipt: 'receipt',
    request: 'request',
    response: 'response',
    inclusion: 'inclusion',
  },
  gpu: REPORT_FLAGS,
  nras: {
    ...REPORT_FLAGS,
    gpuCollateral: 'gpu-collateral',
    fetchCollateral: 'fetch-collateral',
  },
} as const satisfies Partial<Record<FileLayout, Partial<Record<keyof VerifyOptions, string>>>>

function isBoundToItsFlags(layout: FileLayout): layout is keyof typeof FLAGS_WITHOUT_USE {
  return Object.hasOwn(FLAGS_WITHOUT_USE, layout)
}

/** An option that would be ignored may have been meant as a condition. */
function refuseNeedless(options: VerifyOptions, layout: keyof typeof FLAGS_WITHOUT_USE): void {
  // A file is judged under the layout that was told; of a service nothing else is asked.
  if (options.layout !== undefined && options.layout !== layout) {
    throw new Refusal(
      '--layout is for saved files; a service is asked for its attestation document.',
    )
  }
  const given = new Map<string, unknown>(Object.entries(options))
  for (const [name, flag] of Object.entries(FLAGS_WITHOUT_USE[layout])) {
    if ((given.get(name) ?? false) === false) continue
    throw new Refusal(`--${flag} is for evidence of other kinds, and would be ignored.`)
  }
}

/** Null also where there is no quote to get any for: the appraisal says what is wrong. */
export async function collateralFor(
  bytes: Uint8Array,
  layout: FileLayout,
  options: CollateralOptions,
  policy: AppraisalPolicy,
): Promise<DcapCollateral | null> {
  const quote = findQuote(bytes, layout)
  if (quote === null || !parseQuote(quote).ok) return null
  return obtainCollateral(quote, options, policy.tdx.maxCollateralAgeS)
}

/**
 * What the service serves: for the caller's nonce, or, as of a time that was given, what it keeps of the keyset that the receipt
 * names.
 */
async function fetchEvidence(
  target: string,
  nonce: Hex32 | null,
  files: ReceiptFiles | null,
): Promise<FetchedDocument> {
  if (nonce !== null) return fetchDocument(target, nonce)
  const digest = files === null ? null : keysetOfReceipt(files.receipt)
  const archived = digest === null ? null : await fetchArchived(target, digest)
  if (archived !== null) return archived
  throw new Refusal('The service keeps no document of the keyset of this receipt.', EXIT.internal)
}

/** @returns the exit code */
export async function verify(target: string, options: VerifyOptions): Promise<number> {
  await refuseUnreadSettings(options)
  const live = /^https?:\/\//.test(target)
  // What holds now must stand on recent collateral; what held then, on the collateral of its time.
  const fallback = options.at === undefined ? POLICIES['relying-party'] : DEFAULT_POLICY
  const policy = await loadPolicy(options, fallback)
  const asked = live ? await readReceiptFiles(options) : null
  // No document is made for a time that has passed; what it was then is archived.
  const past = options.at !== undefined && asked !== null
  const nonce = nonceOf(options, live && !past)
  refuseStateOptions(options, live && !past)
  const log = await openServiceLog(target, options)
  const { bytes, channel } = await reached(target, async () =>
    live
      ? fetchEvidence(target, past ? null : nonce, asked)
      : { bytes: unwrapDocument(await readBounded(target, MAX_EVIDENCE_BYTES)), channel: null },
  )
  if (!live && parseQuote(bytes).ok) {
    throw new Refusal(
      `${target} is a bare quote, which does not say what it is over: verify takes the document or report around it; ` +
        'tcb-status and collateral fetch take the quote.',
      EXIT.malformed,
    )
  }
  if (!live && isBareReport(bytes)) {
    throw new Refusal(
      `${target} is a bare report of a GPU: verify takes it with its certificate chain, as ` +
        '[{"arch", "certificate", "evidence"}] (docs/conformance.md).',
      EXIT.malformed,
    )
  }
  const at = timeOf(options.at)
  const layout = live ? 'countersign' : layoutOf(bytes, options)
  if (layout !== 'evidence' && bytes.length > MAX_DOCUMENT_BYTES) {
    throw new Refusal(`${target} is too large.`)
  }
  if (isBoundToItsFlags(layout)) refuseNeedless(options, layout)
  const moment = {
    crypto: nodeCrypto,
    at,
    nonce,
    policy,
    ...(options.at === undefined ? {} : { asOf: true }),
  }
  if (layout === 'evidence') {
    refuseGpuFileOptions(options)
    return judgeEvidenceFile(bytes, moment, options)
  }
  const files = live ? asked : await readReceiptFiles(options)
  if (layout !== 'countersign' && files !== null)
    throw new Refusal('A receipt is judged under an attestation document.')
  if (layout === 'gpu' || layout === 'nras') await refuseIntelCollateral(options)
  const gpuCollateral = await obtainGpuCollateral(bytes, layout, options, policy)
  if (layout === 'gpu' || layout === 'nras') {
    const inputs = { ...moment, collateral: gpuCollateral }
    const { verdict, ...facts } = await judgeGpuFile(bytes, layout, inputs, options)
    refuseUnknownChecks(options, verdict)
    return printReport({ ...verdict, ...facts, receipt: null, layout }, options)
  }
  refuseGpuFileOptions(options)
  const collateral = await collateralFor(bytes, layout, options, policy)
  const appraisal = { ...moment, collateral, gpuCollateral }
  if (layout !== 'countersign') {
    const { verdict, ...facts } = await appraiseReportFile(bytes, layout, appraisal, options)
    refuseUnknownChecks(options, verdict)
    return printReport({ ...verdict, ...facts, receipt: null, layout }, options)
  }
  const inForce = appraiseDocument(bytes, { ...appraisal, channel })
  // The service in force is what is followed, whatever document the receipt is judged under.
  const followed =
    inForce.trusted === null || log === null ? [] : [await log.follow(inForce.trusted.log)]
  let appraised = inForce
  const named = files === null || inForce.trusted === null ? null : keysetOfReceipt(files.receipt)
  let lookup: KeysetLookup | null = live ? null : 'not_asked'
  if (live && named !== null && named !== inForce.trusted?.keysetDigest) {
    const archived = await lookUpArchived(target, named)
    if (typeof archived === 'string') lookup = archived
    else appraised = appraiseArchived(archived, bytes, appraisal)
    const head = inForce.trusted?.log ?? null
    if (lookup === null && log !== null && head !== null && appraised.trusted !== null) {
      followed.push(await log.archived(head, appraised.trusted.log))
    }
  }
  const { verdict, trusted } = appraised
  const receipt =
    files === null || trusted === null
      ? null
      : checkReceipt(options, files, trusted, at, policy, {}, lookup)
  if (trusted === null) refuseUnknownChecks(options, verdict)
  const time = { at, given: options.at !== undefined }
  const before = appraised === inForce ? null : inForce
  const report = conclude(appraised, receipt, time, followed, before)
  return printReport(report, options, files !== null)
}
