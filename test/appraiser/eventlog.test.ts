import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  MAX_EVENT_LOG_CHARACTERS,
  MAX_EVENTS,
  parseEventLog,
  RUNTIME_EVENT_TYPE,
} from '../../attestation/appraiser/eventlog/parse-event-log.ts'
import { replayEventLog } from '../../attestation/appraiser/eventlog/replay-event-log.ts'
import type { ReplayResult } from '../../attestation/appraiser/eventlog/replay-event-log.ts'
import { parseQuote } from '../../attestation/appraiser/quote/parse-quote.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { toHex } from '../../attestation/protocol/hex.ts'
import { fixtureText, haveFixtures, hex, PORTS } from './x509.helpers.ts'

interface LogEntry {
  imr: number
  event_type: number
  digest: string
  event: string
  event_payload: string
  version?: number
  preimage?: string
}

const APP_ID = '11'.repeat(20)
const COMPOSE_HASH = '22'.repeat(32)
const OTHER_HASH = '99'.repeat(32)
const text = (value: string): string => Buffer.from(value).toString('hex')
const KEY_PROVIDER = text('{"name":"kms","id":"3059"}')

/** The formula of the guest's cc-eventlog, spelled out with Node's own hash. */
function digestV1(name: string, payload: string): string {
  return createHash('sha384')
    .update(Buffer.from('01000008', 'hex'))
    .update(`:${name}:`)
    .update(Buffer.from(payload, 'hex'))
    .digest('hex')
}

function digestV2(name: string, payload: string): string {
  const preimage = `{"name":"${name}","payload":"${payload}","type":134217729}`
  return createHash('sha384').update(preimage).digest('hex')
}

function runtime(event: string, payload = ''): LogEntry {
  const digest = digestV1(event, payload)
  return { imr: 3, event_type: RUNTIME_EVENT_TYPE, digest, event, event_payload: payload }
}

function boot(imr: number, seed: string): LogEntry {
  const digest = createHash('sha384').update(seed).digest('hex')
  return { imr, event_type: 4, digest, event: '', event_payload: '' }
}

const BOOT = [boot(0, 'a'), boot(0, 'b'), boot(1, 'c'), boot(2, 'd')]
const SYSTEM = [
  runtime('system-preparing'),
  runtime('app-id', APP_ID),
  runtime('compose-hash', COMPOSE_HASH),
  runtime('instance-id', ''),
  runtime('boot-mr-done'),
  runtime('os-image-hash', '33'.repeat(32)),
  runtime('key-provider', KEY_PROVIDER),
]
const READY = runtime('system-ready')
const LOG = [...BOOT, ...SYSTEM, READY, runtime('user-event', '00')]

/** The registers that a genuine guest with these events has. */
function registers(log: readonly LogEntry[]): Uint8Array[] {
  return [0, 1, 2, 3].map((imr) =>
    log
      .filter((entry) => entry.imr === imr)
      .reduce(
        (register, { digest }) =>
          createHash('sha384').update(register).update(digest, 'hex').digest(),
        Buffer.alloc(48),
      ),
  )
}

function replay(log: readonly LogEntry[], genuine: readonly LogEntry[] = log): ReplayResult {
  return replayEventLog(JSON.stringify(log), registers(genuine), nodeCrypto)
}

/** Ids and codes of what failed or was skipped, and whether the system was read. */
function outcome(result: ReplayResult): string {
  const ids = ['structure', 'digests', 'rtmr0', 'rtmr1', 'rtmr2', 'rtmr3', 'system_events']
  expect(result.checks.map(({ id }) => id)).toEqual(ids.map((id) => `eventlog.${id}`))
  const bad = result.checks.filter(({ status }) => status !== 'pass')
  const read = result.checks.at(-1)?.status === 'pass'
  expect(result.system !== null).toBe(read)
  return bad.map(({ id, code }) => `${id.slice('eventlog.'.length)} ${code}`).join(', ') || 'ok'
}

const edit = (log: readonly LogEntry[], name: string, change: Partial<LogEntry>): LogEntry[] =>
  log.map((entry) => (entry.event === name ? { ...entry, ...change } : entry))

