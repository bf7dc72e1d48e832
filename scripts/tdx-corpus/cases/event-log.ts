/**
 * Event logs that do not belong to the quote, or do not say what they seem to say.
 * Source: dstack 0.5.11 (2026-05-11), cc-eventlog; its branch for 0.6 for digests of version 2.
 *
 * @module
 */
import { toHex } from '../collateral.ts'
import {
  APP_ID,
  COMPOSE_HASH,
  digestV1,
  EVIL_HASH,
  FACTS,
  factsWith,
  guest,
  INSTANCE_ID,
  keyProvider,
  PROVIDER_ID,
  text,
} from '../guest.ts'
import type { Fact, GuestCase, LogEntry } from '../guest.ts'
import { seeded } from '../keys.ts'
import { bytes, join } from '../quote.ts'
import { malformed, rejected, unsupported } from '../vector.ts'
import type { Vector } from '../vector.ts'

type Code = Parameters<typeof rejected>[1]
type Tamper = NonNullable<GuestCase['tamper']>

/** Changes the first entry of that name. */
function entry(name: string, change: (entry: LogEntry) => void): Tamper {
  return (log) => {
    const found = log.find(({ event }) => event === name)
    if (found === undefined) throw new TypeError(`no event ${name}`)
    change(found)
    return log
  }
}

const indexOf = (log: readonly LogEntry[], name: string): number =>
  log.findIndex(({ event }) => event === name)

