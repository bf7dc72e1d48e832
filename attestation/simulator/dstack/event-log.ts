/**
 * The event log of a simulated dstack 0.5.x guest and the four measurement registers that it replays to. Shape, order
 * and counts are those of the guest's real log (dstack v0.5.11, 2026-05-11); firmware digests are stand-ins.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import { label } from '../intel/simulated-platform.ts'

/** One entry, members in the order and spelling of dstack's JSON. */
export interface GuestEvent {
  /** 0 to 3: which RTMR it extends. */
  readonly imr: number
  readonly event_type: number
  /** Lower-case hex, 48 bytes; empty where the agent leaves it out. */
  readonly digest: string
  /** Name of a runtime event; empty for firmware events. */
  readonly event: string
  /** Lower-case hex. */
  readonly event_payload: string
}

export interface RuntimeFact {
  readonly name: string
  readonly payload: Uint8Array
}

export type Rtmrs = readonly [Uint8Array, Uint8Array, Uint8Array, Uint8Array]

/** dstack's own event type, in RTMR3 only. */
export const RUNTIME_EVENT_TYPE = 0x08000001

const RUNTIME_IMR = 3
const REGISTER_BYTES = 48

/**
 * What firmware, boot loader and kernel leave behind: [register, type] in the order in which an OVMF guest logs them
 * (13, 5 and 2 entries). The types are EFI handoff tables, firmware blob, variables, separator, platform config,
 * GPT, actions and tags of the TCG PC Client Platform Firmware Profile, §10.4.1.
 */
const FIRMWARE_EVENTS: readonly (readonly [number, number])[] = [
  [0, 0x8000000b],
  [0, 0x8000000a],
  [0, 0x80000001],
  [0, 0x80000001],
  [0, 0x80000001],
  [0, 0x80000001],
  [0, 0x80000001],
  [0, 0x00000004],
  [0, 0x0000000a],
  [0, 0x0000000a],
  [0, 0x0000000a],
  [1, 0x80000003],
  [0, 0x80000002],
  [0, 0x80000002],
  [1, 0x80000007],
  [1, 0x00000004],
  [2, 0x00000006],
  [2, 0x00000006],
  [1, 0x80000007],
  [1, 0x80000007],
]

/** The whole log with all payloads and digests, as `Info.tcb_info` shows it. */
export function buildEventLog(facts: readonly RuntimeFact[]): readonly GuestEvent[] {
  const firmware = FIRMWARE_EVENTS.map(([imr, type], index) => ({
    imr,
    event_type: type,
    digest: Buffer.from(label('sha384', `firmware event ${index}`)).toString('hex'),
    event: '',
    event_payload: Buffer.from(`sim-firmware-event-${index}`).toString('hex'),
  }))
  const runtime = facts.map(({ name, payload }) => ({
    imr: RUNTIME_IMR,
    event_type: RUNTIME_EVENT_TYPE,
    digest: runtimeDigest(name, payload).toString('hex'),
    event: name,
    event_payload: Buffer.from(payload).toString('hex'),
  }))
  return [...firmware, ...runtime]
}

/**
 * The log as GetQuote of dstack 0.5.6 and newer gives it: firmware payloads and runtime digests left out. A verifier
 * has to recompute runtime digests anyway, because nobody vouches for the ones it is handed.
 */
export function stripEventLog(log: readonly GuestEvent[]): readonly GuestEvent[] {
  return log.map((event) =>
    event.imr === RUNTIME_IMR ? { ...event, digest: '' } : { ...event, event_payload: '' },
  )
}

/** RTMR ← SHA-384(RTMR ‖ digest) over the log, from 48 zero bytes. */
export function replayEventLog(log: readonly GuestEvent[]): Rtmrs {
  const register = (imr: number): Uint8Array => {
    let value = Buffer.alloc(REGISTER_BYTES)
    for (const event of log) {
      if (event.imr !== imr) continue
      const extended = createHash('sha384').update(value).update(Buffer.from(event.digest, 'hex'))
      value = Buffer.from(extended.digest())
    }
    return Uint8Array.from(value)
  }
  return [register(0), register(1), register(2), register(RUNTIME_IMR)]
}

/** SHA-384(le32(type) ‖ ":" ‖ name ‖ ":" ‖ payload), version 1 of dstack's runtime events. */
function runtimeDigest(name: string, payload: Uint8Array): Buffer {
  const type = Buffer.alloc(4)
  type.writeUInt32LE(RUNTIME_EVENT_TYPE)
  return createHash('sha384').update(type).update(`:${name}:`).update(payload).digest()
}
