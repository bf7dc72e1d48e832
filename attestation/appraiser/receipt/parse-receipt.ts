/**
 * The receipt of docs/protocol.md §7, from text to the record and the body hashes. Nothing here is believed yet.
 *
 * The text must be canonical (RFC 8785) and hold exactly the members of its form, so that one signature has one text.
 *
 * @module
 */
import { ACI_VERSION } from '../../protocol/aci-statement.ts'
import { fromHex, isSha256Digest } from '../../protocol/hex.ts'
import type { Sha256Digest } from '../../protocol/hex.ts'
import { canonicalize } from '../../protocol/jcs.ts'
import { isJsonObject, parseJsonText } from '../../protocol/json.ts'
import type { JsonObject, JsonValue } from '../../protocol/json.ts'
import { ACI_RECEIPT_ALGO } from '../../protocol/keyset.ts'
import {
  MAX_RECEIPT_BYTES,
  PARTIAL_EVENT,
  RECORD_EVENT,
  RETURNED_EVENT,
} from '../../protocol/receipt.ts'
import { RECORD_PURPOSE } from '../../protocol/record.ts'
import type { BodyHashes } from '../../protocol/record.ts'
import { toUtf8 } from '../../protocol/utf8.ts'
import { objectOf, Unreadable } from '../read-members.ts'
import {
  isCount,
  isText,
  member,
  readRecord,
  RECEIPT_SIGNATURE_BYTES,
  refuseBodies,
} from './read-record.ts'
import type { ParsedReceipt, ReceiptResult } from './read-record.ts'

const RECEIPT_MEMBERS = [
  ...['api_version', 'chat_id', 'endpoint', 'event_log', 'key_id', 'method', 'model'],
  ...['receipt_id', 'served_at', 'signature', 'workload_keyset_digest'],
]
const EVENT_MEMBERS = [
  ...['backend', 'bodies', 'boot_id', 'challenge', 'config_digest', 'content_digest'],
  ...['content_kind', 'content_status', 'content_uncovered', 'finish_reasons', 'members'],
  ...['model_served', 'outcome', 'record_hash', 'response_bytes', 'sequence', 'status', 'type'],
  'usage',
]

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
  const record = objectOf(events.at(-1), 'the record', EVENT_MEMBERS, [
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
  const { type: _type, record_hash: _hash, ...members } = event
  const record = readRecord({
    ...members,
    chat_id: top['chat_id'] ?? null,
    endpoint: top['endpoint'] ?? null,
    keyset_digest: top['workload_keyset_digest'] ?? null,
    method: top['method'] ?? null,
    model_requested: top['model'] ?? null,
    purpose: RECORD_PURPOSE,
    receipt_id: top['receipt_id'] ?? null,
    served_at: top['served_at'] ?? null,
  })
  const signature = fromHex(member(top, 'signature', isText))
  if (signature?.length !== RECEIPT_SIGNATURE_BYTES) throw new Unreadable('signature is malformed')
  refuseBodies(record, bodies)
  if (bytes !== null && bytes !== record.response_bytes) {
    throw new Unreadable('two lengths of one body')
  }
  const { signature: _signature, ...unsigned } = top
  return {
    record,
    recordHash: member(event, 'record_hash', isSha256Digest),
    role: ACI_RECEIPT_ALGO,
    keyId: member(top, 'key_id', isText),
    signature,
    signed: toUtf8(canonicalize(unsigned)),
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
