import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { parseEventLog } from '../../attestation/appraiser/eventlog/parse-event-log.ts'
import { releaseOfVersion } from '../../attestation/attester/dstack/agent-release.ts'
import {
  AGENT_RETRY_PAUSE_MS,
  callGuestAgent,
  MAX_AGENT_ANSWER_BYTES,
  QUOTE_RETRIES,
} from '../../attestation/attester/dstack/call-guest-agent.ts'
import { findGuestAgent, surfaceOf } from '../../attestation/attester/dstack/find-guest-agent.ts'
import { connectGuestAgent } from '../../attestation/attester/dstack/guest-agent.ts'
import { GuestAgentError } from '../../attestation/attester/dstack/guest-agent-error.ts'
import { measureGuest } from '../../attestation/attester/dstack/measure-guest.ts'
import { openGuest } from '../../attestation/attester/dstack/open-guest.ts'
import { readReportData } from '../../attestation/attester/dstack/read-report-data.ts'
import { isTeeMachine } from '../../attestation/attester/dstack/tee-machine.ts'
import { AGENT_RELEASES } from '../../attestation/simulator/dstack/agent-releases.ts'
import { createSimulatedGuest } from '../../attestation/simulator/dstack/create-simulated-guest.ts'
import { startGuestAgent } from '../../attestation/simulator/dstack/start-guest-agent.ts'
import type {
  AgentFaults,
  RunningGuestAgent,
} from '../../attestation/simulator/dstack/start-guest-agent.ts'

const composeText = '{"name":"試験 ünïcode 🔏"}\n'
const guest = createSimulatedGuest({ composeText, now: new Date('2026-11-23T12:00:00Z') })
const directory = mkdtempSync(join(tmpdir(), 'countersign-client-'))
const socketPath = join(directory, 'dstack.sock')
const faults: AgentFaults = {}
const client = connectGuestAgent(socketPath)
const reportData = Uint8Array.from({ length: 64 }, (_, index) => index)
let agent: RunningGuestAgent

beforeAll(async () => {
  agent = await startGuestAgent(guest, { socketPath, faults })
})
afterEach(() => {
  for (const name of Object.keys(faults)) Reflect.deleteProperty(faults, name)
})
afterAll(async () => {
  await agent.close()
  rmSync(directory, { recursive: true })
})

