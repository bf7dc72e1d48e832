/**
 * secp256k1 with RFC 6979 nonces and low s: libsecp256k1 through the native addon where it loads, else @noble/curves.
 * The two agree bit for bit, which a test holds them to.
 *
 * The addon is loaded through `secp256k1/bindings.js`, which fails where no binary exists. The package's main entry
 * would fall back to `elliptic` without saying so, and elliptic is neither constant-time nor as well reviewed as noble.
 *
 * @module
 */
import { createRequire } from 'node:module'
import { secp256k1 } from '@noble/curves/secp256k1.js'

export type Secp256k1Backend = 'native' | 'noble'

export interface RecoverableSignature {
  /** r ‖ s, 64 bytes. */
  readonly signature: Uint8Array
  /** 0 or 1. */
  readonly recovery: number
}

export interface Secp256k1Signer {
  readonly backend: Secp256k1Backend
  /** Compressed point, 33 bytes. */
  readonly publicKey: Uint8Array
  /** Uncompressed point without prefix, 64 bytes. */
  readonly point: Uint8Array
  /** @param digest 32 bytes */
  sign(digest: Uint8Array): RecoverableSignature
}

interface NativeAddon {
  ecdsaSign(digest: Uint8Array, key: Uint8Array): { signature: Uint8Array; recid: number }
}

function isNativeAddon(value: unknown): value is NativeAddon {
  return (
    typeof value === 'object' &&
    value !== null &&
    'ecdsaSign' in value &&
    typeof value.ecdsaSign === 'function'
  )
}

function loadNative(): NativeAddon | null {
  try {
    const addon: unknown = createRequire(import.meta.url)('secp256k1/bindings.js')
    return isNativeAddon(addon) ? addon : null
  } catch {
    return null
  }
}

const native = loadNative()

/** The backend that {@link createSecp256k1Signer} picks when none is named. */
export const DEFAULT_SECP256K1_BACKEND: Secp256k1Backend = native === null ? 'noble' : 'native'

/**
 * @param key 32 bytes, 1 ≤ key < n; kept by reference
 * @throws RangeError for a key outside the group, and where `native` is demanded and did not load
 */
export function createSecp256k1Signer(
  key: Uint8Array,
  backend: Secp256k1Backend = DEFAULT_SECP256K1_BACKEND,
): Secp256k1Signer {
  if (!secp256k1.utils.isValidSecretKey(key)) throw new RangeError('not a secp256k1 private key')
  const publicKey = secp256k1.getPublicKey(key, true)
  const point = secp256k1.getPublicKey(key, false).slice(1)
  if (backend === 'native') {
    if (native === null) throw new RangeError('the native secp256k1 addon did not load')
    return Object.freeze({
      backend,
      publicKey,
      point,
      sign: (digest: Uint8Array) => {
        const { signature, recid } = native.ecdsaSign(digest, key)
        return { signature, recovery: recid }
      },
    })
  }
  return Object.freeze({
    backend,
    publicKey,
    point,
    sign: (digest: Uint8Array) => {
      const bytes = secp256k1.sign(digest, key, { prehash: false, format: 'recovered' })
      // The recovered format is recovery ‖ r ‖ s.
      return { signature: bytes.subarray(1), recovery: bytes[0] ?? 0 }
    },
  })
}
