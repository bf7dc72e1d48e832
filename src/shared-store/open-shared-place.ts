/**
 * The place that replicas share, on a Redis or Valkey server, over two connections: one for what answers wait for, and one for reading. Anybody may ask for what is
 * read, and much can be; on one connection the replies to writes would come behind it.
 *
 * @module
 */
import { SharedStoreError } from '../../enclave/store/shared-place.ts'
import type { SharedPlace, SharedPlaceEvents, SharedRow } from '../../enclave/store/shared-place.ts'
import { SHARED_REPLY_MS } from './connect-redis.ts'
import type { RedisTarget } from './connect-redis.ts'
import { keepConnected } from './keep-connected.ts'

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

/** From the moment that it was asked, a wait for the connection included. */
async function inTime<T>(asked: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new SharedStoreError('shared_store_slow')), SHARED_REPLY_MS)
  })
  try {
    return await Promise.race([asked, late])
  } finally {
    clearTimeout(timer)
  }
}

export function openSharedPlace(target: RedisTarget, { onLost }: SharedPlaceEvents): SharedPlace {
  const settling = keepConnected(target, onLost)
  // Who asks is told; that it was lost is no reason to take no work.
  const reading = keepConnected(target, () => undefined)
  return {
    read: (key) => reading.use((open) => open.get(key)),
    has: (key) => settling.use((open) => open.exists(key)),
    write: (rows) =>
      inTime(
        settling.use(async (open) => {
          await Promise.all([...batchesOf(rows)].map((batch) => open.add(batch)))
        }),
      ),
    close() {
      settling.close()
      reading.close()
    },
  }
}
