/**
 * The part of `countersign verify` that compares one receipt with saved bodies.
 *
 * @module
 */
import type { TrustedKeyset } from '../../attestation/appraiser/appraise-document.ts'
import { unwrapDocument } from '../../attestation/appraiser/document/parse-document.ts'
import { verifyInclusion } from '../../attestation/appraiser/log/verify-inclusion.ts'
import type { AppraisalPolicy } from '../../attestation/appraiser/policy.ts'
import { parseAnyReceipt } from '../../attestation/appraiser/receipt/parse-any-receipt.ts'
import { verifyReceipt } from '../../attestation/appraiser/receipt/verify-receipt.ts'
import type {
  ExpectedExchange,
  KeysetLookup,
  ReceiptVerdict,
} from '../../attestation/appraiser/receipt/verify-receipt.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { contentKindOf } from '../../attestation/protocol/content-kinds.ts'
import { COSE_SIGN1_TAG } from '../../attestation/protocol/cose-receipt.ts'
import { fromHex } from '../../attestation/protocol/hex.ts'
import { isJsonObject, parseJson } from '../../attestation/protocol/json.ts'
import type { JsonObject } from '../../attestation/protocol/json.ts'
import { recordHash } from '../../attestation/protocol/record.ts'
import { OPENING_BYTES } from '../../attestation/protocol/salted-digest.ts'
import { ANSWER_STATUS } from '../client/answer-form.ts'
import { judgeFault, judgePlainness, readSaved } from '../client/read-answer.ts'
import type { AnswerReading } from '../client/read-answer.ts'
import { readBounded } from './read-bounded.ts'
import { Refusal } from './refusal.ts'

export interface ReceiptOptions {
  readonly receipt?: string
  readonly opening?: string
  readonly request?: string
  readonly response?: string
  readonly challenge?: string
  /** The service's proof that the receipt is in its log. */
  readonly inclusion?: string
  /** What the receipt must show; default: `bytes` where both bodies were given, else `signer`. */
  readonly level?: string
  /** A receipt of an answer that did not end well is what is wanted. */
  readonly anyOutcome?: boolean
}

export interface ReceiptFiles {
  /** Its exact text, or the bytes of a COSE_Sign1. */
  readonly receipt: string | Uint8Array
  readonly opening: Uint8Array | null
  readonly request: Buffer | null
  readonly response: Buffer | null
  /** The exact text of a proof. */
  readonly inclusion?: string | null
}

/** Reads what is to be compared. The opening may come with the receipt, as the service hands it to its owner. */
export async function readReceiptFiles(options: ReceiptOptions): Promise<ReceiptFiles | null> {
  if (options.receipt === undefined) {
    const needless = [
      ...(['opening', 'request', 'response', 'challenge', 'level', 'inclusion'] as const),
    ]
    const given = needless.find((name) => options[name] !== undefined)
    if (given !== undefined) throw new Refusal(`--${given} says nothing without --receipt.`)
    return null
  }
  const bytes = await readBounded(options.receipt)
  const parsed = parseJson(bytes)
  const inside = parsed.ok && isJsonObject(parsed.value) ? parsed.value['opening'] : undefined
  const hex = options.opening ?? (typeof inside === 'string' ? inside : null)
  const opening = hex === null ? null : fromHex(hex)
  if (hex !== null && opening?.length !== OPENING_BYTES) {
    throw new Refusal('The opening is 64 lower-case hex digits.')
  }
  return {
    receipt:
      bytes[0] === COSE_SIGN1_TAG
        ? new Uint8Array(bytes)
        : Buffer.from(unwrapDocument(bytes)).toString('utf8'),
    opening,
    request: options.request === undefined ? null : await readBounded(options.request),
    response: options.response === undefined ? null : await readBounded(options.response),
    inclusion:
      options.inclusion === undefined
        ? null
        : Buffer.from(unwrapDocument(await readBounded(options.inclusion))).toString('utf8'),
  }
}

const ALONE: AnswerReading = Object.freeze({ expected: {}, fault: null, plain: true })

