/**
 * Event logs, compose texts and configurations that do not belong to the quote, or do not say what they seem to say.
 * Source: dstack 0.5.11 (2026-05-11), cc-eventlog and dstack-types; its branch for 0.6 for digests of version 2.
 *
 * @module
 */
import { toHex } from '../collateral.ts'
import {
  APP_ID,
  COMPOSE,
  COMPOSE_HASH,
  configId,
  configIdV2,
  configIdV3,
  digestV1,
  FACTS,
  factsWith,
  guest,
  INSTANCE_ID,
  keyProvider,
  PROVIDER_ID,
  registersOf,
  text,
} from '../guest.ts'
import type { Fact, GuestCase, LogEntry } from '../guest.ts'
import { seeded } from '../keys.ts'
import { bytes, join, MRTD, sha256 } from '../quote.ts'
import { malformed, rejected, unsupported } from '../vector.ts'
import type { Vector } from '../vector.ts'

type Code = Parameters<typeof rejected>[1]
type Tamper = NonNullable<GuestCase['tamper']>

const EVIL_HASH = sha256(text('{"name":"evil"}'))

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

function composes(): Vector[] {
  const compose = (id: string, title: string, appCompose: string): Vector =>
    rejected(`compose-${id}`, 'compose_hash_mismatch', title, guest({ appCompose }))
  const document = JSON.parse(COMPOSE) as Record<string, unknown>
  const sorted = Object.fromEntries(Object.entries(document).toSorted())
  return [
    compose('other', 'the text of another app', '{"name":"evil"}'),
    compose('empty', 'an empty text', ''),
    compose('sorted', 'written anew with its members sorted', JSON.stringify(sorted)),
    compose('pretty', 'written anew with line ends', JSON.stringify(document, null, 2)),
    compose(
      'spaces',
      'written anew as Python does it',
      COMPOSE.replaceAll('":', '": ').replaceAll(',"', ', "'),
    ),
    compose('escaped', 'written anew with a letter escaped', COMPOSE.replace('é', '\\u00e9')),
    compose('decomposed', 'a letter in another Unicode form', COMPOSE.normalize('NFD')),
    compose('line-end-behind', 'a line end behind the text', `${COMPOSE}\n`),
    compose('byte-order-mark', 'a byte order mark before the text', `\ufeff${COMPOSE}`),
    compose('member-twice', 'a member twice', COMPOSE.replace('{', '{"name":"sim-app",')),
    malformed(
      'compose-too-long',
      'compose_too_long',
      'a text longer than a guest takes',
      guest({ appCompose: 'é'.repeat(128 * 1024 + 1) }),
    ),
    rejected(
      'compose-not-accepted',
      'compose_not_accepted',
      'the policy names another compose hash',
      guest({ policy: { composeHashes: [toHex(EVIL_HASH)] } }),
    ),
    rejected(
      'compose-none-accepted',
      'compose_not_accepted',
      'the policy names no compose hash',
      guest({ policy: { composeHashes: [] } }),
    ),
    rejected(
      'compose-pinned-without-log',
      'not_met',
      'the policy names a compose hash and no log is given',
      { policy: { composeHashes: [toHex(COMPOSE_HASH)] } },
    ),
    rejected(
      'compose-required-without-text',
      'not_met',
      'the policy wants the text and it is not given',
      guest({ appCompose: null, policy: { require: ['compose.hash'] } }),
    ),
  ]
}

function configIds(): Vector[] {
  const config = (id: string, title: string, value: Uint8Array): Vector =>
    rejected(`config-id-${id}`, 'mr_config_id_mismatch', title, guest({ configId: value }))
  const providerId = bytes(PROVIDER_ID)
  const v3 = (appId: string): string =>
    `{"app_id":"${appId}","compose_hash":"${toHex(COMPOSE_HASH)}","key_provider":"kms","version":3}`
  const unknown = [
    ...factsWith('key-provider', null).slice(0, -1),
    keyProvider('hsm', '00'),
    ...FACTS.slice(-1),
  ]
  return [
    config('v1-of-another-compose', 'version 1 of another compose hash', configId(1, EVIL_HASH)),
    config(
      'v1-with-tail',
      'version 1 with a byte behind its digest',
      join(configId(1, COMPOSE_HASH).slice(0, 47), bytes('01')),
    ),
    config(
      'v2-of-another-app',
      'version 2 of another app',
      configIdV2(2, providerId, seeded('app 2', 20)),
    ),
    config(
      'v2-of-another-kind',
      'version 2 of another kind of key provider',
      configIdV2(1, providerId),
    ),
    config(
      'v2-of-another-provider',
      'version 2 of another key provider',
      configIdV2(2, bytes('00')),
    ),
    config(
      'v2-of-sha256',
      'version 2 with SHA-256 in place of Keccak-256',
      configId(2, sha256(COMPOSE_HASH, APP_ID, Uint8Array.of(2), providerId)),
    ),
    config('v3-of-another-app', 'version 3 of another app', configIdV3(v3('11'.repeat(20)))),
    config(
      'v3-members-in-another-order',
      'version 3 of a text that is not canonical',
      configIdV3(`{"version":3,"compose_hash":"${toHex(COMPOSE_HASH)}","key_provider":"kms"}`),
    ),
    config(
      'v3-without-provider',
      'version 3 that pins no key provider',
      configIdV3(`{"compose_hash":"${toHex(COMPOSE_HASH)}","version":3}`),
    ),
    config(
      'v3-without-domain',
      'version 3 without its domain',
      configId(
        3,
        sha256(text(`{"compose_hash":"${toHex(COMPOSE_HASH)}","key_provider":"kms","version":3}`)),
      ),
    ),
    unsupported(
      'config-id-v2-of-unknown-provider',
      'mr_config_id_unsupported',
      'version 2 with a kind of key provider that is not known',
      guest({ facts: unknown, configId: configIdV2(4, bytes('00')) }),
    ),
  ]
}

