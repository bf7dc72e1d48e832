/**
 * Everything that identifies one boot: its id, its keys and the keyset they make.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import type { CryptoPort } from '../../attestation/crypto/port.ts'
import { toHex, toHex32 } from '../../attestation/protocol/hex.ts'
import type { Hex32, Sha256Digest } from '../../attestation/protocol/hex.ts'
import {
  ACI_RECEIPT_ALGO,
  EIP191_ALGO,
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

/** Life of a keyset in seconds: 30 days. Past it the service refuses work until it is restarted. */
export const KEYSET_LIFETIME_S = 30 * 24 * 3600

export interface BootKeys {
  readonly bootId: Hex32
  readonly simulated: boolean
  readonly receipt: Ed25519Signer
  readonly receiptKeyId: string
  readonly legacy: Ed25519Signer
  /** Signs checkpoints of the log. */
  readonly log: Ed25519Signer
  readonly address: AddressKey
  /** Null where no connection ends on TLS here. */
  readonly tls: TlsKey | null
  /** HMAC key of the openings; 32 bytes, never leaves the process. */
  readonly storeKey: Uint8Array
  readonly keyset: Keyset
  readonly keysetDigest: Sha256Digest
}

export interface BootKeyOptions {
  /** Unix seconds. */
  readonly now: number
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
  const receiptKeyId = `${prefix}receipt-${toHex(receipt.publicKey.subarray(0, 8))}`
  const keyset: Keyset = {
    subject: options.subject === null ? null : `${prefix}${options.subject}`,
    not_after: options.now + KEYSET_LIFETIME_S,
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
  return Object.freeze({
    bootId: toHex32(randomBytes(32)),
    simulated: options.simulated,
    receipt,
    receiptKeyId,
    legacy,
    log,
    address,
    tls,
    storeKey: randomBytes(32),
    keyset,
    keysetDigest: keysetDigest(keyset, crypto),
  })
}
