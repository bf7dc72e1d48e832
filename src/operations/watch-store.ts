/**
 * Notes whether a store takes receipts.
 *
 * @module
 */
import type { ReceiptEntry, ReceiptStore } from '../../enclave/receipts/receipt-store.ts'

/**
 * Milliseconds after which a store that failed is tried with traffic again, where only traffic writes to it: a balancer that
 * took the node out for good would never learn that it has recovered.
 */
export const STORE_FAULT_MS = 30_000

/** Milliseconds between two attempts to write to a store on disk that has failed. */
export const STORE_PROBE_MS = 1_000

export interface WatchedStore {
  readonly store: ReceiptStore
  /** Its last write failed: a short while ago, or, of a store on disk, and none has worked since. */
  readonly failing: () => boolean
  /** It is known to take nothing, so that no work must begin whose receipt would be lost. */
  readonly refusing: () => boolean
  /** Stable code of why, where the store knows. */
  readonly cause: () => string | null
  /** Receipts that it did not take, or did not keep after all. */
  readonly failures: () => number
  /** The store itself says that a commit failed. @param lost receipts of it that had been acknowledged */
  noteFailure(lost: number): void
  close(): void
}

export function watchStore(inner: ReceiptStore, nowMs: () => number): WatchedStore {
  const { durable } = inner
  let failures = 0
  let failedAt: number | null = null
  let probing: NodeJS.Timeout | null = null

  const probe = async (): Promise<void> => {
    try {
      await durable?.probe()
      worked()
    } catch {
      failedAt = nowMs()
    }
  }
  const worked = () => {
    failedAt = null
    if (probing !== null) clearInterval(probing)
    probing = null
  }
  const failed = () => {
    failedAt = nowMs()
    if (durable !== undefined) probing ??= setInterval(() => void probe(), STORE_PROBE_MS).unref()
  }
  const watched = async (put: Promise<void>): Promise<void> => {
    try {
      await put
      // Of a place that has failed a receipt that it takes after all is not enough: it says itself when it is back.
      if ((durable?.fault?.() ?? null) === null) worked()
    } catch (error) {
      failures++
      failed()
      throw error
    }
  }
  const put = (entry: ReceiptEntry): void | Promise<void> => {
    let stored: void | Promise<void>
    try {
      stored = inner.put(entry)
    } catch (error) {
      failures++
      failed()
      throw error
    }
    if (stored instanceof Promise) return watched(stored)
    // One that was acknowledged ahead of the disk says nothing of it.
    if (durable === undefined) worked()
  }
  return {
    store: {
      put,
      get: (id) => inner.get(id),
      findByChatId: (principal, id) => inner.findByChatId(principal, id),
      usage: () => inner.usage(),
      ...(durable === undefined ? {} : { durable }),
    },
    failing: () =>
      failedAt !== null && (durable !== undefined || nowMs() - failedAt < STORE_FAULT_MS),
    refusing: () => durable !== undefined && failedAt !== null,
    cause: () => (failedAt === null ? null : (durable?.fault?.() ?? null)),
    failures: () => failures,
    noteFailure(lost) {
      failures += lost
      failed()
    },
    close() {
      if (probing !== null) clearInterval(probing)
    },
  }
}
