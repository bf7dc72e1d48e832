/**
 * The receipt of docs/protocol.md §7, from text to the record and the body hashes. Nothing here is believed yet.
 *
 * The text must be canonical (RFC 8785) and hold exactly the members of its form, so that one signature has one text.
 *
 * @module
 */
import { ACI_VERSION } from '../../protocol/aci-statement.ts'
import { CONTENT_KINDS, MAX_UNCOVERED, MAX_UNCOVERED_NAME } from '../../protocol/content.ts'
import type { ContentStatus } from '../../protocol/content.ts'
import { fromHex, isHex32, isSha256Digest } from '../../protocol/hex.ts'
import type { Hex32, Sha256Digest } from '../../protocol/hex.ts'
import { canonicalize } from '../../protocol/jcs.ts'
import { isJsonObject, parseJsonText } from '../../protocol/json.ts'
import type { JsonObject, JsonValue } from '../../protocol/json.ts'
import {
  MAX_RECEIPT_BYTES,
  PARTIAL_EVENT,
  RECORD_EVENT,
  RETURNED_EVENT,
} from '../../protocol/receipt.ts'
import { OUTCOMES, RECEIPT_ID, RECORD_PURPOSE, REWRITES } from '../../protocol/record.ts'
import type {
  BodyHashes,
  Outcome,
  ReceiptRecord,
  RewriteName,
  Usage,
} from '../../protocol/record.ts'
import { MAX_MEMBER_NAME, MAX_REQUEST_MEMBERS } from '../../protocol/request-members.ts'
import type { RequestMember } from '../../protocol/request-members.ts'
import { MAX_TEXT_CHOICES } from '../../protocol/text-content.ts'

/** Length of any other text in a receipt. */
export const MAX_RECEIPT_TEXT = 512
const SIGNATURE_BYTES = 64
const STATUSES: readonly ContentStatus[] = ['covered', 'partial', 'ambiguous', 'none']

export interface ParsedReceipt {
  readonly record: ReceiptRecord
  /** As stated; to be recomputed. */
  readonly recordHash: Sha256Digest
  readonly keyId: string
  readonly signature: Uint8Array
  /** The exact text under the signature. */
  readonly signedText: string
  /** Null in a view. */
  readonly bodies: BodyHashes | null
  /** The response was delivered whole; false for a part, null in a view. */
  readonly whole: boolean | null
}

export type ReceiptResult =
  | { readonly ok: true; readonly receipt: ParsedReceipt }
  | { readonly ok: false; readonly detail: string }

/** Thrown inside this file only. */
class Unreadable extends Error {}

const RECEIPT_MEMBERS = [
  ...['api_version', 'chat_id', 'endpoint', 'event_log', 'key_id', 'method', 'model'],
  ...['receipt_id', 'served_at', 'signature', 'workload_keyset_digest'],
]
const RECORD_MEMBERS = [
  ...['backend', 'bodies', 'boot_id', 'challenge', 'config_digest', 'content_digest'],
  ...['content_kind', 'content_status', 'content_uncovered', 'finish_reasons', 'members'],
  ...['model_served', 'outcome', 'record_hash', 'response_bytes', 'sequence', 'status', 'type'],
  'usage',
]

/** @param optional members that may be there beside the others */
function objectOf(
  value: JsonValue | undefined,
  what: string,
  members: readonly string[],
  optional: readonly string[] = [],
): JsonObject {
  if (!isJsonObject(value)) throw new Unreadable(`${what} is not an object`)
  const names = Object.keys(value)
  const odd =
    members.find((name) => !names.includes(name)) ??
    names.find((name) => !members.includes(name) && !optional.includes(name))
  if (odd !== undefined) throw new Unreadable(`${what} lacks or must not have ${odd.slice(0, 64)}`)
  return value
}

type Guard<T> = (value: unknown) => value is T

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.length <= MAX_RECEIPT_TEXT
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

function isOutcome(value: unknown): value is Outcome {
  return OUTCOMES.some((outcome) => outcome === value)
}

function isStatus(value: unknown): value is ContentStatus {
  return STATUSES.some((status) => status === value)
}

function isKind(value: unknown): value is ReceiptRecord['content_kind'] {
  return value === 'none' || CONTENT_KINDS.some((kind) => kind === value)
}

