/**
 * The address key: secp256k1, EIP-191 over the legacy text, nothing else.
 *
 * It names the app, not the code: under a KMS every compose allowed for the app can obtain it. It exists because 0G's
 * registration and vllm-proxy clients need an address that survives restarts.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import type { CryptoPort } from '../../attestation/crypto/port.ts'
import { toHex } from '../../attestation/protocol/hex.ts'
import {
  addressOf,
  checksumAddress,
  eip191Message,
} from '../../attestation/protocol/legacy-text.ts'
import type { AddressKeySource } from './key-providers.ts'
import { createSecp256k1Signer } from './secp256k1-signer.ts'

/** Path and purpose under which the guest agent derives the address key. */
export const ADDRESS_KEY_PATH = 'countersign/address/secp256k1/v1'

/** What the guest agent says about a derived key: published, so that a verifier can follow it to the KMS. */
export interface KeyCustody {
  readonly path: string
  readonly purpose: string
  readonly algorithm: 'secp256k1'
  /** Compressed point, hex. */
  readonly public_key: string
  /** [by the app key, by the KMS root], 65 bytes each (r ‖ s ‖ recovery), hex; the second is empty without a KMS. */
  readonly signature_chain: readonly string[]
}

export interface AddressKey {
  readonly source: AddressKeySource
  /** Of a sealed key: 1 for the first, one more with each rotation. 0 for the others. */
  readonly generation: number
  /** EIP-55. */
  readonly address: string
  readonly publicKey: Uint8Array
  readonly point: Uint8Array
  readonly custody: KeyCustody | null
  /** `0x` r ‖ s ‖ v over the EIP-191 message of the text. */
  signText(text: string): string
}

/** Where a key comes from, with what can be shown for it. */
export type AddressKeyOrigin =
  | { readonly source: 'derived'; readonly chain: readonly Uint8Array[] }
  | { readonly source: 'sealed'; readonly generation: number }
  | { readonly source: 'ephemeral' }

export function createAddressKey(
  key: Uint8Array,
  origin: AddressKeyOrigin,
  crypto: CryptoPort,
): AddressKey {
  const signer = createSecp256k1Signer(key)
  return Object.freeze({
    source: origin.source,
    generation: origin.source === 'sealed' ? origin.generation : 0,
    address: checksumAddress(addressOf(signer.point, crypto), crypto),
    publicKey: signer.publicKey,
    point: signer.point,
    custody:
      origin.source !== 'derived'
        ? null
        : {
            path: ADDRESS_KEY_PATH,
            purpose: ADDRESS_KEY_PATH,
            algorithm: 'secp256k1' as const,
            public_key: toHex(signer.publicKey),
            signature_chain: origin.chain.map((link) => toHex(link)),
          },
    signText: (text: string) => {
      const { signature, recovery } = signer.sign(crypto.keccak256(eip191Message(text)))
      const hex = Buffer.from(signature.buffer, signature.byteOffset, signature.length).toString(
        'hex',
      )
      return `0x${hex}${recovery === 0 ? '1b' : '1c'}`
    },
  })
}

/** A key of this boot alone: the address changes with every start. */
export function createEphemeralAddressKey(crypto: CryptoPort): AddressKey {
  // A random 32-byte string is outside the group with probability 2^-128; the constructor would refuse it.
  return createAddressKey(randomBytes(32), { source: 'ephemeral' }, crypto)
}
