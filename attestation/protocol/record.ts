/**
 * The record: one per admitted request, whatever became of it. Every encoding of a receipt carries its hash.
 *
 * Body hashes are not members of it but committed to under the opening (`bodies`), so that a view of the record can
 * be shown to somebody who must not be able to guess at the bodies; see docs/decisions/.
 *
 * @module
 */
import type { CryptoPort } from '../crypto/port.ts'
import type { ContentKind, ContentStatus } from './content.ts'
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
  'interrupted',
] as const
export type Outcome = (typeof OUTCOMES)[number]

/**
 * Changes made on the way by the service itself: to the request, ACI's constraints taken out, `stream_options.include_usage`
 * set, empty `tool_calls` taken out of messages; to a stream, comments while the model server was silent.
 */
export const REWRITES = [
  'aci_constraints',
  'include_usage',
  'keep_alive',
  'strip_empty_tool_calls',
] as const
export type RewriteName = (typeof REWRITES)[number]

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

export interface ReceiptRecord {
  readonly backend: string | null
  readonly bodies: Sha256Digest
  readonly boot_id: Hex32
  readonly challenge: string | null
  readonly chat_id: string | null
  readonly config_digest: Sha256Digest
  readonly content_digest: Sha256Digest | null
  readonly content_kind: ContentKind | 'none'
  readonly content_status: ContentStatus
  readonly content_uncovered: readonly string[]
  readonly endpoint: string
  readonly finish_reasons: readonly (string | null)[]
  /**
   * The boot that admitted the request and ended before it recorded an outcome; there exactly where the outcome is
   * `interrupted`, which a later boot states of it.
   */
  readonly interrupted_boot?: Hex32
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
  /** Those that were made, sorted; absent where none was. */
  readonly rewrites?: readonly RewriteName[]
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
 * Runs of members, as canonical text, that the record and the receipt's record event have in common. The enclave prints
 * both for every answer, before its last byte leaves, so each run is printed once.
 */
export interface RecordRuns {
  /** backend to challenge */
  readonly origin: string
  /** config_digest to content_uncovered */
  readonly content: string
  /** finish_reasons, interrupted_boot where there is one */
  readonly finishReasons: string
  readonly members: string
  /** model_served, outcome */
  readonly served: string
  /** response_bytes, rewrites where there are any, sequence */
  readonly counts: string
  /** status */
  readonly status: string
  readonly usage: string
}

const json = (value: unknown): string => JSON.stringify(value)

/** For values that a type holds to characters without an escape: digests, hex, our own words. */
function plain(value: string | null): string {
  return value === null ? 'null' : `"${value}"`
}

function membersText(members: readonly RequestMember[] | null): string {
  if (members === null) return 'null'
  const items = members.map(({ digest, name }) => `{"digest":"${digest}","name":${json(name)}}`)
  return `[${items.join(',')}]`
}

function usageText(usage: Usage | null): string {
  if (usage === null) return 'null'
  const { completion_tokens: completion, prompt_tokens: prompt, total_tokens: total } = usage
  return `{"completion_tokens":${completion},"prompt_tokens":${prompt},"total_tokens":${total}}`
}

export function recordRuns(record: ReceiptRecord): RecordRuns {
  return {
    origin:
      `"backend":${json(record.backend)},"bodies":${plain(record.bodies)},` +
      `"boot_id":${plain(record.boot_id)},"challenge":${json(record.challenge)}`,
    content:
      `"config_digest":${plain(record.config_digest)},"content_digest":${plain(record.content_digest)},` +
      `"content_kind":${plain(record.content_kind)},"content_status":${plain(record.content_status)},` +
      `"content_uncovered":${json(record.content_uncovered)}`,
    finishReasons:
      `"finish_reasons":${json(record.finish_reasons)}` +
      (record.interrupted_boot === undefined
        ? ''
        : `,"interrupted_boot":${plain(record.interrupted_boot)}`),
    members: `"members":${membersText(record.members)}`,
    served: `"model_served":${json(record.model_served)},"outcome":${plain(record.outcome)}`,
    counts:
      `"response_bytes":${record.response_bytes},` +
      (record.rewrites === undefined ? '' : `"rewrites":${json(record.rewrites)},`) +
      `"sequence":${record.sequence}`,
    status: `"status":${record.status}`,
    usage: `"usage":${usageText(record.usage)}`,
  }
}

/** The record's JCS text, written in sorted order; a test holds it to {@link canonicalize}. */
export function recordText(record: ReceiptRecord, runs: RecordRuns = recordRuns(record)): string {
  return (
    `{${runs.origin},"chat_id":${json(record.chat_id)},${runs.content},` +
    `"endpoint":${json(record.endpoint)},${runs.finishReasons},` +
    `"keyset_digest":${plain(record.keyset_digest)},${runs.members},"method":${json(record.method)},` +
    `"model_requested":${json(record.model_requested)},${runs.served},` +
    `"purpose":${plain(record.purpose)},"receipt_id":${json(record.receipt_id)},${runs.counts},` +
    `"served_at":${record.served_at},${runs.status},${runs.usage}}`
  )
}

const NO_PREFIX = new Uint8Array(0)

/** SHA-256 of the record's JCS text, `purpose` being its domain. */
export function recordTextHash(text: string, crypto: CryptoPort): Sha256Digest {
  return hexToSha256Digest(crypto.sha256Text(NO_PREFIX, text))
}

export function recordHash(record: ReceiptRecord, crypto: CryptoPort): Sha256Digest {
  return recordTextHash(recordText(record), crypto)
}