function orNull<T>(guard: Guard<T>): Guard<T | null> {
  return (value): value is T | null => value === null || guard(value)
}

function listOf<T>(guard: Guard<T>, limit: number): Guard<readonly T[]> {
  return (value): value is readonly T[] =>
    Array.isArray(value) && value.length <= limit && value.every(guard)
}

function member<T>(object: JsonObject, name: string, guard: Guard<T>): T {
  const value: unknown = object[name]
  if (!guard(value)) throw new Unreadable(`${name} is malformed`)
  return value
}

function readUsage(value: JsonValue | undefined): Usage | null {
  if (value === null) return null
  const names = ['completion_tokens', 'prompt_tokens', 'total_tokens']
  const usage = objectOf(value, 'usage', names)
  return {
    completion_tokens: member(usage, 'completion_tokens', isCount),
    prompt_tokens: member(usage, 'prompt_tokens', isCount),
    total_tokens: member(usage, 'total_tokens', isCount),
  }
}

function readMembers(value: JsonValue | undefined): readonly RequestMember[] | null {
  if (value === null) return null
  if (!Array.isArray(value) || value.length > MAX_REQUEST_MEMBERS) {
    throw new Unreadable('members is malformed')
  }
  const members = (value as readonly JsonValue[]).map((item) => {
    const entry = objectOf(item, 'a member', ['digest', 'name'])
    const isName: Guard<string> = (name): name is string =>
      typeof name === 'string' && name.length <= MAX_MEMBER_NAME
    return { digest: member(entry, 'digest', isSha256Digest), name: member(entry, 'name', isName) }
  })
  // Strictly ascending, so that no name can stand twice with two digests to choose from.
  const sorted = members.every(({ name }, i) => i === 0 || (members[i - 1]?.name ?? '') < name)
  if (!sorted) throw new Unreadable('members are not sorted')
  return members
}

/** Sorted and without an empty list, so that one set of changes has one spelling. */
function readRewrites(value: JsonValue | undefined): { rewrites?: readonly RewriteName[] } {
  if (value === undefined) return {}
  const known = REWRITES.filter((name) => Array.isArray(value) && value.includes(name))
  if (known.length === 0 || canonicalize(known) !== canonicalize(value)) {
    throw new Unreadable('rewrites is malformed')
  }
  return { rewrites: known }
}

/** An outcome that a later boot states names the boot it speaks of, and no other outcome does. */
function readInterrupted(event: JsonObject): { interrupted_boot?: Hex32 } {
  const boot = event['interrupted_boot']
  if ((event['outcome'] === 'interrupted') !== (boot !== undefined)) {
    throw new Unreadable('interrupted_boot does not go with the outcome')
  }
  return boot === undefined ? {} : { interrupted_boot: member(event, 'interrupted_boot', isHex32) }
}

interface Events {
  readonly record: JsonObject
  readonly bodies: BodyHashes | null
  readonly whole: boolean | null
  /** What a partial event says about the length of the body. */
  readonly bytes: number | null
}

/** Exactly the order of the protocol; the last event is the record. */
function readEvents(value: JsonValue | undefined): Events {
  if (!Array.isArray(value) || value.length < 1 || value.length > 4) {
    throw new Unreadable('event_log is malformed')
  }
  const events = value as readonly JsonValue[]
  const record = objectOf(events.at(-1), 'the record', RECORD_MEMBERS, [
    'interrupted_boot',
    'rewrites',
  ])
  if (record['type'] !== RECORD_EVENT) throw new Unreadable('the last event is not the record')
  if (events.length === 1) return { record, bodies: null, whole: null, bytes: null }

  const types = events.map((event) => (isJsonObject(event) ? event['type'] : undefined))
  const returned = events.length - 2
  const forwarded = events.length === 4 ? 1 : -1
  const whole = types[returned] === RETURNED_EVENT
  const inOrder =
    returned >= 1 &&
    types[0] === 'request.received' &&
    (forwarded === -1 || types[forwarded] === 'request.forwarded') &&
    (whole || types[returned] === PARTIAL_EVENT)
  if (!inOrder) throw new Unreadable('the events are not those of a receipt')
  const hashAt = (index: number, more: readonly string[] = []): Sha256Digest =>
    member(
      objectOf(events[index], `event ${index}`, ['body_hash', 'type', ...more]),
      'body_hash',
      isSha256Digest,
    )
  const last = events[returned]
  return {
    record,
    bodies: {
      received: hashAt(0),
      forwarded: forwarded === -1 ? null : hashAt(forwarded),
      returned: hashAt(returned, whole ? [] : ['bytes']),
    },
    whole,
    bytes: whole || !isJsonObject(last) ? null : member(last, 'bytes', isCount),
  }
}

