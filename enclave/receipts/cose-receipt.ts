/**
 * Encodes and signs a receipt as COSE_Sign1. The form is that of `attestation/protocol/cose-receipt.ts`.
 *
 * @module
 */
import { Encoder } from 'cbor-x'
import {
  COSE_EDDSA,
  COSE_HEADER,
  COSE_PAYLOAD_TYPE,
  COSE_SIGN1_TAG,
  coseToBeSigned,
} from '../../attestation/protocol/cose-receipt.ts'
import type { Sha256Digest } from '../../attestation/protocol/hex.ts'
import type { BodyHashes, ReceiptRecord } from '../../attestation/protocol/record.ts'
import { toUtf8 } from '../../attestation/protocol/utf8.ts'
import type { Ed25519Signer } from '../keys/ed25519-signer.ts'
import type { StoredReceipt } from './receipt-store.ts'

/** Shortest heads and no extensions of its own. It writes maps in the order in which they are given, and a number from 2^32 on as a float. */
const cbor = new Encoder({
  useRecords: false,
  variableMapSize: true,
  tagUint8Array: false,
  mapsAsObjects: false,
})

const UINT32_END = 2 ** 32

type Encodable =
  null | boolean | number | bigint | string | readonly Encodable[] | Map<unknown, unknown>

/** Bytewise order of the encoded keys (RFC 8949 §4.2.1): the head of a text grows with its length. */
function compareKeys(a: string, b: string): number {
  return Buffer.compare(cbor.encode(a), cbor.encode(b))
}

/** A JSON value in the one form that cbor-x writes deterministically. */
function encodable(value: unknown): Encodable {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return value
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) throw new TypeError('a record holds whole numbers only')
    return value >= UINT32_END ? BigInt(value) : value
  }
  if (Array.isArray(value)) return value.map(encodable)
  if (typeof value !== 'object') throw new TypeError('not a JSON value')
  return new Map(
    Object.entries(value)
      .toSorted(([a], [b]) => compareKeys(a, b))
      .map(([name, member]) => [name, encodable(member)]),
  )
}

export interface CoseReceiptInput {
  readonly record: ReceiptRecord
  readonly recordHash: Sha256Digest
  /** Null for a view. */
  readonly bodies: (BodyHashes & { readonly whole: boolean }) | null
  /** Of the keyset's `countersign-cose-ed25519` entry. */
  readonly keyId: string
}

/** A request that nobody saw the end of has no bodies to speak of, for anybody. */
export function coseInput(
  { record, recordHash, bodies, whole }: StoredReceipt,
  form: 'full' | 'view',
  keyId: string,
): CoseReceiptInput {
  const isFull = form === 'full' && record.outcome !== 'interrupted'
  return { record, recordHash, bodies: isFull ? { ...bodies, whole } : null, keyId }
}

/** @returns the tagged COSE_Sign1 */
export function coseReceipt(input: CoseReceiptInput, signer: Ed25519Signer): Uint8Array {
  const { record, recordHash, bodies, keyId } = input
  const header = cbor.encode(
    new Map<number, unknown>([
      [COSE_HEADER.alg, COSE_EDDSA],
      [COSE_HEADER.contentType, COSE_PAYLOAD_TYPE],
      [COSE_HEADER.keyId, toUtf8(keyId)],
    ]),
  )
  const payload = cbor.encode(encodable({ bodies, record, record_hash: recordHash }))
  const signature = signer.sign(coseToBeSigned(header, payload))
  const message = cbor.encode([header, new Map(), payload, Buffer.from(signature)])
  return Buffer.concat([Uint8Array.of(COSE_SIGN1_TAG), message])
}
