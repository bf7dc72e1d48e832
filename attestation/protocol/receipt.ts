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
import { recordRuns } from './record.ts'
import type { BodyHashes, ReceiptRecord, RecordRuns } from './record.ts'

/** `response.returned` stands only for a body delivered whole; a stock verifier fails closed on the other. */
export const RETURNED_EVENT = 'response.returned'
export const PARTIAL_EVENT = 'countersign.response.partial'
export const RECORD_EVENT = 'countersign.record'

/** Length of a receipt document in bytes. */
export const MAX_RECEIPT_BYTES = 256 * 1024

function recordEvent(runs: RecordRuns, hash: Sha256Digest): string {
  return (
    `{${runs.origin},${runs.content},${runs.finishReasons},${runs.members},${runs.served},` +
    `"record_hash":"${hash}",${runs.counts},${runs.status},"type":"${RECORD_EVENT}",${runs.usage}}`
  )
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

function receiptText(record: ReceiptRecord, keyId: string, events: string): ReceiptText {
  // Members in canonical order, so that this is JCS and `signature` can be put in its place.
  const json = (value: string | null) => JSON.stringify(value)
  const head =
    `{"api_version":"${ACI_VERSION}","chat_id":${json(record.chat_id)},` +
    `"endpoint":${json(record.endpoint)},"event_log":[${events}],"key_id":${json(keyId)},` +
    `"method":${json(record.method)},"model":${json(record.model_requested)},` +
    `"receipt_id":${json(record.receipt_id)},"served_at":${record.served_at}`
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
  runs: RecordRuns = recordRuns(record),
): ReceiptText {
  const received = `{"body_hash":"${bodies.received}","type":"request.received"}`
  const forwarded =
    bodies.forwarded === null
      ? ''
      : `{"body_hash":"${bodies.forwarded}","type":"request.forwarded"},`
  const returned = delivery.whole
    ? `{"body_hash":"${bodies.returned}","type":"${RETURNED_EVENT}"}`
    : `{"body_hash":"${bodies.returned}","bytes":${record.response_bytes},"type":"${PARTIAL_EVENT}"}`
  const events = `${received},${forwarded}${returned},${recordEvent(runs, hash)}`
  return receiptText(record, keyId, events)
}

/** The view without body hashes. */
export function receiptView(
  record: ReceiptRecord,
  hash: Sha256Digest,
  keyId: string,
  runs: RecordRuns = recordRuns(record),
): ReceiptText {
  return receiptText(record, keyId, recordEvent(runs, hash))
}
