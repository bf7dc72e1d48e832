/** Attacks that defeat at least one public proxy or verifier of this kind, each by its name. */
import { createHash, randomBytes } from 'node:crypto'
import { gunzipSync, gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { contentOfCompletion } from '../../attestation/protocol/chat-content.ts'
import { contentDigest } from '../../attestation/protocol/content.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { isJsonObject } from '../../attestation/protocol/json.ts'
import { chat, chatBody, errorCode, get, header, jsonObject, openRaw } from '../harness/chat.ts'
import { bearer, startTestService } from '../harness/service.ts'
import type { TestService } from '../harness/service.ts'
import { ask, startUpstream } from '../harness/zg-upstream.ts'
import type { Upstream, UpstreamHandler } from '../harness/zg-upstream.ts'

const sha256 = (bytes: Uint8Array | string) => createHash('sha256').update(bytes).digest('hex')
const NONCE_A = 'aa'.repeat(32)
const NONCE_B = 'bb'.repeat(32)

let at: TestService
let upstream: Upstream
let scripted: TestService
let script: UpstreamHandler
beforeAll(async () => {
  at = await startTestService({ gpus: 1 })
  upstream = await startUpstream((seen, response) => script(seen, response))
  scripted = await startTestService({ upstreams: [{ name: 'scripted', url: upstream.url }] })
})
afterAll(async () => {
  await at.close()
  await scripted.close()
  await upstream.close()
})

const completion = (content: string, id = 'chatcmpl-1') => ({
  id,
  model: 'm',
  choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }],
})
const answerJson = (body: string): UpstreamHandler => {
  return (_seen, response) => {
    response.setHeader('content-type', 'application/json')
    response.end(body)
  }
}

describe('evidence', () => {
  test.each(['/attestation', '/v1/attestation/report'])(
    'of a client that left does not go to the next one (%s)',
    async (path) => {
      at.agentFaults.delayMs = 60
      const quotes = at.quotes.length
      const leaver = await openRaw(
        at.port,
        Buffer.from(`GET ${path}?nonce=${NONCE_A} HTTP/1.1\r\nhost: x\r\n\r\n`),
      )
      while (at.quotes.length === quotes) await new Promise((done) => setImmediate(done))
      leaver.socket.destroy()
      const document = jsonObject((await get(at, `${path}?nonce=${NONCE_B}`)).body)
      delete at.agentFaults.delayMs
      const text = JSON.stringify(document)
      expect(text).not.toContain(NONCE_A)
      const { nonce, nvidia_payload: payload } = document
      if (isJsonObject(nonce)) {
        expect(nonce).toMatchObject({ value: NONCE_B, index: 0, tree_size: 1 })
        return
      }
      const gpu = jsonObject(String(payload))
      expect(gpu['nonce']).toBe(NONCE_B)
      const list = gpu['evidence_list']
      const device: unknown = Array.isArray(list) ? list[0] : null
      if (!isJsonObject(device)) throw new Error('no device')
      const report = Buffer.from(String(device['evidence']), 'base64')
      // SPDM GET_MEASUREMENTS request: the nonce stands after 4 bytes of header.
      expect(report.subarray(4, 36).toString('hex')).toBe(NONCE_B)
    },
  )
})

