/**
 * The store that replicas share: whether it takes a row, and how long its answer takes, for which every answer of the service waits.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { SHARED_STORE_ERRORS, SharedStoreError } from '../../enclave/store/shared-place.ts'
import { MIN_PROBE_BYTES, SHARED_KEY_PREFIX } from '../../enclave/store/shared-rows.ts'
import type { RedisTarget } from '../shared-store/connect-redis.ts'
import { openSharedPlace } from '../shared-store/open-shared-place.ts'
import { good } from './doctor-row.ts'
import type { DoctorRow } from './doctor-row.ts'

/** Writes that are timed, of rows like a receipt's that are gone a second later. */
const WRITES = 21

export async function examineSharedStore(target: RedisTarget): Promise<DoctorRow> {
  const check = 'store.shared'
  const place = openSharedPlace(target, { onLost: () => undefined })
  const newRow = () => ({
    key: `${SHARED_KEY_PREFIX}r:${randomBytes(16).toString('hex')}`,
    value: randomBytes(MIN_PROBE_BYTES),
    ttlS: 1,
  })
  try {
    const times: number[] = []
    for (let count = 0; count < WRITES; count++) {
      const row = newRow()
      const start = performance.now()
      await place.write([row])
      times.push(performance.now() - start)
    }
    // What a user of its access list may not do would come up at the first receipt of a replica.
    const { key } = newRow()
    await place.read(key)
    await place.has(key)
    const median = times.toSorted((a, b) => a - b)[Math.floor(WRITES / 2)] ?? 0
    return good(check, `a write, median of ${WRITES}: ${median.toFixed(2)} ms`)
  } catch (error) {
    if (!(error instanceof SharedStoreError)) throw error
    const { code } = error
    return {
      check,
      status: 'fail',
      code,
      seen: 'a row could not be written and read',
      action: SHARED_STORE_ERRORS[code],
    }
  } finally {
    place.close()
  }
}
