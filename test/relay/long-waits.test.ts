/**
 * Hours on a fake clock: every timer of ours and of undici (its own fast timers included) runs on it, because it is put
 * in place before either is loaded; sockets are real. What node:http keeps on clocks of its own (time for a request to
 * arrive, idle connections) does not run while an answer is on its way; `scripts/silence.mjs` waits for that for real.
 */
import { createServer } from 'node:http'
import type { ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { RawConnection } from '../harness/chat.ts'
import type { TestService } from '../harness/service.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
/** Default of Node and undici for headers, body and request. */
const LIBRARY_DEFAULT = 300 * SECOND

const event = (text: string) =>
  `data: {"id":"c","choices":[{"index":0,"delta":{"content":"${text}"},"finish_reason":null}]}\n\n`
const END =
  'data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'

/** The real ones, for what waits for sockets. */
const { setTimeout: realTimeout } = globalThis
const really = (milliseconds: number) =>
  new Promise<void>((resolve) => realTimeout(resolve, milliseconds))

/** The model's side of the requests that came, oldest first, for the test to answer. */
const waiting: ServerResponse[] = []
const model = createServer((req, res) => {
  req.resume().on('end', () => waiting.push(res))
})
model.timeout = 0
let at: TestService
let chat: typeof import('../harness/chat.ts')
beforeAll(async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] })
  chat = await import('../harness/chat.ts')
  const { startTestService } = await import('../harness/service.ts')
  await new Promise<void>((resolve) => model.listen(0, '127.0.0.1', resolve))
  const { port } = model.address() as AddressInfo
  at = await startTestService({
    upstreams: [{ name: 'slow', url: `http://127.0.0.1:${String(port)}` }],
  })
})
afterAll(async () => {
  vi.useRealTimers()
  model.closeAllConnections()
  model.close()
  await at.close()
})

async function asked(stream: boolean): Promise<{ raw: RawConnection; model: ServerResponse }> {
  const raw = await chat.openRaw(at.port, chat.rawChat(chat.chatBody('x', { stream })))
  while (waiting.length === 0) await really(1)
  const response = waiting.shift()
  if (response === undefined) throw new Error('nobody asked')
  return { raw, model: response }
}

/** In steps, because undici's clock counts its ticks. */
async function pass(milliseconds: number): Promise<void> {
  await vi.advanceTimersByTimeAsync(milliseconds)
  await really(5)
}

async function outcome(): Promise<unknown> {
  const before = at.receipts.length
  for (let i = 0; i < 2_000 && at.receipts.length === before; i++) await really(1)
  return at.receipts.at(-1)?.record.outcome
}

describe('on a clock that runs ahead', () => {
  test('a stream of 10 hours with an event each half hour is complete', async () => {
    const { raw, model: answer } = await asked(true)
    answer.writeHead(200, { 'content-type': 'text/event-stream' })
    for (let i = 0; i < 20; i++) {
      answer.write(event(`e${String(i)}.`))
      await raw.until(`e${String(i)}.`)
      await pass(HOUR / 2)
    }
    answer.end(END)
    await raw.until('[DONE]')
    expect(at.receipts.at(-1)?.record).toMatchObject({
      outcome: 'complete',
      content_status: 'covered',
    })
    raw.socket.destroy()
  })

  test.each([
    ['its headers', false],
    ['the body behind its headers', true],
  ])('an answer that keeps its client 310 s waiting for %s is complete', async (_, begun) => {
    const { raw, model: answer } = await asked(false)
    answer.writeHead(200, { 'content-type': 'application/json' })
    if (begun) answer.flushHeaders()
    await pass(10 * SECOND + LIBRARY_DEFAULT)
    answer.end('{"choices":[{"index":0,"message":{"content":"a"},"finish_reason":"stop"}]}')
    await raw.until('"finish_reason":"stop"')
    expect(at.receipts.at(-1)?.record).toMatchObject({ outcome: 'complete', status: 200 })
    raw.socket.destroy()
  })

  test('a stream that is silent for 59 minutes goes on', async () => {
    const { raw, model: answer } = await asked(true)
    answer.writeHead(200, { 'content-type': 'text/event-stream' })
    answer.write(event('first.'))
    await raw.until('first.')
    await pass(59 * MINUTE)
    answer.end(event('second.') + END)
    await raw.until('[DONE]')
    expect(at.receipts.at(-1)?.record.outcome).toBe('complete')
    raw.socket.destroy()
  })

  // That the clock reaches what it is meant to reach: without these, the tests above would prove nothing.
  test('a stream that is silent for 61 minutes is cut as a time-out', async () => {
    const { raw, model: answer } = await asked(true)
    answer.writeHead(200, { 'content-type': 'text/event-stream' })
    answer.write(event('first.'))
    await raw.until('first.')
    const settled = outcome()
    await pass(61 * MINUTE)
    expect(await settled).toBe('timeout')
    await raw.closed
    expect(raw.received()).not.toContain('[DONE]')
  })

  test('an answer that has not begun after 61 minutes is 504', async () => {
    const { raw } = await asked(false)
    const settled = outcome()
    await pass(61 * MINUTE)
    expect(await settled).toBe('timeout')
    await raw.until('upstream_timeout')
    raw.socket.destroy()
  })

  test('a client that takes nothing of a stream for 2 minutes is let go, and not before', async () => {
    const { raw, model: answer } = await asked(true)
    raw.socket.pause()
    answer.writeHead(200, { 'content-type': 'text/event-stream' })
    const settled = outcome()
    // More than all buffers between the two ends hold.
    for (let i = 0; i < 500; i++) answer.write(event('x'.repeat(65_536)))
    await really(500)
    await pass(119 * SECOND)
    expect(raw.socket.destroyed).toBe(false)
    await pass(2 * SECOND)
    expect(await settled).toBe('downstream_closed')
    raw.socket.destroy()
  })
})
