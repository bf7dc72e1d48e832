/**
 * Everything that identifies one boot: its id, its keys and the keyset they make.
 *
 * The keys never change within a boot. A keyset that is renewed names the same keys until a later time, and so has another
 * digest: what holds a digest reads the one in force when it needs it, and whoever needs it twice reads it once.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import type { CryptoPort } from '../../attestation/crypto/port.ts'
import { toHex, toHex32 } from '../../attestation/protocol/hex.ts'
import type { Hex32, Sha256Digest } from '../../attestation/protocol/hex.ts'
import {
  ACI_RECEIPT_ALGO,
  COSE_ALGO,
  EIP191_ALGO,
  HTTP_ALGO,
  LEGACY_ED25519_ALGO,
  LOG_ALGO,
  keysetDigest,
} from '../../attestation/protocol/keyset.ts'
import type { Keyset } from '../../attestation/protocol/keyset.ts'
import { SIMULATION_ID_PREFIX } from '../../attestation/protocol/simulation.ts'
import type { AddressKey } from './address-key.ts'
import { createBootSigner } from './ed25519-signer.ts'
import type { Ed25519Signer } from './ed25519-signer.ts'
import type { TlsKey } from './tls-key.ts'

/** Default life of a keyset in seconds: 30 days. */
export const KEYSET_LIFETIME_S = 30 * 24 * 3600

/** A keyset and its digest, which belong together. */
export interface NamedKeyset {
  readonly keyset: Keyset
  readonly digest: Sha256Digest
}

export interface BootKeys {
  readonly bootId: Hex32
  readonly simulated: boolean
  readonly receipt: Ed25519Signer
  readonly receiptKeyId: string
  readonly legacy: Ed25519Signer
  /** Signs checkpoints of the log. */
  readonly log: Ed25519Signer
  /** Signs answers as HTTP messages. */
  readonly http: Ed25519Signer
  readonly httpKeyId: string
  /** Signs COSE receipts. */
  readonly cose: Ed25519Signer
  readonly coseKeyId: string
  readonly address: AddressKey
  /** Null where no connection ends on TLS here. */
  readonly tls: TlsKey | null
  /** HMAC key of the openings; 32 bytes, never leaves the process. */
  readonly storeKey: Uint8Array
  /** In force now: receipts name it, and rounds are made for it. */
  readonly current: NamedKeyset
  readonly keyset: Keyset
  readonly keysetDigest: Sha256Digest
  /** The same keys, valid until then (unix seconds). Nothing names it before it is adopted. */
  renewed(notAfter: number): NamedKeyset
  /**
   * Puts a renewed keyset in force. Its document has passed the gate and is archived before: a receipt must never name a
   * keyset that nobody can look up.
   *
   * @throws TypeError for one that {@link BootKeys.renewed} of this boot did not make
   */
  adopt(next: NamedKeyset): void
}

export interface BootKeyOptions {
  /** Unix seconds. */
  readonly now: number
  /** Life of the keyset in seconds. Default: {@link KEYSET_LIFETIME_S}. */
  readonly lifetimeS?: number
  /** ACI subject, e.g. `dstack-app://<app id>`. */
  readonly subject: string | null
  readonly simulated: boolean
  readonly address: AddressKey
  /** Default: null. */
  readonly tls?: TlsKey | null
  readonly crypto: CryptoPort
}

export function createBootKeys(options: BootKeyOptions): BootKeys {
  const { address, crypto, tls = null } = options
  const prefix = options.simulated ? SIMULATION_ID_PREFIX : ''
  const receipt = createBootSigner()
  const legacy = createBootSigner()
  const log = createBootSigner()
  const http = createBootSigner()
  const receiptKeyId = `${prefix}receipt-${toHex(receipt.publicKey.subarray(0, 8))}`
  const httpKeyId = `${prefix}http-${toHex(http.publicKey.subarray(0, 8))}`
  const cose = createBootSigner()
  const coseKeyId = `${prefix}cose-${toHex(cose.publicKey.subarray(0, 8))}`
  const members: Omit<Keyset, 'not_after'> = {
    subject: options.subject === null ? null : `${prefix}${options.subject}`,
    receipt_signing_keys: [
      { key_id: receiptKeyId, algo: ACI_RECEIPT_ALGO, public_key: toHex(receipt.publicKey) },
      {
        key_id: `${prefix}legacy-${toHex(legacy.publicKey.subarray(0, 8))}`,
        algo: LEGACY_ED25519_ALGO,
        public_key: toHex(legacy.publicKey),
      },
      {
        key_id: `${prefix}log-${toHex(log.publicKey.subarray(0, 8))}`,
        algo: LOG_ALGO,
        public_key: toHex(log.publicKey),
      },
      { key_id: httpKeyId, algo: HTTP_ALGO, public_key: toHex(http.publicKey) },
      { key_id: coseKeyId, algo: COSE_ALGO, public_key: toHex(cose.publicKey) },
      {
        key_id: `${prefix}address-${address.address.toLowerCase()}`,
        algo: EIP191_ALGO,
        public_key: toHex(address.publicKey),
      },
    ],
    e2ee_public_keys: [],
    // Without a domain: one key serves every name, and whoever reached it under another one reached this enclave too.
    tls_public_keys: tls === null ? [] : [{ spki_sha256: tls.spkiSha256 }],
  }
  const made = new WeakSet<NamedKeyset>()
  const renewed = (notAfter: number): NamedKeyset => {
    const keyset: Keyset = { ...members, not_after: notAfter }
    const named = Object.freeze({ keyset, digest: keysetDigest(keyset, crypto) })
    made.add(named)
    return named
  }
  let current = renewed(options.now + (options.lifetimeS ?? KEYSET_LIFETIME_S))
  return Object.freeze({
    bootId: toHex32(randomBytes(32)),
    simulated: options.simulated,
    receipt,
    receiptKeyId,
    legacy,
    log,
    http,
    httpKeyId,
    cose,
    coseKeyId,
    address,
    tls,
    storeKey: randomBytes(32),
    get current() {
      return current
    },
    get keyset() {
      return current.keyset
    },
    get keysetDigest() {
      return current.digest
    },
    renewed,
    adopt(next: NamedKeyset) {
      if (!made.has(next)) throw new TypeError('not a keyset of this boot')
      current = next
    },
  })
}
