/**
 * The store as the configuration names it.
 *
 * @module
 */
import { openLmdbStore } from '../../enclave/store/lmdb-store.ts'
import type { Config } from '../config/config.ts'
import type { StoreKey } from './derive-store-key.ts'
import type { StoreSource } from './open-receipts.ts'

/** What opens it once the boot has its keys; nothing where receipts are kept in memory. */
export async function storeOpener(
  store: Config['store'],
  keyOf: () => Promise<StoreKey>,
): Promise<{ readonly store?: StoreSource }> {
  if (store === null) return {}
  const key = await keyOf()
  const { path, durability, retention } = store
  return {
    store: (boot) => openLmdbStore({ path, durability, retention, ...key, ...boot }),
  }
}
