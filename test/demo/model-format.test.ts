/** The bytes of vLLM's format, compared with what its sources produce member by member (src/demo/model/wire.ts). */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { DemoModel } from '../../src/demo/model/start-demo-model.ts'
import { startDemoModel } from '../../src/demo/model/start-demo-model.ts'
import { eventData, rawRequest, userMessage, WEATHER_TOOLS } from './model-raw-request.ts'

const ID = { 'x-request-id': 'req-1' }
const HEAD =
  '"id":"chatcmpl-req-1","object":"chat.completion.chunk","created":1795000000,"model":"demo/words"'
let demo: DemoModel

beforeAll(async () => {
  demo = await startDemoModel({ models: ['demo/words'], now: () => 1_795_000_000.9 })
})
afterAll(() => demo.close())

function ask(content: string, more: object = {}): object {
  return { model: 'demo/words', messages: userMessage(content), seed: 1, ...more }
}

/** The first string captured by `pattern` in `text`. */
function capture(text: string, pattern: RegExp): string {
  const found = pattern.exec(text)?.[1]
  if (found === undefined) throw new Error(`no ${String(pattern)} in ${text}`)
  return found
}

describe('a stream', () => {
  test('starts with the role, goes on by token and ends with the finish reason and [DONE]', async () => {
    const reply = await rawRequest(demo, ask('hello', { stream: true, max_tokens: 2 }), {
      headers: ID,
    })
    expect(reply.status).toBe(200)
    expect(reply.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
    expect(reply.headers.get('transfer-encoding')).toBe('chunked')
    const [role, first, last, done, ...rest] = eventData(reply.body)
    expect(rest).toEqual([])
    expect(role).toBe(
      `{${HEAD},"choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}],"prompt_token_ids":null,"prompt_text":null}`,
    )
    const text = capture(first ?? '', /"delta":\{"content":("[^"]+")\}/)
    expect(first).toBe(
      `{${HEAD},"choices":[{"index":0,"delta":{"content":${text}},"logprobs":null,"finish_reason":null,"token_ids":null}]}`,
    )
    const tail = capture(last ?? '', /"delta":\{"content":("[^"]+")\}/)
    expect(last).toBe(
      `{${HEAD},"choices":[{"index":0,"delta":{"content":${tail}},"logprobs":null,"finish_reason":"length","stop_reason":null,"token_ids":null}],"system_fingerprint":"vllm-0.0.0+demo-5eedc0de"}`,
    )
    expect(done).toBe('[DONE]')
    expect(reply.body.toString()).toMatch(
      /^data: .*\n\ndata: .*\n\ndata: .*\n\ndata: \[DONE\]\n\n$/,
    )
  })

  test('ends a turn that stopped by itself with an empty delta', async () => {
    const plain = eventData((await rawRequest(demo, ask('hello', { stream: true }))).body).at(-2)
    expect(plain).toContain(
      '"delta":{"content":""},"logprobs":null,"finish_reason":"stop","stop_reason":null,"token_ids":null',
    )
    const body = ask('hello', { stream: true, tools: WEATHER_TOOLS })
    const parsed = eventData((await rawRequest(demo, body)).body).at(-2)
    expect(parsed).toContain('"delta":{},"logprobs":null,"finish_reason":"stop"')
  })

  test('sends the usage chunk without nulls, and then no fingerprint before it', async () => {
    const body = ask('hello', {
      stream: true,
      max_tokens: 2,
      stream_options: { include_usage: true },
    })
    const events = eventData((await rawRequest(demo, body, { headers: ID })).body)
    const usage = events.at(-2) ?? ''
    const prompt = Number(capture(usage, /"prompt_tokens":(\d+)/))
    expect(usage).toBe(
      `{${HEAD},"choices":[],"usage":{"prompt_tokens":${String(prompt)},"total_tokens":${String(prompt + 2)},"completion_tokens":2,"completion_tokens_details":{"reasoning_tokens":0}},"system_fingerprint":"vllm-0.0.0+demo-5eedc0de"}`,
    )
    expect(events.slice(0, -2).join('')).not.toContain('system_fingerprint')
    expect(events.slice(0, -2).join('')).not.toContain('"usage"')
  })

  test('counts in every chunk when continuous usage is asked for together with the usage chunk', async () => {
    const options = { include_usage: true, continuous_usage_stats: true }
    const body = ask('[[tokens=5]]', { stream: true, stream_options: options })
    const events = eventData((await rawRequest(demo, body)).body).slice(0, -1)
    const counts = events.map((event) => Number(capture(event, /"completion_tokens":(\d+)/)))
    // Five words and the token that ends the turn, then the sum.
    expect(counts).toEqual([0, 1, 2, 3, 4, 5, 6, 6])
    const alone = ask('x', { stream: true, stream_options: { continuous_usage_stats: true } })
    expect((await rawRequest(demo, alone)).body.toString()).not.toContain('"usage"')
  })

  test('opens all choices before the first word and interleaves them', async () => {
    const body = ask('[[tokens=2]]', { stream: true, n: 2 })
    const events = eventData((await rawRequest(demo, body)).body).slice(0, -1)
    const indexes = events.map((event) => capture(event, /"index":(\d)/))
    expect(indexes.join('')).toBe('01010101')
    expect(events[1]).toContain('"role":"assistant"')
    expect(events[2]).not.toContain('"role"')
  })

  test('starts a tool call with id, type, index and name, and sends arguments by index', async () => {
    const body = ask('[[tools]]', { stream: true, tools: WEATHER_TOOLS })
    const events = eventData((await rawRequest(demo, body)).body)
    const deltas = events
      .filter((event) => event.includes('"tool_calls":'))
      .map((event) => capture(event, /"delta":(\{.*?\}\]\}),"logprobs"/))
    const starts = deltas.filter((delta) => delta.includes('"name"'))
    expect(starts).toHaveLength(2)
    for (const [i, start] of starts.entries()) {
      const id = capture(start, /"id":"(chatcmpl-tool-[0-9a-f]{16})"/)
      expect(start).toBe(
        `{"tool_calls":[{"id":"${id}","type":"function","index":${String(i)},"function":{"name":"weather"}}]}`,
      )
    }
    expect(deltas[1]).toMatch(
      /^\{"tool_calls":\[\{"index":0,"function":\{"arguments":".+"\}\}\]\}$/,
    )
  })

  test('says an error in the spelling of Python and still terminates', async () => {
    const body = ask('[[error]]', { stream: true, stream_options: { include_usage: true } })
    const events = eventData((await rawRequest(demo, body)).body)
    expect(events.slice(-2)).toEqual([
      '{"error": {"message": "Internal server error", "type": "InternalServerError", "param": null, "code": 500}}',
      '[DONE]',
    ])
    expect(events.join('')).not.toContain('"usage"')
  })

  test('ends an abort as if it were complete, as vLLM does', async () => {
    const events = eventData((await rawRequest(demo, ask('[[abort]]', { stream: true }))).body)
    expect(events.at(-2)).toContain(
      '"delta":{"content":""},"logprobs":null,"finish_reason":"abort","stop_reason":null,"token_ids":null',
    )
    expect(events.at(-1)).toBe('[DONE]')
  })

  test('carries one token of log probabilities in each chunk', async () => {
    const body = ask('hello', { stream: true, max_tokens: 1, logprobs: true, top_logprobs: 1 })
    const [, only] = eventData((await rawRequest(demo, body)).body)
    expect(only).toMatch(
      /"logprobs":\{"content":\[\{"token":"(\w+)","logprob":(-[\d.]+),"bytes":\[[\d,]+\],"top_logprobs":\[\{"token":"\1","logprob":\2,"bytes":\[[\d,]+\]\}\]\}\]\},"finish_reason":"length"/,
    )
  })
})

describe('reasoning', () => {
  test('comes before the text, is counted, and is hidden on request', async () => {
    const whole = (await rawRequest(demo, ask('[[reasoning]]'))).body.toString()
    expect(whole).toMatch(/"function_call":null,"reasoning":"[^"]+"\}/)
    expect(whole).toContain('"completion_tokens_details":{"reasoning_tokens":6}')
    const streamed = await rawRequest(demo, ask('[[reasoning]]', { stream: true }))
    expect(eventData(streamed.body)[1]).toMatch(/"delta":\{"reasoning":"[^"]+"\}/)
    const hidden = ask('[[reasoning]]', { include_reasoning: false, logprobs: true })
    expect((await rawRequest(demo, hidden)).body.toString()).toMatch(
      /"reasoning":null\},"logprobs":null/,
    )
  })

  test('has its old name by switch', async () => {
    const old = await startDemoModel({ reasoningField: 'reasoning_content' })
    const ask = { messages: userMessage('[[reasoning]]') }
    const whole = (await rawRequest(old, ask)).body.toString()
    const streamed = (await rawRequest(old, { ...ask, stream: true })).body.toString()
    await old.close()
    expect(whole).toMatch(/"reasoning_content":"[^"]+"/)
    expect(streamed).toMatch(/"delta":\{"reasoning_content":"[^"]+"\}/)
    expect(whole + streamed).not.toContain('"reasoning":')
  })
})

describe('a buffered body', () => {
  test('has every member of the response model, nulls included, and no escapes', async () => {
    const reply = await rawRequest(demo, ask('hello', { max_tokens: 4 }), { headers: ID })
    expect(reply.headers.get('content-type')).toBe('application/json')
    expect(reply.headers.get('content-length')).toBe(String(reply.body.length))
    const text = reply.body.toString()
    const content = capture(text, /"content":("[^"]+")/)
    const prompt = Number(capture(text, /"prompt_tokens":(\d+)/))
    expect(text).toBe(
      `{"id":"chatcmpl-req-1","object":"chat.completion","created":1795000000,"model":"demo/words","choices":[{"index":0,"message":{"role":"assistant","content":${content},"refusal":null,"annotations":null,"audio":null,"function_call":null,"reasoning":null},"logprobs":null,"finish_reason":"length","stop_reason":null,"token_ids":null,"routed_experts":null}],"service_tier":null,"system_fingerprint":"vllm-0.0.0+demo-5eedc0de","usage":{"prompt_tokens":${String(prompt)},"total_tokens":${String(prompt + 4)},"completion_tokens":4,"prompt_tokens_details":null,"completion_tokens_details":{"reasoning_tokens":0}},"prompt_logprobs":null,"prompt_token_ids":null,"prompt_text":null,"kv_transfer_params":null,"ec_transfer_params":null,"metrics":null}`,
    )
  })

  test('has tool calls between the function call and the reasoning', async () => {
    const body = ask('[[tool]]', { tools: WEATHER_TOOLS })
    const text = (await rawRequest(demo, body)).body.toString()
    expect(text).toMatch(
      /"content":null,.*"function_call":null,"tool_calls":\[\{"id":"chatcmpl-tool-[0-9a-f]{16}","type":"function","function":\{"name":"weather","arguments":"\{\\"city\\": \\".+\\", \\"days\\": \d+\}"\}\}\],"reasoning":null\}/,
    )
  })

  test('is byte for byte the same for equal seed, id and time', async () => {
    const body = ask('[[tool]] [[reasoning]]', { tools: WEATHER_TOOLS, logprobs: true })
    const [a, b] = await Promise.all([1, 2].map(() => rawRequest(demo, body, { headers: ID })))
    expect(a?.body.equals(b?.body ?? Buffer.alloc(0))).toBe(true)
    const streams = [1, 2].map(() => rawRequest(demo, { ...body, stream: true }, { headers: ID }))
    const [c, d] = await Promise.all(streams)
    expect(c?.body.equals(d?.body ?? Buffer.alloc(0))).toBe(true)
  })

  test('has characters of one to four bytes in every text', async () => {
    for (let seed = 0; seed < 20; seed++) {
      const reply = await rawRequest(demo, { ...ask('hello'), seed })
      const content = capture(reply.body.toString(), /"content":"([^"]+)"/)
      const lengths = new Set(Array.from(content, (char) => Buffer.byteLength(char)))
      expect([...lengths].sort()).toEqual([1, 2, 3, 4])
    }
  })
})

describe('errors', () => {
  test.each([
    [
      'text that is not JSON',
      '{"a":',
      400,
      /^\{"error":\{"message":"1 validation error:\\n {2}\{'type': 'json_invalid', 'loc': 'body\.\d+', 'msg': 'JSON decode error', 'input': '<dict of 0 items>', 'ctx': \{'error': '[^']+'\}\}","type":"Bad Request","param":"body\.\d+","code":400\}\}$/,
    ],
    [
      'a list',
      '[]',
      400,
      `{"error":{"message":"1 validation error:\\n  {'type': 'model_attributes_type', 'loc': 'body', 'msg': 'Input should be a valid dictionary or object to extract fields from', 'input': '<list of 0 items>'}","type":"Bad Request","param":"body","code":400}}`,
    ],
    [
      'no messages',
      { model: 'demo/words' },
      400,
      `{"error":{"message":"1 validation error:\\n  {'type': 'missing', 'loc': 'body.messages', 'msg': 'Field required', 'input': '<dict of 1 items>'}","type":"Bad Request","param":"body.messages","code":400}}`,
    ],
    [
      'a wrong type',
      { messages: [], n: "it's" },
      400,
      `{"error":{"message":"1 validation error:\\n  {'type': 'int_type', 'loc': 'body.n', 'msg': 'Input should be a valid integer', 'input': \\"it's\\"}","type":"Bad Request","param":"body.n","code":400}}`,
    ],
    [
      'stream options without a stream',
      { messages: [], stream_options: { include_usage: true } },
      400,
      '{"error":{"message":"Stream options can only be defined when `stream=True`. (parameter=stream_options)","type":"BadRequestError","param":"stream_options","code":400}}',
    ],
    [
      'a tool choice without tools',
      { messages: [], tool_choice: 'required' },
      400,
      '{"error":{"message":"When using `tool_choice`, `tools` must be set. (parameter=tool_choice)","type":"BadRequestError","param":"tool_choice","code":400}}',
    ],
    [
      'no tokens at all',
      { messages: [], max_tokens: 0 },
      400,
      '{"error":{"message":"max_tokens must be at least 1, got 0. (parameter=max_tokens, value=0)","type":"BadRequestError","param":"max_tokens","code":400}}',
    ],
    [
      'more tokens than the context has',
      { messages: [], max_tokens: 32_768 },
      400,
      /"message":"This model's maximum context length is 32768 tokens\..*\(parameter=input_tokens, value=3\)","type":"BadRequestError","param":"input_tokens","code":400/,
    ],
    [
      'an unknown model',
      { messages: [], model: 'nobody' },
      404,
      '{"error":{"message":"The model `nobody` does not exist.","type":"NotFoundError","param":"model","code":404}}',
    ],
    [
      'unreachable media',
      {
        messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'x' } }] }],
      },
      422,
      /"type":"UnprocessableEntityError","param":"messages","code":422\}\}$/,
    ],
    [
      'a failing engine',
      { messages: userMessage('[[error]]') },
      500,
      '{"error":{"message":"Internal server error","type":"InternalServerError","param":null,"code":500}}',
    ],
  ])('%s is refused as vLLM refuses it', async (_, body, status, expected) => {
    const reply = await rawRequest(demo, body)
    expect(reply.status).toBe(status)
    expect(reply.headers.get('content-type')).toBe('application/json')
    if (typeof expected === 'string') expect(reply.body.toString()).toBe(expected)
    else expect(reply.body.toString()).toMatch(expected)
  })

  test('another media type, an unknown route and a wrong method have the same shape', async () => {
    const text = { 'content-type': 'text/plain' }
    const media = await rawRequest(demo, ask('hello'), { headers: text })
    expect(media.body.toString()).toBe(
      `{"error":{"message":"1 validation error:\\n  Unsupported Media Type: Only 'application/json' is allowed","type":"Bad Request","param":null,"code":400}}`,
    )
    const lost = await rawRequest(demo, '', { method: 'GET', path: '/v1/nothing' })
    expect(lost.body.toString()).toBe(
      '{"error":{"message":"Not Found","type":"Not Found","param":null,"code":404}}',
    )
    const wrong = await rawRequest(demo, '', { method: 'GET' })
    expect(wrong.body.toString()).toBe(
      '{"error":{"message":"Method Not Allowed","type":"Method Not Allowed","param":null,"code":405}}',
    )
  })
})

