/** SIGTERM and SIGKILL in every phase of an answer: what the client holds then, and that the model stops working. */
import { createServer } from 'node:http'
import type { ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { chatBody, openRaw, rawChat } from '../harness/chat.ts'
import type { RawConnection } from '../harness/chat.ts'
import { buildServe, startServe } from '../harness/serve-process.ts'
import type { ServeProcess } from '../harness/serve-process.ts'
import type { Transpiled } from '../harness/transpile.ts'

const EVENT =
  'data: {"id":"c","choices":[{"index":0,"delta":{"content":"hello"},"finish_reason":null}]}\n\n'
const STOP = 'data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
const DONE = 'data: [DONE]\n\n'

/** Requests that the model works on; it never ends one by itself. */
const working: { readonly response: ServerResponse; readonly left: Promise<void> }[] = []
const model = createServer((req, res) => {
  req.resume().on('end', () => {
    if (req.url === '/health') {
      res.end()
      return
    }
    const left = new Promise<void>((resolve) => res.once('close', resolve))
    working.push({ response: res, left })
  })
})
let built: Transpiled
let upstream = ''
beforeAll(async () => {
  await new Promise<void>((resolve) => model.listen(0, '127.0.0.1', resolve))
  upstream = `http://127.0.0.1:${String((model.address() as AddressInfo).port)}`
  built = await buildServe()
}, 60_000)
const running = new Set<ServeProcess>()
afterEach(async () => {
  for (const one of running) {
    one.kill('SIGKILL')
    await one.exited
  }
  running.clear()
  working.length = 0
})
afterAll(async () => {
  model.closeAllConnections()
  model.close()
  await built.remove()
})

async function start(limits: Readonly<Record<string, number>>): Promise<ServeProcess> {
  const at = await startServe(built, {
    upstreams: [{ name: 'u', url: upstream }],
    gpu: { required: 0 },
    limits,
  })
  running.add(at)
  return at
}

async function asked(at: ServeProcess, stream = true) {
  const before = working.length
  const raw = await openRaw(at.port, rawChat(chatBody('x', { stream })))
  while (working.length === before) await sleep(2)
  const one = working[before]
  if (one === undefined) throw new Error('nobody works')
  return { raw, ...one }
}

/** What of the body came, out of its HTTP chunks, and whether HTTP says that this is all. */
function bodyOf(raw: RawConnection): { readonly text: string; readonly whole: boolean } {
  const received = raw.received()
  let rest = received.slice(received.indexOf('\r\n\r\n') + 4)
  let text = ''
  for (;;) {
    const end = rest.indexOf('\r\n')
    if (end === -1) return { text, whole: false }
    const size = Number.parseInt(rest.slice(0, end), 16)
    if (size === 0) return { text, whole: rest === '0\r\n\r\n' }
    text += rest.slice(end + 2, end + 2 + size)
    rest = rest.slice(end + 2 + size + 2)
  }
}

/** Phases of a stream, each with what the model has sent by then. */
const PHASES = [
  ['before the headers', null],
  ['after the headers', ''],
  ['in the middle of an event', EVENT + EVENT.slice(0, 40)],
  ['between two events', EVENT + EVENT],
  ['before the terminator', EVENT + STOP],
  ['inside the terminator', EVENT + STOP + DONE.slice(0, 8)],
] as const

async function bring(to: (typeof PHASES)[number][1], answer: ServerResponse, raw: RawConnection) {
  if (to === null) return
  answer.writeHead(200, { 'content-type': 'text/event-stream' })
  answer.flushHeaders()
  await raw.until('\r\n\r\n')
  if (to === '') return
  answer.write(to)
  await raw.until('hello')
}

/** Long enough for a few requests on a machine with much else to do. */
const NOTICE_MS = 2_000
const LIMITS = { drainNoticeMs: 50, drainMs: 300 }

describe.each(['SIGTERM', 'SIGKILL'] as const)('%s', (signal) => {
  test('cuts a stream in any phase so that nobody takes it for whole, and ends the model’s work', async () => {
    const at = await start(LIMITS)
    const streams = []
    for (const [phase, to] of PHASES) {
      const one = await asked(at)
      await bring(to, one.response, one.raw)
      streams.push({ ...one, phase, to })
    }
    await sleep(50)
    at.kill(signal)
    for (const { raw, left, phase, to } of streams) {
      await Promise.all([raw.closed, left])
      if (to === null) {
        expect(raw.received(), phase).not.toContain('200 OK')
        continue
      }
      const { text, whole } = bodyOf(raw)
      expect(whole, phase).toBe(false)
      expect(to.startsWith(text), phase).toBe(true)
      expect(text, phase).not.toContain('[DONE]')
    }
    expect(await at.exited).toBe(signal === 'SIGKILL' ? 'SIGKILL' : 0)
  }, 30_000)

  test('after the terminator was written: the answer is whole', async () => {
    const at = await start(LIMITS)
    const { raw, response } = await asked(at)
    await bring(EVENT, response, raw)
    response.end(STOP + DONE)
    await raw.until('0\r\n\r\n')
    at.kill(signal)
    await raw.closed
    expect(bodyOf(raw)).toEqual({ text: EVENT + STOP + DONE, whole: true })
    await at.exited
  }, 30_000)
})

test('SIGTERM: taken during the notice, finished during the drain, refused in between; then the process ends', async () => {
  const at = await start({ drainNoticeMs: NOTICE_MS, drainMs: 10_000 })
  const { raw, response } = await asked(at)
  await bring(EVENT, response, raw)
  const idle = await openRaw(at.port, Buffer.from('GET /health HTTP/1.1\r\nhost: x\r\n\r\n'))
  await idle.until('live')
  const before = performance.now()
  at.kill('SIGTERM')
  while ((await fetch(`${at.url}/health/ready`)).ok) await sleep(10)
  const late = await asked(at)
  expect(performance.now() - before).toBeLessThan(NOTICE_MS)
  await sleep(NOTICE_MS + 200)
  const refused = await openRaw(at.port, rawChat(chatBody('x')))
  await refused.until('"draining"')
  expect(refused.received()).toMatch(/^HTTP\/1\.1 503 /)
  refused.socket.destroy()
  for (const one of [response, late.response]) {
    if (!one.headersSent) one.writeHead(200, { 'content-type': 'text/event-stream' })
    one.end(STOP + DONE)
  }
  await Promise.all([raw.until('0\r\n\r\n'), late.raw.until('0\r\n\r\n')])
  expect(bodyOf(raw)).toEqual({ text: EVENT + STOP + DONE, whole: true })
  expect(bodyOf(late.raw)).toEqual({ text: STOP + DONE, whole: true })
  expect(await at.exited).toBe(0)
  expect(performance.now() - before).toBeLessThan(8_000)
  await idle.closed
}, 30_000)

test('SIGUSR1 opens no debugger: whoever may signal the process could read its keys', async () => {
  const at = await start({})
  at.kill('SIGUSR1')
  const { raw, response } = await asked(at)
  for (let i = 0; i < 5; i++) {
    await sleep(50)
    expect(at.complaints()).not.toContain('Debugger')
  }
  response.end(EVENT + STOP + DONE)
  await raw.until('[DONE]')
})
