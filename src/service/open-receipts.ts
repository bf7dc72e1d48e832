/**
 * The store, watched, and what issues receipts into it; what an earlier boot left open is accounted for first.
 *
 * @module
 */
import type { Hex32, Sha256Digest } from '../../attestation/protocol/hex.ts'
import type { BootKeys } from '../../enclave/keys/boot-keys.ts'
import { createReceiptIssuer } from '../../enclave/receipts/receipt-issuer.ts'
import type { ReceiptIssuer } from '../../enclave/receipts/receipt-issuer.ts'
import { createMemoryStore } from '../../enclave/receipts/memory-store.ts'
import type { ReceiptStore } from '../../enclave/receipts/receipt-store.ts'
import type { BootIdentity } from '../../enclave/store/stored-entry.ts'
import type { ServiceLog } from '../operations/open-log.ts'
import { watchStore } from '../operations/watch-store.ts'
import type { WatchedStore } from '../operations/watch-store.ts'
import { faultName } from './fault-name.ts'

/** What a store that outlives the boot is told of it. */
export interface StoreBoot {
  readonly bootId: Hex32
  readonly boot: BootIdentity
  /** Unix seconds. */
  readonly now: () => number
  readonly onFailure: (lost: number) => void
}

/** A store, or what opens it for this boot. */
export type StoreSource = ReceiptStore | ((boot: StoreBoot) => Promise<ReceiptStore>)

export interface ReceiptsOptions {
  /** A number: so many receipts in memory. */
  readonly source: StoreSource | number
  readonly keys: BootKeys
  readonly configDigest: Sha256Digest
  readonly log: ServiceLog
  readonly nowMs: () => number
}

export interface Receipts {
  readonly watched: WatchedStore
  readonly issuer: ReceiptIssuer
  close(): Promise<void>
}

/** @throws StoreError */
export async function openReceipts(options: ReceiptsOptions): Promise<Receipts> {
  const { keys, configDigest, log, nowMs } = options
  const now = () => Math.floor(nowMs() / 1000)
  let watched: WatchedStore | null = null
  const { keysetDigest, receiptKeyId, address } = keys
  const open = async (source: StoreSource | number): Promise<ReceiptStore> => {
    if (typeof source === 'number') return createMemoryStore(source)
    if (typeof source !== 'function') return source
    return source({
      bootId: keys.bootId,
      boot: { keysetDigest, receiptKeyId, address: address.address },
      now,
      onFailure: (lost) => watched?.noteFailure(lost),
    })
  }
  const inner = await open(options.source)
  watched = watchStore(inner, nowMs)
  const { store } = watched
  const issuer = createReceiptIssuer({ keys, configDigest, store, now })
  const interrupted = store.durable?.interrupted ?? []
  try {
    await Promise.all(
      interrupted.flatMap((admission) => {
        const stored = issuer.interrupt(admission)
        return stored === null ? [] : [stored]
      }),
    )
  } catch (error) {
    // They stay in the journal, for the boot after this one.
    log.error({ cause: faultName(error) }, 'the store did not take what an earlier boot left open')
  }
  return {
    watched,
    issuer,
    async close() {
      watched.close()
      await inner.durable?.close()
    },
  }
}
