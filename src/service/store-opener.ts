/**
 * The store as the configuration names it.
 *
 * @module
 */
import { openLmdbStore } from '../../enclave/store/lmdb-store.ts'
import type { OpenStore } from '../../enclave/store/lmdb-store.ts'
import type { Config } from '../config/config.ts'
import type { StoreKey } from './derive-store-key.ts'
import type { StoreBoot } from './open-receipts.ts'

/** What opens it once the boot has its keys. */
export function storeOpener(
  { path, durability, retention }: NonNullable<Config['store']>,
  key: StoreKey,
): (boot: StoreBoot) => Promise<OpenStore> {
  return (boot) => openLmdbStore({ path, durability, retention, ...key, ...boot })
}
