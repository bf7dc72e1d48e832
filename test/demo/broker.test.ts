import { once } from 'node:events'
import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import OpenAI from 'openai'
import { afterEach, describe, expect, test } from 'vitest'
import {
  startBroker,
  type BrokerHandle,
  type BrokerOptions,
} from '../../src/demo/broker/start-broker.ts'
import { ask, startUpstream, type UpstreamHandler } from '../harness/zg-upstream.ts'

const open: { close(): Promise<void> }[] = []
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close()
})

async function start(handler: UpstreamHandler, options: Partial<BrokerOptions> = {}) {
  const upstream = await startUpstream(handler)
  open.push(upstream)
  const broker = await startBroker({
    targetUrl: `${upstream.url}/v1`,
    additionalSecret: { Authorization: 'Bearer relay-secret' },
    ...options,
  })
  open.push(broker)
  return { upstream, broker, chat: `${broker.url}/v1/proxy/chat/completions` }
}

const ANSWER =
  '{"id":"chatcmpl-upstream","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"a<b"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":2}}'
const json: UpstreamHandler = (_, response) => {
  response.writeHead(200, { 'content-type': 'application/json', 'ZG-Res-Key': 'key-1' })
  response.end(ANSWER)
}
const sse =
  (...parts: string[]): UpstreamHandler =>
  async (_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'ZG-Res-Key': 'key-2' })
    for (const part of parts) {
      response.write(part)
      await sleep(2)
    }
    response.end()
  }

function last(broker: BrokerHandle) {
  const exchange = broker.requests.at(-1)
  if (exchange === undefined) throw new Error('no exchange')
  return exchange
}

describe('routes', () => {
  test('a completion reaches the target with and without a second /v1', async () => {
    const { upstream, broker } = await start(json)
    await ask(`${broker.url}/v1/proxy/chat/completions`, { body: '{}' })
    await ask(`${broker.url}/v1/proxy/v1/chat/completions?a=b+c`, { body: '{}' })
    expect(upstream.seen.map((seen) => `${seen.method} ${seen.url}`)).toEqual([
      'POST /v1/chat/completions',
      'POST /v1/chat/completions?a=b+c',
    ])
  })

  test('the two free prefixes are forwarded with their raw query and case', async () => {
    const { upstream, broker } = await start(json)
    await ask(`${broker.url}/v1/proxy/attestation/report?model=org/mo%20del+x&nonce=00`)
    await ask(`${broker.url}/v1/proxy/signature/AbC-1?model=`)
    await ask(`${broker.url}/v1/proxy/attestation?nonce=11`)
    expect(upstream.seen.map((seen) => seen.url)).toEqual([
      '/v1/attestation/report?model=org/mo%20del+x&nonce=00',
      '/v1/signature/AbC-1?model=',
      '/v1/attestation?nonce=11',
    ])
  })

  test.each([
    ['GET', '/v1/models'],
    ['GET', '/v1/proxy/models'],
    ['GET', '/v1/proxy/chat/completions'],
    ['POST', '/v1/proxy/attestation/report'],
    ['POST', '/v1/proxy/completions'],
    ['GET', '/v1/quote'],
    ['GET', '/v1/aci/attestation'],
    ['GET', '/v1/attestation'],
    ['POST', '/v1/chat/completions'],
    ['GET', '/'],
  ])('%s %s is not supported and reaches nobody', async (method, path) => {
    const { upstream, broker } = await start(json)
    const reply = await ask(broker.url + path, { method })
    expect(reply.status).toBe(404)
    expect(JSON.parse(reply.text)).toEqual({
      error: {
        message: 'endpoint not supported',
        type: 'invalid_request_error',
        param: null,
        code: 'endpoint_not_supported',
      },
    })
    expect(upstream.seen).toEqual([])
  })

  test('the quote passes untouched when it is asked for', async () => {
    const quote = '{ "quote":"00", "provider":"kept" }'
    const { upstream, broker } = await start(
      (_, response) => {
        response.writeHead(200, { 'content-type': 'text/plain' }).end(quote)
      },
      { quote: true },
    )
    const reply = await ask(`${broker.url}/v1/quote?legacy=true`)
    expect(reply.text).toBe(quote)
    expect(upstream.seen[0]?.url).toBe('/v1/quote?legacy=true')
  })
})