describe('replay', () => {
  test.each(PORTS)('a genuine log replays and names the system (%s)', (_, crypto) => {
    const result = replayEventLog(JSON.stringify(LOG), registers(LOG), crypto)
    expect(outcome(result)).toBe('ok')
    expect(result.system).toEqual({
      composeHash: hex(COMPOSE_HASH),
      appId: hex(APP_ID),
      instanceId: null,
      keyProvider: { name: 'kms', id: '3059' },
      osImageHash: hex('33'.repeat(32)),
      gpuPolicyHash: null,
      initScriptHashes: [],
    })
  })

  test('runtime digests may be left out, as agents since 0.5.6 do; boot digests may not', () => {
    const bare = LOG.map((entry) => (entry.imr === 3 ? { ...entry, digest: '' } : entry))
    expect(outcome(replay(bare, LOG))).toBe('ok')
    const empty = LOG.map((entry) => (entry.imr === 1 ? { ...entry, digest: '' } : entry))
    expect(outcome(replay(empty, LOG))).toMatch(/^structure event_log_malformed/)
  })

  test('digests of version 2 are recomputed from canonical JSON', () => {
    const second = LOG.map((entry) =>
      entry.imr === 3
        ? { ...entry, version: 2, digest: digestV2(entry.event, entry.event_payload) }
        : entry,
    )
    expect(outcome(replay(second))).toBe('ok')
    expect(outcome(replay(edit(second, 'compose-hash', { digest: '' }), second))).toBe('ok')
    const first = edit(second, 'compose-hash', { version: 1, digest: '' })
    expect(outcome(replay(first, second))).toBe(
      'rtmr3 rtmr_mismatch, system_events depends_on_failed',
    )
    expect(outcome(replay(edit(LOG, 'app-id', { version: 3 })))).toMatch(
      /^structure event_log_unsupported/,
    )
  })

  test('a supplied preimage is compared, never hashed in place of name and payload', () => {
    const canonical = (name: string, payload: string): string =>
      text(`{"name":"${name}","payload":"${payload}","type":134217729}`)
    const second = LOG.map((entry) =>
      entry.imr === 3
        ? {
            ...entry,
            version: 2,
            digest: digestV2(entry.event, entry.event_payload),
            preimage: canonical(entry.event, entry.event_payload),
          }
        : entry,
    )
    expect(outcome(replay(second))).toBe('ok')
    const other = edit(second, 'compose-hash', {
      digest: '',
      preimage: canonical('compose-hash', OTHER_HASH),
    })
    expect(outcome(replay(other, second))).toBe(
      'digests event_preimage_mismatch, system_events depends_on_failed',
    )
    // The payload that readers see swapped, with digest and preimage of the true one kept.
    const swapped = edit(second, 'compose-hash', { event_payload: OTHER_HASH })
    expect(outcome(replay(swapped, second))).toMatch(/^digests event_digest_mismatch/)
    const spelled = edit(second, 'app-id', { preimage: text(`{"type":134217729,"name":"app-id"}`) })
    expect(outcome(replay(spelled, second))).toMatch(/^digests event_preimage_mismatch/)
    const first = edit(LOG, 'app-id', { preimage: `01000008${text(':app-id:')}${APP_ID}` })
    expect(outcome(replay(first, LOG))).toBe('ok')
    expect(outcome(replay(edit(LOG, 'app-id', { preimage: 'x' }), LOG))).toMatch(
      /^structure event_log_malformed/,
    )
  })

  test('a log of runtime events alone still has to match RTMR3', () => {
    const result = replay(LOG.slice(BOOT.length), LOG)
    expect(outcome(result)).toBe('rtmr0 not_provided, rtmr1 not_provided, rtmr2 not_provided')
    expect(result.system?.composeHash).toEqual(hex(COMPOSE_HASH))
    expect(outcome(replay(BOOT, LOG))).toBe('rtmr3 rtmr_mismatch, system_events depends_on_failed')
    expect(outcome(replay([], LOG))).toMatch(/rtmr3 rtmr_mismatch/)
  })

  test('refuses dropped, added, reordered and changed boot events', () => {
    expect(outcome(replay(LOG.slice(1), LOG))).toBe('rtmr0 rtmr_mismatch')
    expect(outcome(replay([...LOG, boot(2, 'x')], LOG))).toBe('rtmr2 rtmr_mismatch')
    expect(outcome(replay([LOG[1], LOG[0], ...LOG.slice(2)] as LogEntry[], LOG))).toBe(
      'rtmr0 rtmr_mismatch',
    )
    expect(
      outcome(
        replay(
          LOG.map((e) => (e.imr === 1 ? boot(1, 'x') : e)),
          LOG,
        ),
      ),
    ).toBe('rtmr1 rtmr_mismatch')
  })

  test('never says that relabelled boot events were measured, and refuses odd ones', () => {
    const relabel = (change: object) =>
      replay(
        LOG.map((event) => (event.imr === 3 ? event : { ...event, ...change })),
        LOG,
      )
    const forged = relabel({ event: 'forged-kernel', event_type: 1, event_payload: 'deadbeef' })
    for (const index of [0, 1, 2]) {
      const check = forged.checks.find(({ id }) => id === `eventlog.rtmr${index}`)
      expect(check?.status).toBe('pass')
      expect(check?.proves).toMatch(/digests replay .* names and payloads are not covered/)
    }
    expect(outcome(relabel({ version: 99 }))).toMatch(/^structure event_log_unsupported/)
    for (const preimage of ['zz', 1, {}]) {
      expect(outcome(relabel({ preimage }))).toMatch(/^structure event_log_malformed/)
    }
  })

  test('refuses an event that is shown in another register', () => {
    const mismatch = /rtmr3 rtmr_mismatch, system_events depends_on_failed/
    for (const imr of [0, 1, 2]) {
      const moved = edit(LOG, 'compose-hash', { imr })
      expect(outcome(replay(moved, LOG))).toMatch(mismatch)
      expect(outcome(replay(moved, LOG))).toContain(`rtmr${imr} rtmr_mismatch`)
      // A second one that would not count in RTMR3 would still be found by a reader who looks at names alone.
      const copied = [...LOG, { ...runtime('compose-hash', OTHER_HASH), imr }]
      expect(outcome(replay(copied, LOG))).toBe(`rtmr${imr} rtmr_mismatch`)
    }
    const up = LOG.map((entry, index) => (index === 0 ? { ...entry, imr: 3 } : entry))
    expect(outcome(replay(up, LOG))).toMatch(/^structure event_type_unexpected/)
  })

  test('refuses dropped and added runtime events', () => {
    const mismatch = 'rtmr3 rtmr_mismatch, system_events depends_on_failed'
    expect(outcome(replay(LOG.slice(0, -1), LOG))).toBe(mismatch)
    expect(outcome(replay([...LOG, runtime('user-event')], LOG))).toBe(mismatch)
  })

  test('a supplied digest that is wrong is refused even where name and payload replay', () => {
    const wrong = edit(LOG, 'app-id', { digest: digestV1('app-id', '00') })
    expect(outcome(replay(wrong, LOG))).toBe(
      'digests event_digest_mismatch, system_events depends_on_failed',
    )
  })

  test('fails without the registers of a quote', () => {
    const result = replayEventLog(JSON.stringify(LOG), [], nodeCrypto)
    expect(outcome(result)).toMatch(
      /^rtmr0 rtmr_mismatch, rtmr1 rtmr_mismatch, .*rtmr3 rtmr_mismatch/,
    )
  })
})

