/**
 * The signature of the legacy text (docs/protocol.md §8), as clients of older proxies read it.
 *
 * @module
 */
import { toHex } from '../../attestation/protocol/hex.ts'
import type { BootKeys } from '../keys/boot-keys.ts'
import type { StoredReceipt } from './receipt-store.ts'

export interface LegacySignature {
  readonly text: string
  readonly signature: string
  readonly signingAddress: string
  readonly signingAlgo: 'ecdsa' | 'ed25519'
}

/** @returns null for an answer that was not complete, and for an Ed25519 signature that only an earlier boot could make */
export function legacySignature(
  { legacyText: text, eip191, record, kept }: StoredReceipt,
  algo: LegacySignature['signingAlgo'],
  keys: BootKeys,
): LegacySignature | null {
  if (text === null || eip191 === null) return null
  if (algo === 'ecdsa') {
    return {
      text,
      signature: eip191,
      signingAddress: kept?.address ?? keys.address.address,
      signingAlgo: algo,
    }
  }
  // Made on request, while the boot lives.
  if (record.boot_id !== keys.bootId) return null
  return {
    text,
    signature: toHex(keys.legacy.sign(Buffer.from(text))),
    signingAddress: toHex(keys.legacy.publicKey),
    signingAlgo: algo,
  }
}
