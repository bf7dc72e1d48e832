/**
 * The record that a boot makes of a request which an earlier boot admitted and never recorded the end of.
 *
 * It states the admission and nothing else. The commitment to the body hashes is one to hashes of nothing, and the receipt
 * shows none.
 *
 * @module
 */
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { toSha256Digest } from '../../attestation/protocol/hex.ts'
import type { Hex32 } from '../../attestation/protocol/hex.ts'
import { RECORD_PURPOSE, bodiesCommitment } from '../../attestation/protocol/record.ts'
import type { BodyHashes, ReceiptRecord } from '../../attestation/protocol/record.ts'
import type { OpenAdmission } from './receipt-store.ts'

/** SHA-256 of no bytes. */
const EMPTY_HASH = toSha256Digest(nodeCrypto.sha256(new Uint8Array(0)))

const NO_BODIES: BodyHashes = Object.freeze({
  forwarded: null,
  received: EMPTY_HASH,
  returned: EMPTY_HASH,
})

/** @param boot the earlier one; `own` is of the boot that makes the record and signs it */
export function interruptedRecord(
  { receiptId, challenge, endpoint, method, opening }: OpenAdmission,
  boot: Hex32,
  own: Pick<
    ReceiptRecord,
    'boot_id' | 'config_digest' | 'keyset_digest' | 'sequence' | 'served_at'
  >,
): { readonly record: ReceiptRecord; readonly bodies: BodyHashes } {
  return {
    bodies: NO_BODIES,
    record: {
      ...own,
      backend: null,
      bodies: bodiesCommitment(NO_BODIES, Buffer.from(opening, 'hex'), nodeCrypto),
      challenge,
      chat_id: null,
      content_digest: null,
      content_kind: 'none',
      content_status: 'none',
      content_uncovered: [],
      endpoint,
      finish_reasons: [],
      interrupted_boot: boot,
      members: null,
      method,
      model_requested: null,
      model_served: null,
      outcome: 'interrupted',
      purpose: RECORD_PURPOSE,
      receipt_id: receiptId,
      response_bytes: 0,
      // Whether a status was sent is not known.
      status: 0,
      usage: null,
    },
  }
}