describe('the forwarded request', () => {
  test('is re-marshalled and has its length set', async () => {
    const { upstream, broker, chat } = await start(json)
    const body = '{"stream":true, "model":"m<1>", "temperature":1.0}'
    await ask(chat, { body })
    const expected =
      '{"model":"m\\u003c1\\u003e","stream":true,"stream_options":{"include_usage":true},"temperature":1}'
    expect(upstream.seen[0]?.body.toString()).toBe(expected)
    expect(upstream.seen[0]?.headers['content-length']).toEqual([String(expected.length)])
    expect(last(broker).received.toString()).toBe(body)
    expect(last(broker).forwardedBody?.toString()).toBe(expected)
  })

  test("carries the operator's secret and not the client's credentials", async () => {
    const { upstream, chat } = await start(json, {
      additionalSecret: { authorization: 'Bearer relay-secret', 'X-Extra': 'e' },
    })
    await ask(chat, {
      body: '{}',
      headers: [
        ['Authorization', 'Bearer app-sk-user'],
        ['Address', '0x1'],
        ['Fee', '1'],
        ['Input-Fee', '1'],
        ['Nonce', '1'],
        ['Request-Hash', '1'],
        ['Signature', '1'],
        ['Session-Token', '1'],
        ['Session-Signature', '1'],
        ['Accept-Encoding', 'gzip, br'],
        ['X-Countersign-Challenge', 'first'],
        ['X-Countersign-Challenge', 'second'],
      ],
    })
    const headers = upstream.seen[0]?.headers ?? {}
    expect(headers['authorization']).toEqual(['Bearer relay-secret'])
    expect(headers['x-extra']).toEqual(['e'])
    expect(headers['accept-encoding']).toEqual(['identity'])
    expect(headers['x-countersign-challenge']).toEqual(['first'])
    for (const name of [
      'address',
      'fee',
      'input-fee',
      'nonce',
      'request-hash',
      'signature',
      'session-token',
      'session-signature',
    ]) {
      expect(headers, name).not.toHaveProperty(name)
    }
  })

  test('over 32 MB is refused', async () => {
    const { upstream, chat } = await start(json)
    const reply = await ask(chat, { body: Buffer.alloc(32 * 1024 * 1024 + 1, 0x20) })
    expect(reply.status).toBe(413)
    expect(upstream.seen).toEqual([])
  })
})