describe('the bytes that are signed', () => {
  test('are those of the body as it was spelled: a spaced body is not signed as a compact one', async () => {
    const spaced = JSON.stringify(completion('hi'), null, 2)
    script = answerJson(spaced)
    const request = '{ "model" : "m",\n "messages" : [ ] }'
    const reply = await chat(scripted, request)
    expect(reply.text).toBe(spaced)
    const receipt = scripted.receipts.at(-1)
    expect(receipt?.legacyText).toBe(`${sha256(request)}:${sha256(spaced)}`)
    expect(upstream.seen.at(-1)?.body.toString()).toBe(request)
    const compact = JSON.stringify(completion('hi'))
    expect(receipt?.legacyText).not.toContain(sha256(compact))
  })

  test('are never taken from a header of the client', async () => {
    const lie = sha256('another request')
    const headers = ['x-request-hash', 'request-hash', 'x-body-hash', 'content-digest'].map(
      (name) => [name, lie] as const,
    )
    const body = chatBody('hello')
    const reply = await chat(at, body, { headers })
    const path = `/v1/signature/${header(reply, 'x-receipt-id')}`
    const found = jsonObject((await get(at, path, { who: 'alice' })).body)
    expect(found['text']).toBe(`${sha256(body)}:${sha256(reply.body)}`)
    expect(JSON.stringify(found)).not.toContain(lie)
    expect(at.model.requests.at(-1)?.rawHeaders.join()).not.toContain(lie)
  })

  test('of a stream without [DONE] get no legacy text and are not complete', async () => {
    at.model.faults.omitDone = true
    const reply = await chat(at, chatBody('hello', { stream: true }))
    at.model.faults.omitDone = undefined
    expect(reply.text).not.toContain('[DONE]')
    const path = `/v1/signature/${header(reply, 'x-receipt-id')}`
    const found = jsonObject((await get(at, path, { who: 'alice' })).body)
    expect(found).toMatchObject({ outcome: 'upstream_error' })
    expect(found['text']).toBeUndefined()
  })

  test('of a buffered answer that says it is unfinished get no legacy text', async () => {
    script = answerJson(
      JSON.stringify({ id: 'c', choices: [{ index: 0, message: {}, finish_reason: null }] }),
    )
    await chat(scripted, chatBody('x'))
    expect(scripted.receipts.at(-1)?.record.outcome).toBe('upstream_error')
    expect(scripted.receipts.at(-1)?.legacyText).toBeNull()
  })

  test.each([
    ['a wide character', '東'],
    ['an emoji of several code points', '👩‍🚀'],
  ])('are the same when %s is split at every byte', async (_, text) => {
    const event = (content: string, finish: string | null) =>
      `data: ${JSON.stringify({ id: 'c', choices: [{ index: 0, delta: { content }, finish_reason: finish }] })}\n\n`
    const stream = Buffer.from(`${event(text, null)}${event(text, 'stop')}data: [DONE]\n\n`)
    const opening = (reply: Awaited<ReturnType<typeof chat>>) =>
      Buffer.from(header(reply, 'x-countersign-opening'), 'hex')
    const content = contentOfCompletion(completion(text + text)).content
    if (content === null) throw new Error('no content')
    for (let cut = 1; cut < event(text, null).length + 4; cut++) {
      script = (_seen, response) => {
        response.setHeader('content-type', 'text/event-stream')
        response.write(stream.subarray(0, cut), () => {
          setImmediate(() => response.end(stream.subarray(cut)))
        })
      }
      const reply = await chat(scripted, chatBody('x', { stream: true }))
      expect(reply.body.equals(stream)).toBe(true)
      const { record } = scripted.receipts.at(-1) ?? {}
      expect(record?.outcome).toBe('complete')
      expect(record?.content_digest).toBe(contentDigest(content, opening(reply), nodeCrypto))
    }
  })
})

describe('receipts', () => {
  test('cannot be overwritten by a repeated request id or completion id', async () => {
    const chosen = [['x-request-id', 'chosen-by-the-client']] as const
    const first = await chat(at, chatBody('one'), { headers: chosen })
    const second = await chat(at, chatBody('two'), { headers: chosen })
    expect(header(first, 'x-receipt-id')).not.toBe(header(second, 'x-receipt-id'))
    expect(first.text + second.text).not.toContain('chosen-by-the-client')
    // A model server that repeats its ids: the first answer keeps the id, both have their own receipts.
    script = answerJson(JSON.stringify(completion('first', 'repeated')))
    const a = await chat(scripted, chatBody('a'))
    script = answerJson(JSON.stringify(completion('second', 'repeated')))
    const b = await chat(scripted, chatBody('b'))
    const byChat = jsonObject(
      (await get(scripted, '/v1/signature/repeated', { who: 'alice' })).body,
    )
    expect(byChat['receipt_id']).toBe(header(a, 'x-receipt-id'))
    for (const reply of [a, b]) {
      const path = `/v1/signature/${header(reply, 'x-receipt-id')}`
      const found = jsonObject((await get(scripted, path, { who: 'alice' })).body)
      expect(String(found['text']).endsWith(sha256(reply.body))).toBe(true)
    }
  })

  test('of another principal are not reached by guessing its completion id', async () => {
    const { id } = jsonObject((await chat(at, chatBody('x'))).body)
    expect((await get(at, `/v1/signature/${String(id)}`, { who: 'bob' })).status).toBe(404)
    expect((await get(at, `/v1/signature/${String(id)}`)).status).toBe(401)
  })

  test('have a two-part text that a colon in the model name cannot shift', async () => {
    const name = `a:${'0'.repeat(64)}:b`
    script = answerJson(JSON.stringify({ ...completion('x'), model: name }))
    await chat(scripted, chatBody('x', { model: name }))
    const receipt = scripted.receipts.at(-1)
    expect(receipt?.legacyText).toMatch(/^[0-9a-f]{64}:[0-9a-f]{64}$/)
    expect(receipt?.record).toMatchObject({ model_requested: name, model_served: name })
  })
})

