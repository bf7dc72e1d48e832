/**
 * Replays a TCG2 log against the four registers of a quote, and reads what the attestation agent measured.
 *
 * RTMR = SHA-384(RTMR ‖ digest), from 48 zero bytes, in the order of the log. What a digest is over is known for the agent's
 * entries alone: tag 0x4141454C ‖ u32 length ‖ text `domain operation content` (guest-components 0.15,
 * `attestation-agent/src/eventlog/tcg2.rs`, 2025). Those are recomputed, so that no text stands under the digest of another.
 * The digest of a firmware event is of a file, a variable or a table that the log does not hold: RTMR0 to RTMR2 prove that the
 * digests are those that were measured, and nothing about the texts beside them.
 *
 * In RTMR3 nothing but the agent's entries is accepted. Neither type nor text of an event is covered by its digest: an entry that
 * says `stop_app` could be passed off as a firmware event of unknown content, and its digest would replay all the same.
 *
 * @module
 */
import type { CryptoPort } from '../../crypto/port.ts'
import { toHex } from '../../protocol/hex.ts'
import { fromUtf8 } from '../../protocol/utf8.ts'
import { fail, pass, skip } from '../check.ts'
import type { Check } from '../check.ts'
import { counted } from '../counted.ts'
import { extendRegister } from '../eventlog/extend-register.ts'
import { EV_NO_ACTION, parseTcg2Log, REGISTER_BYTES } from './parse-tcg2-log.ts'
import type { Tcg2Event } from './parse-tcg2-log.ts'

const EV_EVENT_TAG = 6
/** taggedEventID 0x4141454C, little-endian. */
const AAEL_TAG = '4c454141'
const TAGGED_HEADER_BYTES = 8
const RTMR3_INDEX = 4
/**
 * What the agent writes where it repeats an entry after a crash of its own: the register is RTMR3 all the same. Taking it for
 * RTMR3 is safe, since only the assignment that was measured replays to both registers.
 */
const RECOVERED_INDEX = 1

/** One entry of the attestation agent, in RTMR3. */
export interface AgentEntry {
  /** Position in the log. */
  readonly position: number
  readonly domain: string
  readonly operation: string
  readonly content: string
}

export interface Tcg2Replay {
  /** eventlog.structure, .digests, .rtmr0 to .rtmr3, in this order. */
  readonly checks: Check[]
  /** Null unless structure, digests and RTMR3 all passed. */
  readonly entries: readonly AgentEntry[] | null
}

const PROVES = {
  structure: 'The event log can be read in one way only.',
  digests: 'Every RTMR3 event has the digest of its own text.',
  rtmr0:
    'The digests replay to what was measured of the machine; what they are digests of is not covered.',
  rtmr1:
    'The digests replay to what was measured of boot loaders; what they are digests of is not covered.',
  rtmr2:
    'The digests replay to what was measured of kernel, command line and initial file system; what they are digests of is not covered.',
  rtmr3: 'The log lists exactly what the attestation agent of the machine measured since boot.',
} as const

function isAgentEvent(event: Tcg2Event): boolean {
  return event.type === EV_EVENT_TAG && toHex(event.data.subarray(0, 4)) === AAEL_TAG
}

/** 0 to 3, or null where the event extends none. */
function registerOf(event: Tcg2Event): number | null {
  if (event.type === EV_NO_ACTION) return null
  if (isAgentEvent(event)) {
    return event.mrIndex === RTMR3_INDEX || event.mrIndex === RECOVERED_INDEX
      ? RTMR3_INDEX - 1
      : event.mrIndex - 1
  }
  return event.mrIndex - 1
}