describe('the answer', () => {
  test('has its id replaced, its members sorted and no HTML escapes', async () => {
    const { chat } = await start(json)
    const reply = await ask(chat, { body: '{}' })
    expect(reply.text.replace(/chatcmpl-[0-9a-f-]{36}/, 'ID')).toBe(
      '{"choices":[{"finish_reason":"stop","index":0,"message":{"content":"a<b","role":"assistant"}}],"id":"ID","object":"chat.completion","usage":{"completion_tokens":2,"prompt_tokens":1}}',
    )
    expect(reply.text).not.toContain('chatcmpl-upstream')
  })

  test('passes ZG-Res-Key, hides the upstream, names the provider', async () => {
    const { chat } = await start(
      (_, response) => {
        response.writeHead(200, {
          'content-type': 'application/json',
          'ZG-Res-Key': 'key-1',
          'X-Receipt-Id': 'key-1',
          Provider: 'someone',
          Server: 'uvicorn',
          Via: 'x',
          'X-Powered-By': 'x',
          Location: '/x',
          'OpenAI-Organization': 'x',
          'X-RateLimit-Limit': '1',
          'CF-Ray': 'x',
          'X-OpenRouter-Y': 'x',
          'Anthropic-Z': 'x',
          'Zg-Upstream-Cert-A': 'x',
          'Access-Control-Expose-Headers': 'X-Receipt-Id, ZG-Res-Key',
          'Set-Cookie': ['a=1', 'b=2'],
        })
        response.end(ANSWER)
      },
      { providerAddress: '0xabc' },
    )
    const { headers, body } = await ask(chat, { body: '{}' })
    expect(headers).toMatchObject({
      'zg-res-key': 'key-1',
      'x-receipt-id': 'key-1',
      provider: '0xabc',
      'x-accel-buffering': 'no',
      'access-control-expose-headers': 'X-Receipt-Id, ZG-Res-Key,Provider,content-encoding',
      'set-cookie': ['a=1', 'b=2'],
      'content-length': String(body.length),
    })
    for (const name of [
      'server',
      'via',
      'x-powered-by',
      'location',
      'openai-organization',
      'x-ratelimit-limit',
      'cf-ray',
      'x-openrouter-y',
      'anthropic-z',
      'zg-upstream-cert-a',
    ]) {
      expect(headers, name).not.toHaveProperty(name)
    }
  })

  test('of a read keeps its id and, with nothing to remove, its bytes', async () => {
    const text = '{ "text" : "a:b", "id":"x", "n":1.50 }'
    const { broker } = await start((_, response) => {
      response.writeHead(200, { 'content-type': 'application/json' }).end(text)
    })
    expect((await ask(`${broker.url}/v1/proxy/signature/x`)).text).toBe(text)
    broker.hostile.reencodeReads = true
    expect((await ask(`${broker.url}/v1/proxy/signature/x`)).text).toBe(
      '{"id":"x","n":1.50,"text":"a:b"}',
    )
  })

  test('of a read loses members with the forbidden names', async () => {
    const { broker } = await start((_, response) => {
      response.writeHead(200).end('{"quote":"00","info":{"provider":"p","app_id":"a"},"id":"i"}')
    })
    expect((await ask(`${broker.url}/v1/proxy/attestation/report`)).text).toBe(
      '{"id":"i","info":{"app_id":"a"},"quote":"00"}',
    )
  })

  test('with a 4xx status passes byte for byte, without the provider header', async () => {
    const error = '{"error":{"message":"bad","provider":"kept"}, "id":"kept"}'
    const { chat } = await start((_, response) => {
      response.writeHead(422, { 'content-type': 'application/json', 'retry-after': '3' }).end(error)
    })
    const reply = await ask(chat, { body: '{}' })
    expect([reply.status, reply.text]).toEqual([422, error])
    expect(reply.headers['retry-after']).toBe('3')
    expect(reply.headers).not.toHaveProperty('provider')
  })

  test.each([
    [500, '{"error":{"type":"BadRequestError"}}', 400],
    [503, '{"error":{"type":"invalid_request_error"}}', 400],
    [503, '{"error":{"type":"overloaded"}}', 503],
  ])('with status %i and %s is sent with %i', async (status, body, expected) => {
    const { chat } = await start((_, response) => {
      response.writeHead(status).end(body)
    })
    const reply = await ask(chat, { body: '{}' })
    expect([reply.status, reply.text]).toEqual([expected, body])
  })

  test('of nobody is a 502', async () => {
    const closed = createServer().listen(0, '127.0.0.1')
    await once(closed, 'listening')
    const address = closed.address()
    if (address === null || typeof address === 'string') throw new Error('no port')
    closed.close()
    await once(closed, 'close')
    const broker = await startBroker({
      targetUrl: `http://127.0.0.1:${String(address.port)}/v1`,
      additionalSecret: {},
    })
    open.push(broker)
    const reply = await ask(`${broker.url}/v1/proxy/chat/completions`, { body: '{}' })
    expect(reply.status).toBe(502)
    expect(reply.text).toContain('"code":"upstream_unreachable"')
  })

  test('that does not come is a 504', async () => {
    const { chat } = await start(() => undefined, { timeoutMs: 50 })
    const reply = await ask(chat, { body: '{}' })
    expect(reply.status).toBe(504)
    expect(reply.text).toContain('"code":"upstream_timeout"')
  })

  test('that breaks off while it is buffered is a 502', async () => {
    const { chat } = await start((_, response) => {
      response.writeHead(200, { 'content-length': '100' })
      response.write('{"id"')
      setTimeout(() => response.destroy(), 10)
    })
    expect((await ask(chat, { body: '{}' })).status).toBe(502)
  })
})

