import { createServer } from 'node:http'
import type { RequestListener } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { describe, expect, test } from 'vitest'
import { CallFailure, callNode } from '../../src/smoke/call-node.ts'
import type { SmokeNode } from '../../src/smoke/call-node.ts'
import {
  judgeChat,
  pingStreamed,
  pingWhole,
  probeReasoning,
  probeParameters,
  probeTools,
} from '../../src/smoke/probe-chat.ts'
import { probeErrors } from '../../src/smoke/probe-errors.ts'
import { probeModels } from '../../src/smoke/probe-models.ts'
import { probeNoSignature } from '../../src/smoke/probe-signatures.ts'

type Members = Readonly<Record<string, unknown>>

/** A node whose every answer is made by `answer`. */
function nodeOf(answer: (path: string, body: Members) => Response | Promise<Response>): SmokeNode {
  return {
    base: 'http://node/v1',
    token: 'a-token',
    callMs: 200,
    fetch: async (input, init) => {
      const request = new Request(input, init)
      const text = await request.text()
      const body = text === '' ? {} : (JSON.parse(text) as Members)
      return answer(new URL(request.url).pathname.replace('/v1', ''), body)
    },
  }
}

const USAGE = { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7 }
const json = (value: unknown, status = 200): Response =>
  new Response(JSON.stringify(value), { status, headers: { 'content-type': 'application/json' } })
const completion = (message: Members, members: Members = {}, choice: Members = {}): Response =>
  json({
    choices: [
      { index: 0, message: { role: 'assistant', ...message }, finish_reason: 'stop', ...choice },
    ],
    usage: USAGE,
    ...members,
  })
const event = (value: unknown) => `data: ${JSON.stringify(value)}\n\n`
const delta = (members: Members, finish: string | null = null) =>
  event({ choices: [{ index: 0, delta: members, finish_reason: finish }] })
const sse = (text: string): Response =>
  new Response(text, { headers: { 'content-type': 'text/event-stream; charset=utf-8' } })
const GOOD_STREAM = [
  delta({ role: 'assistant', content: '' }),
  delta({ content: 'pong' }),
  delta({}, 'stop'),
  event({ choices: [], usage: USAGE }),
  'data: [DONE]\n\n',
]
const codesOf = (rows: readonly { probe: string; code: string }[]) =>
  Object.fromEntries(rows.map(({ probe, code }) => [probe, code]))

describe('smoke: calls', () => {
  const failure = async (fetch: SmokeNode['fetch']) => {
    const node = { ...nodeOf(() => json({})), fetch }
    const error: unknown = await callNode(node, { path: '/models' }).catch(
      (thrown: unknown) => thrown,
    )
    if (!(error instanceof CallFailure)) throw new Error('it did not fail', { cause: error })
    return error
  }

  test('no connection, no answer in time, an answer without end', async () => {
    const refused = Object.assign(new Error('connect to a.b.c'), { code: 'ECONNREFUSED' })
    const down = await failure(() =>
      Promise.reject(new TypeError('fetch failed', { cause: refused })),
    )
    expect([down.code, down.message]).toEqual(['node_unreachable', 'ECONNREFUSED'])
    const silent: SmokeNode['fetch'] = (_, init) =>
      new Promise((_resolve, reject) => {
        init?.signal?.addEventListener('abort', () => reject(new Error('aborted')))
      })
    expect((await failure(silent)).code).toBe('node_slow')
    const endless = () => Promise.resolve(new Response('x'.repeat(4 * 1024 * 1024 + 1)))
    expect((await failure(endless)).code).toBe('answer_too_long')
  })

  test('a redirect is not followed: the token stays', async () => {
    const node = nodeOf(() => json({}))
    let mode: string | undefined
    await callNode(
      {
        ...node,
        fetch: (_, init) => {
          mode = init?.redirect
          return Promise.resolve(json({}))
        },
      },
      { path: '/models' },
    )
    expect(mode).toBe('manual')
  })
})

