/**
 * The store, watched, and what issues receipts into it; what an earlier boot left open is accounted for first.
 *
 * @module
 */
import type { Hex32, Sha256Digest } from '../../attestation/protocol/hex.ts'
import type { BootKeys } from '../../enclave/keys/boot-keys.ts'
import { createReceiptIssuer } from '../../enclave/receipts/receipt-issuer.ts'
import type { ReceiptIssuer } from '../../enclave/receipts/receipt-issuer.ts'
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

export interface ReceiptsOptions {
  readonly store: ReceiptStore | ((boot: StoreBoot) => Promise<ReceiptStore>)
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
  const inner =
    typeof options.store === 'function'
      ? await options.store({
          bootId: keys.bootId,
          boot: { keysetDigest, receiptKeyId, address: address.address },
          now,
          onFailure: (lost) => watched?.noteFailure(lost),
        })
      : options.store
  watched = watchStore(inner, nowMs)
  const { store } = watched
  const issuer = createReceiptIssuer({ keys, configDigest, store, now })
  const interrupted = store.durable?.interrupted ?? []
  try {
    await Promise.all(interrupted.map((admission) => issuer.interrupt(admission)))
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
