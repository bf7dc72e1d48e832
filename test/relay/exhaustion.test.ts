/** Clients that try to take all there is: memory, places, connections, receipts. */
import { once } from 'node:events'
import { afterEach, describe, expect, test } from 'vitest'
import { MAX_RECEIPT_BYTES } from '../../attestation/protocol/receipt.ts'
import { createByteBudget } from '../../src/relay/byte-budget.ts'
import { chatBody, openRaw, rawChat } from '../harness/chat.ts'
import { MODEL, bearer, startTestService } from '../harness/service.ts'
import type { TestService } from '../harness/service.ts'

let at: TestService
afterEach(() => at.close())

const AUTHORIZATION = Object.fromEntries([bearer('alice')])

const post = (body: string) =>
  fetch(`${at.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { ...AUTHORIZATION, 'content-type': 'application/json' },
    body,
  })

async function codeOf(answer: Response): Promise<string> {
  return ((await answer.json()) as { error: { code: string } }).error.code
}

describe('a body that would take more memory than it has bytes', () => {
  test('of a million empty objects is refused before it is parsed', async () => {
    at = await startTestService({})
    const body = `{"model":"x","messages":[${'{},'.repeat(1_000_000)}{}]}`
    const before = process.memoryUsage().heapUsed
    const answer = await post(body)
    expect(answer.status).toBe(400)
    expect(await codeOf(answer)).toBe('body_ill_formed')
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(64 * 1024 * 1024)
    expect(at.model.requests).toHaveLength(0)
  })

  test('is refused while other bodies hold all the memory there is for them', async () => {
    at = await startTestService({ limits: { requestBytesInFlight: 1000 } })
    const answer = await post(chatBody('x'.repeat(2000)))
    expect(answer.status).toBe(429)
    expect(await codeOf(answer)).toBe('overloaded')
    expect((await post(chatBody('hello'))).status).toBe(200)
  })

  test('gives its memory back whatever becomes of it', async () => {
    at = await startTestService({ limits: { requestBytesInFlight: 4000 } })
    for (let i = 0; i < 20; i++) {
      await post(`{"model":${'x'.repeat(3000)}`)
      await post(JSON.stringify({ model: 'no such model', pad: 'x'.repeat(3000), messages: [] }))
      const raw = await openRaw(at.port, rawChat(chatBody('x'.repeat(3000))).subarray(0, 2000))
      raw.socket.destroy()
      await raw.closed
    }
    await at.settled(60)
    expect((await post(chatBody('x'.repeat(3000)))).status).toBe(200)
  })
})

describe('a receipt', () => {
  test('stays short enough for a verifier whatever the request’s members are called', async () => {
    at = await startTestService({})
    const members = (count: number, name: string) =>
      Object.fromEntries(Array.from({ length: count }, (_, i) => [`${i}${name}`, 0]))
    const body = { model: MODEL, messages: [{ role: 'user', content: 'x' }] }
    const wide = await post(JSON.stringify({ ...members(250, '\u0001'.repeat(250)), ...body }))
    expect(await codeOf(wide)).toBe('body_too_many_members')
    const full = await post(JSON.stringify({ ...members(250, 'a'.repeat(50)), ...body }))
    expect(full.status).toBe(200)
    const id = full.headers.get('x-receipt-id') ?? ''
    const receipt = await fetch(`${at.url}/v1/aci/receipts/${id}`, { headers: AUTHORIZATION })
    expect((await receipt.text()).length).toBeLessThan(MAX_RECEIPT_BYTES / 4)
  })

  test('says of a request that never left that nothing was forwarded', async () => {
    at = await startTestService({ upstreams: [{ name: 'gone', url: 'http://127.0.0.1:1' }] })
    const answer = await post(chatBody('x'))
    expect(answer.status).toBe(502)
    expect(at.receipts[0]?.bodies.forwarded).toBeNull()
    expect(at.receipts[0]?.record.backend).toBeNull()
  })
})

describe('a client that does not read', () => {
  test('of a stream is let go, and its place at the model is free again', async () => {
    at = await startTestService({ limits: { clientStallMs: 200, upstreamConnections: 1 } })
    const raw = await openRaw(at.port)
    raw.socket.pause()
    raw.socket.write(rawChat(chatBody('[[tokens=4000]] [[tokens=4000]]', { stream: true, n: 64 })))
    const next = await post(chatBody('hello'))
    expect(next.status).toBe(200)
    expect(at.receipts[0]?.record.outcome).toBe('downstream_closed')
    raw.socket.destroy()
  })

  test('waits in line no longer than its time, and leaves it with its body when it goes', async () => {
    let release: () => void = () => {}
    at = await startTestService({ limits: { queueMs: 150, upstreamConnections: 1 } })
    at.model.faults.holdUntil = new Promise<void>((resolve) => (release = resolve))
    const first = post(chatBody('first'))
    const second = await post(chatBody('second'))
    expect(second.status).toBe(429)
    expect(Number(second.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(await codeOf(second)).toBe('overloaded')
    release()
    expect((await first).status).toBe(200)
    expect(at.model.requests).toHaveLength(1)
  })

  test('cannot queue requests on one connection', async () => {
    at = await startTestService({})
    const one = rawChat(chatBody('x'))
    const raw = await openRaw(at.port, Buffer.concat([one, one]))
    await raw.until('pipelining_unsupported')
    await once(raw.socket, 'close')
    expect(at.model.requests).toHaveLength(1)
  })
})

test('a sender that stops in the middle of its body is let go long before an upload may end', async () => {
  at = await startTestService({ limits: { requestIdleMs: 150 } })
  const raw = await openRaw(at.port, rawChat(chatBody('x'.repeat(500))).subarray(0, 300))
  await raw.until('body_timeout')
  expect(at.receipts[0]?.record).toMatchObject({ outcome: 'timeout', status: 408 })
  raw.socket.destroy()
})

test('memory for bodies is given up to its limit', () => {
  at = { close: () => Promise.resolve() } as TestService
  const budget = createByteBudget(10)
  expect([budget.take(8), budget.take(3), budget.taken]).toEqual([true, false, 8])
})