describe('smoke: models', () => {
  const model = { id: 'm', object: 'model', owned_by: 'vllm', max_model_len: 1 }
  const row = async (answer: Response, asked: string | null = null) =>
    probeModels(
      nodeOf(() => answer),
      asked,
    )

  test('takes the first that is listed, or the one that is asked for', async () => {
    const list = () => json({ object: 'list', data: [model, { ...model, id: 'n' }] })
    expect(await row(list())).toMatchObject({ model: 'm', row: { status: 'pass' } })
    expect(await row(list(), 'n')).toMatchObject({ model: 'n', row: { status: 'pass' } })
  })

  test.each([
    ['an error', json({}, 500), 'status_unexpected'],
    ['no list', json({ object: 'list' }), 'answer_malformed'],
    [
      'an entry without an owner',
      json({ data: [{ id: 'm', object: 'model' }] }),
      'answer_malformed',
    ],
    ['an entry that is none', json({ data: [model, 7] }), 'answer_malformed'],
    ['an empty list', json({ data: [] }), 'models_missing'],
    ['members in camel case', json({ data: [{ ...model, maxLen: 1 }] }), 'models_not_snake_case'],
    [
      'nested members in camel case',
      json({ data: [{ ...model, permission: [{ allowView: true }] }] }),
      'models_not_snake_case',
    ],
  ])('%s', async (_, answer, code) => {
    expect((await row(answer)).row.code).toBe(code)
  })

  test('a model that is asked for and not listed', async () => {
    expect((await row(json({ data: [model] }), 'other')).row.code).toBe('models_missing')
  })
})

describe('smoke: whole answers', () => {
  const judge = async (answer: Response) =>
    codesOf(
      judgeChat(
        'chat',
        await pingWhole(
          nodeOf(() => answer),
          'm',
        ),
      ),
    )

  test('a good one', async () => {
    expect(await judge(completion({ content: 'pong' }))).toEqual({
      'chat.shape': 'ok',
      'chat.usage': 'ok',
    })
  })

  test.each([
    ['an error', json({}, 500), 'status_unexpected', 'not_tried'],
    ['no choices', json({ usage: USAGE }), 'answer_malformed', 'not_tried'],
    ['no JSON', new Response('pong'), 'answer_malformed', 'not_tried'],
    ['another role', completion({ content: 'pong', role: 'user' }), 'answer_malformed', 'ok'],
    ['null for text', completion({ content: null }), 'content_empty', 'ok'],
    ['reasoning alone', completion({ content: '', reasoning: 'hm' }), 'content_empty', 'ok'],
    [
      'no finish reason',
      completion({ content: 'pong' }, {}, { finish_reason: null }),
      'answer_malformed',
      'ok',
    ],
    [
      'the length used up',
      completion({ content: 'po' }, {}, { finish_reason: 'length' }),
      'finish_length',
      'ok',
    ],
    ['no usage', completion({ content: 'pong' }, { usage: null }), 'ok', 'usage_missing'],
    [
      'half a usage',
      completion({ content: 'pong' }, { usage: { prompt_tokens: 3 } }),
      'ok',
      'usage_missing',
    ],
    [
      'a usage that does not add up',
      completion({ content: 'pong' }, { usage: { ...USAGE, total_tokens: 8 } }),
      'ok',
      'usage_inconsistent',
    ],
    [
      'a usage of nothing',
      completion(
        { content: 'pong' },
        { usage: { prompt_tokens: 3, completion_tokens: 0, total_tokens: 3 } },
      ),
      'ok',
      'usage_inconsistent',
    ],
  ])('%s', async (_, answer, shape, usage) => {
    expect(await judge(answer)).toEqual({ 'chat.shape': shape, 'chat.usage': usage })
  })

  test('another content type', async () => {
    const body = await completion({ content: 'pong' }).text()
    const answer = new Response(body, { headers: { 'content-type': 'text/plain' } })
    expect((await judge(answer))['chat.shape']).toBe('answer_malformed')
  })
})

