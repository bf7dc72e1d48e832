/** The official client against the service: what it gets, and what it throws. */
import OpenAI from 'openai'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { WEATHER_TOOLS } from '../demo/model-raw-request.ts'
import { MODEL, TOKENS, startTestService } from '../harness/service.ts'
import type { TestService } from '../harness/service.ts'
import { TIMED } from '../harness/timed.ts'

const ABORT_WITHIN_MS = 100
let at: TestService
let client: OpenAI
beforeAll(async () => {
  at = await startTestService({ limits: { requestBodyBytes: 64 * 1024, upstreamHeadersMs: 300 } })
  client = clientAs(TOKENS.alice)
})
afterAll(() => at.close())
afterEach(() => {
  for (const name of Object.keys(at.model.faults)) Reflect.deleteProperty(at.model.faults, name)
})

function clientAs(apiKey: string, path = '/v1', url = at.url): OpenAI {
  return new OpenAI({ baseURL: url + path, apiKey, maxRetries: 0 })
}

function ask(content: string) {
  return { model: MODEL, messages: [{ role: 'user' as const, content }], seed: 7 }
}

describe('the openai client', () => {
  test.each(['/v1', '/v1/proxy', ''])(
    'gets a completion and its receipt id below "%s"',
    async (path) => {
      const { data, response } = await clientAs(TOKENS.alice, path)
        .chat.completions.create(ask('hello'))
        .withResponse()
      expect(data.choices[0]?.finish_reason).toBe('stop')
      const { record } = at.receipts.at(-1) ?? {}
      expect(record).toMatchObject({
        outcome: 'complete',
        endpoint: '/v1/chat/completions',
        chat_id: data.id,
        model_requested: MODEL,
        model_served: MODEL,
        usage: {
          prompt_tokens: data.usage?.prompt_tokens,
          completion_tokens: data.usage?.completion_tokens,
          total_tokens: data.usage?.total_tokens,
        },
      })
      expect(response.headers.get('x-receipt-id')).toBe(record?.receipt_id)
      expect(response.headers.get('zg-res-key')).toBe(record?.receipt_id)
    },
  )

  test('reads the same text from a stream as from a body, usage included', async () => {
    const whole = await client.chat.completions.create(ask('hello'))
    const stream = await client.chat.completions.create({
      ...ask('hello'),
      stream: true,
      stream_options: { include_usage: true },
    })
    let text = ''
    let usage: unknown
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? ''
      usage = chunk.usage ?? usage
    }
    expect(text).toBe(whole.choices[0]?.message.content)
    expect(usage).toMatchObject(at.receipts.at(-1)?.record.usage ?? {})
    expect(at.receipts.at(-1)?.record.outcome).toBe('complete')
  })

  test('gets tool calls, streamed and buffered alike', async () => {
    const body = { ...ask('[[tools]]'), tools: WEATHER_TOOLS }
    const whole = await client.chat.completions.create(body)
    const final = await client.chat.completions.stream(body).finalChatCompletion()
    const calls = (message: (typeof whole)['choices'][0] | undefined) =>
      message?.message.tool_calls?.map((call) =>
        call.type === 'function' ? [call.id, call.function.name, call.function.arguments] : [],
      )
    expect(calls(final.choices[0])).toHaveLength(2)
    expect(calls(final.choices[0])).toEqual(calls(whole.choices[0]))
    expect(at.receipts.at(-1)?.record.finish_reasons).toEqual(['tool_calls'])
  })

  test('lists the models, under every spelling', async () => {
    for (const path of ['/v1', '/v1/proxy', '']) {
      const models = await clientAs(TOKENS.bob, path).models.list()
      expect(models.data.map(({ id }) => id)).toEqual([MODEL])
    }
  })

  test.each([
    ['a buffered answer', false],
    ['a stream', true],
  ])('that aborts %s aborts the model within 100 ms', TIMED, async (_, stream) => {
    let go = () => {}
    const arrived = new Promise<void>((resolve) => (go = resolve))
    if (stream) at.model.faults.silenceAfterChunks = 3
    else at.model.faults.holdUntil = new Promise(() => undefined)
    const controller = new AbortController()
    const settled = at.receipts.length
    const before = at.model.requests.length
    const answer = client.chat.completions.create(
      { ...ask('x'), stream },
      { signal: controller.signal },
    )
    const reading = (async () => {
      const got = await answer
      if ('choices' in got) return
      for await (const chunk of got) if (chunk.choices[0]?.delta.content !== '') go()
    })().catch((error: unknown) => error)
    if (stream) await arrived
    while (at.model.requests.length === before) await new Promise((done) => setImmediate(done))
    const leftAt = performance.now()
    controller.abort()
    const request = at.model.requests.at(-1)
    await request?.closed
    expect((request?.abortedAt ?? NaN) - leftAt).toBeLessThan(ABORT_WITHIN_MS)
    await reading
    await at.settled(settled + 1)
    expect(at.receipts.at(-1)?.record.outcome).toBe('downstream_closed')
  })

  test('that breaks out of a stream aborts the model', async () => {
    at.model.faults.silenceAfterChunks = 3
    const settled = at.receipts.length
    const stream = await client.chat.completions.create({ ...ask('x'), stream: true })
    for await (const chunk of stream) if (chunk.choices[0]?.delta.content !== '') break
    await at.model.requests.at(-1)?.closed
    await at.settled(settled + 1)
    expect(at.receipts.at(-1)?.record.outcome).toBe('downstream_closed')
  })
})

