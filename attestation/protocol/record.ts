/**
 * The record: one per admitted request, whatever became of it. Every encoding of a receipt carries its hash.
 *
 * Body hashes are not members of it but committed to under the opening (`bodies`), so that a view of the record can
 * be shown to somebody who must not be able to guess at the bodies; see docs/decisions/.
 *
 * @module
 */
import type { CryptoPort } from '../crypto/port.ts'
import type { ContentStatus } from './chat-content.ts'
import { hexToSha256Digest } from './hex.ts'
import type { Hex32, Sha256Digest } from './hex.ts'
import type { RequestMember } from './request-members.ts'
import { saltedDigest } from './salted-digest.ts'

export const RECORD_PURPOSE = 'countersign.record.v1'

/** Receipt ids: minted by the enclave, at least 128 random bits. */
export const RECEIPT_ID = /^[a-z0-9_-]{1,64}$/

export const OUTCOMES = [
  'complete',
  'upstream_error',
  'upstream_reset',
  'downstream_closed',
  'timeout',
  'refused',
] as const
export type Outcome = (typeof OUTCOMES)[number]

export interface Usage {
  readonly completion_tokens: number
  readonly prompt_tokens: number
  readonly total_tokens: number
}

/** Hashes of the three bodies as they were on the wire. */
export interface BodyHashes {
  /** Null where nothing was forwarded. */
  readonly forwarded: Sha256Digest | null
  readonly received: Sha256Digest
  /** Of the bytes sent, as far as they were sent. */
  readonly returned: Sha256Digest
}

/** Members in canonical (sorted) order: {@link recordText} relies on it. */
export interface ReceiptRecord {
  readonly backend: string | null
  readonly bodies: Sha256Digest
  readonly boot_id: Hex32
  readonly challenge: string | null
  readonly chat_id: string | null
  readonly config_digest: Sha256Digest
  readonly content_digest: Sha256Digest | null
  readonly content_kind: 'chat/v1' | 'none'
  readonly content_status: ContentStatus
  readonly content_uncovered: readonly string[]
  readonly endpoint: string
  readonly finish_reasons: readonly (string | null)[]
  readonly keyset_digest: Sha256Digest
  /** Null where the request body was not a JSON object. */
  readonly members: readonly RequestMember[] | null
  readonly method: string
  readonly model_requested: string | null
  readonly model_served: string | null
  readonly outcome: Outcome
  readonly purpose: typeof RECORD_PURPOSE
  readonly receipt_id: string
  /** Bytes of the response body that the hash covers. */
  readonly response_bytes: number
  /** Position in the boot's log of records; the first record is 1. */
  readonly sequence: number
  /** Unix seconds at which the outcome was reached. */
  readonly served_at: number
  /** HTTP status sent to the client, or decided on where it could no longer be sent. */
  readonly status: number
  readonly usage: Usage | null
}

/** The commitment that stands in the record for the three body hashes. */
export function bodiesCommitment(
  hashes: BodyHashes,
  salt: Uint8Array,
  crypto: CryptoPort,
): Sha256Digest {
  const forwarded = hashes.forwarded === null ? 'null' : `"${hashes.forwarded}"`
  return saltedDigest(
    'countersign.bodies.v1',
    salt,
    `{"forwarded":${forwarded},"received":"${hashes.received}","returned":"${hashes.returned}"}`,
    crypto,
  )
}

/**
 * The record's JCS text. Built as an object in sorted order and printed by JSON.stringify, which for such an object
 * gives the canonical bytes several times faster; a test holds it to {@link canonicalize}.
 */
export function recordText(record: ReceiptRecord): string {
  return JSON.stringify({
    backend: record.backend,
    bodies: record.bodies,
    boot_id: record.boot_id,
    challenge: record.challenge,
    chat_id: record.chat_id,
    config_digest: record.config_digest,
    content_digest: record.content_digest,
    content_kind: record.content_kind,
    content_status: record.content_status,
    content_uncovered: record.content_uncovered,
    endpoint: record.endpoint,
    finish_reasons: record.finish_reasons,
    keyset_digest: record.keyset_digest,
    members: record.members,
    method: record.method,
    model_requested: record.model_requested,
    model_served: record.model_served,
    outcome: record.outcome,
    purpose: record.purpose,
    receipt_id: record.receipt_id,
    response_bytes: record.response_bytes,
    sequence: record.sequence,
    served_at: record.served_at,
    status: record.status,
    usage: record.usage,
  })
}

const NO_PREFIX = new Uint8Array(0)

/** SHA-256 of the record's JCS text, `purpose` being its domain. */
export function recordHash(record: ReceiptRecord, crypto: CryptoPort): Sha256Digest {
  return hexToSha256Digest(crypto.sha256Text(NO_PREFIX, recordText(record)))
}
