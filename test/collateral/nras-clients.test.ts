import { generateKeyPairSync } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { buildNrasRequest } from '../../attestation/appraiser/gpu/nras/build-nras-request.ts'
import type {
  NrasRequest,
  NrasRequestOptions,
} from '../../attestation/appraiser/gpu/nras/build-nras-request.ts'
import { MAX_JWKS_BYTES } from '../../attestation/appraiser/gpu/nras/parse-jwks.ts'
import { MAX_ANSWER_BYTES } from '../../attestation/appraiser/gpu/nras/parse-nras-answer.ts'
import type { GpuEvidence } from '../../attestation/appraiser/gpu/parse-gpu-evidence.ts'
import { CollateralError } from '../../attestation/collateral/collateral-error.ts'
import type { CollateralErrorCode } from '../../attestation/collateral/collateral-error.ts'
import { askNras } from '../../attestation/collateral/gpu/ask-nras.ts'
import type { AskNrasOptions } from '../../attestation/collateral/gpu/ask-nras.ts'
import { createJwksClient } from '../../attestation/collateral/gpu/jwks-client.ts'
import { JWKS_FRESH_S, JWKS_REFETCH_S } from '../../attestation/collateral/limits.ts'
import { startNvidiaServer } from './nvidia-server.helpers.ts'
import type { NvidiaServer } from './nvidia-server.helpers.ts'

const SECRET = 'nvapi-canary-service-key'
const NONCE = new Uint8Array(32).fill(0xab)
const ITEM = { arch: 'HOPPER', evidence: 'ZXZpZGVuY2U=', certificate: 'Y2VydGlmaWNhdGU=' }

function request(list: readonly GpuEvidence[], options: NrasRequestOptions = {}): NrasRequest {
  const built = buildNrasRequest(list, NONCE, options)
  if (!built.ok) throw new Error(built.detail)
  return built.request
}
const REQUEST = request([ITEM, ITEM])

let server: NvidiaServer
let clock = 0
beforeAll(async () => {
  server = await startNvidiaServer()
})
afterEach(() => {
  clock = 0
  server.act = null
  server.requests.length = 0
})
afterAll(() => server.close())

async function failure(promise: Promise<unknown>): Promise<CollateralError> {
  const error = await promise.then(
    () => new Error('it did not fail'),
    (reason: unknown) => reason,
  )
  if (!(error instanceof CollateralError)) throw error
  return error
}

describe('the attestation service', () => {
  const ask = (options: AskNrasOptions = {}, request = REQUEST) =>
    askNras(request, { service: server.services.nras, transport: server.transport, ...options })

  test('is asked as its interface wants it, and its answer comes back byte for byte', async () => {
    server.nras = '[["JWT","a.b.c"],  {"GPU-0":"d.e.f"}]\n'
    expect(Buffer.from(await ask()).toString()).toBe(server.nras)
    const [asked] = server.requests
    expect(asked).toMatchObject({ method: 'POST', path: '/nras/v4/attest/gpu' })
    expect(asked?.headers['content-type']).toBe('application/json')
    expect(asked?.headers.authorization).toBeUndefined()
    expect(asked?.headers['x-nvidia-ocsp-allow-cert-hold']).toBeUndefined()
    const { evidence, certificate } = ITEM
    const item = { evidence, certificate }
    const body: unknown = JSON.parse(Buffer.from(asked?.body ?? []).toString())
    expect(body).toEqual({
      nonce: 'ab'.repeat(32),
      arch: 'HOPPER',
      claims_version: '3.0',
      evidence_list: [item, item],
    })
  })

  test('by version, kind and form of claims; hold and key only where they are wanted', async () => {
    const switches = request([{ ...ITEM, arch: 'LS10' }], { api: 'v3' })
    await ask({ serviceKey: SECRET, allowHold: true }, switches)
    const [asked] = server.requests
    expect(asked?.path).toBe('/nras/v3/attest/switch')
    expect(asked?.headers.authorization).toBe(`Bearer ${SECRET}`)
    expect(asked?.headers['x-nvidia-ocsp-allow-cert-hold']).toBe('true')
    const body: unknown = JSON.parse(Buffer.from(asked?.body ?? []).toString())
    expect(body).toMatchObject({ arch: 'LS10', nonce: 'ab'.repeat(32) })
  })

  test.each<readonly [number, CollateralErrorCode, number]>([
    [400, 'collateral_refused', 1],
    [401, 'collateral_refused', 1],
    [403, 'collateral_refused', 1],
    [429, 'collateral_busy', 3],
    [500, 'collateral_refused', 3],
    [503, 'collateral_busy', 3],
  ])(
    'HTTP %i is %s after %i attempts; its text and the key are in no error',
    async (status, code, attempts) => {
      server.act = (_asked, response) =>
        void response
          .writeHead(status, { 'content-type': 'application/json' })
          .end(`{"message":"text-canary ${SECRET}"}`)
      const error = await failure(ask({ serviceKey: SECRET }))
      expect(error.code).toBe(code)
      expect(error.message).toContain(String(status))
      expect(server.requests).toHaveLength(attempts)
      expect(JSON.stringify([error.message, error.stack, error, error.cause])).not.toContain(
        'canary',
      )
    },
  )

  test('Retry-After is waited for', async () => {
    const times: number[] = []
    server.act = (_asked, response) => {
      times.push(performance.now())
      if (times.length > 1) return false
      response.writeHead(429, { 'retry-after': '1' }).end()
      return true
    }
    await ask()
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThanOrEqual(990)
  })

  test('a key that would write a second header is refused before anything is sent', async () => {
    for (const serviceKey of [`${SECRET}\r\nx: y`, '', 'ключ', 'a b', 'x'.repeat(5000)]) {
      const error = await failure(ask({ serviceKey }))
      expect(error.message).not.toContain('canary')
    }
    expect(server.requests).toEqual([])
  })

  test('a huge answer, a slow one, a redirect and another content type', async () => {
    server.nras = `"${'x'.repeat(MAX_ANSWER_BYTES)}"`
    expect((await failure(ask())).code).toBe('collateral_too_large')
    server.act = () => true
    expect((await failure(ask())).code).toBe('collateral_timeout')
    server.act = (_asked, response) => void response.writeHead(307, { location: '/x' }).end()
    expect((await failure(ask())).code).toBe('collateral_redirect')
    server.act = (_asked, response) =>
      void response.writeHead(200, { 'content-type': 'text/html' }).end('[]')
    expect((await failure(ask())).code).toBe('collateral_malformed')
  })
})

