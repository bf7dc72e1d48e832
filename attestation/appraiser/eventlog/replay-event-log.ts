/**
 * Replays a dstack event log against the four runtime measurement registers of a quote, and reads the system's identity
 * from it.
 *
 * RTMR = SHA-384(RTMR ‖ digest), from 48 zero bytes, in the order of the log. For RTMR3 the digest is always recomputed
 * from name and payload: with the supplied one, a payload could be swapped and the register would still match. Digest
 * version 1: SHA-384(le32(type) ‖ ":" ‖ name ‖ ":" ‖ payload). Version 2: SHA-384(JCS({name, payload, type})). The two
 * cannot be confused, one starts with byte 01, the other with a brace. Source: dstack 0.5.11 (2026-05-11), cc-eventlog.
 *
 * @module
 */
import type { CryptoPort } from '../../crypto/port.ts'
import { toHex } from '../../protocol/hex.ts'
import { canonicalBytes } from '../../protocol/jcs.ts'
import { toUtf8 } from '../../protocol/utf8.ts'
import { fail, pass, skip } from '../check.ts'
import type { Check } from '../check.ts'
import { counted } from '../counted.ts'
import { parseEventLog, RUNTIME_EVENT_TYPE } from './parse-event-log.ts'
import type { LogEvent, RuntimeEvent } from './parse-event-log.ts'
import { readSystemEvents } from './read-system-events.ts'
import { extendRegister } from './extend-register.ts'
import type { SystemIdentity } from './read-system-events.ts'

const RTMR_BYTES = 48

export interface ReplayResult {
  /** eventlog.structure, .digests, .rtmr0 to .rtmr3 and .system_events, in this order. */
  readonly checks: Check[]
  /** What the log says about the system; null unless structure, digests, RTMR3 and system events all passed. */
  readonly system: SystemIdentity | null
}

const PROVES = {
  structure: 'The event log can be read in one way only.',
  digests: 'Every RTMR3 event has the digest of its own name and payload.',
  rtmr0:
    'The digests replay to what was measured of the machine; names and payloads are not covered.',
  rtmr1:
    'The digests replay to what was measured of the kernel; names and payloads are not covered.',
  rtmr2:
    'The digests replay to what was measured of command line and initial file system; names and payloads are not covered.',
  rtmr3: 'The log lists exactly what the guest measured about app and configuration.',
  system_events: 'App id, compose hash and key provider are those that the guest measured at boot.',
} as const

/** What a runtime event's digest is the SHA-384 of. */
function runtimePreimage(event: RuntimeEvent): Uint8Array {
  if (event.version === 2) {
    return canonicalBytes({
      name: event.name,
      payload: toHex(event.payload),
      type: RUNTIME_EVENT_TYPE,
    })
  }
  const type = Uint8Array.of(
    RUNTIME_EVENT_TYPE & 0xff,
    (RUNTIME_EVENT_TYPE >>> 8) & 0xff,
    (RUNTIME_EVENT_TYPE >>> 16) & 0xff,
    RUNTIME_EVENT_TYPE >>> 24,
  )
  const name = toUtf8(`:${event.name}:`)
  const preimage = new Uint8Array(type.length + name.length + event.payload.length)
  preimage.set(type)
  preimage.set(name, type.length)
  preimage.set(event.payload, type.length + name.length)
  return preimage
}

function rtmrCheck(
  index: 0 | 1 | 2 | 3,
  digests: readonly Uint8Array[],
  expected: Uint8Array | undefined,
  crypto: CryptoPort,
): Check {
  const id = `eventlog.rtmr${index}`
  const proves = PROVES[`rtmr${index}`]
  // Some services serve runtime events only. RTMR3 is never excused: an empty log would hide the app.
  if (digests.length === 0 && index !== 3) {
    return skip(id, 'not_provided', proves, 'the log has no events of this register')
  }
  const replayed = digests.reduce<Uint8Array>(
    (register, digest) => extendRegister(register, digest, crypto),
    new Uint8Array(RTMR_BYTES),
  )
  const detail = counted(digests.length, 'event')
  return expected !== undefined && crypto.equal(replayed, expected)
    ? pass(id, proves, detail)
    : fail(id, 'rtmr_mismatch', proves, `${detail} replay to ${toHex(replayed)}`)
}

/** Supplied digests and preimages are never used, but a log whose parts contradict each other is not one to believe. */
function digestCheck(
  events: readonly LogEvent[],
  digests: ReadonlyMap<LogEvent, Uint8Array>,
  crypto: CryptoPort,
): Check {
  for (const [index, event] of events.entries()) {
    const recomputed = digests.get(event)
    if (event.imr !== 3 || recomputed === undefined) continue
    const detail = `event ${index}`
    if (event.digest !== null && !crypto.equal(event.digest, recomputed)) {
      return fail('eventlog.digests', 'event_digest_mismatch', PROVES.digests, detail)
    }
    if (event.preimage !== null && !crypto.equal(event.preimage, runtimePreimage(event))) {
      return fail('eventlog.digests', 'event_preimage_mismatch', PROVES.digests, detail)
    }
  }
  return pass('eventlog.digests', PROVES.digests)
}

/**
 * Replays the log and reads the system events.
 *
 * The registers come from a quote whose signature the caller verifies: without that, a match proves nothing.
 *
 * @param text the JSON text of the event log
 * @param quoteRtmrs RTMR0 to RTMR3 of the quote, 48 bytes each
 */
export function replayEventLog(
  text: string,
  quoteRtmrs: readonly Uint8Array[],
  crypto: CryptoPort,
): ReplayResult {
  const parsed = parseEventLog(text)
  if (!parsed.ok) {
    const checks = Object.entries(PROVES).map(([name, proves]) =>
      name === 'structure'
        ? fail('eventlog.structure', parsed.code, proves, parsed.detail)
        : skip(`eventlog.${name}`, 'depends_on_failed', proves),
    )
    return { checks, system: null }
  }
  const { events } = parsed
  const digests = new Map<LogEvent, Uint8Array>(
    events.map((event) => [
      event,
      event.imr === 3 ? crypto.sha384(runtimePreimage(event)) : event.digest,
    ]),
  )
  const register = (index: 0 | 1 | 2 | 3): Check =>
    rtmrCheck(
      index,
      [...digests].filter(([event]) => event.imr === index).map(([, digest]) => digest),
      quoteRtmrs[index],
      crypto,
    )
  const digestsCheck = digestCheck(events, digests, crypto)
  const rtmr3 = register(3)
  const checks = [
    pass('eventlog.structure', PROVES.structure, counted(events.length, 'event')),
    digestsCheck,
    register(0),
    register(1),
    register(2),
    rtmr3,
  ]
  // Before the register matches, names and payloads are only what somebody wrote.
  if (digestsCheck.status !== 'pass' || rtmr3.status !== 'pass') {
    checks.push(skip('eventlog.system_events', 'depends_on_failed', PROVES.system_events))
    return { checks, system: null }
  }
  const read = readSystemEvents(events.filter((event) => event.imr === 3))
  if (!read.ok) {
    checks.push(fail('eventlog.system_events', read.code, PROVES.system_events, read.detail))
    return { checks, system: null }
  }
  checks.push(pass('eventlog.system_events', PROVES.system_events))
  return { checks, system: read.system }
}
