/**
 * Keys of a simulated dstack app: a KMS root, the app's key derived from it, and GetKey with its signature chain
 * (dstack v0.5.11, 2026-05-11: `ra-tls/src/kdf.rs`, `kms/src/crypto.rs`, `guest-agent/src/rpc_service.rs`).
 *
 * @module
 */
import { hkdfSync } from 'node:crypto'
import { ed25519 } from '@noble/curves/ed25519.js'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { keccak_256 } from '@noble/hashes/sha3.js'

export type KeyAlgorithm = 'secp256k1' | 'ed25519'

export interface KeyRequest {
  readonly path: string
  readonly purpose: string
  readonly algorithm: KeyAlgorithm
}

export interface DerivedKey {
  /** 32 bytes: a secp256k1 scalar or an Ed25519 seed; the same bytes for both algorithms. */
  readonly key: Uint8Array
  /** App key over the derived key, then KMS root over the app key: r ‖ s ‖ recovery id, 65 bytes; empty without KMS. */
  readonly signatureChain: readonly [Uint8Array, Uint8Array]
}

export interface AppKeys {
  /** Compressed secp256k1 point, 33 bytes: what a verifier pins; null without a KMS. */
  readonly kmsRootPublicKey: Uint8Array | null
  derive(request: KeyRequest): DerivedKey
}

const KEY_BYTES = 32
const SALT = 'RATLS'

/**
 * @param appId 20 bytes
 * @param withKms whether a KMS vouches for the app's key
 * @param secret 32 bytes, the KMS root or else the app's key; default: random
 */
export function createAppKeys(appId: Uint8Array, withKms: boolean, secret?: Uint8Array): AppKeys {
  const root = secret ?? secp256k1.utils.randomSecretKey()
  const kmsRoot = withKms ? root : null
  const appKey =
    kmsRoot === null ? root : derive(kmsRoot, Buffer.concat([appId, Buffer.from('app-key')]))
  const issued = Buffer.concat([
    Buffer.from('dstack-kms-issued:'),
    appId,
    secp256k1.getPublicKey(appKey, true),
  ])
  const kmsSignature = kmsRoot === null ? new Uint8Array(0) : signRecoverable(issued, kmsRoot)
  return {
    kmsRootPublicKey: kmsRoot === null ? null : secp256k1.getPublicKey(kmsRoot, true),
    derive(request) {
      const { key, signature } = deriveFromAppKey(appKey, request)
      return { key, signatureChain: [signature, kmsSignature] }
    },
  }
}

/**
 * GetKey below a given app key, without the KMS link.
 * @param appKey 32 bytes
 */
export function deriveFromAppKey(
  appKey: Uint8Array,
  { path, purpose, algorithm }: KeyRequest,
): { readonly key: Uint8Array; readonly signature: Uint8Array } {
  const key = derive(appKey, Buffer.from(path, 'utf8'))
  const publicKey =
    algorithm === 'ed25519' ? ed25519.getPublicKey(key) : secp256k1.getPublicKey(key, true)
  const message = `${purpose}:${Buffer.from(publicKey).toString('hex')}`
  return { key, signature: signRecoverable(Buffer.from(message, 'utf8'), appKey) }
}

function derive(secret: Uint8Array, info: Uint8Array): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', secret, SALT, info, KEY_BYTES))
}

/** RFC 6979 over keccak256, low s, as r ‖ s ‖ recovery id (0 or 1). */
function signRecoverable(message: Uint8Array, secret: Uint8Array): Uint8Array {
  const digest = keccak_256(message)
  const signature = secp256k1.sign(digest, secret, { prehash: false, format: 'recovered' })
  // noble puts the recovery id first, dstack last.
  return Uint8Array.from([...signature.subarray(1), signature[0] ?? 0])
}
