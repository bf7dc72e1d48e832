/**
 * Ed25519 (RFC 8032) by node:crypto, for the keys that are made at process start and die with the process.
 *
 * @module
 */
import { createPrivateKey, createPublicKey, randomBytes, sign } from 'node:crypto'

export interface Ed25519Signer {
  /** 32 bytes. */
  readonly publicKey: Uint8Array
  /** 64 bytes. */
  sign(message: Uint8Array): Uint8Array
}

/** RFC 8410 §7: PKCS #8 of an Ed25519 private key up to its 32 seed bytes. */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex')
const SPKI_HEADER_BYTES = 12

/** @param seed 32 bytes, overwritten before return: only OpenSSL's copy of the key remains */
export function createEd25519Signer(seed: Buffer): Ed25519Signer {
  if (seed.length !== 32) throw new RangeError('an Ed25519 seed is 32 bytes')
  const der = Buffer.concat([PKCS8_PREFIX, seed])
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  der.fill(0)
  seed.fill(0)
  const publicKey = createPublicKey(key)
    .export({ format: 'der', type: 'spki' })
    .subarray(SPKI_HEADER_BYTES)
  return Object.freeze({
    publicKey: Uint8Array.from(publicKey),
    sign: (message: Uint8Array) => sign(null, message, key),
  })
}

/** A key of this boot: random, never stored, derived, shared or exported. */
export function createBootSigner(): Ed25519Signer {
  return createEd25519Signer(randomBytes(32))
}
