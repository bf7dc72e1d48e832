/** A shared place in memory that its test holds in its hand. */
import { SharedStoreError } from '../../enclave/store/shared-place.ts'
import type { OpenSharedPlace, SharedFault, SharedRow } from '../../enclave/store/shared-place.ts'

export interface PlaceInHand {
  readonly rows: Map<string, Buffer>
  readonly open: OpenSharedPlace
  /** Names of a kind's rows. */
  named(kind: 'c' | 'd' | 'r'): readonly string[]
  /** What it answers to every question from now on. */
  fails(why: SharedFault | null): void
  /** Rows that it does not take, each with the whole write that they are in, as a server without memory does. */
  refuses(which: (row: SharedRow) => boolean): void
}

export function inHand(): PlaceInHand {
  const rows = new Map<string, Buffer>()
  let fault: SharedFault | null = null
  let isRefused = (_row: SharedRow): boolean => false
  const open: OpenSharedPlace = () => ({
    read: (key) =>
      fault === null
        ? Promise.resolve(rows.get(key) ?? null)
        : Promise.reject(new SharedStoreError(fault)),
    has: (key) => Promise.resolve(rows.has(key)),
    write(added) {
      if (added.some(isRefused)) return Promise.reject(new SharedStoreError('shared_store_full'))
      for (const { key, value } of added) if (!rows.has(key)) rows.set(key, value)
      return Promise.resolve()
    },
    close: () => undefined,
  })
  return {
    rows,
    open,
    named: (kind) => [...rows.keys()].filter((key) => key.includes(`:${kind}:`)),
    fails: (why) => void (fault = why),
    refuses: (which) => void (isRefused = which),
  }
}