describe('the openai client throws', () => {
  type Thrown = { readonly status: unknown; readonly code: unknown; readonly type: unknown }
  async function thrownBy(call: Promise<unknown>): Promise<Thrown & { readonly error: unknown }> {
    try {
      await call
    } catch (error) {
      if (!(error instanceof OpenAI.APIError)) throw error
      return { status: error.status, code: error.code, type: error.type, error }
    }
    throw new Error('nothing was thrown')
  }

  test('BadRequestError for a duplicate member, and for what the model refuses', async () => {
    const twice = await thrownBy(
      client.post('/chat/completions', {
        body: Buffer.from('{"model":"a","model":"b"}'),
        headers: { 'content-type': 'application/json' },
      }),
    )
    expect(twice).toMatchObject({ status: 400, code: 'body_duplicate_member' })
    expect(twice.error).toBeInstanceOf(OpenAI.BadRequestError)
    const refused = await thrownBy(client.chat.completions.create({ ...ask('x'), top_logprobs: 2 }))
    expect(refused.error).toBeInstanceOf(OpenAI.BadRequestError)
  })

  test('AuthenticationError for a token nobody has', async () => {
    const { error, ...rest } = await thrownBy(
      clientAs('sk-nobody-has-this-token').chat.completions.create(ask('x')),
    )
    expect(error).toBeInstanceOf(OpenAI.AuthenticationError)
    expect(rest).toEqual({ status: 401, code: 'unauthorized', type: 'unauthorized' })
  })

  test('NotFoundError for a model nobody serves, and for a route that is not there', async () => {
    const model = await thrownBy(client.chat.completions.create({ ...ask('x'), model: 'other' }))
    expect(model.error).toBeInstanceOf(OpenAI.NotFoundError)
    const route = await thrownBy(client.moderations.create({ model: MODEL, input: 'x' }))
    expect(route).toMatchObject({ status: 404, code: 'not_found' })
    expect(route.error).toBeInstanceOf(OpenAI.NotFoundError)
  })

  test('APIError with status 413 for a prompt over the limit', async () => {
    const { error, ...rest } = await thrownBy(
      client.chat.completions.create(ask('x'.repeat(65 * 1024))),
    )
    expect(error).toBeInstanceOf(OpenAI.APIError)
    expect(rest).toMatchObject({ status: 413, code: 'body_too_large' })
  })

  test('RateLimitError when too many requests are open', async () => {
    const narrow = await startTestService({ limits: { openRequests: 1 } })
    narrow.model.faults.holdUntil = new Promise(() => undefined)
    const controller = new AbortController()
    const own = clientAs(TOKENS.alice, '/v1', narrow.url)
    const first = own.chat.completions
      .create(ask('x'), { signal: controller.signal })
      .catch(() => undefined)
    while (narrow.model.requests.length === 0) await new Promise((done) => setImmediate(done))
    const { error, ...rest } = await thrownBy(own.chat.completions.create(ask('y')))
    expect(error).toBeInstanceOf(OpenAI.RateLimitError)
    expect(rest).toMatchObject({ status: 429, code: 'overloaded' })
    controller.abort()
    await first
    await narrow.close()
  })

  test('InternalServerError for a model that fails, is down, is silent, and for a service not ready', async () => {
    const failed = await thrownBy(client.chat.completions.create(ask('[[error]]')))
    expect(failed).toMatchObject({ status: 500 })
    at.model.faults.holdUntil = new Promise(() => undefined)
    const silent = await thrownBy(client.chat.completions.create(ask('x')))
    expect(silent).toMatchObject({ status: 504, code: 'upstream_timeout' })
    const closed = await startTestService({
      upstreams: [{ name: 'down', url: 'http://127.0.0.1:1' }],
    })
    const down = await thrownBy(
      clientAs(TOKENS.alice, '/v1', closed.url).chat.completions.create(ask('x')),
    )
    expect(down).toMatchObject({ status: 502, code: 'upstream_unreachable' })
    await closed.close()
    const shut = await startTestService({ gate: () => 'never' })
    const unready = await thrownBy(
      clientAs(TOKENS.alice, '/v1', shut.url).chat.completions.create(ask('x')),
    )
    expect(unready).toMatchObject({ status: 503, code: 'not_attested' })
    await shut.close()
    for (const { error } of [failed, silent, down, unready]) {
      expect(error).toBeInstanceOf(OpenAI.InternalServerError)
    }
  })

  test('in the middle of a stream that the model cuts', async () => {
    at.model.faults.cutAfterBytes = 700
    const stream = await client.chat.completions.create({ ...ask('x'), stream: true })
    const reading = (async () => {
      for await (const chunk of stream) expect(chunk.object).toBe('chat.completion.chunk')
    })()
    await expect(reading).rejects.toThrow()
  })
})
