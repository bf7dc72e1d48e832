/** Several upstreams of several addresses: which one answers, and what happens when some do not. */
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer as createTcpServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { chat, errorCode, get } from '../harness/chat.ts'
import { closeDouble, startDouble as openDouble } from '../harness/model-double.ts'
import type { Double } from '../harness/model-double.ts'
import { startTestService } from '../harness/service.ts'
import type { TestService, TestUpstream } from '../harness/service.ts'
import type { Limits } from '../../src/limits.ts'

/** An address nobody listens at. */
const NOBODY = 'http://127.0.0.1:1'

const closers: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

async function startDouble(name: string, at?: number | string): Promise<Double> {
  const double = await openDouble(name, at)
  closers.push(() => closeDouble(double))
  return double
}

async function start(upstreams: readonly TestUpstream[], limits: Partial<Limits> = {}) {
  const at = await startTestService({ upstreams, limits })
  closers.push(() => at.close())
  return at
}

const ask = (at: TestService, model: string | null = null) =>
  chat(at, JSON.stringify({ messages: [], ...(model === null ? {} : { model }) }))

const answers = ({ seen }: Double) => seen.filter((path) => path === '/v1/chat/completions').length

describe('routing by model', () => {
  test('takes the upstream that lists it, else the one that takes any, and its name is in the receipt', async () => {
    const [small, large, any] = await Promise.all(
      ['small', 'large', 'any'].map((n) => startDouble(n)),
    )
    if (small === undefined || large === undefined || any === undefined) throw new Error('three')
    const at = await start([
      { name: 'any', url: any.url },
      { name: 'small', urls: [small.url], models: ['org/small', 'org/smaller'] },
      { name: 'large', urls: [large.url], models: ['org/large'] },
    ])
    const names: unknown[] = []
    for (const model of ['org/small', 'org/smaller', 'org/large', 'org/other', null]) {
      expect((await ask(at, model)).status).toBe(200)
      names.push(at.receipts.at(-1)?.record.backend)
    }
    expect(names).toEqual(['small', 'small', 'large', 'any', 'any'])
    expect([small, large, any].map(answers)).toEqual([2, 1, 2])
  })

  test('is 404 for a model that nobody lists, or for none, and nothing is forwarded', async () => {
    const one = await startDouble('one')
    const at = await start([{ name: 'one', url: one.url, models: ['a'] }])
    for (const model of ['b', 'A', 'a ', '', null]) {
      const reply = await ask(at, model)
      expect([reply.status, errorCode(reply)]).toEqual([404, 'model_not_found'])
      expect(at.receipts.at(-1)?.record).toMatchObject({ outcome: 'refused', backend: null })
    }
    expect(one.seen).toEqual([])
  })
})

