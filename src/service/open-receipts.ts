/**
 * The store, watched, the log, and what issues receipts into both; what an earlier boot left open is accounted for first.
 *
 * @module
 */
import type { Hex32, Sha256Digest } from '../../attestation/protocol/hex.ts'
import type { BootKeys } from '../../enclave/keys/boot-keys.ts'
import { openBootLog } from '../../enclave/log/boot-log.ts'
import type { BootLog } from '../../enclave/log/boot-log.ts'
import { createMemoryKeeper } from '../../enclave/log/leaf-keeper.ts'
import { createReceiptIssuer } from '../../enclave/receipts/receipt-issuer.ts'
import type { ReceiptIssuer } from '../../enclave/receipts/receipt-issuer.ts'
import { createMemoryStore } from '../../enclave/receipts/memory-store.ts'
import type { ReceiptStore } from '../../enclave/receipts/receipt-store.ts'
import { SHARED_STORE_ERRORS } from '../../enclave/store/shared-place.ts'
import type { SharedFault } from '../../enclave/store/shared-place.ts'
import { STORE_WARNINGS, storeWarnings } from '../../enclave/store/store-warnings.ts'
import type { BootIdentity } from '../../enclave/store/stored-entry.ts'
import type { Config } from '../config/config.ts'
import type { ServiceLog } from '../operations/open-log.ts'
import { watchStore } from '../operations/watch-store.ts'
import type { WatchedStore } from '../operations/watch-store.ts'
import { accountForInterrupted } from './account-for-interrupted.ts'
import { faultName } from './fault-name.ts'

/** What a store that outlives the boot is told of it. */
export interface StoreBoot {
  readonly bootId: Hex32
  readonly boot: BootIdentity
  /** Unix seconds. */
  readonly now: () => number
  readonly onFailure: (lost: number) => void
  /** Why the place that it shares with replicas takes nothing; null: it does again. */
  readonly onFault: (cause: SharedFault | null) => void
}

/** A store, or what opens it for this boot. */
export type StoreSource = ReceiptStore | ((boot: StoreBoot) => Promise<ReceiptStore>)

export interface ReceiptsOptions {
  /** A number: so many receipts in memory. */
  readonly source: StoreSource | number
  readonly keys: BootKeys
  readonly configDigest: Sha256Digest
  /** Of the log of records; null where there is none. */
  readonly records: Config['log']
  readonly log: ServiceLog
  readonly nowMs: () => number
}

export interface Receipts {
  readonly watched: WatchedStore
  readonly issuer: ReceiptIssuer
  readonly records: BootLog | null
  close(): Promise<void>
}

/** @throws StoreError */
export async function openReceipts(options: ReceiptsOptions): Promise<Receipts> {
  const { keys, configDigest, log, nowMs, records: config } = options
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
      onFault(cause) {
        if (cause === null) log.info({}, 'the shared store takes receipts again')
        else
          log.error({ cause, advice: SHARED_STORE_ERRORS[cause] }, 'the shared store takes nothing')
      },
    })
  }
  const inner = await open(options.source)
  watched = watchStore(inner, nowMs)
  const { store } = watched
  let records: BootLog | null = null
  try {
    records =
      config === null
        ? null
        : await openBootLog({
            keys,
            configDigest,
            name: config.name,
            keeper: store.durable?.leaves ?? createMemoryKeeper(config.public),
          })
  } catch (error) {
    watched.close()
    await inner.durable?.close()
    throw error
  }
  const publish = async (): Promise<void> => {
    try {
      await records?.publish()
    } catch (error) {
      // The head before stands; the next attempt comes with the next time.
      log.error({ cause: faultName(error) }, 'the store did not take the head of the log')
    }
  }
  const publishing =
    config === null ? null : setInterval(() => void publish(), config.interval_ms).unref()
  const issuer = createReceiptIssuer({ keys, configDigest, store, log: records, now })
  try {
    await accountForInterrupted(store, issuer)
  } catch (error) {
    log.error({ cause: faultName(error) }, 'the store did not take what an earlier boot left open')
  }
  for (const warning of inner.durable === undefined ? [] : storeWarnings(inner.durable.found)) {
    log.warn({ ...warning, advice: STORE_WARNINGS[warning.cause] }, 'what opening the store found')
  }
  return {
    watched,
    issuer,
    records,
    async close() {
      if (publishing !== null) clearInterval(publishing)
      // So that the last receipts can be proved under a head of their own boot.
      await publish()
      watched.close()
      await inner.durable?.close()
    },
  }
}
