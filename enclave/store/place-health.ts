/**
 * Whether the place that replicas share takes what it has to take, and when it is asked again.
 *
 * A server that answers a probe and refuses receipts would be given new work once a second, and each answer of it would be cut. So what brings it back
 * is a write like a receipt's, and where that was not worth anything the next one is later.
 *
 * @module
 */
import { SharedStoreError } from './shared-place.ts'
import type { SharedFault } from './shared-place.ts'

/** Milliseconds without a probe after the second time that it came back and refused a receipt; doubled with each further. */
export const SHARED_REST_MS = 2_000
export const SHARED_REST_MAX_MS = 60_000
/** Milliseconds without a refused receipt after which earlier ones do not count. */
export const SHARED_FORGET_MS = 600_000

export interface PlaceHealth {
  /** Null: it takes everything. */
  fault(): SharedFault | null
  /** It may not be probed yet. */
  resting(): boolean
  failed(error: unknown): void
  /** It did not take what an answer waited for. */
  refused(error: unknown): void
  recovered(): void
}

/**
 * @param onFault told of each change
 * @param nowMs of a clock that never goes back
 */
export function createPlaceHealth(
  onFault: (fault: SharedFault | null) => void,
  nowMs: () => number = () => performance.now(),
): PlaceHealth {
  let fault: SharedFault | null = null
  let restMs = 0
  let refusedAt = -Infinity
  /** In this outage: answers that end together are refused together. */
  let counted = false

  const turn = (why: SharedFault | null): void => {
    if (why === fault) return
    fault = why
    onFault(why)
  }
  const failed = (error: unknown): void =>
    turn(error instanceof SharedStoreError ? error.code : 'shared_store_unreachable')
  return {
    fault: () => fault,
    resting: () => fault !== null && nowMs() - refusedAt < restMs,
    failed,
    refused(error) {
      failed(error)
      if (counted) return
      counted = true
      const now = nowMs()
      const again = now - refusedAt < SHARED_FORGET_MS
      restMs = again ? Math.min(Math.max(restMs * 2, SHARED_REST_MS), SHARED_REST_MAX_MS) : 0
      refusedAt = now
    },
    recovered() {
      counted = false
      turn(null)
    },
  }
}
