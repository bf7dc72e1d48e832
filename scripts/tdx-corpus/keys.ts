/**
 * Keys and signatures that come out the same in every run: keys from names, signatures with the nonce of RFC 6979.
 *
 * @module
 */
import { createHash, createPrivateKey, createPublicKey } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { p256 } from '@noble/curves/nist.js'

/** Changing it changes every vector. */
const SEED = 'countersign tdx corpus v1'

export interface Key {
  /** P-256. */
  readonly secret: Uint8Array
  /** x ‖ y, 64 bytes. */
  readonly point: Uint8Array
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
}

const base64url = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64url')

/** `length` bytes that belong to `name`, up to 32. */
export function seeded(name: string, length: number): Uint8Array {
  return new Uint8Array(
    createHash('sha256').update(`${SEED}: ${name}`).digest().subarray(0, length),
  )
}

const known = new Map<string, Key>()

/** The P-256 key of that name. */
export function keyOf(name: string): Key {
  const found = known.get(name)
  if (found !== undefined) return found
  const secret = seeded(`key ${name}`, 32)
  const point = p256.getPublicKey(secret, false).subarray(1)
  const privateKey = createPrivateKey({
    format: 'jwk',
    key: {
      kty: 'EC',
      crv: 'P-256',
      d: base64url(secret),
      x: base64url(point.subarray(0, 32)),
      y: base64url(point.subarray(32)),
    },
  })
  const key = { secret, point, privateKey, publicKey: createPublicKey(privateKey) }
  known.set(name, key)
  return key
}

/** ECDSA P-256 with SHA-256, r ‖ s. */
export function signRaw(bytes: Uint8Array, key: Key): Uint8Array {
  return p256.sign(bytes, key.secret, { prehash: true, lowS: false, format: 'compact' })
}

/** The same as an Ecdsa-Sig-Value in DER. */
export function signDerValue(bytes: Uint8Array, key: Key): Uint8Array {
  return p256.sign(bytes, key.secret, { prehash: true, lowS: false, format: 'der' })
}
