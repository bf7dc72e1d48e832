import { afterEach, describe, expect, test } from 'vitest'
import { startBroker } from '../../src/demo/broker/start-broker.ts'
import { ask, startUpstream, type UpstreamHandler } from '../harness/zg-upstream.ts'

const open: { close(): Promise<void> }[] = []
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close()
})

async function start(handler: UpstreamHandler) {
  const upstream = await startUpstream(handler)
  const broker = await startBroker({ targetUrl: `${upstream.url}/v1`, additionalSecret: {} })
  open.push(upstream, broker)
  return { upstream, broker, chat: `${broker.url}/v1/proxy/chat/completions` }
}

let served = 0
const answer: UpstreamHandler = (seen, response) => {
  served++
  const key = `key-${String(served)}`
  if (!seen.body.toString().includes('"stream":true')) {
    response.writeHead(200, { 'content-type': 'application/json', 'ZG-Res-Key': key })
    response.end(
      `{"id":"u","choices":[{"index":0,"message":{"content":"true ${key}","tool_calls":[{"id":"t","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"stop"}]}`,
    )
    return
  }
  response.writeHead(200, { 'content-type': 'text/event-stream', 'X-Receipt-Id': key })
  response.end(
    [
      '{"id":"u","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}',
      '{"id":"u","choices":[{"index":0,"delta":{"content":"tr"},"finish_reason":null}]}',
      '{"id":"u","choices":[{"index":0,"delta":{"content":"ue"},"finish_reason":null}]}',
      '{"id":"u","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"name":"f","arguments":""}}]}}]}',
      '{"id":"u","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\\"a\\""}}]}}]}',
      '{"id":"u","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":":1}"}}]},"finish_reason":"tool_calls"}]}',
      '[DONE]',
    ]
      .map((data) => `data: ${data}\n\n`)
      .join(''),
  )
}
const STREAM = '{"stream":true}'
const EVENTS = 7

describe('a broker that changes the request', () => {
  test('adds a member only where the client sent none', async () => {
    const { upstream, broker, chat } = await start(answer)
    broker.hostile.addMembers = { logit_bias: { '42': 100 }, model: 'other' }
    await ask(chat, { body: '{"model":"m"}' })
    expect(upstream.seen[0]?.body.toString()).toBe('{"logit_bias":{"42":100},"model":"m"}')
  })

  test('removes and replaces members', async () => {
    const { upstream, broker, chat } = await start(answer)
    broker.hostile.removeMembers = ['seed']
    broker.hostile.changeMembers = { model: 'cheaper' }
    await ask(chat, { body: '{"model":"m","seed":1}' })
    expect(upstream.seen[0]?.body.toString()).toBe('{"model":"cheaper"}')
  })

  test('stops when the switch is taken away', async () => {
    const { upstream, broker, chat } = await start(answer)
    broker.hostile.addMembers = { logit_bias: {} }
    await ask(chat, { body: '{}' })
    delete broker.hostile.addMembers
    await ask(chat, { body: '{}' })
    expect(upstream.seen.map((seen) => seen.body.toString())).toEqual(['{"logit_bias":{}}', '{}'])
  })
})

describe('a broker that changes the answer', () => {
  test('swaps text, tool arguments and finish reason of a buffered answer', async () => {
    const { broker, chat } = await start(answer)
    Object.assign(broker.hostile, {
      swapAnswer: 'lie',
      swapArguments: '{"to":"me"}',
      swapFinishReason: 'length',
    })
    const reply = await ask(chat, { body: '{}' })
    expect(reply.text).toMatch(
      /^\{"choices":\[\{"finish_reason":"length","index":0,"message":\{"content":"lie","tool_calls":\[\{"function":\{"arguments":"\{\\"to\\":\\"me\\"\}","name":"f"\},"id":"t"\}\]\}\}\],"id":"chatcmpl-[0-9a-f-]{36}"\}$/,
    )
  })

  test('swaps the text of a stream so that the deltas still add up to the lie', async () => {
    const { broker, chat } = await start(answer)
    broker.hostile.swapAnswer = 'lie'
    broker.hostile.swapArguments = '{"b":2}'
    const reply = await ask(chat, { body: STREAM })
    const texts = [...reply.text.matchAll(/"content":"([^"]*)"/g)].map((match) => match[1])
    expect(texts).toEqual(['', 'lie', ''])
    const args = [...reply.text.matchAll(/"arguments":"((?:[^"\\]|\\.)*)"/g)].map((m) => m[1])
    expect(args).toEqual(['', '{\\"b\\":2}', ''])
  })

  test('strips members at any depth', async () => {
    const { broker, chat } = await start(answer)
    broker.hostile.stripBodyMembers = ['finish_reason', 'tool_calls', 'id']
    const reply = await ask(chat, { body: '{}' })
    expect(reply.text).toMatch(
      /^\{"choices":\[\{"index":0,"message":\{"content":"true key-\d+"\}\}\]\}$/,
    )
  })

  test('drops and changes headers', async () => {
    const { broker, chat } = await start(answer)
    broker.hostile.dropHeaders = ['zg-res-key', 'PROVIDER']
    broker.hostile.changeHeaders = { 'X-Receipt-Id': 'someone-elses' }
    const { headers } = await ask(chat, { body: '{}' })
    expect(headers).not.toHaveProperty('zg-res-key')
    expect(headers).not.toHaveProperty('provider')
    expect(headers['x-receipt-id']).toBe('someone-elses')
  })

  test('changes what a read says', async () => {
    const { broker } = await start((_, response) => {
      response.end('{"text":"a:b","signature":"0x00"}')
    })
    broker.hostile.changeReads = { text: 'c:d' }
    const reply = await ask(`${broker.url}/v1/proxy/signature/x`)
    expect(reply.text).toBe('{"signature":"0x00","text":"c:d"}')
  })

  test('hides a read-only route and leaves the other', async () => {
    const { upstream, broker } = await start(answer)
    broker.hostile.dropRoute = ['signature']
    expect((await ask(`${broker.url}/v1/proxy/signature/x`)).status).toBe(404)
    expect((await ask(`${broker.url}/v1/proxy/attestation`)).status).toBe(200)
    expect(upstream.seen.map((seen) => seen.url)).toEqual(['/v1/attestation'])
  })
})

