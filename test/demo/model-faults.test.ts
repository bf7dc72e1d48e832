/** Each fault does to the wire what it says, and the record tells who ended a connection. */
import { gunzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { DemoFaults } from '../../src/demo/model/faults.ts'
import type { DemoModel } from '../../src/demo/model/start-demo-model.ts'
import { startDemoModel } from '../../src/demo/model/start-demo-model.ts'
import { eventData, rawRequest, userMessage } from './model-raw-request.ts'
import { TIMED } from '../harness/timed.ts'

const HEADERS = { 'x-request-id': 'req-1' }
const BUFFERED = { messages: userMessage('hello'), seed: 3 }
const STREAMED = { ...BUFFERED, stream: true }
let demo: DemoModel

beforeEach(async () => {
  demo = await startDemoModel({ now: () => 1_795_000_000 })
})
afterEach(() => demo.close())

async function withFaults(faults: DemoFaults, body: object) {
  Object.assign(demo.faults, faults)
  return rawRequest(demo, body, { headers: HEADERS })
}

async function undisturbed(body: object): Promise<Buffer> {
  return (await rawRequest(demo, body, { headers: HEADERS })).body
}

describe('faults', () => {
  test('no fault can be asked for by a client', async () => {
    const reply = await rawRequest(
      demo,
      { ...STREAMED, faults: { omitDone: true }, omitDone: true, delayMs: 50 },
      { headers: { 'x-faults': 'omitDone' } },
    )
    expect(eventData(reply.body).at(-1)).toBe('[DONE]')
  })

  test('delayMs holds the status line back', async () => {
    const reply = await withFaults({ delayMs: 80 }, BUFFERED)
    expect(reply.firstByteAt - reply.openedAt).toBeGreaterThanOrEqual(79)
    expect(reply.isWhole).toBe(true)
  })

  test('holdUntil waits for its promise', async () => {
    let release: () => void = () => undefined
    demo.faults.holdUntil = new Promise<void>((resolve) => {
      release = resolve
    })
    const pending = rawRequest(demo, BUFFERED)
    let isAnswered = false
    void pending.then(() => {
      isAnswered = true
    })
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(isAnswered).toBe(false)
    release()
    expect((await pending).status).toBe(200)
  })

  test.each([
    ['stream', STREAMED],
    ['body', BUFFERED],
  ])('cutAfterBytes ends a %s by FIN after exactly so many bytes', async (_, body) => {
    const whole = await undisturbed(body)
    for (const count of [0, 1, 100, whole.length - 1, whole.length]) {
      const reply = await withFaults({ cutAfterBytes: count }, body)
      expect(reply.end).toBe('fin')
      expect(reply.body.equals(whole.subarray(0, count))).toBe(true)
      // A body of declared length is whole with its last byte; a chunked one lacks the last chunk.
      expect(reply.isWhole).toBe(body === BUFFERED && count === whole.length)
    }
    expect(demo.requests.some((request) => request.aborted)).toBe(false)
  })

  test.each([
    ['stream', STREAMED],
    ['body', BUFFERED],
  ])('resetAfterBytes ends a %s by RST', async (_, body) => {
    const whole = await undisturbed(body)
    const reply = await withFaults({ resetAfterBytes: 100 }, body)
    expect(reply.end).toBe('reset')
    expect(reply.body.equals(whole.subarray(0, 100))).toBe(true)
    expect(demo.requests.at(-1)?.aborted).toBe(false)
  })

  test('omitDone ends a stream regularly without its terminator', async () => {
    const whole = await undisturbed(STREAMED)
    const reply = await withFaults({ omitDone: true }, STREAMED)
    expect(reply.isWhole).toBe(true)
    expect(`${reply.body.toString()}data: [DONE]\n\n`).toBe(whole.toString())
  })

  test('splitAt writes two pieces, split at that offset, inside characters too', async () => {
    const whole = await undisturbed({ ...STREAMED, max_tokens: 2 })
    const inside = whole.findIndex((byte) => (byte & 0xc0) === 0x80)
    expect(inside).toBeGreaterThan(0)
    for (const at of [1, 7, 100, inside, inside + 1, inside + 2, whole.length - 1]) {
      const reply = await withFaults({ splitAt: at }, { ...STREAMED, max_tokens: 2 })
      expect(reply.chunks.map((chunk) => chunk.length)).toEqual([at, whole.length - at])
      expect(reply.body.equals(whole)).toBe(true)
    }
  })

  test('splitAt every writes every byte by itself', async () => {
    const whole = await undisturbed(STREAMED)
    const reply = await withFaults({ splitAt: 'every' }, STREAMED)
    expect(reply.chunks).toHaveLength(whole.length)
    expect(reply.chunks.every((chunk) => chunk.length === 1)).toBe(true)
    expect(reply.body.equals(whole)).toBe(true)
  })

  test('crlf changes the line ends and nothing else', async () => {
    const whole = await undisturbed(STREAMED)
    const reply = await withFaults({ crlf: true }, STREAMED)
    expect(reply.body.toString()).toBe(whole.toString().replaceAll('\n', '\r\n'))
  })

  test('oversizeLine puts a line of that length after the first event', async () => {
    const whole = eventData(await undisturbed(STREAMED))
    const reply = await withFaults({ oversizeLine: 100_000 }, STREAMED)
    const lines = reply.body.toString().split('\n\n')
    expect(Buffer.byteLength(lines[1] ?? '')).toBe(100_000)
    expect(eventData(reply.body).toSpliced(1, 1)).toEqual(whole)
    expect(() => JSON.parse(eventData(reply.body)[1] ?? '') as unknown).not.toThrow()
  })

  test('silenceAfterChunks stops after so many events and keeps the connection', async () => {
    demo.faults.silenceAfterChunks = 3
    const reply = await rawRequest(demo, STREAMED, { leaveAfterMs: 150 })
    expect(reply.end).toBe('left')
    expect(reply.isWhole).toBe(false)
    expect(eventData(reply.body)).toHaveLength(3)
    await demo.requests[0]?.closed
    expect(demo.requests[0]?.aborted).toBe(true)
  })

  test('status answers with any status and body', async () => {
    const reply = await withFaults({ status: { status: 503, body: 'busy' } }, STREAMED)
    expect([reply.status, reply.body.toString()]).toEqual([503, 'busy'])
  })

  test.each([
    ['stream', STREAMED],
    ['body', BUFFERED],
  ])('gzip compresses a %s that nobody asked to have compressed', async (_, body) => {
    const whole = await undisturbed(body)
    const reply = await withFaults({ gzip: true }, body)
    expect(reply.headers.get('content-encoding')).toBe('gzip')
    expect(reply.isWhole).toBe(true)
    expect(gunzipSync(reply.body).equals(whole)).toBe(true)
  })

  test('the gzip option leaves clients alone that do not accept it', async () => {
    const zipping = await startDemoModel({ gzip: true })
    const plain = await rawRequest(zipping, BUFFERED)
    const zipped = await rawRequest(zipping, BUFFERED, {
      headers: { 'accept-encoding': 'br, gzip' },
    })
    await zipping.close()
    expect(plain.headers.has('content-encoding')).toBe(false)
    expect(zipped.headers.get('content-encoding')).toBe('gzip')
  })

  test('chunkedBuffered declares no length', async () => {
    const whole = await undisturbed(BUFFERED)
    const reply = await withFaults({ chunkedBuffered: true }, BUFFERED)
    expect(reply.headers.has('content-length')).toBe(false)
    expect(reply.headers.get('transfer-encoding')).toBe('chunked')
    expect(reply.body.equals(whole)).toBe(true)
  })
})

describe('the record', () => {
  test('has method, path, headers and the raw body', async () => {
    const body = '{ "messages" : [], "seed":1 }'
    await rawRequest(demo, body, { headers: { 'X-Mixed-Case': 'a' } })
    const [request] = demo.requests
    expect(request).toMatchObject({ method: 'POST', path: '/v1/chat/completions', aborted: false })
    expect(request?.headers['x-mixed-case']).toBe('a')
    expect(request?.rawHeaders).toContain('X-Mixed-Case')
    expect(request?.body.toString()).toBe(body)
    expect(request?.abortedAt).toBeNull()
  })

  test.each([
    ['while a body is held back', BUFFERED, { delayMs: 5_000 }],
    ['while a body waits for a promise', BUFFERED, { holdUntil: new Promise(() => undefined) }],
    ['during a silent stream', STREAMED, { silenceAfterChunks: 2 }],
  ])('notices at once that the client leaves %s', TIMED, async (_, body, faults: DemoFaults) => {
    Object.assign(demo.faults, faults)
    const reply = await rawRequest(demo, body, { leaveAfterMs: 60 })
    const leftAt = performance.now()
    expect(reply.end).toBe('left')
    const [request] = demo.requests
    await request?.closed
    expect(request?.aborted).toBe(true)
    expect(Math.abs((request?.abortedAt ?? NaN) - leftAt)).toBeLessThan(100)
  })

  test('notices that the client leaves a paced stream, and stops sending', async () => {
    const paced = await startDemoModel({ chunkDelayMs: 10 })
    const body = { messages: userMessage('[[tokens=500]]'), stream: true }
    const reply = await rawRequest(paced, body, { leaveAfterBytes: 1_500 })
    const [request] = paced.requests
    await request?.closed
    await paced.close()
    expect(reply.end).toBe('left')
    expect(request?.aborted).toBe(true)
  })

  test('paces the events of a stream', async () => {
    const paced = await startDemoModel({ chunkDelayMs: 10 })
    const startedAt = performance.now()
    await rawRequest(paced, { messages: userMessage('[[tokens=5]]'), stream: true })
    await paced.close()
    // Role, five words, end, terminator: seven pauses; timers may fire up to a millisecond early.
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(7 * 9)
  })
})

describe('fixed answers', () => {
  test('give every request the same bytes and record none', async () => {
    const body = Buffer.from(Array.from({ length: 2_048 }, (_, i) => i % 256))
    const chunks = ['data: a\n\n', 'data: b\n\n', 'data: [DONE]\n\n'].map((text) =>
      Buffer.from(text),
    )
    const fixed = await startDemoModel({
      fixedBody: body,
      fixedStream: { chunks, intervalMs: 20 },
    })
    const buffered = await rawRequest(fixed, 'not even JSON')
    const startedAt = performance.now()
    const streamed = await rawRequest(fixed, '{"stream":true}')
    await fixed.close()
    expect(buffered.body.equals(body)).toBe(true)
    expect(buffered.headers.get('content-length')).toBe('2048')
    expect(streamed.chunks.map(String)).toEqual(chunks.map(String))
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(2 * 19)
    expect(fixed.requests).toEqual([])
  })
})
