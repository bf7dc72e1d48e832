/**
 * Appraises the attestation documents of an evidence file, and finds for each receipt the keyset to judge it by. Everything comes from the
 * file: nobody is asked.
 *
 * @module
 */
import { MAX_EVIDENCE_BYTES } from '../../protocol/evidence-file.ts'
import type { Sha256Digest } from '../../protocol/hex.ts'
import { keysetDigest } from '../../protocol/keyset.ts'
import { toUtf8 } from '../../protocol/utf8.ts'
import { appraiseDocument } from '../appraise-document.ts'
import type { Appraisal, AppraisalOptions, TrustedKeyset } from '../appraise-document.ts'
import { judgeChannel } from '../channel/judge-channel.ts'
import type { ObservedChannel } from '../channel/judge-channel.ts'
import { fail, info, pass } from '../check.ts'
import type { Check } from '../check.ts'
import { parseDocument } from '../document/parse-document.ts'
import type { AttestationDocument } from '../document/parse-document.ts'

import { stapledCollateral } from '../document/stapled-collateral.ts'
import { judgeEncodings } from '../receipt/judge-encodings.ts'
import { parseAnyReceipt } from '../receipt/parse-any-receipt.ts'
import { keysetOfReceipt } from '../receipt/keyset-of-receipt.ts'
import { requireBytes, requireNonce, requireOptions } from '../required-options.ts'
import { decideVerdict } from '../verdict.ts'
import type { Verdict } from '../verdict.ts'
import { parseEvidenceFile } from './parse-evidence-file.ts'
import type { ParsedEvidence, ParsedEvidenceReceipt } from './parse-evidence-file.ts'
import { vouchedTime } from './vouched-time.ts'
import type { VouchedTime } from './vouched-time.ts'

/** Collateral comes from the file, which no connection speaks for; the nonce is one for the first document. */
export type EvidenceOptions = Omit<
  AppraisalOptions,
  'collateral' | 'gpuCollateral' | 'cache' | 'gpuCache' | 'channel'
>

/** A receipt of the file with the keyset to judge it by, which stands in an accepted document. */
export interface ReceiptToJudge {
  readonly entry: ParsedEvidenceReceipt
  readonly trusted: TrustedKeyset
}

export interface EvidenceAppraisal {
  /** Over the file and all its documents. Receipts are not judged yet. */
  readonly verdict: Verdict
  /** Of the document that is the service's own; null where the file cannot be read. */
  readonly current: Appraisal | null
  /** Of the documents of other keysets that receipts name, in order. */
  readonly earlier: readonly Appraisal[]
  /** All receipts of the file, where its documents are accepted; else none. */
  readonly receipts: readonly ReceiptToJudge[]
  /** Null where the first document cannot be read. */
  readonly time: VouchedTime | null
}

const PROVES = {
  structure: 'The evidence file can be read in one way only.',
  keysets:
    'Each receipt has one attestation document to be judged by, and each document is needed.',
  receipts: 'Each receipt stands in the file once.',
  channel: 'Nothing: the file says over what connection its saver got the first document.',
} as const

function verdictOf(checks: readonly Check[], asOf: boolean): Verdict {
  return decideVerdict(checks, { required: [], asOf, simulated: false, acceptUnchecked: [] })
}

/** Null for a document that cannot be read, which its own appraisal says. */
function keysetOf(text: string, { crypto }: EvidenceOptions): Sha256Digest | null {
  const parsed = parseDocument(toUtf8(text))
  return parsed.ok ? keysetDigest(parsed.document.keyset, crypto) : null
}

/** Of a receipt in two encodings either will do: that they agree is a check of its own. */
function keysetOfEntry({ receipt, cose }: ParsedEvidenceReceipt): Sha256Digest | null {
  const shown = receipt ?? cose
  return shown === null ? null : keysetOfReceipt(shown)
}

/** Nothing where no receipt is there twice; else the first that fails, or was not made. */
function encodingsCheck({ receipts }: ParsedEvidence, { crypto }: EvidenceOptions): Check[] {
  const checks = receipts.flatMap(({ receipt, cose }) =>
    receipt === null || cose === null ? [] : [judgeEncodings(receipt, cose, crypto)],
  )
  const worst =
    checks.find(({ status }) => status === 'fail') ??
    checks.find(({ status }) => status === 'skip') ??
    checks[0]
  return worst === undefined ? [] : [worst]
}

/** Never a pass: what connection it was, whoever made the file says, and nobody else can. */
function channelCheck(channel: ObservedChannel | null, document: AttestationDocument): Check[] {
  if (channel === null) return []
  const id = 'evidence.channel'
  const { status, code, detail } = judgeChannel(channel, document.keyset, true, { channel: 'any' })
  const shown = status === 'pass' ? 'channel_as_saved' : code
  return [info(id, shown, PROVES.channel, detail)]
}

