/**
 * Notes whether a store takes receipts.
 *
 * @module
 */
import type { ReceiptEntry, ReceiptStore } from '../../enclave/receipts/receipt-store.ts'

/**
 * Milliseconds after which a store that failed is tried with traffic again. Only traffic writes to it: a balancer that
 * took the node out for good would never learn that it has recovered.
 */
export const STORE_FAULT_MS = 30_000

export interface WatchedStore {
  readonly store: ReceiptStore
  /** Its last write failed, a short while ago. */
  readonly failing: () => boolean
  readonly failures: () => number
}

export function watchStore(inner: ReceiptStore, nowMs: () => number): WatchedStore {
  let failures = 0
  let failedAt: number | null = null
  const failed = () => {
    failures++
    failedAt = nowMs()
  }
  const watched = async (put: Promise<void>): Promise<void> => {
    try {
      await put
      failedAt = null
    } catch (error) {
      failed()
      throw error
    }
  }
  const put = (entry: ReceiptEntry): void | Promise<void> => {
    let stored: void | Promise<void>
    try {
      stored = inner.put(entry)
    } catch (error) {
      failed()
      throw error
    }
    if (stored instanceof Promise) return watched(stored)
    failedAt = null
  }
  return {
    store: {
      put,
      get: (id) => inner.get(id),
      findByChatId: (principal, id) => inner.findByChatId(principal, id),
      usage: () => inner.usage(),
    },
    failing: () => failedAt !== null && nowMs() - failedAt < STORE_FAULT_MS,
    failures: () => failures,
  }
}