describe('negative corpus of signing proxies', () => {
  test('case 1: a payload swapped with its digest kept is refused', () => {
    const swapped = edit(LOG, 'compose-hash', { event_payload: OTHER_HASH })
    expect(outcome(replay(swapped, LOG))).toBe(
      'digests event_digest_mismatch, rtmr3 rtmr_mismatch, system_events depends_on_failed',
    )
    const silent = edit(swapped, 'compose-hash', { digest: '' })
    expect(outcome(replay(silent, LOG))).toBe(
      'rtmr3 rtmr_mismatch, system_events depends_on_failed',
    )
  })

  test('case 2: an event relabelled to type 0 with its payload swapped is refused', () => {
    const relabelled = edit(LOG, 'compose-hash', { event_type: 0, event_payload: OTHER_HASH })
    expect(outcome(replay(relabelled, LOG))).toMatch(/^structure event_type_unexpected/)
  })

  test('case 3: a second compose-hash or os-image-hash after system-ready changes nothing', () => {
    const late = [...LOG, runtime('compose-hash', OTHER_HASH), runtime('os-image-hash', OTHER_HASH)]
    const result = replay(late)
    expect(outcome(result)).toBe('ok')
    expect(result.system).toMatchObject({
      composeHash: hex(COMPOSE_HASH),
      osImageHash: hex('33'.repeat(32)),
    })
  })
})

