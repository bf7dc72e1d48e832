/**
 * The keyset over time: renewed at half of its life, and every one that receipts were made under can be looked up.
 *
 * A renewed keyset holds the same keys until a later time (docs/decisions/0017-keyset-renewal.md). It comes into force when its own
 * document has passed the gate and is archived.
 *
 * @module
 */
import type { BootKeys, NamedKeyset } from '../../enclave/keys/boot-keys.ts'
import type { DurableStore, Held } from '../../enclave/receipts/receipt-store.ts'
import { CLOCK_SKEW_S } from './gate.ts'

/** Documents of earlier keysets that are kept where there is no store: receipts in memory are younger than so many. */
export const MAX_ARCHIVED_IN_MEMORY = 8

export interface Keysets {
  /** One to put in force now, the same until it is; null while the one in force has more than half of its life. */
  due(): NamedKeyset | null
  /** Milliseconds until one is due, from 0. */
  dueInMs(): number
  /** Keeps the document of a keyset, the first that is given for it. Rejects where the store does not take it. */
  archive(digest: string, document: string): Promise<void>
  adopt(next: NamedKeyset): void
  /** The archived document of a keyset of this boot or, with a store, of an earlier one or a replica; null where none is kept. */
  document(digest: string): Held<string | null>
}

export interface KeysetsOptions {
  readonly keys: BootKeys
  readonly lifetimeS: number
  /** Unix seconds. */
  readonly now: () => number
  /** Null: documents are kept in memory. */
  readonly durable: Pick<DurableStore, 'archive' | 'document'> | null
}

export function createKeysets({ keys, lifetimeS, now, durable }: KeysetsOptions): Keysets {
  const inMemory = new Map<string, string>()
  let candidate: NamedKeyset | null = null

  const hasTime = ({ keyset }: NamedKeyset): boolean => {
    const left = keyset.not_after - now()
    // One that ends too late was made while the clock was ahead; verifiers refuse a life that is longer than they accept.
    return left > lifetimeS / 2 && left <= lifetimeS + CLOCK_SKEW_S
  }

  return {
    due() {
      if (hasTime(keys.current)) return null
      if (candidate === null || !hasTime(candidate)) candidate = keys.renewed(now() + lifetimeS)
      return candidate
    },

    dueInMs: () =>
      hasTime(keys.current)
        ? Math.max(0, (keys.keyset.not_after - lifetimeS / 2 - now()) * 1000)
        : 0,

    async archive(digest, document) {
      if (durable !== null) {
        await durable.archive(digest, document)
        return
      }
      if (inMemory.has(digest)) return
      inMemory.set(digest, document)
      const [oldest] = inMemory.keys()
      if (inMemory.size > MAX_ARCHIVED_IN_MEMORY && oldest !== undefined) inMemory.delete(oldest)
    },

    adopt(next) {
      keys.adopt(next)
      candidate = null
    },

    document: (digest) =>
      (durable === null ? inMemory.get(digest) : durable.document(digest)) ?? null,
  }
}