/** The quote is of the true log; what is shown is another one. */
function shown(): Vector[] {
  const show = (id: string, code: Code, title: string, tamper: Tamper): Vector =>
    rejected(`log-${id}`, code, title, guest({ tamper }))
  const evil = toHex(EVIL_HASH)
  const evilFact = { name: 'compose-hash', payload: EVIL_HASH }
  return [
    show(
      'payload-swapped-digest-kept',
      'event_digest_mismatch',
      'another compose hash under the true digest',
      entry('compose-hash', (one) => {
        one['event_payload'] = evil
      }),
    ),
    show(
      'payload-swapped-digest-dropped',
      'rtmr_mismatch',
      'another compose hash without digests',
      (log) =>
        log.map((one) => ({
          ...one,
          ...(one['imr'] === 3 ? { digest: '' } : {}),
          ...(one['event'] === 'compose-hash' ? { event_payload: evil } : {}),
        })),
    ),
    show(
      'payload-swapped-digest-recomputed',
      'rtmr_mismatch',
      'another compose hash with its own digest',
      entry('compose-hash', (one) => {
        one['event_payload'] = evil
        one['digest'] = toHex(digestV1(evilFact))
      }),
    ),
    show(
      'app-id-swapped-digest-kept',
      'event_digest_mismatch',
      'another app id under the true digest',
      entry('app-id', (one) => {
        one['event_payload'] = '11'.repeat(20)
      }),
    ),
    show(
      'key-provider-swapped-digest-kept',
      'event_digest_mismatch',
      'another key provider under the true digest',
      entry('key-provider', (one) => {
        one['event_payload'] = toHex(keyProvider('kms', '00').payload)
      }),
    ),
    show(
      'payload-emptied-digest-kept',
      'event_digest_mismatch',
      'an emptied payload under the true digest',
      entry('compose-hash', (one) => {
        one['event_payload'] = ''
      }),
    ),
    show(
      'name-swapped-digest-kept',
      'event_digest_mismatch',
      'another name under the true digest',
      entry('storage-fs', (one) => {
        one['event'] = 'compose-hash'
      }),
    ),
    show('names-exchanged', 'event_digest_mismatch', 'two names exchanged', (log) => {
      const [a, b] = [log[indexOf(log, 'os-image-hash')], log[indexOf(log, 'compose-hash')]]
      if (a !== undefined && b !== undefined) [a['event'], b['event']] = [b['event'], a['event']]
      return log
    }),
    show(
      'type-relabelled',
      'event_type_unexpected',
      'an event of another type, whose payload nobody would recompute',
      entry('compose-hash', (one) => {
        one['event_type'] = 0
        one['event_payload'] = evil
      }),
    ),
    show(
      'type-of-firmware',
      'event_type_unexpected',
      'an RTMR3 event of a firmware type',
      entry('compose-hash', (one) => {
        one['event_type'] = 0x80000001
      }),
    ),
    show(
      'moved-to-rtmr2',
      'rtmr_mismatch',
      'the compose hash as an event of RTMR2',
      entry('compose-hash', (one) => {
        one['imr'] = 2
      }),
    ),
    show(
      'moved-to-rtmr0',
      'rtmr_mismatch',
      'the compose hash as an event of RTMR0',
      entry('compose-hash', (one) => {
        one['imr'] = 0
      }),
    ),
    show(
      'firmware-event-moved-to-rtmr3',
      'event_type_unexpected',
      'a firmware event as one of RTMR3',
      (log) => {
        const [first] = log
        if (first !== undefined) first['imr'] = 3
        return log
      },
    ),
    show('entry-dropped', 'rtmr_mismatch', 'the key provider is left out', (log) =>
      log.filter(({ event }) => event !== 'key-provider'),
    ),
    show('last-entry-dropped', 'rtmr_mismatch', 'system-ready is left out', (log) =>
      log.slice(0, -1),
    ),
    show(
      'entry-added-behind',
      'rtmr_mismatch',
      'an event that nobody measured behind the others',
      (log) => [...log, { ...log.at(-1), event: 'extra', digest: '' }],
    ),
    show(
      'entry-added-in-front',
      'rtmr_mismatch',
      'another compose hash in front of the true one',
      (log) => {
        const at = indexOf(log, 'compose-hash')
        return [
          ...log.slice(0, at),
          { ...log[at], event_payload: evil, digest: '' },
          ...log.slice(at),
        ]
      },
    ),
    show('entries-exchanged', 'rtmr_mismatch', 'two events in the other order', (log) => {
      const at = indexOf(log, 'app-id')
      const [a, b] = [log[at], log[at + 1]]
      if (a !== undefined && b !== undefined) {
        log[at] = b
        log[at + 1] = a
      }
      return log
    }),
    show('no-runtime-events', 'rtmr_mismatch', 'all RTMR3 events are left out', (log) =>
      log.filter(({ imr }) => imr !== 3),
    ),
    show('empty', 'rtmr_mismatch', 'a log without events', () => []),
    ...([0, 1, 2] as const).map((register) =>
      show(
        `firmware-digest-rtmr${register}`,
        'rtmr_mismatch',
        `another digest in RTMR${register}`,
        (log) => {
          const found = log.find(({ imr }) => imr === register)
          if (found !== undefined) found['digest'] = '22'.repeat(48)
          return log
        },
      ),
    ),
    show('firmware-entry-added', 'rtmr_mismatch', 'an RTMR0 event that nobody measured', (log) => [
      ...log,
      { ...log[0] },
    ]),
    rejected(
      'log-preimage-of-another',
      'event_preimage_mismatch',
      'a preimage of another payload (digest of version 2)',
      guest({
        version: 2,
        tamper: entry('compose-hash', (one) => {
          one['preimage'] = toHex(text('{}'))
        }),
      }),
    ),
    rejected(
      'log-version-2-called-1',
      'event_digest_mismatch',
      'digests of version 2 in events that say version 1',
      guest({
        version: 2,
        tamper: (log) => log.map(({ version: _version, preimage: _preimage, ...one }) => one),
      }),
    ),
    rejected(
      'log-of-another-guest',
      'rtmr_mismatch',
      'the genuine log of another guest',
      guest({
        quote: { put: {} },
        tamper: () =>
          JSON.parse(
            guest({ facts: factsWith('app-id', seeded('app 2', 20)) }).eventLog ?? '',
          ) as unknown,
      }),
    ),
  ]
}