describe('smoke: streams', () => {
  const judge = async (answer: Response) =>
    codesOf(
      judgeChat(
        'stream',
        await pingStreamed(
          nodeOf(() => answer),
          'm',
        ),
      ),
    )
  const without = (index: number) => GOOD_STREAM.filter((_, at) => at !== index).join('')

  test('a good one, with comments in it', async () => {
    const good = { 'stream.shape': 'ok', 'stream.usage': 'ok' }
    expect(await judge(sse(GOOD_STREAM.join('')))).toEqual(good)
    expect(await judge(sse(`: ping\n\n${GOOD_STREAM.join(': ping\n\n')}`))).toEqual(good)
  })

  test.each([
    ['no role at the start', without(0), 'stream_without_role'],
    ['no text', without(1), 'content_empty'],
    ['no finish reason', without(2), 'stream_unfinished'],
    ['no [DONE]', without(4), 'stream_unfinished'],
    ['an event after [DONE]', `${GOOD_STREAM.join('')}${event({})}`, 'stream_malformed'],
    ['a last line without its end', GOOD_STREAM.join('').slice(0, -1), 'stream_malformed'],
    ['lines without data:', GOOD_STREAM.join('').replace('data: {', '{'), 'stream_malformed'],
    ['an event that is no JSON', `data: pong\n\n${GOOD_STREAM.join('')}`, 'stream_malformed'],
    ['two lines in one event', GOOD_STREAM.join('').replace('\n\n', '\n'), 'stream_malformed'],
    ['the length used up', GOOD_STREAM.join('').replace('"stop"', '"length"'), 'finish_length'],
  ])('%s', async (_, text, code) => {
    expect((await judge(sse(text)))['stream.shape']).toBe(code)
  })

  test('no usage chunk, and an answer that is no stream', async () => {
    expect((await judge(sse(without(3))))['stream.usage']).toBe('usage_missing')
    const text = GOOD_STREAM.join('')
    const plain = new Response(text, { headers: { 'content-type': 'text/plain' } })
    expect((await judge(plain))['stream.shape']).toBe('stream_malformed')
    expect((await judge(completion({ content: 'pong' })))['stream.shape']).toBe('stream_malformed')
  })
})

describe('smoke: parameters and reasoning', () => {
  test('a parameter that is refused is named', async () => {
    const node = nodeOf((_, body) =>
      'seed' in body ? json({}, 400) : completion({ content: 'x' }),
    )
    expect(await probeParameters(node, 'm')).toMatchObject({
      code: 'status_unexpected',
      seen: 'seed: HTTP 400',
    })
    expect(
      (
        await probeParameters(
          nodeOf(() => completion({ content: 'x' })),
          'm',
        )
      ).code,
    ).toBe('ok')
  })

  const probe = async (answer: (body: Members) => Response) => {
    const node = nodeOf((_, body) => answer(body))
    const { reading } = await pingWhole(node, 'm')
    return codesOf(await probeReasoning(node, 'm', reading))
  }

  test('a model that does not reason', async () => {
    expect(await probe(() => completion({ content: 'pong' }))).toEqual({
      'reasoning.switch': 'ok',
      'reasoning.leak': 'ok',
      'reasoning.budget': 'ok',
    })
  })

  test('one that reasons until it is told not to, and one that always does', async () => {
    const told = await probe((body) =>
      completion({ content: 'pong', reasoning_content: 'thinking' in body ? null : 'hm' }),
    )
    expect(told['reasoning.switch']).toBe('ok')
    const always = await probe(() => completion({ content: 'pong', reasoning_content: 'hm' }))
    expect(always['reasoning.switch']).toBe('reasoning_stays')
    const counted = await probe(() =>
      completion({ content: 'pong' }, { usage: { ...USAGE, reasoning_tokens: 2 } }),
    )
    expect(counted['reasoning.switch']).toBe('reasoning_stays')
  })

  test('tags in the text, even the closing one alone', async () => {
    const rows = await probe(() => completion({ content: 'hm</think>pong' }))
    expect(rows['reasoning.leak']).toBe('reasoning_leaks')
    expect(rows['reasoning.switch']).toBe('reasoning_stays')
  })

  test('a budget that reasoning uses up, and a page without usage', async () => {
    const details = { completion_tokens_details: { reasoning_tokens: 4 } }
    const starved = await probe(() =>
      completion({ content: 'x' }, { usage: { ...USAGE, ...details } }),
    )
    expect(starved['reasoning.budget']).toBe('reasoning_starves')
    const silent = await probe(() => completion({ content: 'x' }, { usage: null }))
    expect(silent['reasoning.budget']).toBe('usage_missing')
  })
})

