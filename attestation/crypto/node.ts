/**
 * The cryptography port on node:crypto. secp256k1 recovery and Keccak, which OpenSSL does not offer, come from @noble.
 *
 * @module
 */
import { createHash, createHmac, createPublicKey, hash, timingSafeEqual, verify } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { isSoundEd25519Key } from '../protocol/ed25519-key.ts'
import { nobleCrypto } from './noble.ts'
import type { CryptoPort, NistCurve } from './port.ts'

/** RFC 8410 §4: SubjectPublicKeyInfo of an Ed25519 key up to its 32 key bytes. */
const ED25519_SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex')

const SCRATCH_BYTES = 64 * 1024
const scratch = Buffer.alloc(SCRATCH_BYTES)

function ed25519Key(publicKey: Uint8Array): KeyObject {
  return createPublicKey({
    key: Buffer.concat([ED25519_SPKI_PREFIX, publicKey]),
    format: 'der',
    type: 'spki',
  })
}

/** SubjectPublicKeyInfo of a P-384 key up to and with the 0x04 of its point (RFC 5480 §2). */
const P384_SPKI_PREFIX = Buffer.from('3076301006072a8648ce3d020106052b8104002203620004', 'hex')

/**
 * Both ways check that the point is on the curve; with a cofactor of 1 it then has the order of the curve. A JWK is also
 * multiplied by that order, which costs little on P-256 and on P-384 as much as verifying: 650 µs against 234 as DER, where
 * P-256 takes 96 against 161 (Node 20.20.2).
 */
function importNistKey(curve: NistCurve, point: Uint8Array): KeyObject {
  if (curve === 'P-384') {
    const key = Buffer.concat([P384_SPKI_PREFIX, point])
    return createPublicKey({ key, format: 'der', type: 'spki' })
  }
  const half = point.length / 2
  return createPublicKey({
    key: {
      kty: 'EC',
      crv: curve,
      x: Buffer.from(point.subarray(0, half)).toString('base64url'),
      y: Buffer.from(point.subarray(half)).toString('base64url'),
    },
    format: 'jwk',
  })
}

/**
 * Keys that were imported, by the array that holds their point, for as long as somebody holds it: a root verifies several
 * signatures of one appraisal, and importing a key takes as long as verifying with it.
 */
const imported = new WeakMap<
  Uint8Array,
  { readonly curve: NistCurve; readonly point: Uint8Array; readonly key: KeyObject }
>()

function nistKey(curve: NistCurve, point: Uint8Array): KeyObject {
  const known = imported.get(point)
  // The bytes are compared, because a caller may have reused the array for another key.
  if (known?.curve === curve && timingSafeEqual(known.point, point)) return known.key
  const key = importNistKey(curve, point)
  imported.set(point, { curve, point: new Uint8Array(point), key })
  return key
}

export const nodeCrypto: CryptoPort = Object.freeze({
  sha1: (data: Uint8Array) => hash('sha1', data, 'buffer'),
  sha256: (data: Uint8Array) => hash('sha256', data, 'buffer'),
  sha256Text: (prefix: Uint8Array, text: string) => {
    if (prefix.length === 0) return hash('sha256', text)
    // At most three bytes of UTF-8 for a UTF-16 code unit. Hashing is synchronous, so one buffer serves all calls.
    const room = prefix.length + 3 * text.length
    if (room > scratch.length) return createHash('sha256').update(prefix).update(text).digest('hex')
    scratch.set(prefix)
    const length = prefix.length + scratch.write(text, prefix.length)
    return hash('sha256', scratch.subarray(0, length))
  },
  sha384: (data: Uint8Array) => hash('sha384', data, 'buffer'),
  sha512: (data: Uint8Array) => hash('sha512', data, 'buffer'),
  keccak256: nobleCrypto.keccak256,
  hmacSha256: (key: Uint8Array, data: Uint8Array) =>
    createHmac('sha256', key).update(data).digest(),
  verifyEd25519: (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array) => {
    if (!isSoundEd25519Key(publicKey) || signature.length !== 64) return false
    try {
      return verify(null, message, ed25519Key(publicKey), signature)
    } catch {
      return false
    }
  },
  verifyEcdsa: (
    curve: NistCurve,
    publicKey: Uint8Array,
    message: Uint8Array,
    signature: Uint8Array,
  ) => {
    const size = curve === 'P-256' ? 64 : 96
    if (publicKey.length !== size || signature.length !== size) return false
    try {
      const key = { key: nistKey(curve, publicKey), dsaEncoding: 'ieee-p1363' } as const
      return verify(curve === 'P-256' ? 'sha256' : 'sha384', message, key, signature)
    } catch {
      return false
    }
  },
  recoverSecp256k1: nobleCrypto.recoverSecp256k1,
  equal: (a: Uint8Array, b: Uint8Array) => a.length === b.length && timingSafeEqual(a, b),
})