describe('a broker that replays', () => {
  test('serves the newest answer again, with its genuine headers, and asks nobody', async () => {
    const { upstream, broker, chat } = await start(answer)
    await ask(chat, { body: '{"n":1}' })
    const genuine = await ask(chat, { body: STREAM })
    broker.hostile.replay = 'last'
    const replayed = await ask(chat, { body: '{"n":3}' })
    expect(replayed.text).toBe(genuine.text)
    expect(replayed.status).toBe(200)
    expect(replayed.headers['x-receipt-id']).toBe(genuine.headers['x-receipt-id'])
    expect(replayed.headers['content-type']).toBe('text/event-stream')
    expect(upstream.seen).toHaveLength(2)
    expect(broker.recorded).toHaveLength(2)
  })

  test('serves a chosen older answer', async () => {
    const { broker, chat } = await start(answer)
    const old = await ask(chat, { body: '{"n":1}' })
    await ask(chat, { body: '{"n":2}' })
    broker.hostile.replay = broker.recorded[0]
    const replayed = await ask(chat, { body: '{"n":3}' })
    expect(replayed.body.equals(old.body)).toBe(true)
    expect(replayed.headers['zg-res-key']).toBe(old.headers['zg-res-key'])
  })

  test('says so when it has nothing to replay', async () => {
    const { broker, chat } = await start(answer)
    broker.hostile.replay = 'last'
    const reply = await ask(chat, { body: '{}' })
    expect(reply.status).toBe(502)
    expect(reply.text).toContain('nothing_to_replay')
  })
})

describe('a broker that cuts a stream', () => {
  test.each(Array.from({ length: EVENTS + 1 }, (_, n) => n))(
    'after %i events ends it cleanly and reads the upstream to its end',
    async (n) => {
      const { broker, chat } = await start(answer)
      broker.hostile.cutAfterEvents = n
      const reply = await ask(chat, { body: STREAM })
      expect(reply.whole).toBe(true)
      expect(reply.text.split('\n\n').filter((event) => event !== '')).toHaveLength(n)
      expect(reply.text.includes('[DONE]')).toBe(n === EVENTS)
      await expect.poll(() => broker.requests[0]?.upstreamEnded).toBe(true)
      expect(broker.recorded[0]?.body.toString()).toContain('data: [DONE]\n\n')
    },
  )

  test('with a forged end appends [DONE] after the last event it let through', async () => {
    const { broker, chat } = await start(answer)
    broker.hostile.cutAfterEvents = 2
    broker.hostile.cutWithDone = true
    const reply = await ask(chat, { body: STREAM })
    expect(reply.text.match(/data: /g)).toHaveLength(3)
    expect(reply.text.endsWith('\n\ndata: [DONE]\n\n')).toBe(true)
    expect(reply.text).not.toContain('"ue"')
  })
})

test('a broker that delays holds the request back', async () => {
  const { upstream, broker, chat } = await start(answer)
  broker.hostile.delayMs = 150
  const asked = ask(chat, { body: '{}' })
  await expect.poll(() => broker.requests[0]?.received.toString()).toBe('{}')
  expect(upstream.seen).toHaveLength(0)
  expect((await asked).status).toBe(200)
  expect(upstream.seen).toHaveLength(1)
})
