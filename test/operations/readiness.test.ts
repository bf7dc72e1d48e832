/** Readiness in three parts, and how the service leaves: nobody may take it for full. */
import { describe, expect, test } from 'vitest'
import { createMemoryStore } from '../../enclave/receipts/memory-store.ts'
import { SERVICE_ERRORS } from '../../src/errors.ts'
import { STORE_FAULT_MS, watchStore } from '../../src/operations/watch-store.ts'
import {
  chat,
  chatBody,
  errorCode,
  get,
  getOperations,
  header,
  jsonObject,
} from '../harness/chat.ts'
import { startTestService } from '../harness/service.ts'

const READY = { ready: true, code: null, cause: null }

test('is the same on both listeners, and says of each part that it is ready', async () => {
  const at = await startTestService({ operations: true })
  const all = { status: 'ready', attested: READY, upstream: READY, store: READY }
  expect(jsonObject((await get(at, '/health/ready')).body)).toEqual(all)
  expect(jsonObject((await getOperations(at, '/health/ready')).body)).toEqual(all)
  for (const path of ['/health', '/health/live']) {
    expect((await getOperations(at, path)).text).toBe('{"status":"live"}')
    expect((await get(at, path)).text).toBe('{"status":"live"}')
  }
  await at.close()
})

test('a store that failed makes the service not ready, until it has had time to recover', async () => {
  let now = Date.now()
  let broken = true
  const at = await startTestService({
    operations: true,
    nowMs: () => now,
    put: (_receipt, keep) => {
      if (!broken) keep()
      return broken ? Promise.reject(new Error('disk full')) : Promise.resolve()
    },
  })
  await chat(at, chatBody('x')).catch(() => undefined)
  const reply = await getOperations(at, '/health/ready')
  expect(reply.status).toBe(503)
  expect(jsonObject(reply.body)).toMatchObject({
    status: 'not_ready',
    attested: READY,
    store: { ready: false, code: 'store_unavailable', cause: null },
  })
  expect((await getOperations(at, '/metrics')).text).toContain('countersign_store_failures_total 1')
  now += STORE_FAULT_MS
  expect((await getOperations(at, '/health/ready')).status).toBe(200)
  await chat(at, chatBody('x')).catch(() => undefined)
  expect((await getOperations(at, '/health/ready')).status).toBe(503)
  broken = false
  await chat(at, chatBody('x'))
  expect((await getOperations(at, '/health/ready')).status).toBe(200)
  await at.close()
})

test('a store that throws is noticed like one that rejects', () => {
  const watched = watchStore(
    {
      ...createMemoryStore(),
      put: () => {
        throw new Error('full')
      },
    },
    Date.now,
  )
  expect(watched.failing()).toBe(false)
  expect(() => watched.store.put({} as never)).toThrow('full')
  expect([watched.failing(), watched.failures()]).toEqual([true, 1])
})

test('with every upstream out the service is not ready, and the part names them', async () => {
  const at = await startTestService({
    operations: true,
    upstreams: [{ name: 'gone', url: 'http://127.0.0.1:9', health: '/health' }],
    limits: { upstreamFailures: 1, upstreamHealthMs: 20 },
  })
  let reply = await getOperations(at, '/health/ready')
  while (reply.status === 200) {
    await new Promise((resolve) => setTimeout(resolve, 20))
    reply = await getOperations(at, '/health/ready')
  }
  expect(jsonObject(reply.body)).toEqual({
    status: 'not_ready',
    attested: READY,
    upstream: { ready: false, code: 'upstream_unavailable', cause: 'gone' },
    store: READY,
  })
  const { text } = await getOperations(at, '/metrics')
  expect(text).toContain('countersign_upstream_down{upstream="gone"} 1')
  expect(text).toContain('countersign_ready{part="upstream"} 0')
  await at.close()
})

describe('a service that leaves', () => {
  test('says so first, goes on serving, and asks for no more requests on a connection', async () => {
    const at = await startTestService({ operations: true })
    at.service.leave()
    const readiness = await get(at, '/health/ready')
    expect(readiness.status).toBe(503)
    expect(jsonObject(readiness.body)['status']).toBe('draining')
    const reply = await chat(at, chatBody('x'))
    expect(reply.status).toBe(200)
    expect(header(reply, 'connection')).toBe('close')
    expect((await get(at, '/health/live')).status).toBe(200)
    await at.close()
  })

  test('then refuses with 503 and a time, never with what says "full"', async () => {
    const at = await startTestService()
    let go = () => {}
    at.model.faults.holdUntil = new Promise<void>((resolve) => (go = resolve))
    const open = chat(at, chatBody('x'))
    while (at.model.requests.length === 0) await new Promise((done) => setImmediate(done))
    const closing = at.service.close()
    const reply = await chat(at, chatBody('y'))
    expect([reply.status, errorCode(reply)]).toEqual([503, 'draining'])
    expect(Number(header(reply, 'retry-after'))).toBeGreaterThan(0)
    expect(header(reply, 'connection')).toBe('close')
    go()
    await open
    await closing
    await at.close()
  })

  test('429 is for load alone: no state of the service answers with it, and load with nothing else', () => {
    const codes = (status: number) =>
      Object.entries(SERVICE_ERRORS)
        .filter(([, spec]) => spec.status === status)
        .map(([code]) => code)
    expect(codes(429)).toEqual([
      'overloaded',
      'too_many_connections',
      'attestation_rate_limited',
      'attestation_busy',
    ])
    expect(codes(503)).toEqual([
      'not_attested',
      'draining',
      'store_unavailable',
      'attestation_unavailable',
      'keyset_expired',
      'upstream_unavailable',
    ])
  })
})
