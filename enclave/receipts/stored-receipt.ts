/**
 * A settled receipt as one text, which is what a store keeps: thousands of receipts held as objects would be walked by
 * every garbage collection, while one is read for hundreds that are written.
 *
 * @module
 */
import { isJsonObject } from '../../attestation/protocol/json.ts'
import { legacyText } from '../../attestation/protocol/legacy-text.ts'
import type { Sha256Digest } from '../../attestation/protocol/hex.ts'
import type { ReceiptRecord } from '../../attestation/protocol/record.ts'
import type { Ownership, StoredReceipt } from './receipt-store.ts'

/** Stands for null in a line. */
const NONE = '-'
/** Lines of an entry. */
const LINES = 8

/**
 * One line each: record (JCS, in which no raw line feed can stand), its hash, the three body hashes, `whole`, and the two
 * signatures.
 */
export function encodeReceipt(
  recordText: string,
  receipt: Pick<StoredReceipt, 'recordHash' | 'bodies' | 'whole' | 'signature' | 'eip191'>,
): string {
  const { received, forwarded, returned } = receipt.bodies
  return (
    `${recordText}\n${receipt.recordHash}\n${received}\n${forwarded ?? NONE}\n${returned}\n` +
    `${receipt.whole ? 'whole' : 'partial'}\n${receipt.signature}\n${receipt.eip191 ?? NONE}`
  )
}

/** @throws TypeError for a text that {@link encodeReceipt} did not write: a bug */
export function decodeReceipt(text: string, ownership: Ownership): StoredReceipt {
  const lines = text.split('\n')
  const [recordText, recordHash, received, forwarded, returned, whole, signature, eip191] = lines
  const record: unknown = JSON.parse(recordText ?? '')
  if (lines.length !== LINES || !isJsonObject(record) || signature === undefined) {
    throw new TypeError('not an encoded receipt')
  }
  const bodies = {
    received: received as Sha256Digest,
    forwarded: forwarded === NONE ? null : (forwarded as Sha256Digest),
    returned: returned as Sha256Digest,
  }
  const signed = eip191 === undefined || eip191 === NONE ? null : eip191
  return {
    // Written by the enclave from this very type, and kept where nobody else can write.
    record: record as unknown as ReceiptRecord,
    recordHash: recordHash as Sha256Digest,
    bodies,
    whole: whole === 'whole',
    signature,
    legacyText: signed === null ? null : legacyText(bodies.received, bodies.returned),
    eip191: signed,
    ownership,
    kept: null,
  }
}
