/**
 * The place that replicas share: the interface. It is somebody else's server, so it gets keyed digests and sealed entries alone, and what it
 * answers is judged like anything from outside.
 *
 * @module
 */

export const SHARED_FAULTS = [
  /** No connection, or it was cut. */
  'shared_store_unreachable',
  /** Nobody trusted vouches for the server's certificate. */
  'shared_store_certificate',
  /** Wrong or missing password, or a user who may not do what is needed. */
  'shared_store_refused',
  /** No answer in time. */
  'shared_store_slow',
  /** It has no memory left, or cannot write its own file. */
  'shared_store_full',
  /** It is a replica that takes no writes. */
  'shared_store_readonly',
  /** It is loading, or has lost the rest of its cluster. */
  'shared_store_not_serving',
  /** It answers what no such server answers, or more than was asked for. */
  'shared_store_reply',
  /** More is being asked at once than is asked at once. */
  'shared_store_busy',
] as const
export type SharedFault = (typeof SHARED_FAULTS)[number]

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
