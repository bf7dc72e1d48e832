/**
 * Receipts kept in memory, the oldest given up first.
 *
 * Their texts lie end to end in slabs outside of the garbage collector's heap. Receipts leave in the order in which they
 * came, so a slab goes when the last of its receipts does.
 *
 * @module
 */
import type { LocalReceiptStore, Ownership, ReceiptEntry, StoredReceipt } from './receipt-store.ts'
import { decodeReceipt } from './stored-receipt.ts'

/** Receipts, and bytes of their texts together. About 2 KB each. */
export const DEFAULT_MAX_RECEIPTS = 65_536
export const DEFAULT_MAX_RECEIPT_BYTES = 256 * 1024 * 1024

const SLAB_BYTES = 1024 * 1024
/** UTF-8 bytes of a UTF-16 code unit at most. */
const MAX_BYTES_PER_UNIT = 3

interface Place {
  readonly slab: Buffer
  readonly start: number
  readonly end: number
  readonly ownership: Ownership
  readonly chatKey: string | null
}

export function createMemoryStore(
  maxReceipts: number = DEFAULT_MAX_RECEIPTS,
  maxBytes: number = DEFAULT_MAX_RECEIPT_BYTES,
): LocalReceiptStore {
  const byId = new Map<string, Place>()
  const byChat = new Map<string, string>()
  // Not the Map's own order: to find its first member after many deletions, the engine walks over all of the deleted ones.
  let order: string[] = []
  let oldest = 0
  let bytes = 0
  let slab = Buffer.alloc(0)
  let used = 0

  const chatKeyOf = ({ ownership, chatId }: ReceiptEntry): string | null =>
    // NUL cannot occur in a principal's name, so no pair can be spelled in two ways.
    chatId === null ? null : `${ownership.principal}\0${chatId}`

  const write = (text: string): { readonly start: number; readonly end: number } => {
    const room = text.length * MAX_BYTES_PER_UNIT
    if (slab.length - used < room) {
      slab = Buffer.allocUnsafeSlow(Math.max(SLAB_BYTES, room))
      used = 0
    }
    const start = used
    used += slab.write(text, start)
    return { start, end: used }
  }

  const dropOldest = () => {
    const id = order[oldest++]
    if (oldest * 2 > maxReceipts && oldest * 2 > order.length) {
      order = order.slice(oldest)
      oldest = 0
    }
    const place = id === undefined ? undefined : byId.get(id)
    if (id === undefined || place === undefined) return
    byId.delete(id)
    bytes -= place.end - place.start
    const { chatKey } = place
    if (chatKey !== null && byChat.get(chatKey) === id) byChat.delete(chatKey)
  }

  const get = (receiptId: string): StoredReceipt | null => {
    const place = byId.get(receiptId)
    if (place === undefined) return null
    return decodeReceipt(place.slab.toString('utf8', place.start, place.end), place.ownership)
  }

  return {
    put(entry) {
      const { receiptId, ownership } = entry
      const chatKey = chatKeyOf(entry)
      const { start, end } = write(entry.text)
      byId.set(receiptId, { slab, start, end, ownership, chatKey })
      order.push(receiptId)
      if (chatKey !== null && !byChat.has(chatKey)) byChat.set(chatKey, receiptId)
      bytes += end - start
      while (byId.size > maxReceipts || (bytes > maxBytes && byId.size > 1)) dropOldest()
    },
    get,
    usage: () => ({ receipts: byId.size, bytes }),
    findByChatId(principal, chatId) {
      const id = byChat.get(`${principal}\0${chatId}`)
      return id === undefined ? null : get(id)
    },
  }
}
