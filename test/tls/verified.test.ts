/** The verified fetch over TLS: what is sent to whom, and what is said of it. */
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import OpenAI from 'openai'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { startProxy } from '../../src/client/proxy/start-proxy.ts'
import { verified } from '../../src/client/verified.ts'
import type { VerifiedOptions } from '../../src/client/create-client.ts'
import { VerificationError } from '../../src/client/verification-error.ts'
import type { ClientVerdict } from '../../src/client/verification-error.ts'
import { SILENT_LOG } from '../../src/operations/open-log.ts'
import { MODEL, TOKENS } from '../harness/service.ts'
import { startMiddleBox } from './middle-box.ts'
import { startTlsService } from './tls.helpers.ts'
import type { TlsTestService } from './tls.helpers.ts'

const PROMPT = 'a prompt that is nobody else’s business'
const open: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close()
})

/** One for the tests that leave it as it is. */
let shared: TlsTestService
beforeAll(async () => {
  shared = await startTlsService({ gpus: 1, plain: true })
})
afterAll(() => shared.close())

async function service(port = 0): Promise<TlsTestService> {
  const started = await startTlsService({ gpus: 1, tls: { port } })
  open.push(() => started.close())
  return started
}
async function box(target: string, port = 0) {
  const started = await startMiddleBox(target, port)
  open.push(() => started.close())
  return started
}

function client(baseURL: string, options: VerifiedOptions = {}) {
  const verdicts: ClientVerdict[] = []
  const { policy, ...more } = options
  const fetch = verified({
    policy: { allowSimulated: true, simulatedRoots: 'any', ...policy },
    onVerdict: (verdict) => verdicts.push(verdict),
    ...more,
  })
  const openai = new OpenAI({ baseURL, apiKey: TOKENS.alice, fetch, maxRetries: 0 })
  return { openai, fetch, verdicts }
}
const ask = (openai: OpenAI) =>
  openai.chat.completions.create({ model: MODEL, messages: [{ role: 'user', content: PROMPT }] })

/** All that a box has read of requests. */
const readBy = (seen: readonly { readonly headers: string; readonly body: string }[]): string =>
  seen.map(({ headers, body }) => headers + body).join('\n')

const BOUND = { policy: { channel: 'bound' } } as const

describe('over TLS that ends in the enclave', () => {
  test.each(['any', 'bound'] as const)(
    'an answer is bound, with the self-signed certificate, where the policy says %s',
    async (channel) => {
      const at = shared
      const { openai, verdicts } = client(`${at.secureUrl}/v1`, { policy: { channel } })
      const answer = await ask(openai)
      expect(answer.choices[0]?.message.content).not.toBe('')
      const stream = await openai.chat.completions.create({
        model: MODEL,
        stream: true,
        messages: [{ role: 'user', content: PROMPT }],
      })
      let chunks = 0
      for await (const _ of stream) chunks++
      expect(chunks).toBeGreaterThan(2)
      expect(verdicts).toMatchObject([
        { accepted: true, channel: 'bound' },
        { accepted: true, channel: 'bound' },
      ])
      const models = await openai.models.list()
      expect(models.data.length).toBeGreaterThan(0)
    },
  )

  test('the list of models comes over a bound connection too, also when it is asked for first', async () => {
    const at = shared
    const { openai } = client(`${at.secureUrl}/v1`, BOUND)
    expect((await openai.models.list()).data.map(({ id }) => id)).toContain(MODEL)
  })

  test('a service that starts anew is attested anew, and the request is sent once', async () => {
    const first = await service()
    const { openai, verdicts } = client(`${first.secureUrl}/v1`, BOUND)
    await ask(openai)
    const { securePort } = first
    open.pop()
    await first.close()
    const second = await service(securePort)
    expect(second.spkiSha256).not.toBe(first.spkiSha256)
    await ask(openai)
    expect(verdicts).toMatchObject([{ channel: 'bound' }, { channel: 'bound', accepted: true }])
    expect(verdicts[1]?.keysetDigest).toBe(second.service.keys.keysetDigest)
    await second.settled(1)
    expect(second.receipts).toHaveLength(1)
  })
})

