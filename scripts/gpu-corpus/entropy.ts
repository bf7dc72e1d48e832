/**
 * Keys, numbers and signatures that come out the same in every run: keys from names, signatures with the nonce of RFC 6979.
 *
 * @module
 */
import { createHash, createPrivateKey, createPublicKey } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { p256, p384 } from '@noble/curves/nist.js'
import type { Entropy, KeyPair } from '../../attestation/simulator/entropy.ts'

/** Changing it changes every vector. */
const SEED = 'countersign gpu corpus v1'

/** `length` bytes that belong to `name`, up to 64. */
export function seeded(name: string, length: number): Uint8Array {
  return Uint8Array.from(
    createHash('sha512').update(`${SEED}: ${name}`).digest().subarray(0, length),
  )
}

const CURVES = {
  'P-256': { curve: p256, bytes: 32 },
  'P-384': { curve: p384, bytes: 48 },
} as const

type CurveName = keyof typeof CURVES

interface Secret {
  readonly curve: CurveName
  readonly scalar: Uint8Array
}

const secrets = new WeakMap<KeyObject, Secret>()
const known = new Map<string, KeyPair>()

/** The key of that name. */
export function keyOf(name: string, curve: CurveName = 'P-384'): KeyPair {
  const found = known.get(`${curve} ${name}`)
  if (found !== undefined) return found
  const { bytes, curve: group } = CURVES[curve]
  const scalar = seeded(`key ${name}`, bytes)
  const point = group.getPublicKey(scalar, false)
  const base64url = (part: Uint8Array): string => Buffer.from(part).toString('base64url')
  const privateKey = createPrivateKey({
    format: 'jwk',
    key: {
      kty: 'EC',
      crv: curve,
      d: base64url(scalar),
      x: base64url(point.subarray(1, 1 + bytes)),
      y: base64url(point.subarray(1 + bytes)),
    },
  })
  const pair = { privateKey, publicKey: createPublicKey(privateKey) }
  secrets.set(privateKey, { curve, scalar })
  known.set(`${curve} ${name}`, pair)
  return pair
}

/** Every key that the corpus signs with is one of {@link keyOf}. */
export const seededEntropy: Entropy = {
  keyPair: keyOf,
  bytes: seeded,
  sign(message, key, encoding) {
    const secret = secrets.get(key)
    if (secret === undefined) throw new TypeError('a key without a name')
    return CURVES[secret.curve].curve.sign(message, secret.scalar, {
      prehash: true,
      lowS: false,
      format: encoding === 'der' ? 'der' : 'compact',
    })
  },
}
