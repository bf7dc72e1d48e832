/**
 * The store as the flags of `serve` name it: where receipts are kept, and where replicas find them.
 *
 * @module
 */
import { resolve } from 'node:path'
import { isJsonObject } from '../../attestation/protocol/json.ts'

export interface StoreFlags {
  readonly store?: string
  readonly sharedStore?: string
  readonly sharedStoreCa?: string
}

/**
 * @param file the member `store` of the configuration file
 * @returns the member with the flags on top; nothing where there are none
 */
export function storeMember(
  { store, sharedStore, sharedStoreCa }: StoreFlags,
  file: unknown,
): { readonly store?: object } {
  if (store === undefined && sharedStore === undefined && sharedStoreCa === undefined) return {}
  const members = isJsonObject(file) ? file : {}
  const shared = {
    ...(isJsonObject(members['shared']) ? members['shared'] : {}),
    ...(sharedStore === undefined ? {} : { url: sharedStore }),
    ...(sharedStoreCa === undefined ? {} : { ca: resolve(sharedStoreCa) }),
  }
  return {
    store: {
      ...members,
      ...(store === undefined ? {} : { path: resolve(store) }),
      ...(Object.keys(shared).length === 0 ? {} : { shared }),
    },
  }
}
