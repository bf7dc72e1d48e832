/**
 * Where settled receipts are kept: the interface.
 *
 * @module
 */
import type { Sha256Digest } from '../../attestation/protocol/hex.ts'
import type { BodyHashes, ReceiptRecord } from '../../attestation/protocol/record.ts'

/** Who may see a receipt. */
export interface Ownership {
  /** Name of the principal that made the request. */
  readonly principal: string
  /** The principal's credential is shared by many users, so it owns nothing. */
  readonly relay: boolean
  /** SHA-256 (hex) of the user's own secret, from `X-Countersign-Owner`. */
  readonly ownerHash: string | null
}

export interface StoredReceipt {
  readonly record: ReceiptRecord
  readonly recordHash: Sha256Digest
  readonly bodies: BodyHashes
  /** The body was delivered whole. */
  readonly whole: boolean
  /** Ed25519 of the full receipt, hex. */
  readonly signature: string
  /** For complete answers only. */
  readonly legacyText: string | null
  readonly eip191: string | null
  readonly ownership: Ownership
}

/** A settled receipt as it is handed to a store: what it is found by, and all else as one text. */
export interface ReceiptEntry {
  readonly receiptId: string
  readonly chatId: string | null
  readonly ownership: Ownership
  /** From `encodeReceipt`. */
  readonly text: string
}

export interface ReceiptStore {
  /** Acknowledged once the receipt can be found; a returned promise is awaited before the last byte leaves. */
  put(entry: ReceiptEntry): void | Promise<void>
  get(receiptId: string): StoredReceipt | null
  /** The first receipt of that principal with that completion id: a later one cannot shadow it. */
  findByChatId(principal: string, chatId: string): StoredReceipt | null
  usage(): StoreUsage
}

export interface StoreUsage {
  readonly receipts: number
  /** Length of the receipts' texts together. */
  readonly bytes: number
}
