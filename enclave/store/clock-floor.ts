/**
 * The clock floor in the store: boot id ‖ sealed unix seconds, one row. The volume can withhold it, and give an older one; it
 * cannot make one up.
 *
 * @module
 */
import { toHex32 } from '../../attestation/protocol/hex.ts'
import type { Hex32 } from '../../attestation/protocol/hex.ts'
import type { Change, Tables } from './open-tables.ts'
import type { Sealer } from './sealer.ts'

/** Of the row in the table `meta`. */
export const CLOCK_FLOOR_KEY = Buffer.from('floor')
const BOOT_ID_BYTES = 32
/** Unix seconds, big-endian. */
const FLOOR_BYTES = 8
const NO_HEADER = new Uint8Array(0)

/** @returns null where none is kept, or none that opens, which is counted */
export function readClockFloor(tables: Tables, sealer: Sealer, refuse: () => void): number | null {
  const row = tables.meta.get(CLOCK_FLOOR_KEY)
  if (row === undefined) return null
  const made = row.subarray(0, BOOT_ID_BYTES)
  const plain =
    made.length === BOOT_ID_BYTES
      ? sealer.open('floor', CLOCK_FLOOR_KEY, NO_HEADER, toHex32(made), row.subarray(BOOT_ID_BYTES))
      : null
  if (plain?.length === FLOOR_BYTES) return Number(plain.readBigUInt64BE())
  refuse()
  return null
}

export function sealClockFloor(tables: Tables, sealer: Sealer, bootId: Hex32, at: number): Change {
  const plain = Buffer.alloc(FLOOR_BYTES)
  plain.writeBigUInt64BE(BigInt(at))
  const sealed = sealer.seal('floor', CLOCK_FLOOR_KEY, NO_HEADER, plain)
  return {
    table: tables.meta,
    key: CLOCK_FLOOR_KEY,
    value: Buffer.concat([Buffer.from(bootId, 'hex'), sealed]),
  }
}
