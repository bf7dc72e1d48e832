/**
 * Verifies one receipt: that the attested service made it, and that it speaks of this request and this answer.
 *
 * The level says what was shown. `bytes`: both bodies to the last byte. `content`: what was asked and what was answered,
 * whatever the framing. `signer`: a genuine receipt, and nothing of this answer was compared. `none`: nothing.
 *
 * @module
 */
import type { CryptoPort } from '../../crypto/port.ts'
import { MAX_UNCOVERED, contentDigest } from '../../protocol/content.ts'
import type { ContentSummary } from '../../protocol/content.ts'
import { contentKindOf, hasFinishReasons } from '../../protocol/content-kinds.ts'
import { fromHex, toSha256Digest } from '../../protocol/hex.ts'
import type { Sha256Digest } from '../../protocol/hex.ts'
import type { JsonObject } from '../../protocol/json.ts'
import { keyOfRole } from '../../protocol/keyset.ts'
import { bodiesCommitment, recordHash } from '../../protocol/record.ts'
import type { Outcome, ReceiptRecord } from '../../protocol/record.ts'
import { memberDigest } from '../../protocol/request-members.ts'
import { OPENING_BYTES } from '../../protocol/salted-digest.ts'
import type { TrustedKeyset } from '../appraise-document.ts'
import { fail, info, pass, skip } from '../check.ts'
import type { Check } from '../check.ts'
import type { CheckCode } from '../codes.ts'
import { counted } from '../counted.ts'
import type { AppraisalPolicy } from '../policy.ts'
import { requireOptions } from '../required-options.ts'
import { parseAnyReceipt } from './parse-any-receipt.ts'
import type { ParsedReceipt } from './read-record.ts'

export const RECEIPT_LEVELS = ['none', 'signer', 'content', 'bytes'] as const
export type ReceiptLevel = (typeof RECEIPT_LEVELS)[number]

/** What the verifier knows of the exchange by itself. What is not given is not checked, and said to be so. */
export interface ExpectedExchange {
  readonly endpoint?: string
  /** As sent in `X-Countersign-Challenge`. */
  readonly challenge?: string
  /** The exact body sent. */
  readonly requestBytes?: Uint8Array
  /** The same as an object. */
  readonly request?: JsonObject
  /** The exact body received, or its SHA-256 (32 bytes). */
  readonly responseBytes?: Uint8Array
  readonly responseHash?: Uint8Array
  /** What the answer says, see `contentOfCompletion`. */
  readonly content?: ContentSummary
  /** The `model` that the answer states, null where it states none. The content digest does not speak for it. */
  readonly model?: string | null
  /** The HTTP status that the answer came with. */
  readonly status?: number
  readonly requireOutcome?: Outcome
  /** From the answer's header. */
  readonly receiptId?: string
}

export interface ReceiptOptions {
  readonly crypto: CryptoPort
  /** Unix seconds. */
  readonly at: number
  readonly trusted: TrustedKeyset
  /** 32 bytes; without them content and members cannot be compared. */
  readonly opening?: Uint8Array
  readonly expected: ExpectedExchange
  readonly policy: AppraisalPolicy
  /** What must be reached; default `content`. */
  readonly level?: Exclude<ReceiptLevel, 'none'>
  /**
   * Bytes that are given must be those of the receipt, whatever the level: for a reader who holds the bytes and has no
   * intermediary to allow for. A view, which shows no hashes to compare them with, then fails (`receipt_is_view`).
   */
  readonly strictBytes?: boolean
  /**
   * What came of looking for the document of the keyset that the receipt names, where that is not the trusted one: without it that reads like
   * a forgery (`receipt_other_keyset`), although nothing was shown.
   */
  readonly keysetLookup?: KeysetLookup
}

/** Answered with 404, not answered, or not made. */
export type KeysetLookup = 'not_archived' | 'unreachable' | 'not_asked'

export interface ReceiptVerdict {
  /** No check failed, and the level asked for was reached. */
  readonly accepted: boolean
  readonly checks: readonly Check[]
  /** Null unless its signature and hash hold. */
  readonly record: ReceiptRecord | null
  readonly level: ReceiptLevel
}

