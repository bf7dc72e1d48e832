/** Who may use the local port. */
import type { OutgoingHttpHeaders } from 'node:http'
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { TOKENS } from '../harness/service.ts'
import { openStage } from './client.helpers.ts'
import type { Stage } from './client.helpers.ts'
import { ask, hashOf, openProxy, run } from './proxy.helpers.ts'
import type { TestProxy } from './proxy.helpers.ts'

let stage: Stage
let proxy: TestProxy
beforeAll(async () => {
  stage = await openStage()
  proxy = await openProxy(stage)
})
afterAll(async () => {
  await proxy.close()
  await stage.close()
})

const asked = (): number =>
  stage.broker.requests.filter(({ route }) => route === 'completion').length

describe('a web page', () => {
  test.each<[string, OutgoingHttpHeaders, string]>([
    ['that posts from its own origin', { origin: 'https://evil.example' }, 'origin_refused'],
    ['without an origin to show', { origin: 'null' }, 'origin_refused'],
    ['of another port of this machine', { origin: 'http://127.0.0.1:3000' }, 'origin_refused'],
    ['that loads a picture', { 'sec-fetch-site': 'cross-site' }, 'origin_refused'],
    ['whose name was made to point here', { host: 'evil.example:4180' }, 'host_refused'],
    ['whose name ends like ours', { host: 'localhost.evil.example' }, 'host_refused'],
    ['at the right name and another port', { host: '127.0.0.1:1' }, 'host_refused'],
  ])('%s is refused, and nothing is sent', async (_name, headers, code) => {
    const before = asked()
    const said = await ask(proxy, { ...headers, 'content-type': 'text/plain' })
    expect([said.status, said.code]).toEqual([403, code])
    expect(said.headers['access-control-allow-origin']).toBeUndefined()
    expect(asked()).toBe(before)
  })

  test('is told nothing by a preflight, unless it was named', async () => {
    const origin = 'https://app.example'
    const preflight = {
      origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization, content-type',
    }
    const refused = await ask(proxy, preflight, { method: 'OPTIONS' })
    expect([refused.status, refused.headers['access-control-allow-origin']]).toEqual([
      403,
      undefined,
    ])
    const open = await openProxy(stage, { origins: [origin], tokenHash: hashOf('page-token-1') })
    const allowed = await ask(open, preflight, { method: 'OPTIONS' })
    expect(allowed.status).toBe(204)
    expect(allowed.headers['access-control-allow-headers']).toBe('authorization, content-type')
    const page = { origin, 'x-countersign-token': 'page-token-1', 'sec-fetch-site': 'cross-site' }
    const said = await ask(open, page)
    expect([said.status, said.headers['access-control-allow-origin']]).toEqual([200, origin])
    // All that the proxy says of an answer may be read by the page.
    const exposed = String(said.headers['access-control-expose-headers']).toLowerCase().split(', ')
    const told = Object.keys(said.headers).filter((name) => name.startsWith('x-countersign-'))
    expect(told).toEqual(expect.arrayContaining(['x-countersign-level', 'x-countersign-channel']))
    expect(exposed).toEqual(expect.arrayContaining([...told, 'x-countersign-opening']))
    expect((await ask(open, { ...page, origin: `${origin}.evil.example` })).code).toBe(
      'origin_refused',
    )
    await open.close()
  })

  test('the address that was listened on names the proxy, and no other address does', async () => {
    const other = await openProxy(stage, { listen: { host: '127.0.0.2', port: 0 } })
    const answers = await Promise.all(
      ['127.0.0.2', 'localhost', '127.0.0.3'].map((name) =>
        run('curl', [
          ...['-sS', '-m', '10', '-H', `Host: ${name}:${String(other.port)}`],
          `http://127.0.0.2:${String(other.port)}/v1/models`,
        ]),
      ),
    )
    expect(answers.map(({ out }) => /"code":"([a-z_]+)"/.exec(out)?.[1])).toEqual([
      'route_unverified',
      'route_unverified',
      'host_refused',
    ])
    await other.close()
  })

  test('two Host lines, and a target that names another host, are refused', async () => {
    const say = (head: string) =>
      new Promise<string>((resolve, reject) => {
        let text = ''
        const socket = connect(proxy.port, '127.0.0.1', () => socket.end(head))
        socket.on('data', (part) => (text += part.toString()))
        socket.on('error', reject)
        socket.on('close', () => resolve(text))
      })
    const own = `127.0.0.1:${String(proxy.port)}`
    const twice = await say(`GET /v1/models HTTP/1.1\r\nHost: ${own}\r\nHost: evil.example\r\n\r\n`)
    expect(twice).toMatch(/host_refused|400 Bad Request/)
    const none = await say('GET /v1/models HTTP/1.1\r\n\r\n')
    expect(none).toContain('host_refused')
    const absolute = await say(`GET http://evil.example/ HTTP/1.1\r\nHost: ${own}\r\n\r\n`)
    expect(absolute).toContain('target_refused')
  })
})

describe('keys', () => {
  test("the caller's key goes on; one that the proxy holds takes its place", async () => {
    // The broker double takes everybody, so what is looked at is what came to it.
    const direct = await openProxy(stage, { upstream: `${stage.at.url}/v1` })
    expect((await ask(direct)).status).toBe(200)
    expect((await ask(direct, { authorization: 'Bearer wrong-token-0123456789' })).status).toBe(401)
    const holding = await openProxy(stage, {
      upstream: `${stage.at.url}/v1`,
      key: TOKENS.alice,
    })
    expect((await ask(holding, { authorization: 'Bearer anything' })).status).toBe(200)
    expect((await ask(holding, { 'x-api-key': 'anything' })).status).toBe(200)
    await direct.close()
    await holding.close()
  })

  test('a token of its own is asked for before anything is sent', async () => {
    const own = await openProxy(stage, { key: TOKENS.alice, tokenHash: hashOf('own-token-42') })
    const before = asked()
    for (const headers of [{}, { authorization: 'Bearer own-token-43' }, { authorization: '' }]) {
      expect(await ask(own, headers)).toMatchObject({ status: 401, code: 'token_missing' })
    }
    expect(asked()).toBe(before)
    for (const headers of [
      { authorization: 'Bearer own-token-42' },
      { authorization: '', 'x-api-key': 'own-token-42' },
      { 'x-countersign-token': 'own-token-42' },
    ]) {
      expect((await ask(own, headers)).status).toBe(200)
    }
    await own.close()
    // Where callers show their own key, Authorization is the service's, and the token has a header to itself.
    const both = await openProxy(stage, { tokenHash: hashOf('own-token-42') })
    expect((await ask(both, { authorization: 'Bearer own-token-42' })).code).toBe('token_missing')
    expect((await ask(both, { 'x-countersign-token': 'own-token-42' })).status).toBe(200)
    await both.close()
  })
})
