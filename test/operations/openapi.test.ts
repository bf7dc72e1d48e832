/** The OpenAPI document and the running server say the same of each other. */
import { Validator } from '@seriousme/openapi-schema-validator'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { isJsonObject } from '../../attestation/protocol/json.ts'
import type { JsonObject } from '../../attestation/protocol/json.ts'
import { DOORS } from '../../src/routes/attestation.ts'
import { createControlPlane } from '../../src/routes/control-plane.ts'
import { healthRoutes } from '../../src/routes/health.ts'
import { metricsRoutes } from '../../src/routes/metrics.ts'
import { tlsRoutes } from '../../src/routes/tls.ts'
import { HOT_ROUTES } from '../../src/service/create-server.ts'
import { chat, chatBody, get, header, jsonObject } from '../harness/chat.ts'
import { MODEL, bearer, startTestService } from '../harness/service.ts'
import type { TestService } from '../harness/service.ts'
import { ask } from '../harness/zg-upstream.ts'
import type { Reply } from '../harness/zg-upstream.ts'

function member(value: unknown, ...names: readonly string[]): JsonObject {
  let at: unknown = value
  for (const name of names) at = isJsonObject(at) ? at[name] : undefined
  if (!isJsonObject(at)) throw new Error(`no ${names.join('.')}`)
  return at
}

/** Paths of an Express application or router, in OpenAPI's spelling, with the methods that do not refuse. */
function expressRoutes(router: unknown): string[] {
  const { stack = [] } = router as { readonly stack?: readonly unknown[] }
  return stack.flatMap((layer) => {
    const { route, handle } = layer as { readonly route?: unknown; readonly handle?: unknown }
    if (route === undefined) return typeof handle === 'function' ? expressRoutes(handle) : []
    const { path, methods } = route as {
      readonly path: string | readonly string[]
      readonly methods: Readonly<Record<string, boolean>>
    }
    // `all` is where what is not allowed is refused; a GET route of Express answers HEAD too.
    if (methods['_all'] === true) return []
    return [path].flat().flatMap((one) =>
      Object.keys(methods)
        .flatMap((method) => (method === 'get' ? ['get', 'head'] : [method]))
        .map((method) => `${method} ${one.replace(/:(\w+)/g, '{$1}')}`),
    )
  })
}

