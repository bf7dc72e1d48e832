/**
 * The TCG2 event log of a simulated TDX machine (TCG PC Client Platform Firmware Profile 1.05, §10.2; UEFI 2.10, §38) as the
 * attestation agent of Confidential Containers gives it: the firmware's log, then its own entries, then eight bytes 0xFF.
 * Little-endian throughout.
 *
 * @module
 */
import { createHash } from 'node:crypto'

/** Where an event was measured: 1 to 4 stand for RTMR0 to RTMR3. */
export type MrIndex = 1 | 2 | 3 | 4

export interface Tcg2Event {
  readonly mrIndex: number
  readonly type: number
  /** 48 bytes. */
  readonly digest: Uint8Array
  readonly data: Uint8Array
}

export const EV_EVENT_TAG = 6
/** taggedEventID of the attestation agent, the letters LEAA. */
export const AAEL_TAG = 0x4141454c
const EV_NO_ACTION = 3
const SHA384 = 0x000c
const REGISTER_BYTES = 48
const END = Buffer.alloc(8, 0xff)

const u8 = (value: number): Buffer => Buffer.of(value)
function u16(value: number): Buffer {
  const out = Buffer.alloc(2)
  out.writeUInt16LE(value)
  return out
}
function u32(value: number): Buffer {
  const out = Buffer.alloc(4)
  out.writeUInt32LE(value)
  return out
}

const sha384 = (...parts: readonly Uint8Array[]): Uint8Array => {
  const hash = createHash('sha384')
  for (const part of parts) hash.update(part)
  return Uint8Array.from(hash.digest())
}

/** `TCG_PCR_EVENT` around `TCG_EfiSpecIdEvent`: SHA-384 alone. */
export function specIdHeader(): Uint8Array {
  const event = Buffer.concat([
    Buffer.from('Spec ID Event03\0', 'latin1'),
    ...[u32(0), u8(0), u8(2), u8(0), u8(2)],
    ...[u32(1), u16(SHA384), u16(REGISTER_BYTES), u8(0)],
  ])
  return Buffer.concat([u32(0), u32(EV_NO_ACTION), Buffer.alloc(20), u32(event.length), event])
}

/** One `TCG_PCR_EVENT2` with one digest. */
export function encodeEvent(event: Tcg2Event): Uint8Array {
  return Buffer.concat([
    ...[u32(event.mrIndex), u32(event.type), u32(1), u16(SHA384), event.digest],
    ...[u32(event.data.length), event.data],
  ])
}

export function encodeLog(events: readonly Tcg2Event[]): Uint8Array {
  return Uint8Array.from(Buffer.concat([specIdHeader(), ...events.map(encodeEvent), END]))
}

/**
 * What the attestation agent measures for `domain operation content`: a tagged event, its digest over tag, length and text.
 *
 * @param mrIndex as the agent writes it; its own recovery after a crash writes 1 for what it extended into RTMR3
 */
export function agentEvent(
  domain: string,
  operation: string,
  content: string,
  mrIndex: MrIndex = 4,
): Tcg2Event {
  const text = Buffer.from(`${domain} ${operation} ${content}`, 'utf8')
  const data = Uint8Array.from(Buffer.concat([u32(AAEL_TAG), u32(text.length), text]))
  return { mrIndex, type: EV_EVENT_TAG, digest: sha384(data), data }
}

/** RTMR ← SHA-384(RTMR ‖ digest), from 48 zero bytes. */
export function extendRegister(register: Uint8Array, digest: Uint8Array): Uint8Array {
  return sha384(register, digest)
}
