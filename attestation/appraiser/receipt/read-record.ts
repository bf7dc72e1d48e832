/**
 * The members of the record (docs/protocol.md §6), whichever encoding they came in. Nothing here is believed yet.
 *
 * @module
 */
import { CONTENT_KINDS, MAX_UNCOVERED, MAX_UNCOVERED_NAME } from '../../protocol/content.ts'
import type { ContentStatus } from '../../protocol/content.ts'
import { isHex32, isSha256Digest } from '../../protocol/hex.ts'
import type { Hex32, Sha256Digest } from '../../protocol/hex.ts'
import { canonicalize } from '../../protocol/jcs.ts'

import type { JsonObject, JsonValue } from '../../protocol/json.ts'
import type { ACI_RECEIPT_ALGO, COSE_ALGO } from '../../protocol/keyset.ts'
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
import { objectOf, Unreadable } from '../read-members.ts'

/** Length of any other text in a receipt. */
export const MAX_RECEIPT_TEXT = 512
export const RECEIPT_SIGNATURE_BYTES = 64
const STATUSES: readonly ContentStatus[] = ['covered', 'partial', 'ambiguous', 'none']

export interface ParsedReceipt {
  readonly record: ReceiptRecord
  /** As stated; to be recomputed. */
  readonly recordHash: Sha256Digest
  /** Role of the key that signed it: each encoding has its own. */
  readonly role: typeof ACI_RECEIPT_ALGO | typeof COSE_ALGO
  readonly keyId: string
  readonly signature: Uint8Array
  /** The exact bytes under the signature. */
  readonly signed: Uint8Array
  /** Null in a view. */
  readonly bodies: BodyHashes | null
  /** The response was delivered whole; false for a part, null in a view. */
  readonly whole: boolean | null
}

export type ReceiptResult =
  | { readonly ok: true; readonly receipt: ParsedReceipt }
  | { readonly ok: false; readonly detail: string }

const RECORD_MEMBERS = [
  ...['backend', 'bodies', 'boot_id', 'challenge', 'chat_id', 'config_digest', 'content_digest'],
  ...['content_kind', 'content_status', 'content_uncovered', 'endpoint', 'finish_reasons'],
  ...[
    'keyset_digest',
    'members',
    'method',
    'model_requested',
    'model_served',
    'outcome',
    'purpose',
  ],
  ...['receipt_id', 'response_bytes', 'sequence', 'served_at', 'status', 'usage'],
]

export type Guard<T> = (value: unknown) => value is T

export function isText(value: unknown): value is string {
  return typeof value === 'string' && value.length <= MAX_RECEIPT_TEXT
}

export function isCount(value: unknown): value is number {
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

export function member<T>(object: JsonObject, name: string, guard: Guard<T>): T {
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

const isUncovered: Guard<string> = (name): name is string =>
  typeof name === 'string' && name.length <= MAX_UNCOVERED_NAME + 32

/** @throws Unreadable */
export function readRecord(value: JsonValue | undefined): ReceiptRecord {
  const object = objectOf(value, 'the record', RECORD_MEMBERS, ['interrupted_boot', 'rewrites'])
  if (object['purpose'] !== RECORD_PURPOSE) throw new Unreadable('a record of another purpose')
  const receiptId = member(object, 'receipt_id', isText)
  if (!RECEIPT_ID.test(receiptId)) throw new Unreadable('receipt_id is malformed')
  const record: ReceiptRecord = {
    backend: member(object, 'backend', orNull(isText)),
    bodies: member(object, 'bodies', isSha256Digest),
    boot_id: member(object, 'boot_id', isHex32),
    challenge: member(object, 'challenge', orNull(isText)),
    chat_id: member(object, 'chat_id', orNull(isText)),
    config_digest: member(object, 'config_digest', isSha256Digest),
    content_digest: member(object, 'content_digest', orNull(isSha256Digest)),
    content_kind: member(object, 'content_kind', isKind),
    content_status: member(object, 'content_status', isStatus),
    content_uncovered: member(object, 'content_uncovered', listOf(isUncovered, MAX_UNCOVERED)),
    endpoint: member(object, 'endpoint', isText),
    finish_reasons: member(object, 'finish_reasons', listOf(orNull(isText), MAX_TEXT_CHOICES)),
    ...readInterrupted(object),
    keyset_digest: member(object, 'keyset_digest', isSha256Digest),
    members: readMembers(object['members']),
    method: member(object, 'method', isText),
    model_requested: member(object, 'model_requested', orNull(isText)),
    model_served: member(object, 'model_served', orNull(isText)),
    outcome: member(object, 'outcome', isOutcome),
    purpose: RECORD_PURPOSE,
    receipt_id: receiptId,
    response_bytes: member(object, 'response_bytes', isCount),
    ...readRewrites(object['rewrites']),
    sequence: member(object, 'sequence', isCount),
    served_at: member(object, 'served_at', isCount),
    status: member(object, 'status', isCount),
    usage: readUsage(object['usage']),
  }
  const digestible = record.content_status === 'covered' || record.content_status === 'partial'
  if (digestible !== (record.content_digest !== null)) {
    throw new Unreadable('a content digest that its status does not go with')
  }
  return record
}

/** @throws Unreadable */
export function refuseBodies({ outcome }: ReceiptRecord, bodies: BodyHashes | null): void {
  if (outcome === 'interrupted' && bodies !== null) {
    throw new Unreadable('bodies of a request that nobody saw the end of')
  }
}
