/**
 * The place that replicas share, on a Redis or Valkey server: one connection, made anew when it is lost.
 *
 * Nothing is queued while there is none: a write that cannot be sent is refused at once, and the service takes no new work.
 *
 * @module
 */
import { SharedStoreError } from '../../enclave/store/shared-place.ts'
import type {
  SharedFault,
  SharedPlace,
  SharedPlaceEvents,
  SharedRow,
} from '../../enclave/store/shared-place.ts'
import { connectRedis } from './connect-redis.ts'
import type { RedisConnection, RedisTarget } from './connect-redis.ts'

/** Milliseconds until the first attempt after a lost connection; doubled with each that fails, and up to half of it is left to chance. */
export const SHARED_BACKOFF_MS = 100
export const SHARED_BACKOFF_MAX_MS = 5_000
/** Rows, and bytes of them, that are sent before their replies are awaited. */
const MAX_ROWS = 256
const MAX_BATCH_BYTES = 8 * 1024 * 1024

function* batchesOf(rows: readonly SharedRow[]): Generator<readonly SharedRow[]> {
  let batch: SharedRow[] = []
  let bytes = 0
  for (const row of rows) {
    const isFull = batch.length >= MAX_ROWS || bytes + row.value.length > MAX_BATCH_BYTES
    if (isFull && batch.length > 0) {
      yield batch
      batch = []
      bytes = 0
    }
    batch.push(row)
    bytes += row.value.length
  }
  if (batch.length > 0) yield batch
}

export function openSharedPlace(target: RedisTarget, { onLost }: SharedPlaceEvents): SharedPlace {
  let connection: RedisConnection | null = null
  let fault: SharedFault = 'shared_store_unreachable'
  let closed = false
  let pause = SHARED_BACKOFF_MS
  let timer: NodeJS.Timeout | null = null
  /** Settles with the first attempt, for which the first command waits. */
  let attempt: Promise<void>

  const lost = (why: SharedFault): void => {
    connection = null
    if (closed) return
    fault = why
    onLost(why)
    timer = setTimeout(again, pause / 2 + Math.random() * (pause / 2)).unref()
    pause = Math.min(pause * 2, SHARED_BACKOFF_MAX_MS)
  }
  const connect = async (): Promise<void> => {
    let made: RedisConnection
    try {
      made = await connectRedis(target)
    } catch (error) {
      lost(error instanceof SharedStoreError ? error.code : 'shared_store_unreachable')
      return
    }
    if (closed) return made.end('shared_store_unreachable')
    connection = made
    void made.ended.then(lost)
  }
  const again = (): void => {
    attempt = connect()
  }
  attempt = connect()

  const use = async <T>(ask: (open: RedisConnection) => Promise<T>): Promise<T> => {
    await attempt
    if (connection === null) throw new SharedStoreError(fault)
    const used = connection
    try {
      const answer = await ask(used)
      pause = SHARED_BACKOFF_MS
      return answer
    } catch (error) {
      const why = error instanceof SharedStoreError ? error.code : 'shared_store_reply'
      // After a failover, or with another password, the next connection may be to one that takes it.
      if (why === 'shared_store_readonly' || why === 'shared_store_refused') used.end(why)
      throw new SharedStoreError(why)
    }
  }
  return {
    read: (key) => use((open) => open.get(key)),
    has: (key) => use((open) => open.exists(key)),
    write: (rows) =>
      use(async (open) => {
        for (const batch of batchesOf(rows)) await open.add(batch)
      }),
    close() {
      closed = true
      if (timer !== null) clearTimeout(timer)
      connection?.end('shared_store_unreachable')
    },
  }
}
