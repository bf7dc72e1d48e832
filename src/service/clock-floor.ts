/**
 * The clock floor: the newest date that a vendor signed and this service has verified. A clock behind it was set back, and
 * with it whatever expired or was revoked since would count again.
 *
 * The clock is the host's to set. The store keeps the floor for the boots that follow, so that a restart does not lower it; a
 * host that rolls the store's volume back does.
 *
 * @module
 */
import type { Stapler } from '../../attestation/collateral/staple/create-stapler.ts'
import type { DurableStore } from '../../enclave/receipts/receipt-store.ts'
import { CLOCK_SKEW_S } from './gate.ts'

export interface ClockFloor {
  /** Unix seconds; null where nothing signed was verified yet. */
  value(): number | null
  /** The clock is behind it by more than is let pass. */
  ahead(): boolean
  /** Hands a floor that has risen to the store. Rejects where it does not take it; then it is tried again. */
  keep(): Promise<void>
}

export interface ClockFloorOptions {
  readonly stapler: Pick<Stapler, 'newestSignedAt'> | null
  readonly durable: Pick<DurableStore, 'clockFloor' | 'keepClockFloor'> | null
  /** Unix seconds. */
  readonly now: () => number
}

export function createClockFloor({ stapler, durable, now }: ClockFloorOptions): ClockFloor {
  let kept = durable?.clockFloor ?? null
  const value = (): number | null => {
    const newest = stapler?.newestSignedAt() ?? null
    return kept !== null && (newest === null || kept > newest) ? kept : newest
  }
  return {
    value,
    ahead() {
      const floor = value()
      // Written so that a clock that is no number is behind, too.
      return floor !== null && !(now() >= floor - CLOCK_SKEW_S)
    },
    async keep() {
      const floor = value()
      if (durable === null || floor === null || floor === kept) return
      await durable.keepClockFloor(floor)
      kept = floor
    },
  }
}
