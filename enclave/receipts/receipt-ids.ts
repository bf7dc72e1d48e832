/**
 * Ids of receipts.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'

/** Random bits of a receipt id, in bytes: the id is a capability for users behind a relay. */
const RECEIPT_ID_BYTES = 16
/** Random bytes fetched at once: one call for each receipt would cost as much as hashing its bodies. */
const RANDOM_POOL_BYTES = 4096

/** @returns what mints an id at each call: the prefix and 32 hex digits */
export function createReceiptIds(prefix: string): () => string {
  let pool = Buffer.alloc(0)
  return () => {
    if (pool.length < RECEIPT_ID_BYTES) pool = randomBytes(RANDOM_POOL_BYTES)
    const id = prefix + pool.toString('hex', 0, RECEIPT_ID_BYTES)
    pool = pool.subarray(RECEIPT_ID_BYTES)
    return id
  }
}
