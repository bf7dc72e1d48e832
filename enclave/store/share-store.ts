/**
 * A store on disk whose receipts are also where other replicas of the app find them.
 *
 * The disk comes first: journal, log and receipt are on it before the shared place is told, so that the place never holds a receipt
 * whose boot, after a kill, knows of none. An answer's last byte waits for both (`group`). Reading asks the disk first; what it does not
 * hold is asked of the place. Completion ids are chosen outside: the first of a name in the shared place keeps it, whichever replica
 * made it, so for them the place is asked first.
 *
 * @module
 */
import type { Hex32 } from '../../attestation/protocol/hex.ts'
import type { ReceiptStore, StoredReceipt } from '../receipts/receipt-store.ts'
import { MAX_AHEAD } from './group-commit.ts'
import type { OpenStore } from './lmdb-store.ts'
import { createPlaceHealth } from './place-health.ts'
import { createRowSender } from './row-sender.ts'
import { createSealer } from './sealer.ts'
import { SharedStoreError } from './shared-place.ts'
import type { OpenSharedPlace, SharedFault, SharedRow } from './shared-place.ts'
import { createSharedDocuments } from './shared-documents.ts'
import { MIN_PROBE_BYTES, createSharedRows } from './shared-rows.ts'
import type { BootIdentity } from './stored-entry.ts'

/** Milliseconds between two looks at a place that nobody uses: a node must not learn from its next answer that it cannot be given. */
export const SHARED_BEAT_MS = 5_000
/** Questions that wait for the shared place at once; they may come from anybody. */
export const MAX_LOOKUPS = 64
/** Of ids that are minted here: of no other is the place asked. */
const RECEIPT_ID = /^[a-z0-9_-]{1,64}$/

export interface ShareOptions {
  readonly open: OpenSharedPlace
  readonly retention: { readonly days: number }
  /** 32 secret bytes, the same for each replica. */
  readonly rootKey: Uint8Array
  readonly bootId: Hex32
  readonly boot: BootIdentity
  /** Unix seconds. */
  readonly now: () => number
  /** Told of each failure, and how many receipts had been acknowledged that the place does not have. */
  readonly onFailure: (lost: number) => void
  /** Told of why the place takes nothing, once for each reason, and with null that it does again. */
  readonly onFault?: (fault: SharedFault | null) => void
}

