/** Metrics: on a listener of their own, true to the receipts, bounded, and without anything of anybody. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createMetrics } from '../../src/operations/metrics.ts'
import { MAX_UPSTREAM_METRICS_BYTES } from '../../src/operations/upstream-metrics.ts'
import { chat, chatBody, errorCode, get, getOperations, openRaw, rawChat } from '../harness/chat.ts'
import { startTestService } from '../harness/service.ts'
import type { TestService } from '../harness/service.ts'
import { startUpstream } from '../harness/zg-upstream.ts'
import type { Upstream } from '../harness/zg-upstream.ts'

/** Samples of an exposition by their name and labels as they stand there. */
function samples(text: string): Map<string, number> {
  return new Map(
    text
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.split(' ').at(-1))]),
  )
}

const read = async (at: TestService) => samples((await getOperations(at, '/metrics')).text)
const ROUTE = 'route="/v1/chat/completions"'

describe('the service’s own metrics', () => {
  let at: TestService
  beforeAll(async () => {
    at = await startTestService({ operations: true, gpus: 1, limits: { upstreamIdleMs: 200 } })
  })
  afterAll(() => at.close())

  test('are not on the port that clients use', async () => {
    for (const path of ['/metrics', '/metrics/upstreams/demo', '/v1/metrics']) {
      const reply = await get(at, path, { who: 'alice' })
      expect([reply.status, errorCode(reply)], path).toEqual([404, 'not_found'])
    }
  })

  test('count each admitted request once, under the outcome of its receipt', async () => {
    await chat(at, chatBody('a'))
    await chat(at, chatBody('b', { stream: true }))
    await chat(at, '{"not json')
    at.model.faults.resetAfterBytes = 30
    await chat(at, chatBody('c'))
    delete at.model.faults.resetAfterBytes
    at.model.faults.silenceAfterChunks = 2
    await chat(at, chatBody('d', { stream: true }))
    const raw = await openRaw(at.port, rawChat(chatBody('e', { stream: true })))
    await raw.until('data: ')
    expect((await read(at)).get('countersign_open_streams')).toBe(1)
    raw.socket.destroy()
    await at.settled(6)
    delete at.model.faults.silenceAfterChunks

    const now = await read(at)
    expect(now.get('countersign_open_streams')).toBe(0)
    const outcomes = at.receipts.map(({ record }) => record.outcome)
    expect(new Set(outcomes)).toEqual(
      new Set(['complete', 'refused', 'upstream_reset', 'timeout', 'downstream_closed']),
    )
    for (const outcome of new Set(outcomes)) {
      expect(now.get(`countersign_requests_total{${ROUTE},outcome="${outcome}"}`), outcome).toBe(
        outcomes.filter((one) => one === outcome).length,
      )
      const bytes = at.receipts
        .filter(({ record }) => record.outcome === outcome)
        .reduce((sum, { record }) => sum + record.response_bytes, 0)
      expect(now.get(`countersign_response_bytes_total{${ROUTE},outcome="${outcome}"}`)).toBe(bytes)
    }
    expect(now.get('countersign_errors_total{code="body_not_json"}')).toBe(1)
    expect(now.get('countersign_errors_total{code="upstream_reset"}')).toBe(1)
    expect(now.get('countersign_signing_seconds_count')).toBe(6)
    // The one that was refused went nowhere, so nothing was added to it.
    expect(now.get('countersign_overhead_seconds_count')).toBe(5)
    expect(now.get('countersign_overhead_seconds_sum')).toBeGreaterThan(0)
    expect(now.get('countersign_receipts')).toBe(6)
    expect(now.get('countersign_receipts_bytes')).toBeGreaterThan(6 * 500)
  })

  test('count what was not admitted by the code it got', async () => {
    await get(at, '/v1/models')
    await get(at, '/v1/chat/completions', { who: 'alice' })
    const now = await read(at)
    expect(now.get('countersign_errors_total{code="unauthorized"}')).toBe(1)
    expect(now.get('countersign_errors_total{code="method_not_allowed"}')).toBe(1)
  })

  test('show what is open while it is open', async () => {
    let go = () => {}
    at.model.faults.holdUntil = new Promise<void>((resolve) => (go = resolve))
    const before = at.model.requests.length
    const open = chat(at, chatBody('x'))
    while (at.model.requests.length === before) await new Promise((done) => setImmediate(done))
    const held = await read(at)
    expect(held.get('countersign_open_requests')).toBe(1)
    expect(held.get('countersign_upstream_open{upstream="demo"}')).toBe(1)
    expect(held.get('countersign_request_bytes_held')).toBeGreaterThan(0)
    delete at.model.faults.holdUntil
    go()
    await open
    const after = await read(at)
    expect(after.get('countersign_open_requests')).toBe(0)
    expect(after.get('countersign_request_bytes_held')).toBe(0)
  })

  test('count rounds of attestation, those that failed too', async () => {
    const count = (kind: string, result: string, of: Map<string, number>) =>
      of.get(`countersign_attestation_seconds_count{kind="${kind}",result="${result}"}`) ?? 0
    const before = await read(at)
    // The gate's own, for a nonce of its own.
    expect(count('nonces', 'ok', before)).toBe(1)
    expect(count('cached', 'ok', before)).toBe(0)
    await get(at, `/attestation?nonce=${'ab'.repeat(32)}`)
    await get(at, '/v1/quote')
    at.agentFaults.failNext = 1_000
    await get(at, `/attestation?nonce=${'cd'.repeat(32)}`)
    delete at.agentFaults.failNext
    const after = await read(at)
    expect(count('nonces', 'ok', after)).toBe(2)
    expect(count('single', 'ok', after)).toBe(1)
    expect(count('nonces', 'failed', after)).toBe(1)
  })

  test('show readiness, the event loop, and what runs here', async () => {
    const { text } = await getOperations(at, '/metrics')
    const now = samples(text)
    for (const part of ['attested', 'upstream', 'store']) {
      expect(now.get(`countersign_ready{part="${part}"}`), part).toBe(1)
    }
    expect(now.get('nodejs_eventloop_lag_p99_seconds')).toBeGreaterThan(0)
    expect(now.get('process_resident_memory_bytes')).toBeGreaterThan(0)
    expect(text).toContain(`keyset_digest="${at.service.keys.keysetDigest}"`)
    expect(text).toContain(`boot_id="${at.service.keys.bootId}"`)
  })

  test('no label is anything that a client or a model server said', async () => {
    const before = new Set((await read(at)).keys())
    const odd = 'zebra-label-7731'
    await chat(at, chatBody(odd, { model: odd, user: odd, [odd]: 1 }), {
      headers: [['user-agent', odd]],
      query: `?${odd}=1`,
    })
    await get(at, `/v1/${odd}`, { who: 'alice' })
    await get(at, `/v1/signature/${odd}`, { who: 'alice' })
    const { text } = await getOperations(at, '/metrics')
    expect(text).not.toContain(odd)
    for (const principal of ['alice', 'bob', 'broker']) expect(text).not.toContain(principal)
    // Two new outcomes of errors at most: the number of series does not grow with what is asked.
    expect([...samples(text).keys()].filter((name) => !before.has(name)).length).toBeLessThan(12)
  })
})