/** The log cannot be read in one way only. */
function unreadable(): Vector[] {
  const show = (id: string, title: string, tamper: Tamper): Vector =>
    malformed(`log-${id}`, 'event_log_malformed', title, guest({ tamper }))
  const literal = (id: string, title: string, eventLog: string): Vector =>
    malformed(`log-${id}`, 'event_log_malformed', title, guest({ eventLog }))
  const first = (change: (entry: LogEntry) => void): Tamper => entry('compose-hash', change)
  const log = guest().eventLog ?? ''
  return [
    show(
      'imr-4',
      'a register that does not exist',
      first((one) => {
        one['imr'] = 4
      }),
    ),
    show(
      'imr-minus-1',
      'a register below the first',
      first((one) => {
        one['imr'] = -1
      }),
    ),
    show(
      'imr-text',
      'the register in quotes',
      first((one) => {
        one['imr'] = '3'
      }),
    ),
    show(
      'imr-absent',
      'an event without register',
      first((one) => {
        delete one['imr']
      }),
    ),
    show(
      'digest-47-bytes',
      'a digest of 47 bytes',
      first((one) => {
        one['digest'] = '00'.repeat(47)
      }),
    ),
    show(
      'digest-upper-case',
      'a digest in upper case',
      first((one) => {
        one['digest'] = 'AB'.repeat(48)
      }),
    ),
    show(
      'payload-absent',
      'an event without payload',
      first((one) => {
        delete one['event_payload']
      }),
    ),
    show(
      'payload-odd-hex',
      'a payload of half a byte',
      first((one) => {
        one['event_payload'] = '0'
      }),
    ),
    show(
      'type-huge',
      'a type of more than 32 bits',
      first((one) => {
        one['event_type'] = 2 ** 32
      }),
    ),
    show('firmware-digest-empty', 'a firmware event without digest', (entries) => {
      const [one] = entries
      if (one !== undefined) one['digest'] = ''
      return entries
    }),
    show('event-not-an-object', 'a text in place of an event', (entries) => [...entries, 'app-id']),
    literal('not-json', 'text that is no JSON', 'event log'),
    literal('object', 'an object in place of the list', '{"events":[]}'),
    literal('cut', 'the last character cut off', log.slice(0, -1)),
    literal('junk-behind', 'text behind the list', `${log}[]`),
    literal(
      'member-twice',
      'an event with two payloads',
      log.replace('"event":"compose-hash"', '"event":"compose-hash","event_payload":"00"'),
    ),
    literal(
      'too-many-events',
      'more events than a guest logs',
      `[${Array.from({ length: 4097 }, () => '0').join(',')}]`,
    ),
    unsupported(
      'log-version-3',
      'event_log_unsupported',
      'a digest of version 3',
      guest({
        tamper: first((one) => {
          one['version'] = 3
        }),
      }),
    ),
    unsupported(
      'log-unknown-member',
      'event_log_unsupported',
      'a member that dstack does not have',
      guest({
        tamper: first((one) => {
          one['trusted'] = true
        }),
      }),
    ),
  ]
}