describe('several addresses', () => {
  test('share the load: each new request goes to the one with the fewest open', async () => {
    const doubles = await Promise.all(['a', 'b', 'c'].map((name) => startDouble(name)))
    let release = () => {}
    const released = new Promise<void>((resolve) => (release = resolve))
    for (const double of doubles) {
      double.script = (_req, res) => void released.then(() => res.end('{"choices":[]}'))
    }
    const at = await start([{ name: 'u', urls: doubles.map(({ url }) => url) }])
    const asked = Array.from({ length: 9 }, () => ask(at))
    while (doubles.reduce((sum, double) => sum + answers(double), 0) < 9) {
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(doubles.map(answers)).toEqual([3, 3, 3])
    release()
    await Promise.all(asked)
  })

  test('where one cannot be reached: every request is answered, and each was sent once', async () => {
    const up = await startDouble('up')
    const at = await start([{ name: 'u', urls: [NOBODY, 'unix:/nonexistent.sock', up.url] }])
    for (let i = 1; i <= 12; i++) {
      const reply = await ask(at)
      expect([reply.status, answers(up)]).toEqual([200, i])
    }
    for (const { record } of at.receipts) {
      expect(record).toMatchObject({ outcome: 'complete', backend: 'u', status: 200 })
    }
  })

  test('where one takes the request and goes away: 502, and no other is asked a second time', async () => {
    const [broken, fine] = await Promise.all([startDouble('broken'), startDouble('fine')])
    broken.script = (req) => req.socket.destroy()
    const at = await start([{ name: 'u', urls: [broken.url, fine.url] }])
    const reply = await ask(at)
    expect([reply.status, errorCode(reply)]).toEqual([502, 'upstream_reset'])
    expect([answers(broken), answers(fine)]).toEqual([1, 0])
    expect(at.receipts[0]?.bodies.forwarded).not.toBeNull()
  })

  test('where one resets every connection: it goes out, and comes back by its probe', async () => {
    const [broken, fine] = await Promise.all([startDouble('broken'), startDouble('fine')])
    broken.script = (req) => req.socket.destroy()
    const at = await start([{ name: 'u', urls: [broken.url, fine.url] }], {
      upstreamFailures: 2,
      upstreamBackoffMs: 300,
    })
    for (let i = 0; i < 4; i++) await ask(at)
    expect(answers(broken)).toBe(2)
    for (let i = 0; i < 6; i++) expect((await ask(at)).status).toBe(200)
    expect(answers(broken)).toBe(2)
    broken.script = null
    await new Promise((resolve) => setTimeout(resolve, 320))
    for (let i = 0; i < 6; i++) expect((await ask(at)).status).toBe(200)
    expect(answers(broken)).toBeGreaterThanOrEqual(3)
  })

  test.each([502, 503, 504])(
    'where one answers %i: passed on as it is, and it goes out',
    async (status) => {
      const [busy, fine] = await Promise.all([startDouble('busy'), startDouble('fine')])
      busy.script = (_req, res) => res.writeHead(status).end('{"error":"busy"}')
      const at = await start([{ name: 'u', urls: [busy.url, fine.url] }], { upstreamFailures: 2 })
      const first = await ask(at)
      expect([first.status, first.text]).toEqual([status, '{"error":"busy"}'])
      for (let i = 0; i < 7; i++) await ask(at)
      expect([answers(busy), answers(fine)]).toEqual([2, 6])
    },
  )

  test('where one answers 500 or 429: that is the model’s word, and it stays in', async () => {
    const one = await startDouble('one')
    let status = 500
    one.script = (_req, res) => res.writeHead(status).end('{}')
    const at = await start([{ name: 'u', url: one.url }], { upstreamFailures: 1 })
    for (status of [500, 429, 500, 400]) expect((await ask(at)).status).toBe(status)
    expect(answers(one)).toBe(4)
  })
})

describe('an upstream all of whose addresses are out', () => {
  test('is 503 with a time to come back, at once and without a connection, until a probe succeeds', async () => {
    const at = await start([{ name: 'u', url: NOBODY }], {
      upstreamFailures: 2,
      upstreamBackoffMs: 200,
    })
    const codes: unknown[] = []
    for (let i = 0; i < 4; i++) codes.push(errorCode(await ask(at)))
    expect(codes).toEqual([
      'upstream_unreachable',
      'upstream_unreachable',
      'upstream_unavailable',
      'upstream_unavailable',
    ])
    const refused = await ask(at)
    expect([refused.status, refused.headers['retry-after']]).toEqual([503, '2'])
    expect(at.receipts.at(-1)?.record).toMatchObject({ outcome: 'upstream_error', backend: null })
    await new Promise((resolve) => setTimeout(resolve, 220))
    expect(errorCode(await ask(at))).toBe('upstream_unreachable')
    expect(errorCode(await ask(at))).toBe('upstream_unavailable')
  })

  test('that starts listening is found by its health check before anybody asks', async () => {
    const first = await startDouble('first')
    const { port } = first.server.address() as AddressInfo
    await closeDouble(first)
    const at = await start([{ name: 'u', url: first.url, health: '/health' }], {
      upstreamFailures: 2,
      upstreamHealthMs: 30,
      upstreamBackoffMs: 60_000,
      upstreamBackoffMaxMs: 60_000,
    })
    const until = performance.now() + 5_000
    while (errorCode(await ask(at)) !== 'upstream_unavailable') {
      if (performance.now() > until) throw new Error('the checks did not take it out')
    }
    await startDouble('again', port)
    while ((await ask(at)).status !== 200) {
      if (performance.now() > until) throw new Error('it was not found')
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  })
})

describe('a health check', () => {
  const limits = { upstreamHealthMs: 30, upstreamHealthTimeoutMs: 60, upstreamFailures: 2 }

  test.each([
    ['503, as vLLM with a dead engine', 503],
    ['nothing in its time', 'silent'],
  ] as const)('that gets %s takes the address out', async (_, health) => {
    const [dead, fine] = await Promise.all([startDouble('dead'), startDouble('fine')])
    dead.health = health
    const at = await start([{ name: 'u', urls: [dead.url, fine.url], health: '/health' }], limits)
    while (dead.seen.length < 3) await new Promise((resolve) => setTimeout(resolve, 10))
    for (let i = 0; i < 6; i++) expect((await ask(at)).status).toBe(200)
    expect([answers(dead), answers(fine)]).toEqual([0, 6])
    dead.health = 200
    const until = performance.now() + 5_000
    while (answers(dead) === 0) {
      if (performance.now() > until) throw new Error('it did not come back')
      await ask(at)
    }
  })

  test('that gets 404 shows a server without such a route, which is up', async () => {
    const one = await startDouble('one')
    one.health = 404
    const at = await start([{ name: 'u', url: one.url, health: '/health' }], limits)
    while (one.seen.length < 4) await new Promise((resolve) => setTimeout(resolve, 10))
    expect((await ask(at)).status).toBe(200)
  })

  test('carries no credential, and none comes where health is null', async () => {
    const one = await startDouble('one')
    let headers: unknown
    one.server.prependListener('request', (req) => (headers = req.headers))
    await start([{ name: 'u', url: one.url, health: '/health' }], limits)
    while (one.seen.length < 1) await new Promise((resolve) => setTimeout(resolve, 10))
    expect(headers).toEqual({ host: new URL(one.url).host, connection: 'keep-alive' })
    const other = await startDouble('other')
    await start([{ name: 'u', url: other.url, health: null }], limits)
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(other.seen).toEqual([])
  })
})

test('a unix socket is an address like any other', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-'))
  closers.push(() => rm(folder, { recursive: true }))
  const one = await startDouble('one', join(folder, 'vllm.sock'))
  const at = await start([{ name: 'u', urls: [one.url], health: '/health' }])
  expect((await ask(at)).status).toBe(200)
  expect(one.seen.toSorted()).toEqual(['/health', '/v1/chat/completions'])
})

test('the environment’s proxy variables are not obeyed', async () => {
  const seen: string[] = []
  const proxy = createTcpServer((socket) => {
    seen.push('connection')
    socket.destroy()
  })
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  closers.push(async () => {
    proxy.close()
    await once(proxy, 'close')
  })
  const { port } = proxy.address() as AddressInfo
  const names = ['http_proxy', 'HTTP_PROXY', 'all_proxy', 'ALL_PROXY', 'https_proxy', 'HTTPS_PROXY']
  const before = names.map((name) => [name, process.env[name]] as const)
  try {
    for (const name of names) process.env[name] = `http://127.0.0.1:${String(port)}`
    process.env['NODE_USE_ENV_PROXY'] = '1'
    const one = await startDouble('one')
    const at = await start([{ name: 'u', url: one.url, health: '/health' }])
    expect((await ask(at)).status).toBe(200)
    expect((await get(at, '/v1/models', { who: 'alice' })).status).toBe(200)
    expect(seen).toEqual([])
  } finally {
    delete process.env['NODE_USE_ENV_PROXY']
    for (const [name, value] of before) {
      if (value === undefined) Reflect.deleteProperty(process.env, name)
      else process.env[name] = value
    }
  }
})

test('a redirect is not followed, and its target hears nothing', async () => {
  const [one, other] = await Promise.all([startDouble('one'), startDouble('other')])
  one.script = (_req, res) =>
    res.writeHead(307, { location: `${other.url}/v1/chat/completions` }).end()
  const at = await start([{ name: 'u', url: one.url }])
  expect(errorCode(await ask(at))).toBe('upstream_invalid')
  expect(errorCode(await get(at, '/v1/models', { who: 'alice' }))).toBe('upstream_invalid')
  expect(other.seen).toEqual([])
})

test('the attested configuration names every address, and url is short for one of urls', async () => {
  const at = await start([
    { name: 'one', url: NOBODY, models: ['a'] },
    { name: 'two', urls: ['http://127.0.0.1:8', 'unix:/run/b.sock'] },
  ])
  expect(at.service.config['upstreams']).toEqual([
    { name: 'one', urls: [NOBODY], models: ['a'], health: null },
    { name: 'two', urls: ['http://127.0.0.1:8', 'unix:/run/b.sock'], models: [], health: null },
  ])
})
