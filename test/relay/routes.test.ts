/** The table of routes: spellings, what reaches the model server, what is refused, and how each kind of answer ends. */
import { describe, expect, test } from 'vitest'
import { RELAY_ROUTES } from '../../src/relay/relay-routes.ts'
import { chat, errorCode } from '../harness/chat.ts'
import { MODEL, TOKENS, bearer, startTestService } from '../harness/service.ts'
import { ask } from '../harness/zg-upstream.ts'
import { BODIES, setScene } from './routes.helpers.ts'

const scene = setScene({ limits: { uploadBodyBytes: 4096, requestBodyBytes: 8192 } })
const { post, receipt } = scene

const BOUNDARY = 'f00d'
function formOf(...parts: readonly (readonly [string, string])[]): string {
  const lines = parts.map(
    ([disposition, value]) =>
      `--${BOUNDARY}\r\nContent-Disposition: form-data; ${disposition}\r\n\r\n${value}\r\n`,
  )
  return `${lines.join('')}--${BOUNDARY}--\r\n`
}
const FILE = ['name="file"; filename="a.wav"', 'RIFF'] as const
const NAMED = ['name="model"', MODEL] as const

function postForm(
  body: string,
  type = `multipart/form-data; boundary=${BOUNDARY}`,
  path = '/v1/audio/transcriptions',
) {
  return ask(`${scene.at.url}${path}`, {
    method: 'POST',
    body,
    headers: [['content-type', type], bearer()],
  })
}

describe('the table', () => {
  const JSON_ROUTES = RELAY_ROUTES.filter(({ body }) => body === 'json')

  test.each(JSON_ROUTES.flatMap((route) => route.paths.map((path) => [path, route] as const)))(
    '%s',
    async (path, { endpoint, upstreamPath }) => {
      const reply = await chat(scene.at, JSON.stringify({ model: MODEL, ...BODIES[endpoint] }), {
        path,
        query: '?beta=true',
      })
      expect(reply.status).toBe(200)
      const sent = scene.at.model.requests.at(-1)
      expect(sent?.path).toBe(`${upstreamPath}?beta=true`)
      expect(sent?.headers['content-type']).toBe('application/json')
      expect(sent?.headers['accept-encoding']).toBeUndefined()
      const { record } = await receipt()
      expect(record).toMatchObject({ endpoint, outcome: 'complete', status: 200, method: 'POST' })
      expect(record.members?.map(({ name }) => name)).toContain('model')
    },
  )

  test('every route has its spellings, and no two share one', () => {
    const paths = RELAY_ROUTES.flatMap((route) => route.paths)
    expect(new Set(paths).size).toBe(paths.length)
    expect(paths).toContain('/tokenize')
    expect(paths).toContain('/v1/proxy/audio/transcriptions')
  })

  test.each(['/v1/load_lora_adapter', '/collective_rpc', '/v1/metrics', '/reset_prefix_cache'])(
    '%s does not exist here',
    async (path) => {
      const before = scene.at.model.requests.length
      expect((await post(path)).status).toBe(404)
      expect(scene.at.model.requests.length).toBe(before)
    },
  )

  test('a key in Anthropic’s header is a bearer token', async () => {
    const body = JSON.stringify({ model: MODEL, ...BODIES['/v1/messages'] })
    const send = (key: string) =>
      ask(`${scene.at.url}/v1/messages`, { method: 'POST', body, headers: [['x-api-key', key]] })
    expect((await send(TOKENS.alice)).status).toBe(200)
    expect((await send('nobody-has-this-one')).status).toBe(401)
  })
})

describe('what a request may not ask for', () => {
  const members = ['priority', 'cache_salt', 'kv_transfer_params', 'prompt_embeds', 'vllm_xargs']
  test.each(members)('%s, on any route', async (name) => {
    const before = scene.at.model.requests.length
    for (const path of ['/v1/chat/completions', '/v1/completions', '/v1/embeddings']) {
      scene.again()
      const reply = await post(path, { [name]: 1 })
      expect([reply.status, errorCode(reply)]).toEqual([400, 'member_rejected'])
      const { record } = await receipt()
      expect(record).toMatchObject({ outcome: 'refused', status: 400, backend: null })
      expect(record.members?.map((member) => member.name)).toContain(name)
    }
    expect(scene.at.model.requests.length).toBe(before)
  })

  test('a field of a form by that name, also as a list', async () => {
    for (const name of ['vllm_xargs', 'priority[]', 'vllm_xargs[a]']) {
      const reply = await postForm(formOf(NAMED, FILE, [`name="${name}"`, '1']))
      expect([reply.status, errorCode(reply)]).toEqual([400, 'member_rejected'])
    }
  })

  test.each([
    [{ previous_response_id: 'resp_1' }, 'stateful_refused'],
    [{ conversation: 'conv_1' }, 'stateful_refused'],
    [{ store: true }, 'stateful_refused'],
    [{ background: true }, 'background_unsupported'],
  ])('responses that the model server would have to remember: %j', async (more, code) => {
    const reply = await post('/v1/responses', more)
    expect([reply.status, errorCode(reply)]).toEqual([400, code])
    expect((await receipt()).record.outcome).toBe('refused')
  })

  test('what says no is not refused', async () => {
    const more = { store: false, background: false, previous_response_id: null }
    expect((await post('/v1/responses', more)).status).toBe(200)
  })

  test('more choices than a receipt can speak of', async () => {
    const prompt = Array.from({ length: 600 }, () => 'a')
    for (const [path, more] of [
      ['/v1/completions', { prompt, n: 2 }],
      ['/v1/chat/completions', { n: 129 }],
    ] as const) {
      expect(errorCode(await post(path, more))).toBe('too_many_choices')
    }
  })

  test('the configuration says so, and may say otherwise', async () => {
    expect(scene.at.service.config).toMatchObject({
      reject_members: members,
      stateful_requests: 'refuse',
    })
    const open = await startTestService({
      config: { reject_members: ['user'], stateful_requests: 'allow' },
    })
    const how = { path: '/v1/responses' }
    const body = (more: object) => JSON.stringify({ model: MODEL, input: 'hi', ...more })
    const kept = await chat(open, body({ store: true, priority: 1 }), how)
    expect(kept.status).toBe(200)
    expect(open.receipts.at(-1)?.record.members?.map(({ name }) => name)).toContain('store')
    expect(errorCode(await chat(open, body({ user: 'u' }), how))).toBe('member_rejected')
    expect(errorCode(await chat(open, body({ background: true }), how))).toBe(
      'background_unsupported',
    )
    expect(open.service.config).toMatchObject({ stateful_requests: 'allow' })
    await open.close()
  })
})