const PROVES = {
  structure: 'The receipt can be read in one way only.',
  keyset: 'The receipt names the verified keyset and its receipt key.',
  signature: 'A key of this boot of the attested service signed the receipt.',
  record_hash: 'The members are those of the record that every encoding commits to.',
  boot: 'The receipt is of the boot that was verified.',
  config: 'The service ran under the configuration that was verified.',
  time: 'The receipt was made within the life of its keyset, and not in the future.',
  id: 'The receipt is the one that the answer named.',
  endpoint: 'The receipt is for the endpoint that was called.',
  challenge: 'The receipt was made for this request and no earlier one.',
  status: 'The enclave answered with the status that the answer came with.',
  outcome: 'The answer ended as the receipt says.',
  bodies: 'The opening belongs to this receipt.',
  request_bytes: 'The enclave received the request byte for byte.',
  response_bytes: 'The enclave sent the answer byte for byte.',
  content: 'The enclave said what the answer says.',
  model: 'The model that answered the enclave is the one that the answer names.',
  members: 'The enclave received the members of the request as they were sent.',
  level: 'The receipt proves as much as was asked for.',
} as const
type Step = keyof typeof PROVES

type Result =
  | { readonly status: 'pass'; readonly code?: never; readonly detail?: string }
  | {
      readonly status: 'fail' | 'skip' | 'info'
      readonly code: CheckCode
      readonly detail?: string
    }

const PASS: Result = { status: 'pass' }
const NOT_GIVEN: Result = { status: 'skip', code: 'not_provided' }
const AFTER_FAILURE: Result = { status: 'skip', code: 'depends_on_failed' }
const IS_VIEW: Result = { status: 'skip', code: 'receipt_is_view' }

function failed(code: CheckCode, detail = ''): Result {
  return { status: 'fail', code, detail }
}

function toCheck(step: Step, result: Result): Check {
  const id = `receipt.${step}`
  const { detail = '' } = result
  switch (result.status) {
    case 'pass':
      return pass(id, PROVES[step], detail)
    case 'fail':
      return fail(id, result.code, PROVES[step], detail)
    case 'skip':
      return skip(id, result.code, PROVES[step], detail)
    case 'info':
      return info(id, result.code, PROVES[step], detail)
  }
}

function same<T>(expected: T | undefined, found: T, code: CheckCode): Result {
  if (expected === undefined) return NOT_GIVEN
  return expected === found ? PASS : failed(code)
}

function judgeKeyset(
  receipt: ParsedReceipt,
  { trusted, keysetLookup: lookup }: Pick<ReceiptOptions, 'trusted' | 'keysetLookup'>,
): Result {
  const { record, keyId } = receipt
  if (record.keyset_digest !== trusted.keysetDigest) {
    return failed(
      lookup === undefined ? 'receipt_other_keyset' : (`receipt_keyset_${lookup}` as const),
      record.keyset_digest,
    )
  }
  return keyOfRole(trusted.keyset, receipt.role)?.key_id === keyId
    ? PASS
    : failed('receipt_other_keyset', 'not the id of the receipt key')
}

function judgeSignature(
  receipt: ParsedReceipt,
  trusted: TrustedKeyset,
  crypto: CryptoPort,
): Result {
  const key = fromHex(keyOfRole(trusted.keyset, receipt.role)?.public_key ?? '')
  const signed = key !== null && crypto.verifyEd25519(key, receipt.signed, receipt.signature)
  return signed ? PASS : failed('receipt_signature_invalid')
}

function judgeTime(record: ReceiptRecord, { at, trusted, policy }: ReceiptOptions): Result {
  if (record.served_at > trusted.notAfter) return failed('receipt_keyset_expired')
  return record.served_at <= at + policy.clockSkewS
    ? PASS
    : failed('receipt_from_future', `${counted(record.served_at - at, 'second')} ahead`)
}

function isSuccess(status: number): boolean {
  return status >= 200 && status <= 299
}

/**
 * An honest intermediary gives an error another status. An answer keeps its own: readers take 204 for nothing and 206 for a part, and one that
 * becomes an error, or the other way round, for what it is not.
 */
function judgeStatus(
  { status: stated }: ReceiptRecord,
  { expected, level, strictBytes = false }: ReceiptOptions,
): Result {
  const { status } = expected
  if (status === undefined) return NOT_GIVEN
  if (status === stated) return PASS
  const answers = isSuccess(status) || isSuccess(stated)
  const fails = answers || strictBytes || level === 'bytes'
  const detail = `${stated} became ${status}`
  return { status: fails ? 'fail' : 'info', code: 'status_mismatch', detail }
}