describe('system events', () => {
  test.each([
    ...['app-id', 'compose-hash', 'instance-id', 'key-provider', 'os-image-hash', 'mr-kms'],
    ...['system-preparing', 'boot-mr-done', 'storage-fs', 'gpu-policy-hash', 'gpu-attestation'],
  ])('refuses a second %s before system-ready', (name) => {
    const twice = [...BOOT, ...SYSTEM, runtime(name, APP_ID), runtime(name, APP_ID), READY]
    expect(outcome(replay(twice))).toBe('system_events system_event_duplicate')
  })

  test('nothing after system-ready is read as system data', () => {
    const late = [...BOOT, runtime('system-preparing'), READY, ...SYSTEM]
    expect(outcome(replay(late))).toBe('system_events system_event_missing')
    const noAppId = [
      ...SYSTEM.filter(({ event }) => event !== 'app-id'),
      READY,
      runtime('app-id', APP_ID),
    ]
    expect(outcome(replay([...BOOT, ...noAppId]))).toBe('system_events system_event_missing')
  })

  test('without system-ready nothing separates the app from the system', () => {
    expect(outcome(replay([...BOOT, ...SYSTEM]))).toBe('system_events system_ready_missing')
  })

  test('an event hidden by moving the colon between name and payload is refused', () => {
    // Version 1 digests "mr-kms" ‖ "a:b" and "mr-kms:a" ‖ "b" alike.
    const genuine = [...BOOT, ...SYSTEM, runtime('mr-kms', text('a:b')), READY]
    const hidden = edit(genuine, 'mr-kms', { event: 'mr-kms:a', event_payload: text('b') })
    expect(registers(hidden)).toEqual(registers(genuine))
    expect(outcome(replay(genuine))).toBe('ok')
    expect(outcome(replay(hidden, genuine))).toBe('system_events event_name_ambiguous')
    expect(outcome(replay([...LOG, runtime('app:event', '00')]))).toBe('ok')
  })

  test.each([
    ['app-id', '11'.repeat(19)],
    ['compose-hash', '22'.repeat(31)],
    ['compose-hash', ''],
    ['instance-id', '44'.repeat(19)],
    ['os-image-hash', '33'.repeat(33)],
    ['key-provider', text('{"name":"kms","id":"3059","more":1}')],
    ['key-provider', text('{"name":"kms","id":"305"}')],
    ['key-provider', text('{"name":"kms","id":"3059\\u0000"}')],
    ['key-provider', text('{"name":"kms\\n","id":""}')],
    ['key-provider', text(`{"name":"kms","id":"${'00'.repeat(4096)}"}`)],
    ['key-provider', text('kms')],
    ['key-provider', text('["kms"]')],
    ['key-provider', text('{"name":"kms"}')],
    ['key-provider', text('{"name":"none","id":"","name":"kms"}')],
    ['key-provider', 'ff'],
  ])('refuses a malformed %s (%s)', (name, payload) => {
    const log = LOG.map((entry) => (entry.event === name ? runtime(name, payload) : entry))
    expect(outcome(replay(log))).toBe('system_events system_event_malformed')
  })

  test('what dstack 0.6 measures beside is read, and refused in another form', () => {
    const scripts = ['aa', 'bb'].map((byte) => runtime('init-script-hash', byte.repeat(32)))
    const policy = runtime('gpu-policy-hash', '55'.repeat(32))
    const log = [...BOOT, ...SYSTEM.slice(0, 3), ...scripts, policy, ...SYSTEM.slice(3), READY]
    const result = replay(log)
    expect(outcome(result)).toBe('ok')
    expect(result.system?.gpuPolicyHash).toEqual(hex('55'.repeat(32)))
    expect(result.system?.initScriptHashes.map(toHex)).toEqual(
      ['aa', 'bb'].map((b) => b.repeat(32)),
    )
    for (const bad of [runtime('init-script-hash', 'aa'), runtime('gpu-policy-hash', '')]) {
      const changed = log.map((entry) => (entry.event === bad.event ? bad : entry))
      expect(outcome(replay(changed))).toMatch(/system_events system_event_malformed/)
    }
    const many = Array.from({ length: 6 }, () => scripts[0] ?? policy)
    expect(outcome(replay([...BOOT, ...SYSTEM, ...many, READY]))).toBe(
      'system_events system_event_malformed',
    )
  })

  test('instance and key provider may be absent', () => {
    const short = [runtime('app-id', APP_ID), runtime('compose-hash', COMPOSE_HASH), READY]
    expect(replay([...BOOT, ...short]).system).toMatchObject({
      instanceId: null,
      keyProvider: null,
      osImageHash: null,
    })
    const instance = LOG.map((e) =>
      e.event === 'instance-id' ? runtime('instance-id', APP_ID) : e,
    )
    expect(replay(instance).system?.instanceId).toEqual(hex(APP_ID))
  })
})