describe('forms', () => {
  test('reach the model server as they came, and the receipt has their hash', async () => {
    const body = formOf(FILE, NAMED, ['name="language"', 'en'])
    const reply = await postForm(body)
    expect(reply.status).toBe(200)
    const sent = scene.at.model.requests.at(-1)
    expect(sent?.body.toString()).toBe(body)
    expect(sent?.headers['content-type']).toBe(`multipart/form-data; boundary=${BOUNDARY}`)
    const { record, bodies } = await receipt()
    expect(record).toMatchObject({ members: null, model_requested: MODEL, outcome: 'complete' })
    expect(bodies.forwarded).toBe(bodies.received)
  })

  test('are routed by their model, wherever it stands', async () => {
    const reply = await postForm(formOf(FILE, ['name="model"', 'other']))
    expect(reply.status).toBe(404)
  })

  const good = formOf(NAMED, FILE)
  test.each([
    ['no boundary', good, 'multipart/form-data'],
    ['another boundary', good, 'multipart/form-data; boundary=other'],
    ['two boundaries', good, `multipart/form-data; boundary=${BOUNDARY}; boundary=x`],
    ['JSON', '{}', 'application/json'],
    ['text before the first part', `hello\r\n${good}`, undefined],
    ['text after the last part', `${good}hello`, undefined],
    ['no end', good.slice(0, -6), undefined],
    ['bare line feeds', good.replaceAll('\r\n', '\n'), undefined],
    ['a part without a name', formOf(NAMED, ['filename="a"', 'x']), undefined],
    ['a name with an escape', formOf(NAMED, ['name="a\\"b"', 'x']), undefined],
    ['a name without quotes', formOf(NAMED, ['name=priority', 'x']), undefined],
    [
      'a second disposition',
      formOf(NAMED, ['name="a"\r\nContent-Disposition: form-data; name="b"', 'x']),
      undefined,
    ],
    ['a header nobody knows', formOf(NAMED, ['name="a"\r\nX-Other: 1', 'x']), undefined],
    ['a folded header', formOf(NAMED, ['name="a";\r\n filename="b"', 'x']), undefined],
    [
      'a delimiter that goes on',
      good.replace(`\r\n--${BOUNDARY}\r\n`, `\r\n--${BOUNDARY}x\r\n`),
      undefined,
    ],
    [
      'too many parts',
      formOf(...Array.from({ length: 257 }, () => ['name="a"', ''] as const)),
      undefined,
    ],
  ])('that readers would take in two ways are refused: %s', async (what, body, type) => {
    const wide = what === 'too many parts' ? await startTestService() : null
    const to = wide ?? scene.at
    const reply = await ask(`${to.url}/v1/images/edits`, {
      method: 'POST',
      body,
      headers: [['content-type', type ?? `multipart/form-data; boundary=${BOUNDARY}`], bearer()],
    })
    expect([reply.status, errorCode(reply)]).toEqual([400, 'form_malformed'])
    expect(to.receipts.at(-1)?.record.outcome).toBe('refused')
    await wide?.close()
  })

  test('with two models are refused', async () => {
    const reply = await postForm(formOf(NAMED, FILE, NAMED))
    expect(errorCode(reply)).toBe('body_duplicate_member')
  })

  test('have a limit of their own', async () => {
    const reply = await postForm(formOf(NAMED, ['name="file"; filename="a"', 'x'.repeat(5000)]))
    expect(errorCode(reply)).toBe('body_too_large')
    const prompt = 'x'.repeat(5000)
    expect((await post('/v1/completions', { prompt })).status).toBe(200)
  })

  test('with an empty value are read', async () => {
    const reply = await postForm(formOf(NAMED, ['name="prompt"', ''], FILE))
    expect(reply.status).toBe(200)
  })
})
