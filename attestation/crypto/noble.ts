/**
 * The cryptography port on @noble/curves and @noble/hashes: any JavaScript runtime, and the reference for `node.ts`.
 *
 * @module
 */
import { ed25519 } from '@noble/curves/ed25519.js'
import { p256, p384 } from '@noble/curves/nist.js'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { hmac } from '@noble/hashes/hmac.js'
import { sha1 } from '@noble/hashes/legacy.js'
import { sha256, sha384, sha512 } from '@noble/hashes/sha2.js'
import { keccak_256 } from '@noble/hashes/sha3.js'
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js'
import { isSoundEd25519Key } from '../protocol/ed25519-key.ts'
import type { CryptoPort, NistCurve } from './port.ts'

function withPrefix(point: Uint8Array): Uint8Array {
  const out = new Uint8Array(point.length + 1)
  out[0] = 0x04
  out.set(point, 1)
  return out
}

/** Runs a verification over bytes of the party being judged: whatever noble throws about them means "does not verify". */
function verifies(check: () => boolean): boolean {
  try {
    return check()
  } catch {
    return false
  }
}

function fromLittleEndian(bytes: Uint8Array): bigint {
  return BigInt(`0x${bytesToHex(Uint8Array.from(bytes).reverse())}`)
}

/**
 * RFC 8032 §5.1.7 without the cofactor, comparing R as bytes, as OpenSSL does it. `ed25519.verify` multiplies by the
 * cofactor also with `zip215: false`, so it takes an R or a key with a part of small order that OpenSSL refuses.
 */
function isEd25519Signature(
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  if (signature.length !== 64 || !isSoundEd25519Key(publicKey)) return false
  const { Point } = ed25519
  const r = signature.subarray(0, 32)
  const s = fromLittleEndian(signature.subarray(32))
  if (s >= Point.Fn.ORDER) return false
  const digest = sha512.create().update(r).update(publicKey).update(message).digest()
  const k = Point.Fn.create(fromLittleEndian(digest))
  const key = Point.fromBytes(publicKey)
  const expected = Point.BASE.multiplyUnsafe(s).subtract(key.multiplyUnsafe(k)).toBytes()
  return expected.every((byte, index) => byte === r[index])
}

export const nobleCrypto: CryptoPort = Object.freeze({
  sha1: (data: Uint8Array) => sha1(data),
  sha256: (data: Uint8Array) => sha256(data),
  sha256Text: (prefix: Uint8Array, text: string) =>
    bytesToHex(sha256.create().update(prefix).update(utf8ToBytes(text)).digest()),
  sha384: (data: Uint8Array) => sha384(data),
  sha512: (data: Uint8Array) => sha512(data),
  keccak256: (data: Uint8Array) => keccak_256(data),
  hmacSha256: (key: Uint8Array, data: Uint8Array) => hmac(sha256, key, data),
  verifyEd25519: (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array) =>
    verifies(() => isEd25519Signature(publicKey, message, signature)),
  verifyEcdsa: (
    curve: NistCurve,
    publicKey: Uint8Array,
    message: Uint8Array,
    signature: Uint8Array,
  ) =>
    verifies(() => {
      // Neither Intel nor NVIDIA normalises s, so low-s must not be demanded here.
      const options = { lowS: false, prehash: true } as const
      return curve === 'P-256'
        ? p256.verify(signature, message, withPrefix(publicKey), options)
        : p384.verify(signature, message, withPrefix(publicKey), options)
    }),
  recoverSecp256k1: (digest: Uint8Array, signature: Uint8Array, recovery: number) => {
    if (digest.length !== 32 || signature.length !== 64 || (recovery !== 0 && recovery !== 1)) {
      return null
    }
    try {
      return secp256k1.Signature.fromBytes(signature, 'compact')
        .addRecoveryBit(recovery)
        .recoverPublicKey(digest)
        .toBytes(false)
        .slice(1)
    } catch {
      return null
    }
  },
  equal: (a: Uint8Array, b: Uint8Array) => {
    if (a.length !== b.length) return false
    let difference = 0
    for (let i = 0; i < a.length; i++) difference |= (a[i] ?? 0) ^ (b[i] ?? 0)
    return difference === 0
  },
})
