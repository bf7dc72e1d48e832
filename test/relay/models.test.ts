/** The list of models of several upstreams, some of which are down or talk nonsense. */
import { afterEach, describe, expect, test } from 'vitest'
import type { Limits } from '../../src/limits.ts'
import { chat, errorCode, get } from '../harness/chat.ts'
import { closeDouble, startDouble as openDouble } from '../harness/model-double.ts'
import type { Double } from '../harness/model-double.ts'
import { startTestService } from '../harness/service.ts'
import type { TestService, TestUpstream } from '../harness/service.ts'

/** An address nobody listens at. */
const NOBODY = 'http://127.0.0.1:1'

const closers: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

async function startDouble(name: string): Promise<Double> {
  const double = await openDouble(name)
  closers.push(() => closeDouble(double))
  return double
}

async function start(upstreams: readonly TestUpstream[], limits: Partial<Limits> = {}) {
  const at = await startTestService({ upstreams, limits })
  closers.push(() => at.close())
  return at
}

describe('the list of models', () => {
  const list = async (at: TestService) => get(at, '/v1/models', { who: 'alice' })

  test('is merged, without those that are routed elsewhere; who is down hides no others', async () => {
    const [a, b, c] = await Promise.all(['a', 'b', 'c'].map((name) => startDouble(name)))
    if (a === undefined || b === undefined || c === undefined) throw new Error('three')
    let ids: readonly unknown[] = ['b', 'b:lora', 'a']
    b.script = (_req, res) =>
      res.end(JSON.stringify({ data: ids.map((id) => ({ id, max_model_len: 4096 })) }))
    const at = await start([
      { name: 'a', url: a.url, models: ['a'] },
      { name: 'b', urls: [NOBODY, b.url], models: ['b', 'b:other'] },
      { name: 'c', url: c.url },
    ])
    expect((await list(at)).text).toBe(
      '{"object":"list","data":[{"id":"a","object":"model"},{"id":"b","max_model_len":4096},{"id":"c","object":"model"}]}',
    )
    await closeDouble(a)
    const data = async () =>
      (JSON.parse((await list(at)).text) as { data: { id: string }[] }).data.map(({ id }) => id)
    expect(await data()).toEqual(['b', 'c'])
    for (ids of [[1], [null], Array.from({ length: 1025 }, (_, i) => `m${String(i)}`)]) {
      expect(await data()).toEqual(['c'])
    }
    for (const nonsense of ['[]', '{}', 'x', `{"data":[${'1,'.repeat(600_000)}1]}`]) {
      b.script = (_req, res) => res.end(nonsense)
      expect(await data()).toEqual(['c'])
    }
    await closeDouble(c)
    expect(errorCode(await list(at))).toMatch(/^upstream_(unreachable|invalid)$/)
  })

  test('of one upstream that takes any model is its answer, byte for byte', async () => {
    const one = await startDouble('one')
    one.script = (_req, res) => res.writeHead(200, { 'content-type': 'text/odd' }).end(' {"x":1} ')
    const at = await start([{ name: 'one', urls: [NOBODY, one.url] }])
    const reply = await list(at)
    expect([reply.status, reply.headers['content-type'], reply.text]).toEqual([
      200,
      'text/odd',
      ' {"x":1} ',
    ])
  })

  test('asked for by many at once on a slow server leaves its health alone', async () => {
    const one = await startDouble('one')
    one.script = (req, res) => {
      if (req.url !== '/v1/models') res.end('{"choices":[]}')
    }
    const at = await start([{ name: 'one', url: one.url, health: '/health' }], {
      upstreamHealthMs: 30,
      upstreamHealthTimeoutMs: 100,
      upstreamFailures: 1,
    })
    const left = new AbortController()
    const asked = Array.from({ length: 20 }, () =>
      fetch(`${at.url}/v1/models`, {
        signal: left.signal,
        headers: { authorization: 'Bearer alice-token-0123456789' },
      }).catch(() => null),
    )
    const checks = () => one.seen.filter((path) => path === '/health').length
    while (checks() < 5) await new Promise((resolve) => setTimeout(resolve, 10))
    expect((await chat(at, '{"messages":[]}')).status).toBe(200)
    left.abort()
    await Promise.all(asked)
  })
})