describe('bodies that make others fall over', () => {
  test.each(['[]', '"x"', 'null', '1', 'true', '[{"model":"m"}]', '""'])(
    '%s is refused with a receipt, and the service goes on',
    async (body) => {
      const before = upstream.seen.length
      const reply = await chat(scripted, body)
      expect([reply.status, errorCode(reply)]).toEqual([400, 'body_not_object'])
      expect(scripted.receipts.at(-1)?.record).toMatchObject({ outcome: 'refused', members: null })
      expect(upstream.seen).toHaveLength(before)
      expect((await get(scripted, '/health')).status).toBe(200)
    },
  )
})

describe('paths around the signature', () => {
  const paths = [
    'POST /v1/moderations, POST /classify, POST /pooling, POST /v1/realtime',
    'GET /v1/responses/resp_1, POST /v1/responses/resp_1/cancel, DELETE /v1/responses/resp_1',
    'POST /v1/proxy/tokenizer_info, POST /inference/v1/generate, GET /metrics',
    'POST /v1/load_lora_adapter, POST /pause, GET /server_info',
    'POST //v1/chat/completions, POST /v1/chat/completions/, POST /v1//chat/completions',
    'POST /v1/%63hat/completions, POST /v1/../v1/chat/completions',
    'POST @127.0.0.1/v1/chat/completions, POST http://127.0.0.1:1/v1/chat/completions',
  ].flatMap((line) => line.split(', '))
  test.each(paths)('%s does not exist and reaches no model', async (target) => {
    const before = upstream.seen.length
    const raw = await openRaw(
      scripted.port,
      Buffer.from(
        `${target} HTTP/1.1\r\nhost: x\r\n${bearer().join(': ')}\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}`,
      ),
    )
    await raw.closed
    expect(raw.received()).toMatch(/^HTTP\/1\.1 40[04] /)
    expect(upstream.seen).toHaveLength(before)
  })

  test('an SSE answer to a buffered request is relayed and judged as the stream it is', async () => {
    const event = {
      id: 'c',
      choices: [{ index: 0, delta: { content: 'hi' }, finish_reason: 'stop' }],
    }
    script = (_seen, response) => {
      response.setHeader('content-type', 'text/event-stream')
      response.end(`data: ${JSON.stringify(event)}\n\ndata: [DONE]\n\n`)
    }
    const reply = await chat(scripted, chatBody('x'))
    const { record } = scripted.receipts.at(-1) ?? {}
    expect(record).toMatchObject({ outcome: 'complete', content_status: 'covered' })
    const { content } = contentOfCompletion(completion('hi'))
    if (content === null) throw new Error('no content')
    const opening = Buffer.from(header(reply, 'x-countersign-opening'), 'hex')
    expect(record?.content_digest).toBe(contentDigest(content, opening, nodeCrypto))
  })

  test.each([
    ['gzip', gzipSync],
    ['an encoding nobody knows', (bytes: Buffer) => bytes],
  ])(
    'an answer in %s is relayed verbatim and judged by what it decodes to',
    async (name, encode) => {
      const plain = Buffer.from(JSON.stringify(completion('hi')))
      const body = encode(plain)
      const coding = name === 'gzip' ? 'gzip' : 'x-unknown'
      script = (_seen, response) => {
        response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': coding })
        response.end(body)
      }
      const reply = await ask(`${scripted.url}/v1/chat/completions`, {
        method: 'POST',
        body: chatBody('x'),
        headers: [bearer(), ['content-type', 'application/json'], ['accept-encoding', 'gzip']],
      })
      expect(upstream.seen.at(-1)?.headers['accept-encoding']).toBeUndefined()
      expect(reply.headers['content-encoding']).toBe(coding)
      expect(reply.body.equals(body)).toBe(true)
      const { record, bodies } = scripted.receipts.at(-1) ?? {}
      expect(bodies?.returned).toBe(`sha256:${sha256(body)}`)
      if (coding === 'gzip') {
        expect(gunzipSync(reply.body).equals(plain)).toBe(true)
        expect(record).toMatchObject({ outcome: 'complete', content_status: 'covered' })
      } else {
        expect(record).toMatchObject({ outcome: 'upstream_error', content_status: 'none' })
      }
    },
  )

  test('a gzip answer that unpacks to more than the limit is not unpacked', async () => {
    const small = await startTestService({
      upstreams: [{ name: 'scripted', url: upstream.url }],
      limits: { bufferedResponseBytes: 100_000 },
    })
    const bomb = gzipSync(Buffer.alloc(10_000_000))
    script = (_seen, response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' })
      response.end(bomb)
    }
    const reply = await chat(small, chatBody('x', { salt: randomBytes(4).toString('hex') }))
    expect(reply.body.equals(bomb)).toBe(true)
    expect(small.receipts.at(-1)?.record).toMatchObject({
      outcome: 'upstream_error',
      content_status: 'none',
    })
    await small.close()
  })
})
