/**
 * The two signatures of GetKey's chain, each by the key that made it.
 *
 * The app key signs keccak256("<purpose>:<hex of the public key>"), the KMS root signs keccak256("dstack-kms-issued:" ‖
 * app id ‖ compressed app key); both are r ‖ s ‖ recovery id (dstack 0.5.11, 2026-05-11, guest agent and kms/crypto).
 * Recovery finds some key for nearly every signature: what it finds counts only where it is held against another.
 *
 * @module
 */
import type { CryptoPort } from '../../crypto/port.ts'
import { toHex } from '../../protocol/hex.ts'
import { toUtf8 } from '../../protocol/utf8.ts'

export const APP_ID_BYTES = 20
const SIGNATURE_BYTES = 65
const COMPRESSED_KEY_BYTES = 33
const KMS_PREFIX = toUtf8('dstack-kms-issued:')

/** Signer of a digest as a compressed point, or null where the signature belongs to no key. */
function recover(digest: Uint8Array, signature: Uint8Array, crypto: CryptoPort): Uint8Array | null {
  if (signature.length !== SIGNATURE_BYTES) return null
  const point = crypto.recoverSecp256k1(digest, signature.subarray(0, 64), signature[64] ?? -1)
  if (point === null) return null
  const compressed = new Uint8Array(COMPRESSED_KEY_BYTES)
  compressed[0] = 0x02 | ((point[63] ?? 0) & 1)
  compressed.set(point.subarray(0, 32), 1)
  return compressed
}

/** @returns the app key, compressed, 33 bytes; null where the signature belongs to no key */
export function recoverAppKey(
  link: {
    /** Of the derived key: secp256k1, compressed, 33 bytes; or Ed25519, 32 bytes. */
    readonly publicKey: Uint8Array
    readonly purpose: string
    readonly signature: Uint8Array
  },
  crypto: CryptoPort,
): Uint8Array | null {
  const message = toUtf8(`${link.purpose}:${toHex(link.publicKey)}`)
  return recover(crypto.keccak256(message), link.signature, crypto)
}

/** @returns the root of the KMS, compressed, 33 bytes; null where the signature belongs to no key */
export function recoverKmsRoot(
  link: {
    /** Compressed, 33 bytes. */
    readonly appKey: Uint8Array
    /** 20 bytes, as measured. */
    readonly appId: Uint8Array
    readonly signature: Uint8Array
  },
  crypto: CryptoPort,
): Uint8Array | null {
  const issued = new Uint8Array(KMS_PREFIX.length + APP_ID_BYTES + COMPRESSED_KEY_BYTES)
  issued.set(KMS_PREFIX)
  issued.set(link.appId, KMS_PREFIX.length)
  issued.set(link.appKey, KMS_PREFIX.length + APP_ID_BYTES)
  return recover(crypto.keccak256(issued), link.signature, crypto)
}