function policies(): Vector[] {
  const image = {
    osImageHash: toHex(seeded('os image', 32)),
    mrtd: '',
    rtmr0: [registersOf(0)],
    rtmr1: registersOf(1),
    rtmr2: registersOf(2),
  }
  const mrtd = toHex(MRTD)
  const images = (change: object): GuestCase => ({
    policy: { tdx: { images: [{ ...image, mrtd, ...change }] } },
  })
  const other = '33'.repeat(48)
  const none = [...factsWith('key-provider', null)]
  return [
    rejected(
      'app-not-accepted',
      'app_not_accepted',
      'the policy names another app',
      guest({ policy: { appIds: ['11'.repeat(20)] } }),
    ),
    rejected(
      'key-provider-not-accepted',
      'key_provider_not_accepted',
      'the policy names another key provider',
      guest({ policy: { keyProviderIds: ['11'.repeat(32)] } }),
    ),
    rejected(
      'key-provider-not-named',
      'key_provider_not_accepted',
      'the guest does not say from whom it took its keys',
      guest({ facts: none, policy: { keyProviderIds: [PROVIDER_ID] } }),
    ),
    rejected('app-pinned-without-log', 'not_met', 'the policy names an app and no log is given', {
      policy: { appIds: [toHex(APP_ID)] },
    }),
    rejected(
      'image-of-another-firmware',
      'image_not_accepted',
      'the image that the policy names has another MRTD',
      guest(images({ mrtd: other })),
    ),
    rejected(
      'image-of-another-kernel',
      'image_not_accepted',
      'the image that the policy names has another RTMR1',
      guest(images({ rtmr1: other })),
    ),
    rejected(
      'image-of-another-initrd',
      'image_not_accepted',
      'the image that the policy names has another RTMR2',
      guest(images({ rtmr2: other })),
    ),
    rejected(
      'image-in-another-shape',
      'image_not_accepted',
      'the image that the policy names in another shape',
      guest(images({ rtmr0: [other] })),
    ),
    rejected(
      'image-mixed-of-two',
      'image_not_accepted',
      'firmware of one image and kernel of another',
      guest({
        policy: {
          tdx: {
            images: [
              { ...image, mrtd, rtmr1: other },
              { ...image, mrtd: other },
            ],
          },
        },
      }),
    ),
    rejected(
      'image-none-accepted',
      'image_not_accepted',
      'the policy names no image',
      guest({ policy: { tdx: { images: [] } } }),
    ),
    rejected(
      'image-hash-of-another',
      'os_image_mismatch',
      'the guest names another image than its registers are of',
      guest({
        ...images({ osImageHash: '44'.repeat(32) }),
      }),
    ),
    rejected(
      'vm-config-image-differs',
      'os_image_mismatch',
      'host and guest name different images',
      guest({ vmConfig: JSON.stringify({ os_image_hash: '55'.repeat(32) }) }),
    ),
    malformed(
      'vm-config-not-json',
      'vm_config_malformed',
      'a description that is no JSON',
      guest({ vmConfig: 'vm' }),
    ),
    malformed(
      'vm-config-member-twice',
      'vm_config_malformed',
      'a description with two image hashes',
      guest({
        vmConfig: `{"os_image_hash":"${'55'.repeat(32)}","os_image_hash":"${toHex(seeded('os image', 32))}"}`,
      }),
    ),
    malformed(
      'vm-config-hash-short',
      'vm_config_malformed',
      'an image hash of 31 bytes',
      guest({ vmConfig: JSON.stringify({ os_image_hash: '55'.repeat(31) }) }),
    ),
  ]
}

export function eventLogCases(): Vector[] {
  return [...shown(), ...unreadable(), ...measured(), ...composes(), ...configIds(), ...policies()]
}