describe('/openapi.json', () => {
  let at: TestService
  let document: JsonObject
  let ids: Readonly<Record<string, string>>
  const ajv = new Ajv2020({ strict: false })
  beforeAll(async () => {
    at = await startTestService({ operations: true, gpus: 1 })
    document = jsonObject((await get(at, '/openapi.json')).body)
    ajv.addSchema(document, 'openapi')
    const answered = await chat(at, chatBody('x'))
    ids = {
      id: header(answered, 'x-receipt-id'),
      digest: at.service.keys.keysetDigest,
      name: 'demo',
      index: '0',
      tile: '0',
    }
  })
  afterAll(() => at.close())

  const operations = (): readonly (readonly [string, string, JsonObject])[] =>
    Object.entries(member(document, 'paths')).flatMap(([path, item]) =>
      Object.entries(item as JsonObject)
        .filter(([method]) => ['get', 'head', 'post'].includes(method))
        .map(([method, operation]) => [path, method, operation as JsonObject] as const),
    )

  test('is valid OpenAPI 3.1, with an id of its own for each operation', async () => {
    const validator = new Validator()
    const { valid, errors } = await validator.validate(structuredClone(document))
    expect(errors).toBeUndefined()
    expect(valid).toBe(true)
    expect(validator.version).toBe('3.1')
    const names = operations().map(([, , operation]) => operation['operationId'])
    expect(new Set(names).size).toBe(names.length)
  })

  test('has every route of the server, and no other', () => {
    const nothing = {} as never
    const app = createControlPlane({
      doors: DOORS,
      facts: { platform: 'dstack' },
      openapi: '',
    } as never) as unknown
    const { router } = app as { readonly router: unknown }
    const served = [
      ...expressRoutes(router),
      ...expressRoutes(healthRoutes(nothing)),
      ...expressRoutes(metricsRoutes(nothing)),
      ...expressRoutes(tlsRoutes({ tlsKey: null })),
      ...[...HOT_ROUTES].flatMap(([path, { kind }]) =>
        kind === 'models' ? [`get ${path}`, `head ${path}`] : [`post ${path}`],
      ),
    ]
    const documented = operations().map(([path, method]) => `${method} ${path}`)
    expect(new Set(documented)).toEqual(new Set(served))
    expect(documented.length).toBeGreaterThan(100)
  })

  const call = (path: string, method: string, operation: JsonObject): Promise<Reply> => {
    const concrete = path.replace(/\{(\w+)\}/g, (_, name: string) => ids[name] ?? 'missing')
    const item = member(document, 'paths', path)
    const base = item['servers'] === undefined ? at.url : (at.service.operations?.url ?? '')
    const { requestBody } = operation
    if (requestBody === undefined) {
      return ask(`${base}${concrete}`, { method: method.toUpperCase(), headers: [bearer()] })
    }
    const [type] = Object.keys(member(requestBody, 'content'))
    const form = type === 'multipart/form-data'
    const field = (name: string, value: string, file = '') =>
      `--b\r\nContent-Disposition: form-data; name="${name}"${file}\r\n\r\n${value}\r\n`
    const body = form
      ? `${field('model', MODEL)}${field('prompt', 'x')}${field('file', 'RIFF', '; filename="a.wav"')}--b--\r\n`
      : JSON.stringify({
          model: MODEL,
          messages: [{ role: 'user', content: 'x' }],
          prompt: 'x',
          input: 'x',
          query: 'x',
          documents: ['x'],
          text_1: 'x',
          text_2: 'x',
          tokens: [1],
          max_tokens: 4,
        })
    return ask(`${base}${concrete}`, {
      method: 'POST',
      body,
      headers: [
        bearer(),
        ['content-type', form ? 'multipart/form-data; boundary=b' : String(type)],
      ],
    })
  }

  test('each documented path and method is there, and answers as it is documented', async () => {
    let schemasHeld = 0
    for (const [path, method, operation] of operations()) {
      const name = `${method} ${path}`
      const reply = await call(path, method, operation)
      const responses = member(operation, 'responses')
      const response = responses[String(reply.status)] ?? responses['default']
      expect(response, `${name}: ${String(reply.status)} ${reply.text.slice(0, 200)}`).toBeDefined()
      // A route that is not there would say so in these words.
      expect(reply.text, name).not.toContain('"code":"method_not_allowed"')
      expect(reply.text, name).not.toContain('"code":"not_found"')
      // The demo model has no metrics, which is one of the documented answers.
      if (!path.startsWith('/metrics/upstreams/')) {
        expect(reply.status, `${name}: ${reply.text.slice(0, 200)}`).toBeLessThan(500)
      }
      for (const given of Object.keys(member(response, 'headers'))) {
        if (given === 'Retry-After') continue
        expect(reply.headers, `${name}: ${given}`).toHaveProperty(given.toLowerCase())
      }
      if (method === 'head') {
        expect(reply.text, name).toBe('')
        continue
      }
      const content = member(response, 'content')
      const type = String(reply.headers['content-type']).split(';')[0] ?? ''
      const schema = content[type] ?? content['*/*']
      expect(schema, `${name}: ${type}`).toBeDefined()
      if (!isJsonObject(schema) || type !== 'application/json') continue
      const pointer = isJsonObject(schema['schema']) ? schema['schema']['$ref'] : undefined
      if (typeof pointer !== 'string') continue
      const valid = ajv.validate({ $ref: `openapi${pointer}` }, JSON.parse(reply.text))
      expect(valid, `${name}: ${ajv.errorsText()}`).toBe(true)
      schemasHeld++
    }
    expect(schemasHeld).toBeGreaterThan(40)
  })

  test('what a closed door and an absent listener would serve is not in it', async () => {
    const shut = await startTestService({ doors: [] })
    const paths = member(jsonObject((await get(shut, '/openapi.json')).body), 'paths')
    for (const path of ['/v1/quote', '/v1/attestation/report', '/v1/aci/attestation', '/metrics']) {
      expect(paths).not.toHaveProperty(path)
      expect((await get(shut, path)).status, path).toBe(404)
    }
    expect(paths).toHaveProperty('/attestation')
    await shut.close()
  })
})