/** The guest, which its compose or an app in it may lead, measured something odd; the quote is of exactly this log. */
function measured(): Vector[] {
  const facts = (id: string, code: Code, title: string, list: readonly Fact[]): Vector =>
    rejected(`log-${id}`, code, title, guest({ facts: list }))
  const evil = { name: 'compose-hash', payload: EVIL_HASH }
  const at = FACTS.findIndex(({ name }) => name === 'boot-mr-done')
  const insert = (...more: readonly Fact[]): Fact[] => [
    ...FACTS.slice(0, at),
    ...more,
    ...FACTS.slice(at),
  ]
  const late = (name: string): Fact[] => {
    const found = FACTS.filter((fact) => fact.name === name)
    return [...factsWith(name, null), ...found]
  }
  return [
    ...['app-id', 'compose-hash', 'instance-id', 'key-provider', 'os-image-hash', 'storage-fs'].map(
      (name) =>
        facts(
          `${name}-duplicate`,
          'system_event_duplicate',
          `a second ${name} before system-ready`,
          insert({ name, payload: FACTS.find((fact) => fact.name === name)?.payload ?? bytes('') }),
        ),
    ),
    facts(
      'compose-hash-twice-differing',
      'system_event_duplicate',
      'a second, other compose hash before system-ready',
      insert(evil),
    ),
    facts(
      'compose-hash-missing',
      'system_event_missing',
      'no compose hash',
      factsWith('compose-hash', null),
    ),
    facts('app-id-missing', 'system_event_missing', 'no app id', factsWith('app-id', null)),
    facts(
      'compose-hash-late',
      'system_event_missing',
      'the compose hash behind system-ready',
      late('compose-hash'),
    ),
    facts('app-id-late', 'system_event_missing', 'the app id behind system-ready', late('app-id')),
    facts(
      'name-with-colon',
      'event_name_ambiguous',
      'a name with a colon before system-ready',
      insert({ name: 'app-id:x', payload: bytes('00') }),
    ),
    facts(
      'name-hides-compose-hash',
      'event_name_ambiguous',
      'a compose hash whose first bytes moved into the name',
      [
        ...factsWith('compose-hash', null).slice(0, 2),
        { name: 'compose-hash:', payload: COMPOSE_HASH },
        ...factsWith('compose-hash', null).slice(2),
      ],
    ),
    facts(
      'app-id-short',
      'system_event_malformed',
      'an app id of 19 bytes',
      factsWith('app-id', APP_ID.slice(1)),
    ),
    facts(
      'compose-hash-short',
      'system_event_malformed',
      'a compose hash of 31 bytes',
      factsWith('compose-hash', COMPOSE_HASH.slice(1)),
    ),
    facts(
      'instance-id-long',
      'system_event_malformed',
      'an instance id of 21 bytes',
      factsWith('instance-id', join(INSTANCE_ID, bytes('00'))),
    ),
    facts(
      'os-image-hash-short',
      'system_event_malformed',
      'an image hash of 31 bytes',
      factsWith('os-image-hash', new Uint8Array(31)),
    ),
    facts(
      'key-provider-not-json',
      'system_event_malformed',
      'a key provider that is no JSON',
      factsWith('key-provider', text('kms')),
    ),
    facts(
      'key-provider-id-twice',
      'system_event_malformed',
      'a key provider with two ids',
      factsWith('key-provider', text(`{"id":"00","name":"kms","id":"${PROVIDER_ID}"}`)),
    ),
    facts(
      'key-provider-more-members',
      'system_event_malformed',
      'a key provider with a member too many',
      factsWith('key-provider', text('{"id":"00","name":"kms","x":1}')),
    ),
    facts(
      'key-provider-id-not-hex',
      'system_event_malformed',
      'a key provider whose id is not hex',
      factsWith('key-provider', text('{"id":"root","name":"kms"}')),
    ),
    facts(
      'init-script-hash-short',
      'system_event_malformed',
      'the hash of an init script has 20 bytes',
      insert({ name: 'init-script-hash', payload: new Uint8Array(20) }),
    ),
    facts(
      'init-scripts-six',
      'system_event_malformed',
      'more init scripts than a guest runs',
      insert(
        ...Array.from({ length: 6 }, () => ({
          name: 'init-script-hash',
          payload: new Uint8Array(32),
        })),
      ),
    ),
    unsupported(
      'log-system-ready-missing',
      'system_ready_missing',
      'a log without system-ready',
      guest({ facts: factsWith('system-ready', null) }),
    ),
  ]
}

export function eventLogCases(): Vector[] {
  return [...shown(), ...unreadable(), ...measured()]
}
