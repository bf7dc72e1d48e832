/** While it may not serve it says so with a time to come back, and goes on with what it can. */
import { describe, expect, test } from 'vitest'
import {
  chat,
  chatBody,
  errorCode,
  get,
  header,
  jsonObject,
  openRaw,
  rawChat,
} from '../harness/chat.ts'
import type { CpuEvidence } from '../../attestation/attester/evidence-source.ts'
import { startTestService } from '../harness/service.ts'
import type { TestService } from '../harness/service.ts'
import { startUpstream } from '../harness/zg-upstream.ts'
import type { Reply } from '../harness/zg-upstream.ts'

function expectRefusal(at: TestService, reply: Reply, status: number, code: string) {
  expect([reply.status, errorCode(reply)]).toEqual([status, code])
  expect(Number(header(reply, 'retry-after'))).toBeGreaterThan(0)
  expect(header(reply, 'x-aci-version')).toBe('aci/1')
  expect(header(reply, 'x-aci-keyset-digest')).toBe(at.service.keys.keysetDigest)
  expect(reply.headers['x-receipt-id']).toBeUndefined()
}

async function expectNotReady(at: TestService, status: string, attested: unknown) {
  const reply = await get(at, '/health/ready')
  expect(reply.status).toBe(503)
  expect(Number(header(reply, 'retry-after'))).toBeGreaterThan(0)
  const ready = { ready: true, code: null, cause: null }
  expect(jsonObject(reply.body)).toEqual({ status, attested, upstream: ready, store: ready })
}

describe('a service whose own evidence does not pass', () => {
  test('answers 503 with Retry-After, asks no model, and is alive but not ready', async () => {
    let judged = 0
    const at = await startTestService({
      gate: () => {
        judged++
        return 'QUOTE_SIGNATURE_INVALID'
      },
    })
    expectRefusal(at, await chat(at, chatBody('x')), 503, 'not_attested')
    expectRefusal(at, await get(at, '/v1/models', { who: 'alice' }), 503, 'not_attested')
    expect((await get(at, '/v1/models')).status).toBe(401)
    expect((await get(at, '/health')).status).toBe(200)
    await expectNotReady(at, 'not_ready', {
      ready: false,
      code: 'not_attested',
      cause: 'QUOTE_SIGNATURE_INVALID',
    })
    expect((await get(at, '/attestation')).status).toBe(200)
    expect(at.model.requests).toHaveLength(0)
    expect(at.receipts).toHaveLength(0)
    // Some attempts later; each would be a line every two seconds for as long as it lasts.
    await expect.poll(() => judged, { timeout: 15_000 }).toBeGreaterThan(2)
    expect(at.log.filter(({ level }) => level === 'error')).toEqual([
      {
        level: 'error',
        fields: {
          cause: 'QUOTE_SIGNATURE_INVALID',
          advice: expect.stringContaining('countersign doctor') as unknown,
        },
        message: 'refuses to serve: its own evidence does not pass',
      },
    ])
    await at.close()
  })

  test('serves as soon as it passes', async () => {
    let cause: string | null = 'NOT_YET'
    const at = await startTestService({ gate: () => cause })
    expectRefusal(at, await chat(at, chatBody('x')), 503, 'not_attested')
    cause = null
    await at.service.ready
    expect((await chat(at, chatBody('x'))).status).toBe(200)
    expect((await get(at, '/health/ready')).status).toBe(200)
    await at.close()
  })
})

describe('a service whose keyset has expired', () => {
  test('refuses work that nobody could check', async () => {
    let now = Date.now()
    const at = await startTestService({ nowMs: () => now })
    expect((await chat(at, chatBody('x'))).status).toBe(200)
    now += 31 * 86_400_000
    expectRefusal(at, await chat(at, chatBody('x')), 503, 'keyset_expired')
    await expectNotReady(at, 'not_ready', { ready: false, code: 'keyset_expired', cause: null })
    await at.close()
  })
})