export function shareStore(local: OpenStore, options: ShareOptions): ReceiptStore {
  const { bootId, boot, now, onFailure } = options
  const sealer = createSealer(options.rootKey, bootId, 'shared')
  const { days } = options.retention
  const rows = createSharedRows({ sealer, bootId, boot, days, now })
  let refused = 0
  const health = createPlaceHealth((why) => options.onFault?.(why))
  const failed = (error: unknown): void => {
    health.failed(error)
    onFailure(0)
  }
  const place = options.open({ onLost: (why) => failed(new SharedStoreError(why)) })
  /** Of the receipts of this boot; what a probe has to be like. */
  let largest = MIN_PROBE_BYTES
  const sender = createRowSender(async (batch) => {
    try {
      await place.write(batch)
    } catch (error) {
      health.refused(error)
      onFailure(0)
      throw error
    }
  })
  /** Receipts that were acknowledged ahead of the place, where the disk did so too (`async`). */
  let ahead = 0

  /** The document of the keyset in force: without it no replica could hand out what its receipts are verified by. */
  let current: { readonly digest: string; readonly document: string } | null = null
  const keepDocument = async (): Promise<void> => {
    if (current === null) return
    const { digest, document } = current
    if (await place.has(rows.documentKey(digest))) return
    await place.write([rows.document(digest, document)])
  }
  /** It reads what it is asked to. That others keep its line for reading busy is no reason to take no work. */
  const readable = async (key: string): Promise<void> => {
    try {
      await place.read(key)
    } catch (error) {
      if (!(error instanceof SharedStoreError) || error.code !== 'shared_store_slow') throw error
    }
  }
  const rested = (): void => {
    const fault = health.fault()
    if (fault !== null && health.resting()) throw new SharedStoreError(fault)
  }
  /**
   * All that is ever asked of it, the write of rows like a receipt's last: one that does a part of it is no place to come back to.
   * Rejects, without a question, while it rests.
   */
  const probe = async (): Promise<void> => {
    rested()
    const probed = rows.probe(largest)
    try {
      await Promise.all(probed.map(({ key }) => readable(key)))
      await keepDocument()
      await place.write(probed)
    } catch (error) {
      failed(error)
      throw error
    }
    // It may have begun before a receipt was refused, and says nothing of that.
    rested()
    health.recovered()
  }
  const beat = setInterval(() => void probe().catch(() => undefined), SHARED_BEAT_MS).unref()

  let lookups = 0
  const lookUp = async <T>(ask: () => Promise<T>): Promise<T> => {
    if (lookups >= MAX_LOOKUPS) throw new SharedStoreError('shared_store_busy')
    lookups++
    try {
      return await ask()
    } finally {
      lookups--
    }
  }
  /** Null, and counted, for what no replica wrote there. */
  const opened = <T>(open: () => T | null): T | null => {
    let found: T | null
    try {
      found = open()
    } catch {
      // Sealed by another version of the app, which has the key and other ideas.
      found = null
    }
    if (found === null) refused++
    return found
  }
  const readReceipt = async (
    digest: Uint8Array,
    fits: (receipt: StoredReceipt) => boolean,
  ): Promise<StoredReceipt | null> => {
    const value = await place.read(rows.recordKey(digest))
    if (value === null) return null
    return opened(() => {
      const receipt = rows.openReceipt(digest, value)
      return receipt !== null && fits(receipt) ? receipt : null
    })
  }
  const byName = async (principal: string, chatId: string): Promise<StoredReceipt | null> => {
    const own = local.findByChatId(principal, chatId)
    const value = await place.read(rows.chatKey(principal, chatId))
    if (value === null) return own
    const digest = opened(() => rows.openName(value))
    if (digest === null) return null
    // Another replica's came first: this one's must not stand in its place, not even where that one is gone.
    if (own !== null && rows.digestOf(own.record.receipt_id).equals(digest)) return own
    return readReceipt(
      digest,
      ({ record, ownership }) => record.chat_id === chatId && ownership.principal === principal,
    )
  }

  const documents = createSharedDocuments(async (digest) => {
    const value = await place.read(rows.documentKey(digest))
    return value === null ? null : opened(() => rows.openDocument(digest, value))
  })

  const { durable } = local
  return {
    put(entry) {
      const stored = local.put(entry)
      let batch: readonly SharedRow[]
      try {
        batch = rows.receipt(entry)
      } catch (error) {
        onFailure(0)
        return Promise.reject(error instanceof Error ? error : new TypeError('not an entry'))
      }
      for (const { value } of batch) largest = Math.max(largest, value.length)
      if (stored instanceof Promise) return stored.then(() => sender.send(batch))
      const sent = sender.send(batch)
      if (health.fault() !== null || ahead >= MAX_AHEAD) return sent
      ahead++
      void sent.catch(() => onFailure(1)).finally(() => ahead--)
      return undefined
    },
    get(receiptId) {
      const own = local.get(receiptId)
      if (own !== null || !RECEIPT_ID.test(receiptId)) return own
      return lookUp(() =>
        readReceipt(rows.digestOf(receiptId), ({ record }) => record.receipt_id === receiptId),
      )
    },
    findByChatId: (principal, chatId) => lookUp(() => byName(principal, chatId)),
    usage: () => local.usage(),
    durable: {
      ...durable,
      async archive(digest, document) {
        await durable.archive(digest, document)
        // The first that was given for it, as on the disk.
        current = { digest, document: durable.document(digest) ?? document }
        await keepDocument().catch((error: unknown) => {
          failed(error)
          throw error
        })
      },
      document(digest) {
        return durable.document(digest) ?? documents.get(digest)
      },
      async probe() {
        await durable.probe()
        await probe()
      },
      refused: () => durable.refused() + refused,
      fault: () => health.fault(),
      async close() {
        clearInterval(beat)
        await sender.idle()
        place.close()
        await durable.close()
      },
    },
  }
}