function keysetsCheck(evidence: ParsedEvidence, keysets: readonly (Sha256Digest | null)[]): Check {
  const id = 'evidence.keysets'
  const named = evidence.receipts.map(keysetOfEntry)
  const missing = named.find((digest) => digest !== null && !keysets.includes(digest))
  if (missing !== undefined && missing !== null) {
    return fail(id, 'evidence_keyset_missing', PROVES.keysets, missing)
  }
  const [, ...earlier] = keysets
  const odd = earlier.find(
    (digest, index) =>
      digest !== null && (!named.includes(digest) || keysets.indexOf(digest) !== index + 1),
  )
  return odd === undefined || odd === null
    ? pass(id, PROVES.keysets, `${keysets.length} of them`)
    : fail(id, 'evidence_keyset_unused', PROVES.keysets, odd)
}

/** Nothing where there is none. What cannot be read has no id, and fails by itself. */
function receiptsCheck({ receipts }: ParsedEvidence): Check[] {
  if (receipts.length === 0) return []
  const id = 'evidence.receipts'
  const seen = new Set<string>()
  for (const { receipt, cose } of receipts) {
    // By either encoding: another view of the same receipt is no other receipt, and nor is it as COSE_Sign1.
    const ids = new Set(
      [receipt, cose].flatMap((shown) => {
        const parsed = shown === null ? null : parseAnyReceipt(shown)
        return parsed?.ok === true ? [parsed.receipt.record.receipt_id] : []
      }),
    )
    for (const each of ids) {
      if (seen.has(each)) return [fail(id, 'evidence_receipt_twice', PROVES.receipts, each)]
      seen.add(each)
    }
  }
  return [pass(id, PROVES.receipts, `${receipts.length} of them`)]
}

function isAccepted({ verdict }: Verdict): boolean {
  return verdict === 'accepted' || verdict === 'accepted-as-of'
}

/** The first document speaks for the file; where something else of it fails, that does. */
function combine(own: Verdict, current: Verdict, earlier: readonly Appraisal[]): Verdict {
  const checks = [...own.checks, ...current.checks]
  const bad = earlier.find(({ verdict }) => !isAccepted(verdict))?.verdict
  if (!isAccepted(current)) return { ...current, checks }
  if (!isAccepted(own)) return { ...own, checks }
  if (bad === undefined) return { ...current, checks }
  return { ...bad, checks, sentence: `Of another keyset that a receipt names: ${bad.sentence}` }
}

function judge(evidence: ParsedEvidence, options: EvidenceOptions): EvidenceAppraisal {
  const { at, asOf = false } = options
  const [first, ...rest] = evidence.attestations
  const current = appraiseDocument(toUtf8(first.document), {
    ...options,
    collateral: first.collateral,
    gpuCollateral: first.gpu_collateral,
  })
  const fresher = stapledCollateral(toUtf8(first.document))
  const earlier = rest.map((attestation) =>
    appraiseDocument(toUtf8(attestation.document), {
      ...options,
      // Its age is that of its keyset, and the nonce was for the other.
      asOf: true,
      nonce: null,
      collateral: attestation.collateral ?? fresher.collateral ?? null,
      gpuCollateral: attestation.gpu_collateral ?? fresher.gpuCollateral ?? null,
    }),
  )
  const keysets = evidence.attestations.map(({ document }) => keysetOf(document, options))
  const checks = [
    pass('evidence.structure', PROVES.structure),
    keysetsCheck(evidence, keysets),
    ...receiptsCheck(evidence),
    ...encodingsCheck(evidence, options),
  ]
  const document = parseDocument(toUtf8(first.document))
  if (document.ok) checks.push(...channelCheck(evidence.channel, document.document))
  const verdict = combine(verdictOf(checks, asOf), current.verdict, earlier)
  const trusted = [current, ...earlier].map((appraisal) => appraisal.trusted)
  const receipts = isAccepted(verdict)
    ? evidence.receipts.flatMap((entry) => {
        // One that cannot be read names none: judged by the first, it fails for what it is.
        const named = keysetOfEntry(entry) ?? keysets[0]
        const found = trusted.find((keyset) => keyset?.keysetDigest === named) ?? null
        return found === null ? [] : [{ entry, trusted: found }]
      })
    : []
  const time = document.ok
    ? vouchedTime({
        issuedAt: document.document.issuedAt,
        stapled: stapledCollateral(toUtf8(first.document)).collateral,
        collateral: first.collateral,
        gpuCollateral: first.gpu_collateral,
        revocationDate: current.revocationDate,
        checks: current.verdict.checks,
        savedAt: evidence.savedAt,
        asOf: asOf ? at : null,
      })
    : null
  return { verdict, current, earlier, receipts, time }
}

/**
 * Appraises an evidence file.
 *
 * @param bytes of the file
 * @returns the verdict over its documents, and its receipts with the keysets to judge them by. Never throws on any bytes
 * @throws TypeError as `appraiseDocument`
 */
export function appraiseEvidence(bytes: Uint8Array, given: EvidenceOptions): EvidenceAppraisal {
  const options = requireOptions(given)
  requireNonce(options.nonce)
  const parsed = parseEvidenceFile(requireBytes(bytes, 'bytes', MAX_EVIDENCE_BYTES))
  if (parsed.ok) return judge(parsed.evidence, options)
  const check = fail('evidence.structure', parsed.code, PROVES.structure, parsed.detail)
  const verdict = verdictOf([check], options.asOf ?? false)
  return { verdict, current: null, earlier: [], receipts: [], time: null }
}