describe('other routes', () => {
  test('/v1/models has the members of a model card', async () => {
    const reply = await rawRequest(demo, '', { method: 'GET', path: '/v1/models' })
    const text = reply.body.toString()
    const permission = capture(text, /"(modelperm-[0-9a-f]{16})"/)
    expect(text).toBe(
      `{"object":"list","data":[{"id":"demo/words","object":"model","created":1795000000,"owned_by":"vllm","root":"demo/words","parent":null,"max_model_len":32768,"permission":[{"id":"${permission}","object":"model_permission","created":1795000000,"allow_create_engine":false,"allow_sampling":true,"allow_logprobs":true,"allow_search_indices":false,"allow_view":true,"allow_fine_tuning":false,"organization":"*","group":null,"is_blocking":false}]}]}`,
    )
  })

  test('/health is an empty 200', async () => {
    const reply = await rawRequest(demo, '', { method: 'GET', path: '/health' })
    expect([reply.status, reply.body.length, reply.headers.get('content-type')]).toEqual([
      200,
      0,
      undefined,
    ])
  })

  test('a unix socket serves the same', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'demo-model-'))
    const local = await startDemoModel({ socketPath: join(folder, 'vllm.sock') })
    const reply = await rawRequest(local, { messages: userMessage('hello'), stream: true })
    await local.close()
    await rm(folder, { recursive: true })
    expect(eventData(reply.body).at(-1)).toBe('[DONE]')
    expect(local.port).toBe(0)
  })
})
