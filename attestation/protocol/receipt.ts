/**
 * The ACI receipt (`aci/1`), as text to sign and as a document; the record rides along as one more event, which a
 * stranger ignores.
 *
 * Two forms share the shape. The full receipt has ACI's own events with the body hashes. The view leaves them out, for
 * readers who may see what the record says but not guess at the bodies; a stock ACI verifier refuses it, as it should.
 *
 * @module
 */
import { ACI_VERSION } from './aci-statement.ts'
import type { Sha256Digest } from './hex.ts'
import type { BodyHashes, ReceiptRecord } from './record.ts'

/** `response.returned` stands only for a body delivered whole; a stock verifier fails closed on the other. */
export const RETURNED_EVENT = 'response.returned'
export const PARTIAL_EVENT = 'countersign.response.partial'
export const RECORD_EVENT = 'countersign.record'

/** Length of a receipt document in bytes. */
export const MAX_RECEIPT_BYTES = 256 * 1024

function recordEvent(record: ReceiptRecord, hash: Sha256Digest): object {
  return {
    backend: record.backend,
    bodies: record.bodies,
    boot_id: record.boot_id,
    challenge: record.challenge,
    config_digest: record.config_digest,
    content_digest: record.content_digest,
    content_kind: record.content_kind,
    content_status: record.content_status,
    content_uncovered: record.content_uncovered,
    finish_reasons: record.finish_reasons,
    members: record.members,
    model_served: record.model_served,
    outcome: record.outcome,
    record_hash: hash,
    response_bytes: record.response_bytes,
    sequence: record.sequence,
    status: record.status,
    type: RECORD_EVENT,
    usage: record.usage,
  }
}

/**
 * The body was delivered whole: what the upstream sent ended as its framing says, and all of it was written out.
 * `upstream_error` is here too where it speaks of an error answer that arrived complete.
 */
export interface Delivery {
  readonly whole: boolean
}

export interface ReceiptText {
  /** The exact bytes under the signature: JCS of the document without `signature`. */
  readonly signed: string
  /** The document with the signature (hex) in its place. */
  withSignature(signature: string): string
}

function receiptText(record: ReceiptRecord, keyId: string, events: readonly object[]): ReceiptText {
  // Members in canonical order, so that JSON.stringify prints JCS and `signature` can be spliced in.
  const head = JSON.stringify({
    api_version: ACI_VERSION,
    chat_id: record.chat_id,
    endpoint: record.endpoint,
    event_log: events,
    key_id: keyId,
    method: record.method,
    model: record.model_requested,
    receipt_id: record.receipt_id,
    served_at: record.served_at,
  }).slice(0, -1)
  const tail = `"workload_keyset_digest":"${record.keyset_digest}"}`
  return {
    signed: `${head},${tail}`,
    withSignature: (signature) => `${head},"signature":"${signature}",${tail}`,
  }
}

/** The full receipt. @param keyId id of the keyset's `ed25519` entry */
export function fullReceipt(
  record: ReceiptRecord,
  hash: Sha256Digest,
  bodies: BodyHashes,
  delivery: Delivery,
  keyId: string,
): ReceiptText {
  const events: object[] = [{ body_hash: bodies.received, type: 'request.received' }]
  if (bodies.forwarded !== null) {
    events.push({ body_hash: bodies.forwarded, type: 'request.forwarded' })
  }
  events.push(
    delivery.whole
      ? { body_hash: bodies.returned, type: RETURNED_EVENT }
      : { body_hash: bodies.returned, bytes: record.response_bytes, type: PARTIAL_EVENT },
    recordEvent(record, hash),
  )
  return receiptText(record, keyId, events)
}

/** The view without body hashes. */
export function receiptView(record: ReceiptRecord, hash: Sha256Digest, keyId: string): ReceiptText {
  return receiptText(record, keyId, [recordEvent(record, hash)])
}