describe('smoke: tools', () => {
  const call = (args: string, members: Members = {}) => ({
    tool_calls: [
      {
        id: 'c1',
        type: 'function',
        function: { name: 'get_weather', arguments: args },
        ...members,
      },
    ],
  })
  const calls = { finish_reason: 'tool_calls' }
  const code = async (answer: (body: Members) => Response, stream = false) =>
    (
      await probeTools(
        nodeOf((_, body) => answer(body)),
        'm',
        stream,
      )
    ).code

  test('called by itself, when required alone, never', async () => {
    const good = () => completion(call('{"city":"Tokyo"}'), {}, calls)
    expect(await code(good)).toBe('ok')
    const required = (body: Members) =>
      body['tool_choice'] === 'required' ? good() : completion({ content: 'sunny' })
    expect(await code(required)).toBe('tools_when_required')
    expect(await code(() => completion({ content: 'sunny' }))).toBe('tools_not_called')
  })

  test.each([
    ['a raw call in the text', { content: '<tool_call>{}</tool_call>' }, 'tools_unparsed'],
    ['arguments that are no JSON', call('{"city":'), 'tool_arguments_invalid'],
    ['arguments of another shape', call('{"town":"Tokyo"}'), 'tool_arguments_invalid'],
    ['no id', call('{"city":"Tokyo"}', { id: '' }), 'answer_malformed'],
    [
      'another function',
      call('{}', { function: { name: 'x', arguments: '{}' } }),
      'answer_malformed',
    ],
  ])('%s', async (_, message, expected) => {
    expect(await code(() => completion(message, {}, calls))).toBe(expected)
  })

  test('streamed: arguments put together in order', async () => {
    const piece = (args: string, members: Members = {}) =>
      delta({ tool_calls: [{ index: 0, ...members, function: { arguments: args } }] })
    const head = delta({
      role: 'assistant',
      tool_calls: [{ index: 0, id: 'c', function: { name: 'get_weather', arguments: '' } }],
    })
    const tail = `${delta({}, 'tool_calls')}data: [DONE]\n\n`
    const stream = (...parts: readonly string[]) => sse([head, ...parts, tail].join(''))
    expect(await code(() => stream(piece('{"city"'), piece(':"Tokyo"}')), true)).toBe('ok')
    expect(await code(() => stream(piece(':"Tokyo"}'), piece('{"city"')), true)).toBe(
      'tool_arguments_invalid',
    )
  })
})

describe('smoke: errors', () => {
  const body = { error: { message: 'no', type: 't', code: 'c' } }
  /** Rows of a server that answers each kind of wrong request so. */
  const probe = async (answer: RequestListener) => {
    const server = createServer(answer)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const node = {
      base: `http://127.0.0.1:${String(port)}/v1`,
      token: 'good-token',
      fetch,
      callMs: 1_000,
    }
    const rows = codesOf(await probeErrors(node, 'm'))
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
    return rows
  }
  const right: RequestListener = (req, res) => {
    const send = (status: number) =>
      res
        .writeHead(status, { 'content-type': 'application/json', connection: 'close' })
        .end(JSON.stringify(body))
    if (Number(req.headers['content-length'] ?? 0) > 1e9) send(413)
    else if (req.method === 'GET') send(404)
    else {
      let text = ''
      req.on('data', (chunk: Buffer) => (text += chunk.toString()))
      req.on('end', () => {
        if (req.headers.authorization !== 'Bearer good-token') send(401)
        else send(text.includes('no-such-model') ? 404 : 400)
      })
    }
  }
  const PROBES = [
    'wrong_token',
    'no_token',
    'unknown_model',
    'not_json',
    'malformed',
    'unknown_path',
    'too_large',
  ]
  const all = (code: string) => Object.fromEntries(PROBES.map((name) => [`errors.${name}`, code]))

  test('each with its status and in the one shape', async () => {
    expect(await probe(right)).toEqual(all('ok'))
  })

  test('a server that takes everything fails each', async () => {
    expect(
      await probe((_req, res) => {
        res.writeHead(200, { connection: 'close' }).end('{}')
      }),
    ).toEqual(all('status_unexpected'))
  })

  test('the right status without the shape', async () => {
    const bare: RequestListener = (req, res) => {
      const end = res.end.bind(res)
      res.end = () => end('{"detail":"no"}')
      right(req, res)
    }
    expect(await probe(bare)).toEqual(all('error_shape'))
  })

  test('a server that waits for the announced body', async () => {
    const waiting: RequestListener = (req, res) => {
      if (Number(req.headers['content-length'] ?? 0) < 1e9) right(req, res)
    }
    expect((await probe(waiting))['errors.too_large']).toBe('node_slow')
  })
})

describe('smoke: a signature of nothing', () => {
  test.each([
    ['is given', json({ text: 'x' }), 'signature_of_nothing'],
    ['fails the service', json({}, 500), 'status_unexpected'],
    ['is answered by a page', new Response('<html>', { status: 404 }), 'error_shape'],
    ['is not found', json({ error: {} }, 404), 'ok'],
  ])('%s', async (_, answer, code) => {
    expect((await probeNoSignature(nodeOf(() => answer))).code).toBe(code)
  })
})