describe('a stream', () => {
  const chunk = (content: string) =>
    `data: {"id":"chatcmpl-up","choices":[{"index":0,"delta":{"content":${JSON.stringify(content)}}}],"cost":1}\n\n`

  test('loses comments, keeps blank lines and [DONE], and has one id throughout', async () => {
    const { chat } = await start(
      sse(': ping\n\n', chunk('a'), ': receipt xyz\n', chunk('<b>'), 'data: [DONE]\n\n'),
    )
    const reply = await ask(chat, { body: '{"stream":true}' })
    const ids = [...reply.text.matchAll(/chatcmpl-[0-9a-f-]{36}/g)].map((match) => match[0])
    expect(ids).toHaveLength(2)
    expect(new Set(ids).size).toBe(1)
    expect(reply.text.replaceAll(ids[0] ?? '', 'ID')).toBe(
      '\n' +
        'data: {"choices":[{"delta":{"content":"a"},"index":0}],"id":"ID"}\n\n' +
        'data: {"choices":[{"delta":{"content":"<b>"},"index":0}],"id":"ID"}\n\n' +
        'data: [DONE]\n\n',
    )
    expect(reply.headers['zg-res-key']).toBe('key-2')
    expect(reply.headers['content-type']).toBe('text/event-stream')
  })

  test('comes out the same wherever the wire cut it', async () => {
    const whole = Buffer.from(chunk('é😀') + 'data: [DONE]\r\n\r\n')
    let cutAt = 1
    const { chat } = await start(async (_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write(whole.subarray(0, cutAt))
      await sleep(1)
      response.end(whole.subarray(cutAt))
    })
    const seen = new Set<string>()
    for (; cutAt < whole.length; cutAt += 1) {
      const reply = await ask(chat, { body: '{"stream":true}' })
      seen.add(reply.text.replace(/chatcmpl-[0-9a-f-]{36}/, 'ID'))
    }
    expect([...seen]).toEqual([
      'data: {"choices":[{"delta":{"content":"é😀"},"index":0}],"id":"ID"}\n\ndata: [DONE]\r\n\r\n',
    ])
  })

  test('is handed on event by event, not collected', async () => {
    let finish = (): void => undefined
    const { chat } = await start((_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write(chunk('first'))
      finish = () => response.end('data: [DONE]\n\n')
    })
    // Leaves at the first bytes: they can only have come before the upstream was finished.
    const reply = await ask(chat, { body: '{"stream":true}', leave: true })
    expect(reply.text).toContain('"content":"first"')
    finish()
  })

  test('with a last line that has no line feed is handed on whole', async () => {
    const { chat } = await start(sse('data: [DO', 'NE]'))
    expect((await ask(chat, { body: '{}' })).text).toBe('data: [DONE]')
  })

  test('whose upstream is reset looks like a clean end to the client', async () => {
    const { broker, chat } = await start((_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write(chunk('a'))
      setTimeout(() => response.destroy(), 20)
    })
    const reply = await ask(chat, { body: '{}' })
    expect(reply.whole).toBe(true)
    expect(reply.text).not.toContain('[DONE]')
    expect(last(broker).upstreamEnded).toBe(false)
    expect(broker.recorded).toEqual([])
  })
})