describe('a service that shuts down', () => {
  test('finishes what is open, refuses what is new, then closes', async () => {
    const at = await startTestService()
    let go = () => {}
    at.model.faults.holdUntil = new Promise<void>((resolve) => (go = resolve))
    const open = chat(at, chatBody('x', { stream: true }))
    while (at.model.requests.length === 0) await new Promise((done) => setImmediate(done))
    const closing = at.service.close()
    expectRefusal(at, await chat(at, chatBody('y')), 503, 'draining')
    await expectNotReady(at, 'draining', { ready: true, code: null, cause: null })
    go()
    const reply = await open
    expect(reply.text).toContain('data: [DONE]')
    expect(at.receipts.map(({ record }) => record.outcome)).toEqual(['complete'])
    await closing
    await expect(get(at, '/health')).rejects.toThrow()
    await at.close()
  })

  test('does not wait longer than its limit, and records what it cut', async () => {
    const at = await startTestService({ limits: { drainMs: 50 } })
    at.model.faults.silenceAfterChunks = 2
    const raw = await openRaw(at.port, rawChat(chatBody('x', { stream: true })))
    await raw.until('data: ')
    await at.service.close()
    await raw.closed
    expect(raw.received()).not.toContain('[DONE]')
    await at.settled(1)
    expect(at.receipts[0]?.record.outcome).toBe('downstream_closed')
    await at.close()
  })
})

describe('a fault of our own', () => {
  test('is 500 for the one request, and logged by its class, never by its message', async () => {
    // A receipt that cannot be read again: what a bug behind the store would look like.
    const at = await startTestService({
      find: () => {
        throw new RangeError('secret detail')
      },
    })
    const { id } = jsonObject((await chat(at, chatBody('x'))).body)
    const reply = await get(at, `/v1/signature/${String(id)}`, { who: 'alice' })
    expect([reply.status, errorCode(reply)]).toEqual([500, 'internal_error'])
    expect(reply.text).not.toContain('secret detail')
    expect(at.log.at(-1)).toEqual({
      level: 'error',
      fields: { fault: 'RangeError' },
      message: 'a control-plane request failed',
    })
    expect((await get(at, '/health')).status).toBe(200)
    await at.close()
  })

  test('in a door that waits for evidence is 500 and logged as well', async () => {
    const nonsense = { eventLog: '[]', vmConfig: '{}' } as CpuEvidence
    const at = await startTestService({
      gate: () => 'not needed here',
      quote: () => Promise.resolve(nonsense),
    })
    const reply = await get(at, '/v1/quote')
    expect([reply.status, errorCode(reply)]).toEqual([500, 'internal_error'])
    expect(at.log.at(-1)?.message).toBe('a control-plane request failed')
    await at.close()
  })
})

describe('a model server that is not there', () => {
  test('is 502 for chat and for the list of models', async () => {
    const at = await startTestService({ upstreams: [{ name: 'down', url: 'http://127.0.0.1:1' }] })
    const reply = await chat(at, chatBody('x'))
    expect([reply.status, errorCode(reply)]).toEqual([502, 'upstream_unreachable'])
    expect(at.receipts[0]?.record).toMatchObject({ outcome: 'upstream_error', status: 502 })
    const models = await get(at, '/v1/models', { who: 'alice' })
    expect([models.status, errorCode(models)]).toEqual([502, 'upstream_unreachable'])
    await at.close()
  })

  test('behind a unix socket is 502 as well', async () => {
    const at = await startTestService({
      upstreams: [{ name: 'down', url: 'unix:/nonexistent.sock' }],
    })
    const reply = await chat(at, chatBody('x'))
    expect([reply.status, errorCode(reply)]).toEqual([502, 'upstream_unreachable'])
    expect(reply.text).not.toContain('nonexistent')
    await at.close()
  })
})

describe('the list of models', () => {
  test('is not waited for by a client that left', async () => {
    let came = () => {}
    const arrived = new Promise<void>((resolve) => (came = resolve))
    let gone = () => {}
    const left = new Promise<void>((resolve) => (gone = resolve))
    const silent = await startUpstream((_seen, response) => {
      response.on('close', gone)
      came()
    })
    const at = await startTestService({ upstreams: [{ name: 'silent', url: silent.url }] })
    const raw = await openRaw(
      at.port,
      Buffer.from(
        'GET /v1/models HTTP/1.1\r\nhost: x\r\nauthorization: Bearer alice-token-0123456789\r\n\r\n',
      ),
    )
    await arrived
    raw.socket.destroy()
    await left
    await at.close()
    await silent.close()
  })
})
