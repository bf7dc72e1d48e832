/**
 * TCG2 event logs of a TDX machine, as the attestation agent of Confidential Containers hands them to TAPP: the firmware's log
 * (UEFI 2.10, §38.4), the agent's own entries in the same form, then eight bytes 0xFF.
 *
 * ```
 * TCG_PCR_EVENT     u32 index 0 ‖ u32 EV_NO_ACTION ‖ 20 zero bytes ‖ u32 size ‖ TCG_EfiSpecIdEvent
 * TCG_PCR_EVENT2    u32 index ‖ u32 type ‖ u32 count ‖ count × (u16 algorithm ‖ digest) ‖ u32 size ‖ event
 * ```
 *
 * Layout: TCG PC Client Platform Firmware Profile 1.05 rev. 23, §10.2; little-endian. Index 1 to 4 are RTMR0 to RTMR3. Every
 * length must account for its bytes to the last one: what one reader skips another could read.
 *
 * @module
 */
import { toHex } from '../../protocol/hex.ts'

/** Bytes of a log. Those of real machines have some 10 to 100 KiB. */
export const MAX_TCG2_LOG_BYTES = 2 * 1024 * 1024
export const MAX_TCG2_EVENTS = 8192
/** Bytes of one event; a list of revoked boot loaders has about 25 KiB. */
export const MAX_TCG2_EVENT_BYTES = 256 * 1024
/** Banks of one log. */
const MAX_ALGORITHMS = 8
export const EV_NO_ACTION = 3

const SHA384 = 0x000c
export const REGISTER_BYTES = 48
/** TCG Algorithm Registry: digest sizes of SHA-1, SHA-256, SHA-384, SHA-512 and SM3. */
const DIGEST_BYTES: ReadonlyMap<number, number> = new Map([
  [0x0004, 20],
  [0x000b, 32],
  [SHA384, REGISTER_BYTES],
  [0x000d, 64],
  [0x0012, 32],
])
/** `Spec ID Event03` and a zero byte. */
const SIGNATURE = '53706563204944204576656e74303300'
const HEADER_DIGEST = '00'.repeat(20)
const END = 'ff'.repeat(8)

export interface Tcg2Event {
  /** 0 to 4, as the log says: no digest covers it. */
  readonly mrIndex: number
  readonly type: number
  /** 48 bytes, as the log says. */
  readonly digest: Uint8Array
  readonly data: Uint8Array
}

export type Tcg2LogResult =
  | { readonly ok: true; readonly events: readonly Tcg2Event[] }
  | {
      readonly ok: false
      readonly code: 'tcg2_log_malformed' | 'tcg2_log_unsupported'
      readonly detail: string
    }

/** Thrown and caught in this module only. */
class Broken extends Error {
  readonly code: 'tcg2_log_malformed' | 'tcg2_log_unsupported'
  constructor(detail: string, code: Broken['code'] = 'tcg2_log_malformed') {
    super(detail)
    this.code = code
  }
}

interface Cursor {
  readonly bytes: Uint8Array
  at: number
}

function take(cursor: Cursor, length: number, what: string): Uint8Array {
  // Never by an end that was added up before it was compared: a length of 2^32 - 1 stays one.
  if (length > cursor.bytes.length - cursor.at) throw new Broken(`cut inside ${what}`)
  const taken = cursor.bytes.subarray(cursor.at, cursor.at + length)
  cursor.at += length
  return taken
}

function uint(cursor: Cursor, size: 1 | 2 | 4, what: string): number {
  const bytes = take(cursor, size, what)
  let value = 0
  for (let i = size - 1; i >= 0; i--) value = value * 256 + (bytes[i] ?? 0)
  return value
}

