/** Every way in which the model's side can end: outcome, status, and a hash over exactly what was sent. */
import { createHash } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { DemoFaults } from '../../src/demo/model/faults.ts'
import { chat, chatBody, errorCode, get, header, jsonObject } from '../harness/chat.ts'
import { startTestService } from '../harness/service.ts'
import type { TestService } from '../harness/service.ts'
import { startUpstream } from '../harness/zg-upstream.ts'
import type { Reply } from '../harness/zg-upstream.ts'

const sha256 = (bytes: Uint8Array) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`
const STREAM = chatBody('hello', { stream: true, max_tokens: 2 })
const WHOLE = chatBody('hello', { max_tokens: 2 })

let at: TestService
/** The same bytes each time but for the id, whose length does not vary. */
let sample: Buffer
beforeAll(async () => {
  at = await startTestService({
    model: { now: () => 1_790_000_000 },
    limits: { upstreamIdleMs: 300, upstreamHeadersMs: 300, sseLineBytes: 4096 },
  })
  sample = (await chat(at, STREAM)).body
})
afterAll(() => at.close())
afterEach(() => {
  for (const name of Object.keys(at.model.faults)) Reflect.deleteProperty(at.model.faults, name)
})

async function under(faults: DemoFaults, body = STREAM) {
  Object.assign(at.model.faults, faults)
  const before = at.receipts.length
  const reply = await chat(at, body)
  await at.settled(before + 1)
  const receipt = at.receipts.at(-1)
  if (receipt === undefined || at.receipts.length !== before + 1) throw new Error('not one receipt')
  return { reply, receipt }
}

async function expectNoLegacyText(reply: Reply, outcome: string) {
  const signature = await get(at, `/v1/signature/${header(reply, 'x-receipt-id')}`, {
    who: 'alice',
  })
  const shown = jsonObject(signature.body)
  expect(shown['outcome']).toBe(outcome)
  expect(Object.keys(shown)).not.toContain('text')
  expect(Object.keys(shown)).not.toContain('signature')
}

describe('a stream that the model cuts or resets', () => {
  const marks: readonly (readonly [string, (bytes: Buffer) => number])[] = [
    ['after the headers', () => 0],
    ['after the first byte', () => 1],
    ['in the middle of an event', (bytes) => bytes.indexOf('\n\n') + 40],
    ['after the first event', (bytes) => bytes.indexOf('\n\n') + 2],
    ['before [DONE]', (bytes) => bytes.indexOf('data: [DONE]')],
    ['inside [DONE]', (bytes) => bytes.indexOf('[DONE]') + 3],
  ]
  const cases = marks.flatMap(([where, place]) =>
    (['cutAfterBytes', 'resetAfterBytes'] as const).map((how) => [how, where, place] as const),
  )
  test.each(cases)(
    '%s %s: upstream_reset, hashed up to there, no clean end',
    async (how, _, place) => {
      const bytes = place(sample)
      const { reply, receipt } = await under({ [how]: bytes })
      expect(reply.status).toBe(200)
      expect(reply.whole).toBe(false)
      expect(reply.body).toHaveLength(bytes)
      expect(receipt.record).toMatchObject({
        outcome: 'upstream_reset',
        status: 200,
        response_bytes: bytes,
      })
      expect(receipt.whole).toBe(false)
      expect(receipt.bodies.returned).toBe(sha256(reply.body))
      await expectNoLegacyText(reply, 'upstream_reset')
    },
  )

  test.each(['cutAfterBytes', 'resetAfterBytes'] as const)(
    '%s inside the bytes that could be taken for the terminator: those are held back',
    async (how) => {
      const { reply, receipt } = await under({ [how]: sample.indexOf('[DONE]') + 6 })
      expect(reply.text).not.toContain('[DONE]')
      expect(reply.whole).toBe(false)
      expect(receipt.record.outcome).toBe('upstream_reset')
      expect(receipt.bodies.returned).toBe(sha256(reply.body))
    },
  )

  test.each(['cutAfterBytes', 'resetAfterBytes'] as const)(
    '%s after the whole of [DONE] is complete all the same',
    async (how) => {
      const { reply, receipt } = await under({ [how]: sample.length })
      expect(reply.whole).toBe(true)
      expect(reply.body).toHaveLength(sample.length)
      expect(receipt.record.outcome).toBe('complete')
      expect(receipt.bodies.returned).toBe(sha256(reply.body))
    },
  )
})

describe('a stream whose framing breaks in the very packet that brought its last event', () => {
  test('gives the client that event, and no clean end', async () => {
    const event = 'data: {"choices":[]}\n\n'
    const upstream = await startUpstream((_seen, response) => {
      response.socket?.end(
        `HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n${event.length.toString(16)}\r\n${event}\r\nno length\r\n`,
      )
    })
    const other = await startTestService({ upstreams: [{ name: 'u', url: upstream.url }] })
    const reply = await chat(other, STREAM)
    expect(reply.whole).toBe(false)
    expect(reply.text).toBe(event)
    expect(other.receipts[0]?.bodies.returned).toBe(sha256(reply.body))
    expect(other.receipts[0]?.record.outcome).toBe('upstream_reset')
    await other.close()
    await upstream.close()
  })
})

describe('a stream that ends in order, but not as a complete answer', () => {
  test.each([
    ['without [DONE]', { omitDone: true }, STREAM, ['length']],
    ['with finish_reason abort', {}, chatBody('[[abort]]', { stream: true }), ['abort']],
    ['with an error event', {}, chatBody('[[error]]', { stream: true }), [null]],
    ['with a line too long to read', { oversizeLine: 9_000 }, STREAM, undefined],
  ])('%s: upstream_error, passed on whole, no legacy text', async (_, faults, body, reasons) => {
    const { reply, receipt } = await under(faults, body)
    expect(reply.whole).toBe(true)
    expect(receipt.record).toMatchObject({ outcome: 'upstream_error', status: 200 })
    if (reasons !== undefined) expect(receipt.record.finish_reasons).toEqual(reasons)
    else expect(receipt.record).toMatchObject({ content_status: 'none', content_digest: null })
    expect(receipt.whole).toBe(true)
    expect(receipt.bodies.returned).toBe(sha256(reply.body))
    await expectNoLegacyText(reply, 'upstream_error')
  })

  test('with fewer choices than were asked for', async () => {
    const upstream = await startUpstream((_seen, response) => {
      response.setHeader('content-type', 'text/event-stream')
      response.end(
        'data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n',
      )
    })
    const other = await startTestService({ upstreams: [{ name: 'u', url: upstream.url }] })
    await chat(other, chatBody('x', { n: 2, stream: true }))
    await chat(other, chatBody('x', { n: 1, stream: true }))
    expect(other.receipts.map(({ record }) => record.outcome)).toEqual([
      'upstream_error',
      'complete',
    ])
    await other.close()
    await upstream.close()
  })
})

describe('a silent model', () => {
  test.each([0, 1, 2])(
    'after %i events of a stream: timeout, cut, hashed so far',
    async (events) => {
      const { reply, receipt } = await under({ silenceAfterChunks: events })
      expect(reply.whole).toBe(false)
      expect(receipt.record).toMatchObject({ outcome: 'timeout', status: 200 })
      expect(receipt.bodies.returned).toBe(sha256(reply.body))
      expect(reply.text.split('\n\n')).toHaveLength(events + 1)
      await expectNoLegacyText(reply, 'timeout')
    },
  )

  test.each([
    ['before its headers', { holdUntil: new Promise(() => undefined) }],
    ['in the middle of a buffered body', { silenceAfterChunks: 0 }],
  ])('%s: 504', async (_, faults) => {
    const { reply, receipt } = await under(faults, WHOLE)
    expect(reply.status).toBe(504)
    expect(errorCode(reply)).toBe('upstream_timeout')
    expect(receipt.record).toMatchObject({ outcome: 'timeout', status: 504 })
    expect(receipt.bodies.returned).toBe(sha256(reply.body))
    await at.model.requests.at(-1)?.closed
    await expectNoLegacyText(reply, 'timeout')
  })

  test('in the middle of an event: timeout, hashed up to the very byte', async () => {
    const half = sample.subarray(0, sample.indexOf('\n\n') + 40)
    const upstream = await startUpstream((_seen, response) => {
      response.setHeader('content-type', 'text/event-stream')
      response.write(half)
    })
    const other = await startTestService({
      upstreams: [{ name: 'u', url: upstream.url }],
      limits: { upstreamIdleMs: 300 },
    })
    const reply = await chat(other, STREAM)
    expect([reply.whole, reply.body.equals(half)]).toEqual([false, true])
    expect(other.receipts[0]?.record).toMatchObject({
      outcome: 'timeout',
      response_bytes: half.length,
    })
    expect(other.receipts[0]?.bodies.returned).toBe(sha256(half))
    await other.close()
    await upstream.close()
  })

  test('that leaves the stream open after [DONE] does not keep the client waiting', async () => {
    const { reply, receipt } = await under({ silenceAfterChunks: 99 })
    expect(reply.whole).toBe(true)
    expect(reply.body).toHaveLength(sample.length)
    expect(receipt.record.outcome).toBe('complete')
    expect(receipt.bodies.returned).toBe(sha256(reply.body))
    await at.model.requests.at(-1)?.closed
  })

  test('that is only slow is waited for', async () => {
    const { receipt } = await under({ delayMs: 120 })
    expect(receipt.record.outcome).toBe('complete')
  })
})

describe('a buffered answer', () => {
  test.each([
    ['cut before its end', { cutAfterBytes: 20 }],
    ['reset before its end', { resetAfterBytes: 20 }],
    ['cut in HTTP chunks', { cutAfterBytes: 20, chunkedBuffered: true }],
    ['cut before its first byte', { cutAfterBytes: 0 }],
  ])('%s is 502 and nothing of it is shown', async (_, faults) => {
    const { reply, receipt } = await under(faults, WHOLE)
    expect(reply.status).toBe(502)
    expect(errorCode(reply)).toBe('upstream_reset')
    expect(receipt.record).toMatchObject({ outcome: 'upstream_reset', status: 502 })
    expect(receipt.bodies.returned).toBe(sha256(reply.body))
    await expectNoLegacyText(reply, 'upstream_reset')
  })

  test('with finish_reason abort, or an error status, is not complete', async () => {
    expect((await under({}, chatBody('[[abort]]'))).receipt.record.outcome).toBe('upstream_error')
    const failed = await under({}, chatBody('[[error]]'))
    expect(failed.receipt.record).toMatchObject({ outcome: 'upstream_error', status: 500 })
    await expectNoLegacyText(failed.reply, 'upstream_error')
  })

  test.each([
    ['that is larger than its limit', 200, 'application/json', 'x'.repeat(3000)],
    ['that is a redirect', 307, 'application/json', ''],
  ])('%s is 502', async (_, status, type, body) => {
    const upstream = await startUpstream((_seen, response) => {
      response.writeHead(status, { 'content-type': type, location: 'http://example.invalid/' })
      response.end(body)
    })
    const other = await startTestService({
      upstreams: [{ name: 'u', url: upstream.url }],
      limits: { bufferedResponseBytes: 2048 },
    })
    const reply = await chat(other, WHOLE)
    expect([reply.status, errorCode(reply)]).toEqual([502, 'upstream_invalid'])
    expect(reply.headers['location']).toBeUndefined()
    expect(other.receipts.map(({ record }) => record.outcome)).toEqual(['upstream_error'])
    await other.close()
    await upstream.close()
  })

  test('whose headers could not be sent on does not stop the process', async () => {
    const upstream = await startUpstream((_seen, response) => {
      response.socket?.end(
        Buffer.from('HTTP/1.1 200 OK\r\ncontent-type: é東\r\ncontent-length: 2\r\n\r\n{}', 'utf8'),
      )
    })
    const other = await startTestService({ upstreams: [{ name: 'u', url: upstream.url }] })
    const reply = await chat(other, WHOLE)
    expect([reply.status, reply.text]).toEqual([200, '{}'])
    expect(reply.headers['content-type']).toBeUndefined()
    await other.close()
    await upstream.close()
  })
})