describe('a client that leaves', () => {
  test('does not stop the reading of a stream', async () => {
    const event = 'data: {"x":"' + 'y'.repeat(1000) + '"}\n\n'
    const { broker, chat } = await start(async (_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      for (let i = 0; i < 100; i++) {
        response.write(event)
        await sleep(1)
      }
      response.end('data: [DONE]\n\n')
    })
    await ask(chat, { body: '{"stream":true}', leave: true })
    await expect.poll(() => last(broker).upstreamEnded).toBe(true)
    expect(last(broker).clientLeft).toBe(true)
    expect(last(broker).upstreamBytes).toBe(100 * event.length + 'data: [DONE]\n\n'.length)
  })

  test('before the answer began does not stop the request', async () => {
    let release = (): void => undefined
    const { upstream, broker, chat } = await start(async (_, response) => {
      await new Promise<void>((resolve) => (release = resolve))
      response.writeHead(200).end(ANSWER)
    })
    const asked = new AbortController()
    const gone = fetch(chat, { method: 'POST', body: '{}', signal: asked.signal }).catch(
      () => 'gone',
    )
    await expect.poll(() => upstream.seen).toHaveLength(1)
    asked.abort()
    expect(await gone).toBe('gone')
    await expect.poll(() => last(broker).clientLeft).toBe(true)
    release()
    await expect.poll(() => last(broker).upstreamBytes).toBe(ANSWER.length)
  })

  test('is read for no further than 10 MB', async () => {
    const block = Buffer.from(`data: ${'z'.repeat(65_000)}\n\n`)
    let closed = false
    const { broker, chat } = await start(async (_, response) => {
      response.on('close', () => (closed = true))
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      while (!closed) {
        if (!response.write(block)) await Promise.race([once(response, 'drain'), sleep(50)])
      }
    })
    await ask(chat, { body: '{}', leave: true })
    await expect.poll(() => closed).toBe(true)
    expect(last(broker).upstreamBytes).toBeGreaterThan(10 * 1024 * 1024)
    expect(last(broker).upstreamBytes).toBeLessThan(32 * 1024 * 1024)
    expect(last(broker).upstreamEnded).toBe(false)
  })
})

test('the official client reads both kinds of answer', async () => {
  const { upstream, broker } = await start((seen, response) => {
    const handler = seen.body.toString().includes('"stream":true')
      ? sse(
          ': ping\n\n',
          'data: {"id":"u","choices":[{"index":0,"delta":{"content":"a"}}]}\n\n',
          'data: {"id":"u","choices":[{"index":0,"delta":{"content":"b"},"finish_reason":"stop"}]}\n\n',
          'data: [DONE]\n\n',
        )
      : json
    return handler(seen, response)
  })
  const client = new OpenAI({ baseURL: `${broker.url}/v1/proxy`, apiKey: 'app-sk-user' })
  const request = { model: 'm', messages: [{ role: 'user' as const, content: '<hi>' }] }
  const { data, response } = await client.chat.completions.create(request).withResponse()
  expect(data.choices[0]?.message.content).toBe('a<b')
  expect(data.id).toMatch(/^chatcmpl-[0-9a-f-]{36}$/)
  expect(response.headers.get('ZG-Res-Key')).toBe('key-1')
  let text = ''
  for await (const part of await client.chat.completions.create({ ...request, stream: true })) {
    text += part.choices[0]?.delta.content ?? ''
  }
  expect(text).toBe('ab')
  expect(upstream.seen[1]?.body.toString()).toBe(
    '{"messages":[{"content":"\\u003chi\\u003e","role":"user"}],"model":"m","stream":true,"stream_options":{"include_usage":true}}',
  )
})

test('a slow client holds the upstream back', async () => {
  const block = Buffer.from(`data: ${'z'.repeat(65_000)}\n\n`)
  let written = 0
  const { chat } = await start(async (_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    while (written < 1000 * block.length && !response.destroyed) {
      written += block.length
      if (!response.write(block)) await once(response, 'drain')
    }
    response.end()
  })
  const reply = await fetch(chat, { method: 'POST', body: '{}' })
  // Until nothing moves any more: what was written by then sits in socket buffers.
  for (let before = -1; before !== written;) {
    before = written
    await sleep(300)
  }
  expect(written).toBeLessThan(1000 * block.length)
  expect((await reply.arrayBuffer()).byteLength).toBe(1000 * block.length)
})

test('a target that is not plain HTTP is refused at the start', async () => {
  await expect(
    startBroker({ targetUrl: 'https://127.0.0.1/v1', additionalSecret: {} }),
  ).rejects.toThrow(TypeError)
})
