/** Nothing upstream outlives the client, and what it left behind is on record. */
import { createHash } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { chatBody, openRaw, rawChat } from '../harness/chat.ts'
import { startTestService } from '../harness/service.ts'
import type { TestService } from '../harness/service.ts'
import { TIMED } from '../harness/timed.ts'

const sha256 = (bytes: Uint8Array) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`
/** How soon the model server must see that the client is gone. */
const ABORT_WITHIN_MS = 100
const FOREVER = new Promise(() => undefined)

let at: TestService
beforeAll(async () => {
  at = await startTestService({ limits: { requestBodyMs: 200 } })
})
afterAll(() => at.close())
afterEach(() => {
  for (const name of Object.keys(at.model.faults)) Reflect.deleteProperty(at.model.faults, name)
})

async function requestsReach(count: number): Promise<void> {
  const until = performance.now() + 5_000
  while (at.model.requests.length < count) {
    if (performance.now() > until) throw new Error('the request did not reach the model')
    await new Promise((resolve) => setImmediate(resolve))
  }
}

/** Leaves, and says how long the model's side took to notice and what was settled. */
async function leave(destroy: () => void) {
  const before = at.receipts.length
  const request = at.model.requests.at(-1)
  const leftAt = performance.now()
  destroy()
  await request?.closed
  await at.settled(before + 1)
  return { took: (request?.abortedAt ?? NaN) - leftAt, receipt: at.receipts.at(-1) }
}

/** The body in HTTP chunks, as far as it came. */
function chunksOf(received: string): Buffer {
  const body = received.slice(received.indexOf('\r\n\r\n') + 4)
  const parts: string[] = []
  for (let i = 0; i < body.length;) {
    const end = body.indexOf('\r\n', i)
    const size = Number.parseInt(body.slice(i, end), 16)
    parts.push(body.slice(end + 2, end + 2 + size))
    i = end + 2 + size + 2
  }
  return Buffer.from(parts.join(''), 'latin1')
}

describe('a client that leaves', () => {
  test.each([
    ['a buffered answer', chatBody('x')],
    ['a stream', chatBody('x', { stream: true })],
  ])('before the headers of %s aborts the model within 100 ms', TIMED, async (_, body) => {
    at.model.faults.holdUntil = FOREVER
    const before = at.model.requests.length
    const { socket } = await openRaw(at.port, rawChat(body))
    await requestsReach(before + 1)
    const { took, receipt } = await leave(() => socket.destroy())
    expect(took).toBeLessThan(ABORT_WITHIN_MS)
    expect(receipt?.record).toMatchObject({
      outcome: 'downstream_closed',
      status: 499,
      response_bytes: 0,
    })
    expect(receipt?.bodies).toEqual({
      received: sha256(Buffer.from(body)),
      forwarded: sha256(Buffer.from(body)),
      returned: sha256(Buffer.alloc(0)),
    })
    expect(receipt?.legacyText).toBeNull()
  })

  test('in the middle of a buffered answer aborts the model within 100 ms', TIMED, async () => {
    const body = chatBody('x')
    at.model.faults.silenceAfterChunks = 0
    const before = at.model.requests.length
    const { socket } = await openRaw(at.port, rawChat(body))
    await requestsReach(before + 1)
    const { took, receipt } = await leave(() => socket.destroy())
    expect(took).toBeLessThan(ABORT_WITHIN_MS)
    expect(receipt?.record).toMatchObject({ outcome: 'downstream_closed', response_bytes: 0 })
  })

  test.each([
    ['after two events', 'destroy'],
    ['after two events by reset', 'resetAndDestroy'],
    ['after two events by half-closing', 'end'],
  ] as const)('of a stream %s aborts the model within 100 ms', TIMED, async (_, how) => {
    at.model.faults.silenceAfterChunks = 2
    const raw = await openRaw(at.port, rawChat(chatBody('x', { stream: true })))
    await raw.until('"delta":{"content":"')
    const { took, receipt } = await leave(() => raw.socket[how]())
    expect(took).toBeLessThan(ABORT_WITHIN_MS)
    expect(receipt?.record).toMatchObject({ outcome: 'downstream_closed', status: 200 })
    expect(receipt?.whole).toBe(false)
    expect(receipt?.legacyText).toBeNull()
    expect(receipt?.bodies.returned).toBe(sha256(chunksOf(raw.received())))
  })

  test('in the middle of an event is recorded with the bytes up to there', async () => {
    at.model.faults.splitAt = 100
    at.model.faults.silenceAfterChunks = 1
    const raw = await openRaw(at.port, rawChat(chatBody('x', { stream: true })))
    await raw.until('\r\n\r\n')
    await raw.until('data: ')
    const { receipt } = await leave(() => raw.socket.destroy())
    expect(receipt?.record.outcome).toBe('downstream_closed')
    expect(receipt?.record.finish_reasons.every((reason) => reason === null)).toBe(true)
  })

  test('the moment it has read [DONE] has a complete answer', async () => {
    at.model.faults.silenceAfterChunks = 99
    const raw = await openRaw(at.port, rawChat(chatBody('x', { stream: true })))
    const before = at.receipts.length
    await raw.until('data: [DONE]')
    raw.socket.destroy()
    expect(at.receipts).toHaveLength(before + 1)
    await raw.closed
    await at.model.requests.at(-1)?.closed
    expect(at.receipts).toHaveLength(before + 1)
    expect(at.receipts.at(-1)?.record.outcome).toBe('complete')
  })

  test('while it sends its request is recorded, and nothing reaches the model', async () => {
    const before = at.model.requests.length
    const settled = at.receipts.length
    const { socket } = await openRaw(at.port, rawChat(chatBody('x')).subarray(0, -10))
    const body = chatBody('x')
    // The service has read what was sent once it answers something else on another connection.
    await openRaw(at.port, Buffer.from('GET /health HTTP/1.1\r\nhost: x\r\n\r\n')).then((raw) =>
      raw.until('live').then(() => raw.socket.destroy()),
    )
    socket.destroy()
    await at.settled(settled + 1)
    const receipt = at.receipts.at(-1)
    expect(receipt?.record).toMatchObject({ outcome: 'downstream_closed', status: 499 })
    expect(receipt?.bodies).toMatchObject({
      received: sha256(Buffer.from(body).subarray(0, -10)),
      forwarded: null,
    })
    expect(at.model.requests).toHaveLength(before)
  })

  test('that never sends the rest of its request gets 408 and a receipt', async () => {
    const settled = at.receipts.length
    const raw = await openRaw(at.port, rawChat(chatBody('x')).subarray(0, -10))
    await raw.until('body_timeout')
    expect(raw.received()).toMatch(/^HTTP\/1\.1 408 /)
    expect(raw.received()).toMatch(/x-receipt-id: /i)
    expect(at.receipts).toHaveLength(settled + 1)
    expect(at.receipts.at(-1)?.record).toMatchObject({ outcome: 'timeout', status: 408 })
    raw.socket.destroy()
  })

  test(
    'with requests queued behind each other on one connection had only the first relayed',
    TIMED,
    async () => {
      at.model.faults.holdUntil = FOREVER
      const before = at.model.requests.length
      const settled = at.receipts.length
      const one = rawChat(chatBody('x'))
      const { socket } = await openRaw(at.port, Buffer.concat([one, one, one]))
      await requestsReach(before + 1)
      const request = at.model.requests[before]
      const leftAt = performance.now()
      socket.destroy()
      await request?.closed
      await at.settled(settled + 1)
      expect((request?.abortedAt ?? NaN) - leftAt).toBeLessThan(ABORT_WITHIN_MS)
      expect(at.model.requests).toHaveLength(before + 1)
      expect(at.receipts.slice(settled).map(({ record }) => record.outcome)).toEqual([
        'downstream_closed',
      ])
    },
  )

  test('leaves the model alone when it asked for the list of models and went', async () => {
    const raw = await openRaw(
      at.port,
      Buffer.from(
        'GET /v1/models HTTP/1.1\r\nhost: x\r\nauthorization: Bearer alice-token-0123456789\r\n\r\n',
      ),
    )
    raw.socket.destroy()
    await raw.closed
    const again = await openRaw(at.port, rawChat(chatBody('x')))
    await again.until('"finish_reason":"stop"')
    again.socket.destroy()
  })
})

test('every admitted request has exactly one receipt, numbered without a gap', () => {
  const numbers = at.receipts.map(({ record }) => record.sequence)
  expect(numbers).toEqual(Array.from({ length: numbers.length }, (_, i) => i + 1))
  expect(new Set(at.receipts.map(({ record }) => record.receipt_id)).size).toBe(numbers.length)
})
