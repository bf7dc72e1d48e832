/**
 * The COSE_Sign1 receipt (RFC 9052 §4.2; docs/protocol.md §7.2), from bytes to the record and the body hashes. Nothing here is believed yet.
 *
 * Deterministic CBOR alone, exactly the headers and members of its form, so that one signature has one spelling.
 *
 * @module
 */
import { decodeCbor } from '../../protocol/cbor.ts'
import type { CborMap, CborValue } from '../../protocol/cbor.ts'
import {
  COSE_EDDSA,
  COSE_HEADER,
  COSE_PAYLOAD_TYPE,
  COSE_SIGN1_TAG,
  coseToBeSigned,
  MAX_COSE_RECEIPT_BYTES,
} from '../../protocol/cose-receipt.ts'
import { isSha256Digest } from '../../protocol/hex.ts'
import type { JsonValue } from '../../protocol/json.ts'
import { COSE_ALGO } from '../../protocol/keyset.ts'
import type { BodyHashes } from '../../protocol/record.ts'
import { fromUtf8 } from '../../protocol/utf8.ts'
import { objectOf, Unreadable } from '../read-members.ts'
import { isText, member, readRecord, RECEIPT_SIGNATURE_BYTES, refuseBodies } from './read-record.ts'
import type { Guard, ParsedReceipt, ReceiptResult } from './read-record.ts'

function isMap(value: CborValue | undefined): value is CborMap {
  return value instanceof Map
}

function isBytes(value: CborValue | undefined): value is Uint8Array {
  return value instanceof Uint8Array
}

/** @param bytes of one item */
function decoded(bytes: Uint8Array, what: string): CborValue {
  const result = decodeCbor(bytes)
  if (!result.ok) throw new Unreadable(`${what} is not deterministic CBOR: ${result.detail}`)
  return result.value
}

/** What JSON could say too. */
function toJson(value: CborValue): JsonValue {
  if (isBytes(value)) throw new Unreadable('the payload holds bytes')
  if (isMap(value)) {
    return Object.fromEntries(
      [...value].map(([key, item]) => {
        if (typeof key !== 'string') throw new Unreadable('the payload has a key that is no text')
        return [key, toJson(item)]
      }),
    )
  }
  return Array.isArray(value)
    ? (value as readonly CborValue[]).map(toJson)
    : (value as Exclude<typeof value, readonly CborValue[]>)
}

/** @returns the id of the key */
function readHeader(bytes: Uint8Array): string {
  const header = decoded(bytes, 'the protected header')
  if (!isMap(header) || header.size !== 3) throw new Unreadable('not exactly three headers')
  if (header.get(COSE_HEADER.alg) !== COSE_EDDSA) throw new Unreadable('another algorithm')
  if (header.get(COSE_HEADER.contentType) !== COSE_PAYLOAD_TYPE) {
    throw new Unreadable('another content type')
  }
  const kid = header.get(COSE_HEADER.keyId)
  const keyId = isBytes(kid) ? fromUtf8(kid) : null
  if (!isText(keyId)) throw new Unreadable('kid is malformed')
  return keyId
}

const isFlag: Guard<boolean> = (value): value is boolean => typeof value === 'boolean'
const isForwarded: Guard<BodyHashes['forwarded']> = (value): value is BodyHashes['forwarded'] =>
  value === null || isSha256Digest(value)

function readBodies(value: JsonValue | undefined): Pick<ParsedReceipt, 'bodies' | 'whole'> {
  if (value === null) return { bodies: null, whole: null }
  const object = objectOf(value, 'bodies', ['forwarded', 'received', 'returned', 'whole'])
  return {
    bodies: {
      forwarded: member(object, 'forwarded', isForwarded),
      received: member(object, 'received', isSha256Digest),
      returned: member(object, 'returned', isSha256Digest),
    },
    whole: member(object, 'whole', isFlag),
  }
}

function readReceipt(bytes: Uint8Array): ParsedReceipt {
  if (bytes[0] !== COSE_SIGN1_TAG) throw new Unreadable('not a tagged COSE_Sign1')
  const message = decoded(bytes.subarray(1), 'the message')
  if (!Array.isArray(message) || message.length !== 4) throw new Unreadable('not an array of four')
  const [header, unprotected, content, signature] = message as readonly CborValue[]
  if (!isBytes(header) || !isBytes(content)) throw new Unreadable('header or payload are no bytes')
  // Nothing signs it: whoever passes the receipt on could put anything there.
  if (!isMap(unprotected) || unprotected.size !== 0) throw new Unreadable('unprotected headers')
  if (!isBytes(signature) || signature.length !== RECEIPT_SIGNATURE_BYTES) {
    throw new Unreadable('signature is malformed')
  }
  const keyId = readHeader(header)
  const members = ['bodies', 'record', 'record_hash']
  const payload = objectOf(toJson(decoded(content, 'the payload')), 'the payload', members)
  const record = readRecord(payload['record'])
  const { bodies, whole } = readBodies(payload['bodies'])
  refuseBodies(record, bodies)
  return {
    record,
    recordHash: member(payload, 'record_hash', isSha256Digest),
    role: COSE_ALGO,
    keyId,
    signature,
    signed: coseToBeSigned(header, content),
    bodies,
    whole,
  }
}

/** Parses one receipt or view. Never throws. */
export function parseCoseReceipt(bytes: Uint8Array): ReceiptResult {
  if (bytes.length > MAX_COSE_RECEIPT_BYTES) return { ok: false, detail: 'too long' }
  try {
    return { ok: true, receipt: readReceipt(bytes) }
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error
    return { ok: false, detail: error.message }
  }
}
