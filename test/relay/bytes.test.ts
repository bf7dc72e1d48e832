/** The client gets byte for byte what the model sent, and the receipt is over those bytes. */
import { createHash } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { contentOfChunks, contentOfCompletion } from '../../attestation/protocol/chat-content.ts'
import { contentDigest } from '../../attestation/protocol/content.ts'
import type { ContentSummary } from '../../attestation/protocol/content.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { eventData, WEATHER_TOOLS } from '../demo/model-raw-request.ts'
import { chat, chatBody, errorCode, header } from '../harness/chat.ts'
import { startTestService } from '../harness/service.ts'
import type { TestService } from '../harness/service.ts'
import { ask, startUpstream } from '../harness/zg-upstream.ts'
import type { Reply, Upstream } from '../harness/zg-upstream.ts'

const sha256 = (bytes: Uint8Array) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`

let at: TestService
beforeAll(async () => {
  at = await startTestService({ model: { now: () => 1_790_000_000 } })
})
afterAll(() => at.close())
afterEach(() => {
  for (const name of Object.keys(at.model.faults)) Reflect.deleteProperty(at.model.faults, name)
})

/** What the model itself answers to the request that the relay made last. */
async function directly(body: string): Promise<Reply> {
  const id = at.model.requests.at(-1)?.headers['x-request-id']
  if (typeof id !== 'string') throw new Error('the relay minted no request id')
  return ask(`${at.model.url}/v1/chat/completions`, {
    method: 'POST',
    body,
    headers: [
      ['content-type', 'application/json'],
      ['x-request-id', id],
    ],
  })
}

const ASKS = {
  'a buffered answer': chatBody('hello'),
  'a stream': chatBody('hello', { stream: true }),
  'a stream with usage in every chunk': chatBody('hello', {
    stream: true,
    stream_options: { include_usage: true, continuous_usage_stats: true },
  }),
  'two choices with log probabilities': chatBody('hello', { n: 2, logprobs: true, stream: true }),
  'tool calls': chatBody('[[tools]]', { tools: WEATHER_TOOLS, stream: true }),
  reasoning: chatBody('[[reasoning]]', { stream: true }),
  'an error in mid-stream': chatBody('[[error]]', { stream: true }),
  'an error body of the model': chatBody('[[error]]'),
  'a 400 of the model': chatBody('hello', { top_logprobs: 2 }),
}

describe('bytes', () => {
  test.each(Object.entries(ASKS))('of %s pass unchanged', async (_, body) => {
    const reply = await chat(at, body)
    const direct = await directly(body)
    expect(reply.status).toBe(direct.status)
    expect(reply.headers['content-type']).toBe(direct.headers['content-type'])
    expect(reply.body.equals(direct.body)).toBe(true)
    expect(at.receipts.at(-1)?.bodies).toEqual({
      received: sha256(Buffer.from(body)),
      forwarded: sha256(Buffer.from(body)),
      returned: sha256(reply.body),
    })
    expect(at.receipts.at(-1)?.record.response_bytes).toBe(reply.body.length)
  })

  test.each([
    ['CRLF line ends', { crlf: true }],
    ['one write for each byte', { splitAt: 'every' as const }],
    ['CRLF and one write for each byte', { crlf: true, splitAt: 'every' as const }],
    ['a body in HTTP chunks', { chunkedBuffered: true }],
  ])('with %s pass unchanged and are complete', async (_, faults) => {
    const buffered = 'chunkedBuffered' in faults
    const body = chatBody('hello', { stream: !buffered, max_tokens: 4 })
    Object.assign(at.model.faults, faults)
    const reply = await chat(at, body)
    expect(reply.body.equals((await directly(body)).body)).toBe(true)
    expect(at.receipts.at(-1)?.record).toMatchObject({
      outcome: 'complete',
      finish_reasons: ['length'],
    })
    expect(at.receipts.at(-1)?.bodies.returned).toBe(sha256(reply.body))
  })

  test('compressed by a model that was not asked to pass unchanged, judged by what they decode to', async () => {
    at.model.faults.gzip = true
    const reply = await chat(at, chatBody('hello'))
    expect(reply.headers['content-encoding']).toBe('gzip')
    expect(reply.body.equals(gzipSync((await directly(chatBody('hello'))).body))).toBe(false)
    const { record, bodies } = at.receipts.at(-1) ?? {}
    expect(record).toMatchObject({ outcome: 'complete', finish_reasons: ['stop'] })
    expect(record?.content_digest).toMatch(/^sha256:/)
    expect(bodies?.returned).toBe(sha256(reply.body))
  })

  test('of a stream in gzip that nobody asked for are refused before the first of them', async () => {
    at.model.faults.gzip = true
    const reply = await chat(at, chatBody('hello', { stream: true }))
    expect([reply.status, errorCode(reply)]).toEqual([502, 'upstream_invalid'])
    expect(reply.headers['content-encoding']).toBeUndefined()
    expect(at.receipts.at(-1)?.bodies.returned).toBe(sha256(reply.body))
    expect(at.receipts.at(-1)?.record).toMatchObject({
      outcome: 'upstream_error',
      status: 502,
      content_status: 'none',
      content_digest: null,
    })
    expect(at.receipts.at(-1)?.legacyText).toBeNull()
  })
})

describe('content', () => {
  const digest = (summary: ContentSummary, reply: Reply) =>
    summary.content === null
      ? null
      : contentDigest(
          summary.content,
          Buffer.from(header(reply, 'x-countersign-opening'), 'hex'),
          nodeCrypto,
        )

  test.each([
    ['text', {}],
    ['tool calls', { tools: WEATHER_TOOLS }],
    ['two choices', { n: 2 }],
    ['reasoning', {}],
  ])('of %s has one digest, streamed or buffered', async (kind, more) => {
    const prompt =
      kind === 'tool calls' ? '[[tools]]' : kind === 'reasoning' ? '[[reasoning]]' : 'x'
    const whole = await chat(at, chatBody(prompt, more))
    const wholeDigest = at.receipts.at(-1)?.record.content_digest
    const stream = await chat(at, chatBody(prompt, { ...more, stream: true }))
    const streamDigest = at.receipts.at(-1)?.record.content_digest
    const completion: unknown = JSON.parse(whole.text)
    const chunks = eventData(stream.body)
      .slice(0, -1)
      .map((data): unknown => JSON.parse(data))
    expect(wholeDigest).toMatch(/^sha256:/)
    // Each under the other's opening: the same content behind both.
    expect(digest(contentOfChunks(chunks), whole)).toBe(wholeDigest)
    expect(digest(contentOfCompletion(completion), stream)).toBe(streamDigest)
  })
})

describe('a stream cut in two writes', () => {
  const pieces = ['Grüße', ' 東京', ' 👩‍🚀']
  const STREAM = Buffer.from(
    [
      ...pieces.map(
        (content, i) =>
          `data: {"id":"c1","model":"m","choices":[{"index":0,"delta":{"content":"${content}"},"finish_reason":${i === 2 ? '"stop"' : 'null'}}]}\r\n\r\n`,
      ),
      'data: [DONE]\r\n\r\n',
    ].join(''),
  )
  let upstream: Upstream
  let relay: TestService
  beforeAll(async () => {
    upstream = await startUpstream((seen, response) => {
      const cut = Number(new URL(seen.url, 'http://x').searchParams.get('cut'))
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      // The second write follows when the first is with the kernel.
      response.write(STREAM.subarray(0, cut), () => {
        setImmediate(() => response.end(STREAM.subarray(cut)))
      })
      if (cut === 0) response.flushHeaders()
    })
    relay = await startTestService({ upstreams: [{ name: 'scripted', url: upstream.url }] })
  })
  afterAll(async () => {
    await relay.close()
    await upstream.close()
  })

  test('at any byte offset arrives unchanged, complete, and with the same content', async () => {
    const offsets = [...STREAM.keys()]
    const worker = async () => {
      for (let cut = offsets.pop(); cut !== undefined; cut = offsets.pop()) {
        const reply = await chat(relay, chatBody('x'), { query: `?cut=${String(cut)}` })
        expect(reply.body.equals(STREAM), `cut at ${String(cut)}`).toBe(true)
      }
    }
    await Promise.all(Array.from({ length: 8 }, worker))
    expect(relay.receipts).toHaveLength(STREAM.length)
    const wanted = { outcome: 'complete', chat_id: 'c1', content_status: 'covered' }
    for (const { record, bodies } of relay.receipts) {
      expect(record).toMatchObject(wanted)
      expect(bodies.returned).toBe(sha256(STREAM))
    }
  })
})