function judgeOutcome({ record, whole }: ParsedReceipt, required: Outcome | undefined): Result {
  const { outcome, status, finish_reasons: reasons } = record
  if (outcome === 'complete') {
    const finished =
      !hasFinishReasons(contentKindOf(record.endpoint)) ||
      (reasons.length > 0 && reasons.every((reason) => reason !== null && reason !== 'abort'))
    const ended = isSuccess(status) && whole !== false && finished
    if (!ended) return failed('outcome_inconsistent', `complete with status ${status}`)
  }
  if (required !== undefined && outcome !== required) {
    return failed('outcome_not_complete', outcome)
  }
  return { status: 'pass', detail: outcome }
}

function judgeBodies(
  receipt: ParsedReceipt,
  opening: Uint8Array | undefined,
  crypto: CryptoPort,
): Result {
  if (opening === undefined) return NOT_GIVEN
  if (opening.length !== OPENING_BYTES) return failed('opening_mismatch', 'not 32 bytes')
  if (receipt.bodies === null) return IS_VIEW
  return bodiesCommitment(receipt.bodies, opening, crypto) === receipt.record.bodies
    ? PASS
    : failed('opening_mismatch')
}

/** Bytes that differ are a failure only for who asked for bytes: an honest intermediary writes JSON anew. */
function judgeBytes(
  hash: Uint8Array | undefined,
  stated: Sha256Digest | undefined,
  code: CheckCode,
  { level, strictBytes = false }: ReceiptOptions,
): Result {
  if (hash === undefined) return NOT_GIVEN
  // Otherwise whoever serves the receipt would choose, by its form, whether given bytes are compared at all.
  if (stated === undefined) return strictBytes ? failed('receipt_is_view') : IS_VIEW
  if (toSha256Digest(hash) === stated) return PASS
  return { status: strictBytes || level === 'bytes' ? 'fail' : 'info', code }
}

function judgeContent(
  record: ReceiptRecord,
  { expected, opening, crypto, policy }: ReceiptOptions,
): Result {
  const { content } = expected
  if (content === undefined || opening === undefined) return NOT_GIVEN
  if (record.content_digest === null) {
    return { status: 'skip', code: 'content_not_covered', detail: record.content_status }
  }
  if (content.content === null) return failed('content_digest_mismatch', content.status)
  if (contentDigest(content.content, opening, crypto) !== record.content_digest) {
    return failed('content_digest_mismatch')
  }
  // The list is cut there, so one more could have been added unseen.
  if (content.uncovered.length >= MAX_UNCOVERED) {
    return { status: 'skip', code: 'content_uncovered', detail: 'too many members' }
  }
  const added = content.uncovered.find((name) => !record.content_uncovered.includes(name))
  if (added !== undefined) return failed('content_member_added', added)
  // One inside a choice or a block may be read as part of the answer (a verdict of a filter, an annotation), and anybody on
  // the way could have changed its value. Top-level members frame the whole.
  const inside = content.uncovered.find(
    (name) => name.includes('.') && !policy.allowUncovered.includes(name),
  )
  if (inside !== undefined) return { status: 'skip', code: 'content_uncovered', detail: inside }
  const detail =
    content.uncovered.length === 0 ? '' : `not covered: ${content.uncovered.join(', ')}`
  return { status: 'pass', detail }
}

/** Where the bytes are the enclave's own, so is the name; the record does not hold one of unusual length. */
function judgeModel(
  record: ReceiptRecord,
  model: string | null | undefined,
  sameBytes: boolean,
): Result {
  if (model === undefined) return NOT_GIVEN
  if (sameBytes || model === record.model_served) return PASS
  return failed('model_mismatch')
}

function judgeMembers(
  record: ReceiptRecord,
  { expected, opening, crypto, policy }: ReceiptOptions,
): Result {
  const { request } = expected
  if (request === undefined || opening === undefined) return NOT_GIVEN
  if (record.members === null) return failed('request_member_removed', 'no object arrived')
  const judged = (name: string) => !policy.allowMembers.includes(name)
  const received = new Map(record.members.map(({ name, digest }) => [name, digest]))
  const sent = Object.keys(request)
  const added = [...received.keys()].find((name) => judged(name) && !Object.hasOwn(request, name))
  if (added !== undefined) return failed('request_member_added', added)
  const removed = sent.find((name) => judged(name) && !received.has(name))
  if (removed !== undefined) return failed('request_member_removed', removed)
  const changed = sent.find(
    (name) =>
      judged(name) && memberDigest(name, request[name], opening, crypto) !== received.get(name),
  )
  return changed === undefined ? PASS : failed('request_member_changed', changed)
}

