/** Whatever is asked of the local port, nothing but what is listed is asked of the service. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { findRoute, parsePassedRoute } from '../../src/client/proxy/find-route.ts'
import { requestHeaders, responseHeaders } from '../../src/client/proxy/pass-headers.ts'
import { OPERATIONS, operationOf } from '../../src/client/operation.ts'

const BASES = ['https://broker.example/v1/proxy', 'http://127.0.0.1:8080/v1'] as const
const PASSED = ['GET /v1/models', 'GET /v1/models/*', 'POST /v1/files'].map((text) => {
  const route = parsePassedRoute(text)
  if (route === null) throw new Error(text)
  return route
})

const PIECES = [
  ...[
    '/',
    '//',
    '.',
    '..',
    '%2e',
    '%2F',
    '%',
    '?',
    '#',
    '\\',
    '@',
    ':',
    ';',
    ' ',
    '\t',
    '\u00e9',
    '*',
  ],
  ...['v1', 'v2', 'proxy', 'models', 'files', 'chat', 'completions', 'messages', 'count_tokens'],
  ...['rerank', 'evil.example', 'http://evil.example', 'attestation', 'document', '\u2028'],
]
const target = fc.oneof(
  fc.array(fc.constantFrom(...PIECES), { maxLength: 8 }).map((parts) => `/${parts.join('')}`),
  fc
    .tuple(
      fc.constantFrom(...OPERATIONS.flatMap(({ endpoint, suffix }) => [endpoint, suffix])),
      fc.oneof(fc.constant(''), fc.constantFrom(...PIECES), fc.constant('?beta=true')),
    )
    .map(([path, tail]) => path + tail),
  fc.string({ unit: 'binary' }),
)

test('a target becomes the address of a listed route below the base, or none', () => {
  let found = 0
  fc.assert(
    fc.property(
      fc.constantFrom('GET', 'POST', 'POST', 'PUT', ''),
      target,
      fc.constantFrom(...BASES),
      (method, asked, base) => {
        const route = findRoute(method, asked, base, PASSED)
        if (route.kind === 'refused') return
        found++
        const url = new URL(route.url)
        const path = url.pathname
        expect(url.origin).toBe(new URL(base).origin)
        // As it was compared, and as every reader of addresses has it.
        expect(url.href).toBe(route.url)
        const own = path.slice(new URL(base).pathname.length)
        if (route.kind === 'verified') {
          expect(method).toBe('POST')
          expect([route.operation.suffix, '/v2/rerank']).toContain(
            path === '/v2/rerank' ? path : own,
          )
          // The verified fetch comes to the same operation.
          expect(operationOf(path)).toBe(route.operation)
        } else expect(own).toMatch(/^\/(?:models(?:\/[^?#]+)?|files)$/)
      },
    ),
    { numRuns: 20_000 },
  )
  expect(found).toBeGreaterThan(200)
})

test('no header of one connection, of a page or of ours goes through, and a key that is held replaces the caller’s', () => {
  const names = [
    ...['host', 'connection', 'transfer-encoding', 'content-length', 'te', 'upgrade', 'cookie'],
    ...['origin', 'referer', 'sec-fetch-site', 'x-forwarded-for', 'x-countersign-owner'],
    ...['x-countersign-token', 'x-countersign-challenge', 'authorization', 'x-api-key', 'x-own'],
    ...['content-type', 'anthropic-version', 'set-cookie', 'access-control-allow-origin'],
    ...[
      'x-countersign-level',
      'x-countersign-code',
      'x-countersign-receipt',
      'x-countersign-channel',
      'x-should-retry',
    ],
  ]
  const kept = new Set(['authorization', 'x-api-key', 'x-own', 'content-type', 'anthropic-version'])
  fc.assert(
    fc.property(
      fc.dictionary(fc.constantFrom(...names), fc.stringMatching(/^[ -~]{0,20}$/)),
      fc.option(fc.constant('sk-held')),
      (received, key) => {
        const sent = requestHeaders(received, key)
        const own = Object.keys(sent).filter(
          (name) => !['set-cookie', 'x-should-retry'].includes(name),
        )
        expect(own.filter((name) => !kept.has(name))).toEqual([])
        const { authorization, connection = '' } = received
        const passed = connection.toLowerCase().includes('authorization')
          ? undefined
          : authorization
        if (key === null) expect(sent['authorization']).toBe(passed)
        else
          expect([sent['authorization'], sent['x-api-key']]).toEqual(['Bearer sk-held', undefined])
        const returned = Object.keys(responseHeaders(new Headers(received)))
        const claims =
          /^(?:access-control|set-cookie|connection|content-length|x-countersign-(?:level|code|receipt|channel)|x-should-retry)/
        expect(returned.filter((name) => claims.test(name))).toEqual([])
      },
    ),
  )
})
