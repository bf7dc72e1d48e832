/**
 * The store as the configuration names it.
 *
 * @module
 */
import { openLmdbStore } from '../../enclave/store/lmdb-store.ts'
import { shareStore } from '../../enclave/store/share-store.ts'
import { StoreError } from '../../enclave/store/store-error.ts'
import type { Config } from '../config/config.ts'
import { loadIoredis } from '../shared-store/connect-redis.ts'
import type { RedisTarget } from '../shared-store/connect-redis.ts'
import { openSharedPlace } from '../shared-store/open-shared-place.ts'
import type { StoreKey } from './derive-store-key.ts'
import type { StoreSource } from './open-receipts.ts'

/**
 * What opens it once the boot has its keys; nothing where receipts are kept in memory.
 *
 * @param shared where the replicas of the app share it; null: nowhere
 * @throws StoreError shared_without_key, shared_binding_missing
 */
export async function storeOpener(
  store: Config['store'],
  keyOf: () => Promise<StoreKey>,
  shared: RedisTarget | null = null,
): Promise<{ readonly store?: StoreSource }> {
  if (store === null) return {}
  const key = await keyOf()
  const { path, durability, retention } = store
  if (shared !== null) {
    if (key.ephemeral) throw new StoreError('shared_without_key')
    loadIoredis()
  }
  return {
    async store(boot) {
      const options = { durability, retention, ...key, ...boot }
      const local = await openLmdbStore({ path, ...options })
      if (shared === null) return local
      return shareStore(local, { ...options, open: (events) => openSharedPlace(shared, events) })
    },
  }
}
