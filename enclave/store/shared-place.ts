/**
 * The place that replicas share: the interface. It is somebody else's server, so it gets keyed digests and sealed entries alone, and what it
 * answers is judged like anything from outside.
 *
 * @module
 */

/** Why it takes nothing or gives nothing, and what to do; each may stand in a log. */
export const SHARED_STORE_ERRORS = Object.freeze({
  shared_store_unreachable:
    'No connection to the shared store, or it was cut. Look whether it runs, and whether this machine reaches its address.',
  shared_store_certificate:
    'Nobody who is trusted vouches for the certificate of the shared store, or it is for another name. Give its authority with --shared-store-ca, or correct the certificate.',
  shared_store_refused:
    'The shared store does not take the password, or its user may not do what is needed: GET, EXISTS and SET on keys that begin with countersign:1:. Correct the password or the access list.',
  shared_store_slow:
    'The shared store did not answer in time, and was left. Look at its load and at the network between.',
  shared_store_full:
    'The shared store has no memory left, or cannot write its own file. Give it more, keep receipts for fewer days, or set maxmemory-policy to volatile-ttl, by which the oldest make room.',
  shared_store_readonly:
    'The shared store is a replica that takes no writes. Name the address of the primary, or one that follows it.',
  shared_store_not_serving:
    'The shared store is loading its data, busy with a script, or has lost the rest of its cluster. It is tried again.',
  shared_store_reply:
    'What answers at the address of the shared store is no Redis or Valkey server, or one that answers more than it was asked.',
  shared_store_busy:
    'More receipts, or keyset documents of other replicas, are being looked up in the shared store than are at once. Ask again.',
})
export type SharedFault = keyof typeof SHARED_STORE_ERRORS

/** Never holds the library's own error: that one holds the command, and with it the password. */
export class SharedStoreError extends Error {
  override readonly name = 'SharedStoreError'
  readonly code: SharedFault
  constructor(code: SharedFault) {
    super(code)
    this.code = code
  }
}

/** Written where nothing stands yet: no row ever changes. */
export interface SharedRow {
  /** Printable ASCII. */
  readonly key: string
  readonly value: Buffer
  /** Seconds after which the place gives it up. */
  readonly ttlS: number
}

/** All reject with SharedStoreError, and none waits longer than a named time. */
export interface SharedPlace {
  /** @returns null where there is nothing */
  read(key: string): Promise<Buffer | null>
  has(key: string): Promise<boolean>
  /** Resolves when the place has said of each row that it is there. */
  write(rows: readonly SharedRow[]): Promise<void>
  close(): void
}

export interface SharedPlaceEvents {
  /** A connection was lost, or could not be made. */
  readonly onLost: (fault: SharedFault) => void
}

export type OpenSharedPlace = (events: SharedPlaceEvents) => SharedPlace