/** @returns null where the event is none of the agent's, or not of its form to the last byte */
function readEntry(event: Tcg2Event, position: number): AgentEntry | null {
  if (!isAgentEvent(event)) return null
  const { data } = event
  const body = data.subarray(TAGGED_HEADER_BYTES)
  const [a = 0, b = 0, c = 0, d = 0] = data.subarray(4, TAGGED_HEADER_BYTES)
  if (data.length < TAGGED_HEADER_BYTES || a + 256 * (b + 256 * (c + 256 * d)) !== body.length) {
    return null
  }
  const text = fromUtf8(body)
  // The agent refuses line feeds in what it is given; in a log of lines one would be the end of an entry.
  if (text === null || text.includes('\n')) return null
  const first = text.indexOf(' ')
  const second = text.indexOf(' ', first + 1)
  if (first < 1 || second < first + 2) return null
  return {
    position,
    domain: text.slice(0, first),
    operation: text.slice(first + 1, second),
    content: text.slice(second + 1),
  }
}

function rtmrCheck(
  index: 0 | 1 | 2 | 3,
  events: readonly Tcg2Event[],
  expected: Uint8Array,
  crypto: CryptoPort,
): Check {
  const id = `eventlog.rtmr${index}`
  const own = events.filter((event) => registerOf(event) === index)
  const replayed = own.reduce<Uint8Array>(
    (register, { digest }) => extendRegister(register, digest, crypto),
    new Uint8Array(REGISTER_BYTES),
  )
  const proves = PROVES[`rtmr${index}`]
  return crypto.equal(replayed, expected)
    ? pass(id, proves, counted(own.length, 'event'))
    : fail(
        id,
        'rtmr_mismatch',
        proves,
        `${counted(own.length, 'event')}, replayed: ${toHex(replayed)}`,
      )
}

function readEntries(
  events: readonly Tcg2Event[],
  crypto: CryptoPort,
): { readonly check: Check; readonly entries: readonly AgentEntry[] } {
  const id = 'eventlog.digests'
  const entries: AgentEntry[] = []
  for (const [position, event] of events.entries()) {
    if (registerOf(event) !== RTMR3_INDEX - 1) continue
    const detail = `event ${position}`
    const entry = readEntry(event, position)
    if (entry === null) {
      return { check: fail(id, 'tapp_event_opaque', PROVES.digests, detail), entries: [] }
    }
    if (!crypto.equal(crypto.sha384(event.data), event.digest)) {
      return { check: fail(id, 'event_digest_mismatch', PROVES.digests, detail), entries: [] }
    }
    entries.push(entry)
  }
  return { check: pass(id, PROVES.digests, counted(entries.length, 'entry', 'entries')), entries }
}

/**
 * Replays the log. Never throws on any bytes.
 *
 * The registers come from a quote whose signature the caller verifies: without that, a match proves nothing.
 *
 * @param log null where it was no base64
 */
export function replayTcg2Log(
  log: Uint8Array | null,
  rtmrs: readonly [Uint8Array, Uint8Array, Uint8Array, Uint8Array],
  crypto: CryptoPort,
): Tcg2Replay {
  const parsed =
    log === null
      ? { ok: false as const, code: 'tcg2_log_malformed' as const, detail: 'not base64' }
      : parseTcg2Log(log)
  if (!parsed.ok) {
    const checks = Object.entries(PROVES).map(([name, proves]) =>
      name === 'structure'
        ? fail('eventlog.structure', parsed.code, proves, parsed.detail)
        : skip(`eventlog.${name}`, 'depends_on_failed', proves),
    )
    return { checks, entries: null }
  }
  const { events } = parsed
  const { check: digests, entries } = readEntries(events, crypto)
  const rtmr3 = rtmrCheck(3, events, rtmrs[3], crypto)
  const checks = [
    pass('eventlog.structure', PROVES.structure, counted(events.length, 'event')),
    digests,
    rtmrCheck(0, events, rtmrs[0], crypto),
    rtmrCheck(1, events, rtmrs[1], crypto),
    rtmrCheck(2, events, rtmrs[2], crypto),
    rtmr3,
  ]
  const believed = digests.status === 'pass' && rtmr3.status === 'pass'
  return { checks, entries: believed ? entries : null }
}