const GENUINE = ['structure', 'keyset', 'signature', 'record_hash', 'boot', 'config'] as const
const COMPARED = [
  ...(['time', 'id', 'endpoint', 'challenge', 'status', 'outcome', 'bodies'] as const),
  ...(['request_bytes', 'response_bytes', 'content', 'model', 'members'] as const),
]

/**
 * Verifies a receipt or view against a keyset that was verified before.
 *
 * @param receipt its exact text, or the bytes of a COSE_Sign1
 * @returns every check by its id `receipt.…`; where the receipt is not genuine the comparisons are skipped. Never throws
 *   on any of them
 * @throws TypeError for a time that is no finite number or a policy that `parsePolicy` refuses
 */
export function verifyReceipt(receipt: string | Uint8Array, given: ReceiptOptions): ReceiptVerdict {
  const options = requireOptions(given)
  const { crypto, trusted, expected, opening, level: wanted = 'content' } = options
  const parsed = parseAnyReceipt(receipt)
  const results = new Map<Step, Result>()
  const held = (step: Step): boolean => results.get(step)?.status === 'pass'
  const finish = (): ReceiptVerdict => {
    const genuine = GENUINE.every(held)
    const level: ReceiptLevel = !genuine
      ? 'none'
      : held('request_bytes') &&
          held('response_bytes') &&
          results.get('status')?.code !== 'status_mismatch'
        ? 'bytes'
        : // Bytes that are the enclave's own say what it said.
          (held('content') || held('response_bytes')) && held('members')
          ? 'content'
          : 'signer'
    const reached = RECEIPT_LEVELS.indexOf(level) >= RECEIPT_LEVELS.indexOf(wanted)
    const detail = `${level} of ${wanted}`
    results.set('level', reached ? { status: 'pass', detail } : failed('level_not_reached', detail))
    const checks = [...GENUINE, ...COMPARED, 'level' as const].map((step) =>
      toCheck(step, results.get(step) ?? AFTER_FAILURE),
    )
    const record = genuine && parsed.ok ? parsed.receipt.record : null
    return { accepted: checks.every(({ status }) => status !== 'fail'), checks, record, level }
  }
  if (!parsed.ok) {
    results.set('structure', failed('receipt_malformed', parsed.detail))
    return finish()
  }
  const { receipt: read } = parsed
  const { record, bodies } = read
  const form = bodies === null ? 'view' : 'full receipt'
  results.set('structure', { status: 'pass', detail: form })
  results.set('keyset', judgeKeyset(read, options))
  if (!held('keyset')) return finish()
  results.set('signature', judgeSignature(read, trusted, crypto))
  if (!held('signature')) return finish()
  results.set(
    'record_hash',
    recordHash(record, crypto) === read.recordHash ? PASS : failed('record_hash_mismatch'),
  )
  results.set('boot', same(trusted.bootId, record.boot_id, 'receipt_other_boot'))
  results.set('config', same(trusted.configDigest, record.config_digest, 'receipt_other_config'))
  if (!GENUINE.every(held)) return finish()

  results.set('time', judgeTime(record, options))
  results.set('id', same(expected.receiptId, record.receipt_id, 'receipt_id_mismatch'))
  results.set('endpoint', same(expected.endpoint, record.endpoint, 'endpoint_mismatch'))
  results.set('challenge', same(expected.challenge, record.challenge, 'challenge_mismatch'))
  results.set('status', judgeStatus(record, options))
  results.set('outcome', judgeOutcome(read, expected.requireOutcome))
  results.set('bodies', judgeBodies(read, opening, crypto))
  const { requestBytes, responseBytes } = expected
  const sentHash = requestBytes === undefined ? undefined : crypto.sha256(requestBytes)
  const gotHash = responseBytes === undefined ? expected.responseHash : crypto.sha256(responseBytes)
  results.set(
    'request_bytes',
    judgeBytes(sentHash, bodies?.received, 'request_hash_mismatch', options),
  )
  results.set(
    'response_bytes',
    judgeBytes(gotHash, bodies?.returned, 'response_hash_mismatch', options),
  )
  results.set('model', judgeModel(record, expected.model, held('response_bytes')))
  // With the opening of another receipt nothing would match, and each mismatch would name the wrong culprit.
  if (results.get('bodies')?.status !== 'fail') {
    results.set('content', judgeContent(record, options))
    results.set('members', judgeMembers(record, options))
  }
  return finish()
}