async function failure(promise: Promise<unknown>): Promise<GuestAgentError> {
  const error = await promise.then(
    () => new Error('it did not fail'),
    (reason: unknown) => reason,
  )
  if (!(error instanceof GuestAgentError)) throw error
  return error
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

describe('a sound agent', () => {
  test('tells version and facts, the compose text byte for byte', async () => {
    expect(await client.version()).toEqual({ version: '0.5.11', rev: 'sim-0.5.11' })
    const info = await client.info()
    expect(info).toMatchObject({
      appId: hex(guest.appId),
      instanceId: hex(guest.instanceId),
      appName: 'sim-countersign',
      composeHash: hex(guest.composeHash),
      appCompose: composeText,
      keyProvider: guest.keyProvider,
      vmConfig: guest.vmConfig,
      osImageHash: hex(guest.osImageHash),
      deviceId: hex(guest.deviceId),
    })
    expect(JSON.parse(info.raw)).toHaveProperty('tcb_info', info.tcbInfo)
  })

  test('quotes what was asked', async () => {
    const { quote, eventLog, vmConfig } = await client.getQuote(reportData)
    expect(readReportData(quote)).toEqual(reportData)
    expect(eventLog).toBe(guest.quotedEventLog)
    expect(vmConfig).toBe(guest.vmConfig)
  })

  test('derives the key that the guest derives, non-ASCII path included', async () => {
    for (const algorithm of ['secp256k1', 'ed25519'] as const) {
      const request = { path: 'schlüssel/試', purpose: 'prüfung', algorithm }
      expect(await client.getKey(request)).toEqual(guest.keys.derive(request))
    }
  })

  test('sends no quote request with less than 64 bytes', async () => {
    await expect(client.getQuote(new Uint8Array(32))).rejects.toThrow(TypeError)
  })

  test('is asked once more after a passing refusal', async () => {
    faults.failNext = 1
    expect(hex((await client.getQuote(reportData)).quote)).toContain(hex(reportData))
    expect(faults.failNext).toBe(0)
  })
})

describe('a faulty agent', () => {
  test('that keeps refusing is agent_refused, after exactly one retry', async () => {
    faults.failNext = 5
    const error = await failure(client.info())
    expect(error.code).toBe('agent_refused')
    expect(error.message).toContain('HTTP 400: simulated fault: backend failure')
    expect(faults.failNext).toBe(3)
  })

  test('that answers garbage is agent_malformed', async () => {
    faults.garbage = true
    const error = await failure(client.getQuote(reportData))
    expect([error.code, error.message]).toEqual([
      'agent_malformed',
      'GetQuote: the answer is malformed (not_json)',
    ])
  })

  test('that closes in the middle of its answer is agent_unreachable', async () => {
    faults.closeMidAnswer = true
    const error = await failure(client.info())
    expect([error.code, error.message]).toEqual([
      'agent_unreachable',
      'Info: guest agent unreachable (ECONNRESET)',
    ])
  })

  test('that quotes other report data is agent_wrong_report_data, even in one byte', async () => {
    faults.reportData = reportData.with(63, 0)
    expect((await failure(client.getQuote(reportData))).code).toBe('agent_wrong_report_data')
  })

  test('that is slow is agent_timeout', async () => {
    faults.delayMs = 300
    const error = await failure(client.info({ deadlineMs: 30 }))
    expect(error.code).toBe('agent_timeout')
  })

  test('can be left by aborting, with the reason of the abort', async () => {
    faults.delayMs = 300
    const stop = new AbortController()
    const reason = new Error('shutting down')
    setTimeout(() => stop.abort(reason), 20)
    await expect(client.info({ signal: stop.signal })).rejects.toBe(reason)
    await expect(client.info({ signal: stop.signal })).rejects.toBe(reason)
  })

  test('that is not there is agent_unreachable, without a retry', async () => {
    const error = await failure(connectGuestAgent(join(directory, 'none.sock')).version())
    expect(error.code).toBe('agent_unreachable')
    expect(error.message).toContain('ENOENT')
  })
})

describe('an answer of the wrong shape', () => {
  const fakePath = join(directory, 'fake.sock')
  let fake: Server | null = null
  let calls = 0

  /** Answers every request with these bytes, whatever was asked. */
  async function serve(status: number, body: string | Buffer): Promise<void> {
    const bytes = Buffer.from(body)
    const head = `HTTP/1.1 ${status} X\r\ncontent-length: ${bytes.length}\r\nconnection: close\r\n\r\n`
    calls = 0
    fake = createServer((socket) => {
      socket.on('error', () => socket.destroy())
      socket.once('data', () => {
        calls++
        socket.write(head)
        socket.end(bytes)
      })
    })
    await new Promise<void>((resolve) => fake?.listen(fakePath, resolve))
  }

  afterEach(async () => {
    await new Promise((resolve) => (fake === null ? resolve(null) : fake.close(resolve)))
    fake = null
  })

  const strange = connectGuestAgent(fakePath)

  test.each([
    ['an array', '[]', /not a JSON object/],
    ['bytes that are not UTF-8', Buffer.from([0x22, 0xff, 0x22]), /not_utf8/],
    ['a duplicate member', '{"version":"1","version":"2","rev":""}', /duplicate_member/],
    ['a number for a text', '{"version":1,"rev":""}', /^Version\.version/],
  ])('%s is agent_malformed', async (_, body, message) => {
    await serve(200, body)
    const error = await failure(strange.version())
    expect(error.code).toBe('agent_malformed')
    expect(error.message).toMatch(message)
  })

  test('an answer over the limit is dropped before it is whole', async () => {
    await serve(200, Buffer.alloc(MAX_AGENT_ANSWER_BYTES + 1, 0x20))
    const error = await failure(strange.version())
    expect([error.code, calls]).toEqual(['agent_malformed', 1])
    expect(error.message).toContain('longer than')
  })

  test('an error in a successful answer is a refusal', async () => {
    await serve(200, '{"error":"no"}')
    expect((await failure(strange.info())).code).toBe('agent_refused')
  })

  test('an unsuccessful answer without JSON is a refusal, asked twice', async () => {
    await serve(503, 'busy')
    const error = await failure(strange.info())
    expect([error.code, error.message, calls]).toEqual([
      'agent_refused',
      'Info: HTTP 503: no reason given',
      2,
    ])
  })

  const link = '01'.repeat(65)
  const key = 'a5'.repeat(32)
  test.each([
    ['a short key', { key: 'a5'.repeat(31), signature_chain: [link, link] }],
    ['upper-case hex', { key: 'A5'.repeat(32), signature_chain: [link, link] }],
    ['no chain', { key }],
    ['a chain of three', { key, signature_chain: [link, link, link] }],
    ['a short app signature', { key, signature_chain: ['01', link] }],
    ['a short KMS signature', { key, signature_chain: [link, '01'] }],
  ])('GetKey with %s is agent_malformed and the message holds no key', async (_, body) => {
    await serve(200, JSON.stringify({ version: '0.5.11', rev: '', ...body }))
    const request = { path: '', purpose: '', algorithm: 'secp256k1' } as const
    const error = await failure(strange.getKey(request))
    expect(error.code).toBe('agent_malformed')
    expect(error.message.toLowerCase()).not.toContain('a5a5')
    expect(error.message).not.toContain('0101')
  })

  test('an error text that quotes a key is cleaned before it reaches a log', async () => {
    await serve(400, JSON.stringify({ error: `cannot parse ${key}\u001b[31m\n${'y'.repeat(999)}` }))
    const error = await failure(strange.info())
    expect(error.message).toContain('cannot parse <hex> [31m ')
    expect(error.message.length).toBeLessThan(260)
  })

  test('an old agent that would ignore ed25519 is refused instead of believed', async () => {
    const old = createSimulatedGuest({ composeText, now: new Date(), release: '0.5.5' })
    const path = join(directory, 'old.sock')
    const running = await startGuestAgent(old, { socketPath: path })
    const connected = connectGuestAgent(path)
    const request = { path: 'p', purpose: '', algorithm: 'ed25519' } as const
    const error = await failure(connected.getKey(request))
    expect([error.code, error.message]).toEqual([
      'agent_unsupported',
      'GetKey: an agent of the family 0.4.2 to 0.5.5 gives no ed25519 key',
    ])
    // Believed, it would have been this one: the call itself is answered.
    const { value } = await callGuestAgent(path, 'GetKey', { ...request })
    expect(value['key']).toBe(hex(old.keys.derive({ ...request, algorithm: 'secp256k1' }).key))
    await running.close()
  })

  test.each([
    ['an SGX quote', Buffer.from([4, 0, 2, 0, 0, 0, 0, 0, ...new Array<number>(700).fill(0)])],
    [
      'a quote version nobody knows',
      Buffer.from([6, 0, 2, 0, 0x81, ...new Array<number>(700).fill(0)]),
    ],
    [
      'a quote that ends inside its report data',
      Buffer.from([4, 0, 2, 0, 0x81, ...new Array<number>(600).fill(0)]),
    ],
    [
      'a quote of a megabyte',
      Buffer.concat([Buffer.from([4, 0, 2, 0, 0x81]), Buffer.alloc(1 << 20)]),
    ],
  ])('%s is agent_malformed', async (_, quote) => {
    await serve(200, JSON.stringify({ quote: hex(quote), event_log: '[]', vm_config: '' }))
    expect((await failure(strange.getQuote(new Uint8Array(64)))).code).toBe('agent_malformed')
  })

  test('an event log that is no list is agent_malformed', async () => {
    const quote = hex(guest.quote(reportData))
    await serve(200, JSON.stringify({ quote, event_log: '{}', vm_config: '' }))
    const error = await failure(strange.getQuote(reportData))
    expect([error.code, error.message]).toEqual([
      'agent_malformed',
      'GetQuote.event_log is not of the promised shape',
    ])
  })

  test('Info with an app id of another length is agent_malformed', async () => {
    await serve(200, JSON.stringify({ app_id: 'ab', tcb_info: '{"app_compose":""}' }))
    expect((await failure(strange.info())).message).toContain('Info.app_id')
  })

  test('a connection cut once, as by a restart of the agent, is tried again', async () => {
    let connections = 0
    fake = createServer((socket) => {
      connections++
      socket.once('data', () => {
        if (connections === 1) socket.destroy()
        else socket.end('HTTP/1.1 200 X\r\ncontent-length: 27\r\n\r\n{"version":"1","rev":"sim"}')
      })
    })
    await new Promise<void>((resolve) => fake?.listen(fakePath, resolve))
    expect(await strange.version()).toEqual({ version: '1', rev: 'sim' })
    expect(connections).toBe(2)
  })

  test('the length sent counts bytes, not characters', async () => {
    const seen: Buffer[] = []
    fake = createServer((socket) => {
      socket.on('data', (chunk) => {
        seen.push(chunk)
        if (chunk.includes('}')) socket.end('HTTP/1.1 200 X\r\ncontent-length: 2\r\n\r\n{}')
      })
    })
    await new Promise<void>((resolve) => fake?.listen(fakePath, resolve))
    await callGuestAgent(fakePath, 'GetKey', { path: '試🔏' })
    const [head = '', body = ''] = Buffer.concat(seen).toString('utf8').split('\r\n\r\n')
    expect(body).toBe('{"path":"試🔏"}')
    expect(head.toLowerCase()).toContain(`content-length: ${Buffer.byteLength(body)}\r\n`)
    expect(head).toMatch(/^POST \/GetKey HTTP\/1\.1\r\n/)
  })
})

describe.each(AGENT_RELEASES)('an agent of release %s', (name) => {
  const old = createSimulatedGuest({ composeText, now: new Date(), release: name })
  const path = join(
    mkdtempSync(join(directory, 'release-')),
    name === '0.3.6' ? 'tappd.sock' : 'dstack.sock',
  )
  const connected = connectGuestAgent(path)
  let running: RunningGuestAgent
  beforeAll(async () => {
    running = await startGuestAgent(old, { socketPath: path })
  })
  afterAll(() => running.close())

  const [, minor = 0, patch = 0] = name.split('.').map(Number)
  const heedsAlgorithm = minor > 5 || (minor === 5 && patch >= 6)

  test('is recognised by what it answers', async () => {
    const release = await connected.release()
    const family =
      minor === 3
        ? '0.3'
        : minor === 6
          ? '0.6'
          : !heedsAlgorithm
            ? '0.4.2 to 0.5.5'
            : patch === 6
              ? '0.5.6'
              : '0.5.7 to 0.5.11'
    const speaks = minor === 6 || (heedsAlgorithm && patch > 6)
    expect(release).toMatchObject({
      family,
      surface: minor === 3 ? 'tappd' : 'dstack',
      version: speaks ? name : null,
      keys: minor === 3 ? 'none' : heedsAlgorithm ? 'by-algorithm' : 'secp256k1',
      runtimeDigests: heedsAlgorithm ? 'empty' : 'given',
      // 0.4 and 0.5.0 look alike, and asking would add the event.
      emitEvent: minor === 3 || minor === 6 ? 'no' : heedsAlgorithm ? 'yes' : 'unknown',
    })
  })

  test('quotes what was asked, and its log says whether digests are to be computed', async () => {
    const { quote, eventLog } = await connected.getQuote(reportData)
    expect(readReportData(quote)).toEqual(reportData)
    const digests = parseEventLog(eventLog)
    expect(digests.ok).toBe(true)
    const { runtimeDigests } = await connected.release()
    expect(/"imr":3,"event_type":134217729,"digest":""/.test(eventLog)).toBe(
      runtimeDigests === 'empty',
    )
  })

  test('tells the facts of the guest, as far as it has them', async () => {
    const info = await connected.info()
    expect(info).toMatchObject({
      appId: hex(old.appId),
      appCompose: composeText,
      composeHash: minor === 3 ? '' : hex(old.composeHash),
      keyProvider: minor === 3 ? null : old.keyProvider,
    })
  })

  test('gives the key that was asked for, or none', async () => {
    for (const algorithm of ['secp256k1', 'ed25519'] as const) {
      const request = { path: 'p', purpose: 'q', algorithm }
      if (minor === 3 || (algorithm === 'ed25519' && !heedsAlgorithm)) {
        expect((await failure(connected.getKey(request))).code).toBe('agent_unsupported')
      } else expect(await connected.getKey(request)).toEqual(old.keys.derive(request))
    }
  })

  test('is opened where its log says where the system part ends', async () => {
    if (minor === 3) {
      const error = await failure(openGuest(connected))
      expect([error.code, error.message]).toEqual([
        'agent_unsupported',
        'event log: system_ready_missing',
      ])
      return
    }
    const { system, release } = await openGuest(connected)
    expect(system.keyProvider).toEqual(old.keyProvider)
    expect(release).toEqual(await connected.release())
  })
})

describe('an agent that is not the one it was', () => {
  const other = createSimulatedGuest({ composeText, now: new Date() })

  test("of another app's guest is refused by the next quote, and taken again when it is back", async () => {
    const { cpu } = await openGuest(client)
    faults.otherGuest = other
    const error = await failure(cpu.quote(reportData))
    expect([error.code, error.message]).toEqual([
      'agent_other_guest',
      'measured otherwise than the agent says: app id, instance id',
    ])
    delete faults.otherGuest
    expect(readReportData((await cpu.quote(reportData)).quote)).toEqual(reportData)
  })

  test('with a log of another boot is refused: it does not replay to the quote', () => {
    const mixed = { quote: guest.quote(reportData), eventLog: other.quotedEventLog, vmConfig: '' }
    expect(() => measureGuest(mixed)).toThrow(/event log: rtmr_mismatch/)
  })
})

describe('quotes', () => {
  test('are made one at a time, in the order in which they were asked for', async () => {
    const order: number[] = []
    faults.delayMs = 15
    let open = 0
    let most = 0
    faults.onQuote = (begins) => {
      open += begins ? 1 : -1
      most = Math.max(most, open)
    }
    await Promise.all(
      [1, 2, 3, 4].map((turn) => client.getQuote(reportData).then(() => order.push(turn))),
    )
    expect([order, most]).toEqual([[1, 2, 3, 4], 1])
  })

  test('are asked for again while the agent is busy, with growing pauses, and given up in the end', async () => {
    faults.failNext = QUOTE_RETRIES
    const began = performance.now()
    expect(readReportData((await client.getQuote(reportData)).quote)).toEqual(reportData)
    expect(performance.now() - began).toBeGreaterThan(AGENT_RETRY_PAUSE_MS * 15 - 50)
    faults.failNext = QUOTE_RETRIES + 3
    expect((await failure(client.getQuote(reportData))).code).toBe('agent_refused')
    expect(faults.failNext).toBe(2)
  })
})

describe('a version', () => {
  test.each([
    ['0.5.11', '0.5.7 to 0.5.11'],
    ['v0.5.7-12-gdeadbee', '0.5.7 to 0.5.11'],
    ['0.6.0.a1', '0.6'],
    ['1.0.0', '0.6'],
    ['unknown', undefined],
    ['', undefined],
  ])('%s is of family %s', (version, family) => {
    expect(releaseOfVersion(version)?.family).toBe(family)
  })
})

describe('finding a machine', () => {
  test('knows the two services by the names of their sockets', () => {
    expect(surfaceOf('/run/tappd.sock')).toBe('tappd')
    expect(surfaceOf('/run/dstack/dstack.sock')).toBe('dstack')
  })

  test('takes the first path that is a socket, not a file of that name', () => {
    const file = join(directory, 'file.sock')
    writeFileSync(file, '')
    expect(findGuestAgent([join(directory, 'none'), file, socketPath])).toBe(socketPath)
    expect(findGuestAgent([file])).toBeNull()
    expect(findGuestAgent([])).toBeNull()
  })

  test('names the mark that makes a machine genuine', () => {
    const device = join(directory, 'tdx_guest')
    writeFileSync(device, '')
    const none = join(directory, 'none')
    expect(isTeeMachine([none, join(device, 'below-a-file')])).toBeNull()
    expect(isTeeMachine([none, device, socketPath])).toBe(device)
    expect(isTeeMachine([none, socketPath])).toBe(socketPath)
  })

  test('takes a path that cannot be looked at for a mark', () => {
    expect(isTeeMachine([join(directory, 'x'.repeat(300))])).not.toBeNull()
  })
})

test('reads report data of a version 5 quote behind its body header', () => {
  const quote = new Uint8Array(700)
  quote.set([5, 0, 2, 0, 0x81])
  quote.set(reportData, 48 + 6 + 520)
  expect(readReportData(quote)).toEqual(reportData)
})