function readReceipt(value: JsonValue): ParsedReceipt {
  const top = objectOf(value, 'the receipt', RECEIPT_MEMBERS)
  if (top['api_version'] !== ACI_VERSION) throw new Unreadable('another version')
  const { record: event, bodies, whole, bytes } = readEvents(top['event_log'])
  const receiptId = member(top, 'receipt_id', isText)
  if (!RECEIPT_ID.test(receiptId)) throw new Unreadable('receipt_id is malformed')
  const signature = fromHex(member(top, 'signature', isText))
  if (signature?.length !== SIGNATURE_BYTES) throw new Unreadable('signature is malformed')
  const isUncovered: Guard<string> = (name): name is string =>
    typeof name === 'string' && name.length <= MAX_UNCOVERED_NAME + 32
  const record: ReceiptRecord = {
    backend: member(event, 'backend', orNull(isText)),
    bodies: member(event, 'bodies', isSha256Digest),
    boot_id: member(event, 'boot_id', isHex32),
    challenge: member(event, 'challenge', orNull(isText)),
    chat_id: member(top, 'chat_id', orNull(isText)),
    config_digest: member(event, 'config_digest', isSha256Digest),
    content_digest: member(event, 'content_digest', orNull(isSha256Digest)),
    content_kind: member(event, 'content_kind', isKind),
    content_status: member(event, 'content_status', isStatus),
    content_uncovered: member(event, 'content_uncovered', listOf(isUncovered, MAX_UNCOVERED)),
    endpoint: member(top, 'endpoint', isText),
    finish_reasons: member(event, 'finish_reasons', listOf(orNull(isText), MAX_TEXT_CHOICES)),
    ...readInterrupted(event),
    keyset_digest: member(top, 'workload_keyset_digest', isSha256Digest),
    members: readMembers(event['members']),
    method: member(top, 'method', isText),
    model_requested: member(top, 'model', orNull(isText)),
    model_served: member(event, 'model_served', orNull(isText)),
    outcome: member(event, 'outcome', isOutcome),
    purpose: RECORD_PURPOSE,
    receipt_id: receiptId,
    response_bytes: member(event, 'response_bytes', isCount),
    ...readRewrites(event['rewrites']),
    sequence: member(event, 'sequence', isCount),
    served_at: member(top, 'served_at', isCount),
    status: member(event, 'status', isCount),
    usage: readUsage(event['usage']),
  }
  if (record.outcome === 'interrupted' && bodies !== null) {
    throw new Unreadable('bodies of a request that nobody saw the end of')
  }
  if (bytes !== null && bytes !== record.response_bytes) {
    throw new Unreadable('two lengths of one body')
  }
  const digestible = record.content_status === 'covered' || record.content_status === 'partial'
  if (digestible !== (record.content_digest !== null)) {
    throw new Unreadable('a content digest that its status does not go with')
  }
  const { signature: _signature, ...unsigned } = top
  return {
    record,
    recordHash: member(event, 'record_hash', isSha256Digest),
    keyId: member(top, 'key_id', isText),
    signature,
    signedText: canonicalize(unsigned),
    bodies,
    whole,
  }
}

/** Parses one receipt or view. Never throws. */
export function parseReceipt(text: string): ReceiptResult {
  if (text.length > MAX_RECEIPT_BYTES) return { ok: false, detail: 'too long' }
  const parsed = parseJsonText(text)
  if (!parsed.ok) return { ok: false, detail: `not strict JSON: ${parsed.fault}` }
  if (canonicalize(parsed.value) !== text) return { ok: false, detail: 'not canonical' }
  try {
    return { ok: true, receipt: readReceipt(parsed.value) }
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error
    return { ok: false, detail: error.message }
  }
}