/** What is compared of a saved answer besides its bytes; as the client reads it on the wire. */
function readResponse(files: ReceiptFiles, request: JsonObject | null): AnswerReading {
  const known = parseAnyReceipt(files.receipt)
  if (files.response === null || !known.ok) return ALONE
  const { endpoint, outcome, status } = known.receipt.record
  const kind = contentKindOf(endpoint)
  // An error says so itself, in a form of its own.
  if (kind === null || status < 200 || status > 299) return ALONE
  const read: AnswerReading =
    status === ANSWER_STATUS
      ? readSaved(kind, files.response, files.request === null ? null : { request }, nodeCrypto)
      : { ...ALONE, fault: 'answer_form_mismatch' }
  // What was cut has no end to look for; whether it is wanted at all is a check of its own.
  return read.fault !== null && outcome !== 'complete' ? ALONE : read
}

function levelOf(options: ReceiptOptions, files: ReceiptFiles): 'bytes' | 'content' | 'signer' {
  const { level } = options
  if (level === 'content' && files.opening === null) {
    throw new Refusal(
      '--level content needs --opening: X-Countersign-Opening of the answer, or the receipt as its owner gets it.',
    )
  }
  if (level === 'bytes' || level === 'content' || level === 'signer') return level
  if (level !== undefined) throw new Refusal('--level takes bytes, content or signer.')
  return files.request !== null && files.response !== null ? 'bytes' : 'signer'
}

/** A receipt in the encodings that somebody shows of it: in one at least. */
export interface ShownReceipt {
  /** The exact text. */
  readonly receipt: string | null
  /** The same as a COSE_Sign1. */
  readonly cose: Uint8Array | null
}

export type ReceiptEncoding = 'aci' | 'cose'

export interface EncodingVerdict extends ReceiptVerdict {
  readonly encoding: ReceiptEncoding
}

/** Each by the same checks. That both are of one record is `judgeEncodings`. */
export function checkEncodings(
  { receipt, cose }: ShownReceipt,
  judge: (receipt: string | Uint8Array) => ReceiptVerdict,
): readonly EncodingVerdict[] {
  return [
    ...(receipt === null ? [] : [{ ...judge(receipt), encoding: 'aci' as const }]),
    ...(cose === null ? [] : [{ ...judge(cose), encoding: 'cose' as const }]),
  ]
}

export function checkReceipt(
  options: ReceiptOptions,
  files: ReceiptFiles,
  trusted: TrustedKeyset,
  at: number,
  policy: AppraisalPolicy,
  /** What else the caller knows of the exchange. */
  more: Pick<ExpectedExchange, 'receiptId' | 'endpoint'> = {},
  /** Why there is no document of the receipt's own keyset, where none was to be had. */
  keysetLookup: KeysetLookup | null = null,
): ReceiptVerdict {
  const { opening, request, response } = files
  const level = levelOf(options, files)
  const parsed = request === null ? null : parseJson(request)
  const asked = parsed?.ok === true && isJsonObject(parsed.value) ? parsed.value : null
  const read = readResponse(files, asked)
  const receipt = verifyReceipt(files.receipt, {
    crypto: nodeCrypto,
    at,
    level,
    trusted,
    policy,
    // A file that was given is there to be compared: that it differs must never be a remark. Only who asks for the content
    // says that the bytes were rewritten on the way.
    strictBytes: level !== 'content',
    ...(opening === null ? {} : { opening }),
    ...(keysetLookup === null ? {} : { keysetLookup }),
    expected: {
      ...more,
      ...(options.anyOutcome === true ? {} : { requireOutcome: 'complete' as const }),
      ...(request === null ? {} : { requestBytes: request }),
      ...(asked === null ? {} : { request: asked }),
      ...(response === null ? {} : { responseBytes: response }),
      ...read.expected,
      ...(options.challenge === undefined ? {} : { challenge: options.challenge }),
    },
  })
  const answer = [...judgeFault(read.fault), ...judgePlainness(read.plain, receipt)]
  const checks = [...receipt.checks, ...answer]
  const renamed = checks.some(({ code }) => code === 'model_mismatch')
  const verdict =
    receipt.record === null || (answer.length === 0 && !renamed)
      ? receipt
      : // What it says is not what every reader takes from it.
        { ...receipt, accepted: false, checks, level: 'signer' as const }
  const { record } = verdict
  // Of a receipt that is not genuine there is no record that a log could hold.
  const { inclusion = null } = files
  if (inclusion === null || record === null) return verdict
  const logged = {
    recordHash: recordHash(record, nodeCrypto),
    sequence: record.sequence,
    bootId: record.boot_id,
  }
  const check = verifyInclusion(logged, inclusion, trusted, nodeCrypto)
  return {
    ...verdict,
    accepted: verdict.accepted && check.status === 'pass',
    checks: [...verdict.checks, check],
  }
}