describe('log structure', () => {
  const good = runtime('app-id', APP_ID)
  test.each<[string, unknown]>([
    ['an object', {}],
    ['an entry that is no object', [[]]],
    ['register -1', [{ ...good, imr: -1 }]],
    ['register 4', [{ ...good, imr: 4 }]],
    ['a register as text', [{ ...good, imr: '3' }]],
    ['no register', [{ ...good, imr: undefined }]],
    ['an event type beyond 32 bits', [{ ...good, event_type: 2 ** 32 + RUNTIME_EVENT_TYPE }]],
    ['an event type that is no integer', [{ ...good, event_type: 1.5 }]],
    ['an event type as text', [{ ...good, event_type: '134217729' }]],
    ['no name', [{ ...good, event: null }]],
    ['no digest member', [{ ...good, digest: null }]],
    ['a digest of 32 bytes', [{ ...good, digest: '00'.repeat(32) }]],
    ['a digest in upper case', [{ ...good, digest: good.digest.toUpperCase() }]],
    ['no payload', [{ ...good, event_payload: null }]],
    ['a payload of half a byte', [{ ...good, event_payload: '1' }]],
    ['too many events', Array.from({ length: MAX_EVENTS + 1 }, () => good)],
  ])('refuses %s', (_, log) => {
    expect(parseEventLog(JSON.stringify(log))).toMatchObject({
      ok: false,
      code: 'event_log_malformed',
    })
  })

  test.each([
    ['text that is not JSON', '[{'],
    ['duplicate members', '[{"imr":3,"imr":0}]'],
    ['a lone surrogate', '["\\ud800"]'],
    ['an endless text', `[${' '.repeat(MAX_EVENT_LOG_CHARACTERS)}]`],
    ['endless nesting', '['.repeat(10_000)],
  ])('refuses %s', (_, log) => {
    expect(parseEventLog(log)).toMatchObject({ ok: false, code: 'event_log_malformed' })
  })

  test('a bad structure skips everything that builds on it', () => {
    expect(outcome(replayEventLog('', registers(LOG), nodeCrypto))).toBe(
      `structure event_log_malformed, ${[
        'digests',
        'rtmr0',
        'rtmr1',
        'rtmr2',
        'rtmr3',
        'system_events',
      ]
        .map((name) => `${name} depends_on_failed`)
        .join(', ')}`,
    )
  })

  test('random text and random JSON never throw and never name a system', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (log) => {
        expect(replayEventLog(log, registers(LOG), nodeCrypto).system).toBeNull()
      }),
      { numRuns: 500 },
    )
  })
})

describe('recorded logs', () => {
  test.runIf(haveFixtures('tdx')).each(PORTS)(
    'all four registers of a dstack report replay (%s)',
    (_, crypto) => {
      const report = JSON.parse(fixtureText('tdx/dstack-quote-report.json')) as {
        quote: string
        event_log: string
      }
      const quote = parseQuote(hex(report.quote))
      if (!quote.ok) throw new Error(quote.detail)
      const result = replayEventLog(report.event_log, quote.quote.rtmrs, crypto)
      expect(outcome(result)).toBe('ok')
      expect(toHex(result.system?.composeHash ?? new Uint8Array())).toBe(
        '3763bc34552cf3a27ff71ad5f7a90471562a1a2df552dfc1998cba2d60da27e7',
      )
      expect(toHex(result.system?.appId ?? new Uint8Array())).toBe(
        '3763bc34552cf3a27ff71ad5f7a90471562a1a2d',
      )
      expect(result.system?.keyProvider?.name).toBe('local-sgx')
    },
  )

  test.runIf(haveFixtures('0g'))('the log of a vllm-proxy report replays', () => {
    const report = JSON.parse(fixtureText('0g/llm_attestation_report.json')) as {
      intel_quote: string
      event_log: string
      info: { app_id: string; compose_hash?: string }
    }
    const quote = parseQuote(hex(report.intel_quote))
    if (!quote.ok) throw new Error(quote.detail)
    const result = replayEventLog(report.event_log, quote.quote.rtmrs, nodeCrypto)
    expect(outcome(result)).toBe('ok')
    expect(toHex(result.system?.appId ?? new Uint8Array())).toBe(report.info.app_id)
  })
})