describe('a box that ends TLS on a key of its own and passes everything on', () => {
  test('is called an intermediary where the policy lets it be', async () => {
    const at = shared
    const broker = await box(at.secureUrl)
    // As a broker with a certificate of WebPKI: the global fetch has to take it.
    const before = process.env['NODE_TLS_REJECT_UNAUTHORIZED']
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0'
    try {
      const { openai, verdicts } = client(`${broker.url}/v1`)
      await ask(openai)
      expect(verdicts).toMatchObject([{ accepted: true, channel: 'intermediary' }])
    } finally {
      if (before === undefined) delete process.env['NODE_TLS_REJECT_UNAUTHORIZED']
      else process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = before
    }
  })

  test('with a certificate that nobody vouches for gets evidence requests and nothing else', async () => {
    const at = shared
    const broker = await box(at.secureUrl)
    const { openai } = client(`${broker.url}/v1`)
    await expect(ask(openai)).rejects.toThrow('Connection error')
    // The second asks whether the box has left.
    expect(broker.seen.map(({ line }) => line.split('?')[0])).toEqual([
      'GET /v1/attestation/document',
      'GET /v1/attestation/document',
    ])
    expect(readBy(broker.seen)).not.toContain(TOKENS.alice)
  })

  test('that was there for the first attestation alone does not keep a client from the enclave after it', async () => {
    const at = await service()
    const broker = await box(at.secureUrl)
    let connections = 0
    const road = createServer((socket) => {
      const onward = connect(connections++ === 0 ? broker.port : at.securePort, '127.0.0.1')
      for (const end of [socket, onward]) {
        end.on('error', () => undefined)
        end.on('close', () => [socket, onward].forEach((each) => each.destroy()))
      }
      socket.pipe(onward).pipe(socket)
    }).listen(0, '127.0.0.1')
    await once(road, 'listening')
    open.push(async () => {
      road.close()
      await Promise.resolve()
    })
    const address = road.address()
    if (address === null || typeof address === 'string') throw new Error('no port')
    const { openai, verdicts } = client(`https://127.0.0.1:${address.port}/v1`)
    await ask(openai)
    await ask(openai)
    expect(verdicts).toMatchObject([
      { accepted: true, channel: 'bound' },
      { accepted: true, channel: 'bound' },
    ])
    expect(broker.seen.map(({ line }) => line.split('?')[0])).toEqual([
      'GET /v1/attestation/document',
    ])
    await at.settled(2)
    expect(at.receipts).toHaveLength(2)
  })

  test.each(['throw', 'report'] as const)(
    'is refused before a byte of the prompt or the token leaves, where the channel must be bound (onFailure %s)',
    async (onFailure) => {
      const at = shared
      const before = at.receipts.length
      const broker = await box(at.secureUrl)
      const { openai, fetch, verdicts } = client(`${broker.url}/v1`, { ...BOUND, onFailure })
      const error = await ask(openai).catch((caught: unknown) => caught)
      expect(error).toBeInstanceOf(Error)
      expect(verdicts).toMatchObject([
        { accepted: false, code: 'channel_intermediary', channel: 'intermediary' },
      ])
      await expect(openai.models.list()).rejects.toThrow()
      const posted = fetch(`${broker.url}/v1/files`, { method: 'POST', body: PROMPT })
      await expect(posted).rejects.toBeInstanceOf(VerificationError)
      expect(broker.seen.length).toBeGreaterThan(0)
      for (const { line } of broker.seen) expect(line).toMatch(/^GET \/v1\/attestation\/document/)
      expect(readBy(broker.seen)).not.toContain(PROMPT)
      expect(readBy(broker.seen)).not.toContain(TOKENS.alice)
      expect(at.receipts).toHaveLength(before)
    },
  )

  test('that takes the place of the enclave later gets nothing either', async () => {
    const at = await service()
    const { openai, verdicts } = client(`${at.secureUrl}/v1`, BOUND)
    await ask(openai)
    const { securePort } = at
    open.pop()
    await at.close()
    // Another boot of the same service, reached through somebody at the old address: every piece of evidence is genuine.
    const moved = await service()
    const broker = await box(moved.secureUrl, securePort)
    await ask(openai).catch(() => undefined)
    expect(verdicts[1]).toMatchObject({ accepted: false, code: 'channel_intermediary' })
    expect(readBy(broker.seen)).not.toContain(PROMPT)
    expect(readBy(broker.seen)).not.toContain(TOKENS.alice)
    expect(moved.receipts).toEqual([])
  })

  test('is not let in by a keyset of somebody else that lists its key', async () => {
    const at = shared
    const broker = await box(at.secureUrl)
    // The document of an honest service with the box's key put into its keyset: the quote is not over that.
    broker.rewrite = (text) => text.replaceAll(at.spkiSha256, broker.spkiSha256)
    const { openai, verdicts } = client(`${broker.url}/v1`, BOUND)
    await ask(openai).catch(() => undefined)
    expect(verdicts).toMatchObject([{ accepted: false, code: 'statement_mismatch' }])
    expect(readBy(broker.seen)).not.toContain(PROMPT)
  })

  test('cannot send a client elsewhere with a redirect', async () => {
    const at = shared
    const broker = await box(at.secureUrl)
    broker.redirect = `${broker.url}/v1/attestation/document`
    const lured = client(`${broker.url}/v1`, BOUND)
    await ask(lured.openai).catch(() => undefined)
    expect(lured.verdicts).toMatchObject([{ accepted: false, code: 'attestation_unavailable' }])
    expect(broker.seen).toHaveLength(1)
    expect(readBy(broker.seen)).not.toContain(PROMPT)
  })
})

