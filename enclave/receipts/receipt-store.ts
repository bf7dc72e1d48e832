/**
 * Where settled receipts are kept: the interface, and the store that keeps them in memory.
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
  /** Length of the receipt's text: what it weighs in the store. */
  readonly size: number
}

export interface ReceiptStore {
  /** Acknowledged once the receipt can be found; a returned promise is awaited before the last byte leaves. */
  put(receipt: StoredReceipt): void | Promise<void>
  get(receiptId: string): StoredReceipt | null
  /** The first receipt of that principal with that completion id: a later one cannot shadow it. */
  findByChatId(principal: string, chatId: string): StoredReceipt | null
}

/** Receipts kept in memory, and the length of their texts together; the oldest go first. About 2 KB each. */
export const DEFAULT_MAX_RECEIPTS = 65_536
export const DEFAULT_MAX_RECEIPT_CHARS = 256 * 1024 * 1024

export function createMemoryStore(
  maxReceipts: number = DEFAULT_MAX_RECEIPTS,
  maxChars: number = DEFAULT_MAX_RECEIPT_CHARS,
): ReceiptStore {
  let chars = 0
  const byId = new Map<string, StoredReceipt>()
  const byChat = new Map<string, string>()
  // NUL cannot occur in a principal's name, so no pair can be spelled in two ways.
  const chatKey = (principal: string, chatId: string) => `${principal}\0${chatId}`
  const dropOldest = () => {
    const oldest = byId.entries().next().value
    if (oldest === undefined) return
    const [id, { record, ownership, size }] = oldest
    byId.delete(id)
    chars -= size
    if (record.chat_id === null) return
    const key = chatKey(ownership.principal, record.chat_id)
    if (byChat.get(key) === id) byChat.delete(key)
  }
  return {
    put(receipt) {
      const { record, ownership } = receipt
      byId.set(record.receipt_id, receipt)
      if (record.chat_id !== null) {
        const key = chatKey(ownership.principal, record.chat_id)
        if (!byChat.has(key)) byChat.set(key, record.receipt_id)
      }
      chars += receipt.size
      while (byId.size > maxReceipts || (chars > maxChars && byId.size > 1)) dropOldest()
    },
    get: (receiptId) => byId.get(receiptId) ?? null,
    findByChatId(principal, chatId) {
      const id = byChat.get(chatKey(principal, chatId))
      return id === undefined ? null : (byId.get(id) ?? null)
    },
  }
}