/** @returns the banks that the log has: digest sizes by algorithm */
function readHeader(cursor: Cursor): ReadonlyMap<number, number> {
  const index = uint(cursor, 4, 'the header')
  const type = uint(cursor, 4, 'the header')
  const digest = toHex(take(cursor, 20, 'the header'))
  if (index !== 0 || type !== EV_NO_ACTION || digest !== HEADER_DIGEST) {
    throw new Broken('the first event is not the header')
  }
  const size = uint(cursor, 4, 'the header')
  const event: Cursor = { bytes: take(cursor, size, 'the header'), at: 0 }
  if (toHex(take(event, 16, 'the header')) !== SIGNATURE) {
    // The agent writes zeros where the machine has no firmware log: then nothing says how it booted.
    throw new Broken('no log of the firmware', 'tcg2_log_unsupported')
  }
  // Platform class, version and size of integers: nothing below depends on them.
  take(event, 8, 'the header')
  const count = uint(event, 4, 'the header')
  if (count === 0 || count > MAX_ALGORITHMS) throw new Broken(`${count} banks`)
  const banks = new Map<number, number>()
  for (let i = 0; i < count; i++) {
    const algorithm = uint(event, 2, 'the header')
    const bytes = uint(event, 2, 'the header')
    const known = DIGEST_BYTES.get(algorithm)
    if (known === undefined) throw new Broken(`algorithm ${algorithm}`, 'tcg2_log_unsupported')
    if (bytes !== known || banks.has(algorithm)) throw new Broken(`bank of algorithm ${algorithm}`)
    banks.set(algorithm, bytes)
  }
  take(event, uint(event, 1, 'the header'), 'the header')
  if (event.at !== event.bytes.length) throw new Broken('the header does not fill its length')
  if (!banks.has(SHA384)) throw new Broken('no bank of SHA-384', 'tcg2_log_unsupported')
  return banks
}

function readEvent(cursor: Cursor, number: number, banks: ReadonlyMap<number, number>): Tcg2Event {
  const what = `event ${number}`
  const mrIndex = uint(cursor, 4, what)
  const type = uint(cursor, 4, what)
  const count = uint(cursor, 4, what)
  // A register that does not exist would be replayed by no check, and its events read by a careless one.
  if (mrIndex > 4) throw new Broken(`${what}: index`)
  if (mrIndex === 0 && type !== EV_NO_ACTION) {
    throw new Broken(`${what}: measured into MRTD`, 'tcg2_log_unsupported')
  }
  if (count > banks.size) throw new Broken(`${what}: ${count} digests`)
  const seen = new Set<number>()
  let digest: Uint8Array | null = null
  for (let i = 0; i < count; i++) {
    const algorithm = uint(cursor, 2, what)
    const bytes = banks.get(algorithm)
    if (bytes === undefined || seen.has(algorithm)) {
      throw new Broken(`${what}: digest of algorithm ${algorithm}`)
    }
    seen.add(algorithm)
    const value = take(cursor, bytes, what)
    if (algorithm === SHA384) digest = value
  }
  if (digest === null) throw new Broken(`${what}: no SHA-384 digest`)
  const size = uint(cursor, 4, what)
  if (size > MAX_TCG2_EVENT_BYTES) throw new Broken(`${what}: ${size} bytes`)
  return { mrIndex, type, digest, data: take(cursor, size, what) }
}

/** Parses a log. Never throws; no digest is recomputed here. */
export function parseTcg2Log(input: Uint8Array): Tcg2LogResult {
  if (input.length > MAX_TCG2_LOG_BYTES) {
    return { ok: false, code: 'tcg2_log_malformed', detail: `longer than ${MAX_TCG2_LOG_BYTES}` }
  }
  const cursor: Cursor = { bytes: new Uint8Array(input), at: 0 }
  try {
    const banks = readHeader(cursor)
    const events: Tcg2Event[] = []
    for (;;) {
      const left = cursor.bytes.length - cursor.at
      // Without the mark it is a log of a guest before the agent wrote one; an end that was cut off does not replay.
      if (left === 0) break
      if (left === END.length / 2 && toHex(cursor.bytes.subarray(cursor.at)) === END) break
      if (events.length === MAX_TCG2_EVENTS) throw new Broken(`more than ${MAX_TCG2_EVENTS} events`)
      events.push(readEvent(cursor, events.length, banks))
    }
    return { ok: true, events }
  } catch (error) {
    if (!(error instanceof Broken)) throw error
    return { ok: false, code: error.code, detail: error.message }
  }
}