test('a request costs the metrics a few microseconds at most', () => {
  const metrics = createMetrics({
    version: '0',
    bootId: '',
    configDigest: '',
    keysetDigest: () => '',
    openRequests: () => 0,
    requestBytesHeld: () => 0,
    upstreams: () => [],
    store: () => ({ receipts: 0, bytes: 0 }),
    storeFailures: () => 0,
    storeRefused: () => 0,
    storeWarnings: () => [],
    readiness: () => {
      throw new Error('nobody asked')
    },
    warnings: () => [],
    logLinesDropped: () => 0,
  })
  const summary = {
    receiptId: 'rcpt-0',
    route: '/v1/chat/completions',
    outcome: 'complete',
    code: null,
    status: 200,
    streamed: false,
    upstream: 'demo',
    requestBytes: 2048,
    responseBytes: 2048,
    seconds: 1,
    firstByteSeconds: 0.1,
    queuedSeconds: 0,
    overheadSeconds: 0.0003,
    signingSeconds: 0.0001,
    stored: true,
  } as const
  for (let i = 0; i < 20_000; i++) metrics.request(summary)
  const before = process.cpuUsage()
  for (let i = 0; i < 20_000; i++) metrics.request(summary)
  const { user, system } = process.cpuUsage(before)
  // Below 1 µs on an idle machine; the bound leaves room for a busy one.
  expect((user + system) / 20_000).toBeLessThan(10)
})

describe('a model server’s metrics', () => {
  let upstream: Upstream
  let at: TestService
  let answer = { status: 200, type: 'text/plain; version=0.0.4', body: 'vllm:x{model="m"} 1\n' }
  beforeAll(async () => {
    upstream = await startUpstream(({ url }, response) => {
      if (url !== '/metrics') response.writeHead(404).end()
      else response.writeHead(answer.status, { 'content-type': answer.type }).end(answer.body)
    })
    at = await startTestService({
      operations: true,
      upstreams: [{ name: 'vllm', url: upstream.url }],
    })
  })
  afterAll(async () => {
    await at.close()
    await upstream.close()
  })

  test('are passed on under its name as they are, and not mixed into ours', async () => {
    const reply = await getOperations(at, '/metrics/upstreams/vllm')
    expect([reply.status, reply.headers['content-type'], reply.text]).toEqual([
      200,
      answer.type,
      answer.body,
    ])
    expect((await getOperations(at, '/metrics')).text).not.toContain('vllm:x')
  })

  test('of a name that nobody configured are not there', async () => {
    const reply = await getOperations(at, '/metrics/upstreams/other')
    expect([reply.status, errorCode(reply)]).toEqual([404, 'not_found'])
  })

  test.each([
    ['another type', { type: 'text/html' }],
    ['another status', { status: 500 }],
    ['too many of them', { body: 'x 1\n'.repeat(MAX_UPSTREAM_METRICS_BYTES / 4 + 1) }],
  ])('%s are not passed on', async (_name, wrong) => {
    const right = answer
    answer = { ...right, ...wrong }
    const reply = await getOperations(at, '/metrics/upstreams/vllm')
    expect([reply.status, errorCode(reply)]).toEqual([502, 'upstream_invalid'])
    answer = right
  })

  test('of a server that is down are an error of its own', async () => {
    const gone = await startTestService({
      operations: true,
      upstreams: [{ name: 'vllm', url: 'http://127.0.0.1:9' }],
    })
    const reply = await getOperations(gone, '/metrics/upstreams/vllm')
    expect([reply.status, errorCode(reply)]).toEqual([502, 'upstream_unreachable'])
    await gone.close()
  })
})
