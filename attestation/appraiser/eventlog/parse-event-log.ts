/**
 * The event log of a dstack guest, as its agent returns it: a JSON text with one object for each event.
 *
 * Rules: dstack-tdx event log as of dstack 0.5.11 (2026-05-11) and its branch for 0.6; `imr` counts from 0, RTMR3 holds
 * the guest's runtime events, RTMR0 to RTMR2 what firmware and kernel measured.
 *
 * @module
 */
import { fromHex } from '../../protocol/hex.ts'
import { isJsonObject, parseJsonText } from '../../protocol/json.ts'
import type { JsonValue } from '../../protocol/json.ts'

/** Characters of the whole text. Real logs have about 10,000. */
export const MAX_EVENT_LOG_CHARACTERS = 1024 * 1024
export const MAX_EVENTS = 4096
/** event_type of every event that the guest itself extends into RTMR3. */
export const RUNTIME_EVENT_TYPE = 0x08000001

const DIGEST_BYTES = 48
const MAX_EVENT_TYPE = 0xffffffff

/** Firmware or kernel event: only its digest counts, what else the log says about it is not measured by it. */
export interface BootEvent {
  readonly imr: 0 | 1 | 2
  /** 48 bytes, as supplied. */
  readonly digest: Uint8Array
}

/** Event of the guest's user space, in RTMR3. */
export interface RuntimeEvent {
  readonly imr: 3
  readonly name: string
  readonly payload: Uint8Array
  /** How the digest is made: 1, a colon-separated text; 2, canonical JSON. */
  readonly version: 1 | 2
  /** Supplied digest, 48 bytes, or null where the agent left it out (0.5.6 and newer do). */
  readonly digest: Uint8Array | null
  /** Supplied text that the digest is said to be of; newer agents add it to events of version 2. */
  readonly preimage: Uint8Array | null
}

export type LogEvent = BootEvent | RuntimeEvent

export type EventLogResult =
  | { readonly ok: true; readonly events: readonly LogEvent[] }
  | {
      readonly ok: false
      readonly code: 'event_log_malformed' | 'event_log_unsupported' | 'event_type_unexpected'
      readonly detail: string
    }

function malformed(detail: string): EventLogResult {
  return { ok: false, code: 'event_log_malformed', detail }
}

function isDigest(bytes: Uint8Array | null): bytes is Uint8Array {
  return bytes?.length === DIGEST_BYTES
}

function unsupported(detail: string): EventLogResult {
  return { ok: false, code: 'event_log_unsupported', detail }
}

/** Those of dstack's `TdxEvent`, on its branch for 0.6. */
const MEMBERS: ReadonlySet<string> = new Set([
  ...['imr', 'event_type', 'digest', 'event', 'event_payload', 'version', 'preimage'],
])

/** Reads one event. A member that is not known could say something about the digest to another reader. */
function parseEvent(value: JsonValue, index: number): LogEvent | EventLogResult {
  if (!isJsonObject(value)) return malformed(`event ${index} is not an object`)
  const unknown = Object.keys(value).find((member) => !MEMBERS.has(member))
  if (unknown !== undefined) return unsupported(`event ${index}: ${unknown.slice(0, 64)}`)
  const imr = value['imr']
  const type = value['event_type']
  const name = value['event']
  const digestText = value['digest']
  const payloadText = value['event_payload']
  // A register that does not exist would be replayed by no check, and its events read by a careless one.
  if (imr !== 0 && imr !== 1 && imr !== 2 && imr !== 3) return malformed(`event ${index}: imr`)
  if (!Number.isInteger(type) || typeof type !== 'number' || type < 0 || type > MAX_EVENT_TYPE) {
    return malformed(`event ${index}: event_type`)
  }
  if (typeof name !== 'string') return malformed(`event ${index}: event`)
  if (typeof digestText !== 'string') return malformed(`event ${index}: digest`)
  const digest = fromHex(digestText)
  const payload = typeof payloadText === 'string' ? fromHex(payloadText) : null
  if (payload === null) return malformed(`event ${index}: event_payload`)
  const version = value['version'] ?? 1
  if (version !== 1 && version !== 2) {
    return unsupported(`event ${index}: version`)
  }
  const preimageText = value['preimage'] ?? null
  const preimage = typeof preimageText === 'string' ? fromHex(preimageText) : null
  if (preimageText !== null && preimage === null) return malformed(`event ${index}: preimage`)
  if (imr !== 3) {
    // Nothing but the supplied digest can be replayed here, so an empty one is no event at all.
    return isDigest(digest) ? { imr, digest } : malformed(`event ${index}: digest`)
  }
  // Under another type the digest would not have to match the payload: a relabelled event could carry any payload.
  if (type !== RUNTIME_EVENT_TYPE) {
    return { ok: false, code: 'event_type_unexpected', detail: `event ${index}: type ${type}` }
  }
  if (digestText !== '' && !isDigest(digest)) return malformed(`event ${index}: digest`)
  return { imr, name, payload, version, digest: digestText === '' ? null : digest, preimage }
}

/**
 * Parses an event log. Never throws; no digest is recomputed here.
 *
 * @param text the JSON text, exactly as the agent gave it
 */
export function parseEventLog(text: string): EventLogResult {
  if (text.length > MAX_EVENT_LOG_CHARACTERS) return malformed('longer than 1 MiB')
  const parsed = parseJsonText(text)
  if (!parsed.ok) return malformed(parsed.fault)
  if (!Array.isArray(parsed.value)) return malformed('not an array')
  const entries: readonly JsonValue[] = parsed.value
  if (entries.length > MAX_EVENTS) return malformed(`more than ${MAX_EVENTS} events`)
  const events: LogEvent[] = []
  for (const [index, entry] of entries.entries()) {
    const event = parseEvent(entry, index)
    if ('ok' in event) return event
    events.push(event)
  }
  return { ok: true, events }
}