describe('its key set', () => {
  const { x, y } = generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey.export({
    format: 'jwk',
  })
  const jwks = (...kids: readonly string[]): string => {
    const key = { kty: 'EC', crv: 'P-384', x, y, x5c: ['AAAA', 'BBBB'] }
    return JSON.stringify({ keys: kids.map((kid) => ({ kid, ...key })) })
  }
  const client = () =>
    createJwksClient({
      service: server.services.nras,
      transport: server.transport,
      now: () => clock,
    })

  test('comes as the bytes that were sent, certificates included, and is kept for 15 minutes', async () => {
    server.jwks = jwks('a')
    const shared = client()
    const first = await shared.get(['a'])
    expect(Buffer.from(first.bytes).toString()).toBe(server.jwks)
    clock += JWKS_FRESH_S - 1
    expect(await shared.get(['a'])).toBe(first)
    expect(server.requests.map(({ path }) => path)).toEqual(['/nras/.well-known/jwks.json'])
    clock += 1
    expect(await shared.get(['a'])).not.toBe(first)
  })

  test('is fetched anew for a key that it lacks, but a flood of made-up keys costs one request a minute', async () => {
    server.jwks = jwks('a')
    const shared = client()
    await shared.get(['a'])
    for (let i = 0; i < 50; i++) await shared.get([`forged-${i}`])
    expect(server.requests).toHaveLength(1)
    clock += JWKS_REFETCH_S
    server.jwks = jwks('a', 'b')
    expect((await shared.get(['b'])).kids.has('b')).toBe(true)
    for (let i = 0; i < 50; i++) await shared.get([`forged-${i}`])
    expect(server.requests).toHaveLength(2)
  })

  test('asked for by many at once it is fetched once', async () => {
    server.jwks = jwks('a')
    const shared = client()
    await Promise.all(Array.from({ length: 10 }, () => shared.get(['a'])))
    expect(server.requests).toHaveLength(1)
  })

  test('outlives a failed attempt at a newer one, but not its 15 minutes', async () => {
    server.jwks = jwks('a')
    const shared = client()
    const first = await shared.get(['a'])
    server.act = (_asked, response) => void response.writeHead(400).end()
    clock += JWKS_REFETCH_S
    expect(await shared.get(['b'])).toBe(first)
    expect(server.requests).toHaveLength(2)
    // The failed attempt counts against the rate too.
    await shared.get(['c'])
    expect(server.requests).toHaveLength(2)
    clock = JWKS_FRESH_S
    expect((await failure(shared.get(['a']))).code).toBe('collateral_refused')
  })

  test('is not used where the clock was set back behind it', async () => {
    server.jwks = jwks('a')
    const shared = client()
    clock = 1000
    await shared.get()
    clock = 10
    await shared.get()
    expect(server.requests).toHaveLength(2)
  })

  test('that is none, huge or of another type is refused', async () => {
    for (const text of ['[]', '{}', '{"keys":{}}', 'nonsense', '{"keys":[],"keys":[]}']) {
      server.jwks = text
      expect((await failure(client().get())).code).toBe('collateral_malformed')
    }
    server.jwks = JSON.stringify('x'.repeat(MAX_JWKS_BYTES))
    expect((await failure(client().get())).code).toBe('collateral_too_large')
    server.act = (_asked, response) =>
      void response.writeHead(200, { 'content-type': 'text/html' }).end(jwks('a'))
    expect((await failure(client().get())).code).toBe('collateral_malformed')
    server.act = (_asked, response) => {
      response.setHeader('content-type', 'application/jwk-set+json')
      response.end(jwks('a'))
    }
    expect((await client().get()).kids.has('a')).toBe(true)
  })
})
