/**
 * One connection to a Redis or Valkey server, made anew when it is lost.
 *
 * Nothing is queued while there is none, but for what comes during an attempt to make one.
 *
 * @module
 */
import { SharedStoreError } from '../../enclave/store/shared-place.ts'
import type { SharedFault } from '../../enclave/store/shared-place.ts'
import { connectRedis } from './connect-redis.ts'
import type { RedisConnection, RedisTarget } from './connect-redis.ts'

/** Milliseconds until the first attempt after a lost connection; doubled with each that fails, and up to half of it is left to chance. */
export const SHARED_BACKOFF_MS = 100
export const SHARED_BACKOFF_MAX_MS = 5_000

export interface KeptConnection {
  /** Rejects with SharedStoreError. */
  use<T>(ask: (open: RedisConnection) => Promise<T>): Promise<T>
  close(): void
}

/** @param onLost it was lost, or could not be made */
export function keepConnected(
  target: RedisTarget,
  onLost: (fault: SharedFault) => void,
): KeptConnection {
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
    use,
    close() {
      closed = true
      if (timer !== null) clearTimeout(timer)
      connection?.end('shared_store_unreachable')
    },
  }
}