describe('where nobody looked at the connection', () => {
  test('a fetch of the caller’s own is never bound', async () => {
    const at = shared
    const own: typeof fetch = (input, init) => fetch(input, init)
    const free = client(`${at.url}/v1`, { fetch: own })
    await ask(free.openai)
    expect(free.verdicts).toMatchObject([{ accepted: true, channel: 'intermediary' }])
    const strict = client(`${at.url}/v1`, { ...BOUND, fetch: own })
    await ask(strict.openai).catch(() => undefined)
    expect(strict.verdicts).toMatchObject([{ accepted: false, code: 'channel_plain' }])
  })

  test('plain HTTP is refused before a prompt leaves', async () => {
    const at = shared
    const before = at.model.requests.length
    const { openai, verdicts } = client(`${at.url}/v1`, BOUND)
    await ask(openai).catch(() => undefined)
    expect(verdicts).toMatchObject([{ accepted: false, code: 'channel_plain' }])
    expect(at.model.requests).toHaveLength(before)
  })
})

describe('the local proxy', () => {
  async function proxied(upstream: string) {
    const policy = { allowSimulated: true, simulatedRoots: 'any', channel: 'bound' } as const
    const proxy = await startProxy({
      listen: { host: '127.0.0.1', port: 0 },
      upstream: `${upstream}/v1`,
      policy,
      level: 'content',
      stream: 'pass',
      log: SILENT_LOG,
    })
    open.push(() => proxy.close())
    const body = JSON.stringify({ model: MODEL, messages: [{ role: 'user', content: PROMPT }] })
    return fetch(`${proxy.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${TOKENS.alice}`, 'content-type': 'application/json' },
      body,
    })
  }

  test('says that its connection was bound', async () => {
    const answer = await proxied(shared.secureUrl)
    expect(answer.status).toBe(200)
    expect(answer.headers.get('x-countersign-channel')).toBe('bound')
    await answer.text()
  })

  test('sends nothing to a box in between', async () => {
    const broker = await box(shared.secureUrl)
    const answer = await proxied(broker.url)
    expect(answer.status).toBe(502)
    expect(await answer.text()).toContain('"code":"channel_intermediary"')
    expect(readBy(broker.seen)).not.toContain(PROMPT)
    expect(readBy(broker.seen)).not.toContain(TOKENS.alice)
  })
})
