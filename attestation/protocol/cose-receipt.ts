/**
 * The COSE_Sign1 receipt (RFC 9052 §4.2): the record once more, for readers of CBOR, under a key of its own.
 *
 * ```
 * 18([<< {1: -8, 3: "application/cbor", 4: kid} >>, {}, << payload >>, signature])
 * payload = {"bodies": {"forwarded", "received", "returned", "whole"} / null, "record": {…}, "record_hash": "sha256:…"}
 * ```
 *
 * All of it is deterministic CBOR (RFC 8949 §4.2.1). The record has the names and values of docs/protocol.md §6, so `record_hash` is that of
 * its JCS text, as in every encoding. `bodies` is null in a view.
 *
 * @module
 */
import { byteStringHead } from './cbor.ts'
import { toUtf8 } from './utf8.ts'

export const COSE_MEDIA_TYPE = 'application/cose'
/** With the parameter of RFC 9052 §11.3.1 for what is inside: the tagged form. */
export const COSE_CONTENT_TYPE = `${COSE_MEDIA_TYPE}; cose-type="cose-sign1"`
/** Of the payload. */
export const COSE_PAYLOAD_TYPE = 'application/cbor'
/**
 * `external_aad`: what keeps a signature of this key from being one of another protocol that signs CBOR. A reader must supply it, so one
 * that knows nothing of receipts accepts none.
 */
export const COSE_EXTERNAL_AAD = 'countersign.receipt.cose.v1'

/** Labels of RFC 9052 §3.1. */
export const COSE_HEADER = Object.freeze({ alg: 1, contentType: 3, keyId: 4 })
/** EdDSA (RFC 9053 §2.2), with a key that is Ed25519. */
export const COSE_EDDSA = -8
/** One byte: CBOR tag 18. */
export const COSE_SIGN1_TAG = 0xd2
/** Length of an encoded receipt in bytes. */
export const MAX_COSE_RECEIPT_BYTES = 256 * 1024

const EXTERNAL_AAD = toUtf8(COSE_EXTERNAL_AAD)
/** An array of four, and the text `Signature1`. */
const SIGNATURE1 = Uint8Array.of(0x84, 0x6a, ...toUtf8('Signature1'))

/** Sig_structure of RFC 9052 §4.4: the bytes that are signed. */
export function coseToBeSigned(protectedHeader: Uint8Array, payload: Uint8Array): Uint8Array {
  const parts = [protectedHeader, EXTERNAL_AAD, payload].flatMap((bytes) => [
    byteStringHead(bytes.length),
    bytes,
  ])
  const size = parts.reduce((sum, part) => sum + part.length, SIGNATURE1.length)
  const out = new Uint8Array(size)
  out.set(SIGNATURE1)
  let at = SIGNATURE1.length
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}
