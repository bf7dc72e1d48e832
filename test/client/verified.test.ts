import OpenAI from 'openai'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { nobleCrypto } from '../../attestation/crypto/noble.ts'
import { VerificationError } from '../../src/client/verification-error.ts'
import { verified } from '../../src/client/verified.ts'
import { TOKENS } from '../harness/service.ts'
import { ASK, TOOLS, caught, openStage, readAll, user } from './client.helpers.ts'
import type { Stage } from './client.helpers.ts'

let stage: Stage
beforeAll(async () => {
  stage = await openStage()
})
afterAll(async () => {
  await stage.close()
})
afterEach(() => {
  Object.keys(stage.at.model.faults).forEach((name) =>
    Object.assign(stage.at.model.faults, { [name]: undefined }),
  )
})

describe('an honest path', () => {
  test('reaches bytes for a buffered answer straight from the service', async () => {
    const me = user(stage, 'direct')
    const answer = await me.openai.chat.completions.create(ASK)
    expect(answer.choices[0]?.message.content).not.toBe('')
    expect(me.verdicts).toMatchObject([
      {
        accepted: true,
        level: 'bytes',
        code: 'ok',
        simulated: true,
        outcome: 'complete',
        keysetDigest: stage.at.service.keys.keysetDigest,
        url: `${me.base}/chat/completions`,
      },
    ])
    expect(me.verdicts[0]?.receiptId).toMatch(/^sim-rcpt-[0-9a-f]{32}$/)
  })

  test('reaches bytes for a stream straight from the service', async () => {
    const me = user(stage, 'direct', { level: 'bytes' })
    const stream = await me.openai.chat.completions.create({ ...ASK, stream: true })
    expect((await readAll(stream)).chunks).toBeGreaterThan(5)
    expect(me.verdicts).toMatchObject([{ accepted: true, level: 'bytes', outcome: 'complete' }])
  })

  test('reaches content through a broker that re-encodes both bodies', async () => {
    const me = user(stage, 'broker')
    await me.openai.chat.completions.create(ASK)
    await readAll(await me.openai.chat.completions.create({ ...ASK, stream: true }))
    expect(me.verdicts).toMatchObject([
      { accepted: true, level: 'content', simulated: true },
      { accepted: true, level: 'content', simulated: true },
    ])
  })

  test('reaches content for tool calls and for several choices, buffered and streamed', async () => {
    const me = user(stage, 'broker')
    const asks = [
      { ...ASK, tools: TOOLS, messages: [{ role: 'user' as const, content: '[[tools]]' }] },
      { ...ASK, n: 2, messages: [{ role: 'user' as const, content: '[[reasoning]] é 你好' }] },
      { ...ASK, logprobs: true, stop: ['zzz'] },
    ]
    for (const ask of asks) {
      await me.openai.chat.completions.create(ask)
      await readAll(await me.openai.chat.completions.create({ ...ask, stream: true }))
    }
    expect(me.verdicts.map(({ level }) => level)).toEqual(Array(6).fill('content'))
  })

  test('works with the cryptography of a browser', async () => {
    const me = user(stage, 'direct', { crypto: nobleCrypto, level: 'bytes' })
    await me.openai.chat.completions.create(ASK)
    expect(me.verdicts[0]?.accepted).toBe(true)
  })

  test('the level bytes fails through a broker that re-encodes', async () => {
    const me = user(stage, 'broker', { level: 'bytes' })
    const error = await caught(me.openai.chat.completions.create(ASK))
    expect(error.code).toBe('request_hash_mismatch')
    expect(error.verdict.level).toBe('content')
  })

  test('a stream is handed on as it comes, but for its terminator', async () => {
    const me = user(stage, 'direct')
    const response = await me.fetch(`${me.base}/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${TOKENS.alice}`, 'content-type': 'application/json' },
      body: JSON.stringify({ ...ASK, stream: true }),
    })
    const reader = (response.body as ReadableStream<Uint8Array>).getReader()
    let text = ''
    let verdictsAtDone = -1
    for (;;) {
      const { done, value } = await reader.read()
      if (done) break
      const part = new TextDecoder().decode(value)
      if (text === '') expect(me.verdicts).toHaveLength(0)
      if (part.includes('[DONE]')) verdictsAtDone = me.verdicts.length
      text += part
    }
    expect(verdictsAtDone).toBe(1)
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true)
    const plain = await fetch(`${me.base}/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${TOKENS.alice}`, 'content-type': 'application/json' },
      body: JSON.stringify({ ...ASK, stream: true }),
    })
    const withoutIds = (events: string) =>
      events.replace(/"id": ?"[^"]*"/g, '').replace(/"created": ?\d+/g, '')
    expect(withoutIds(text)).toBe(withoutIds(await plain.text()))
  })

  test.each(['every', 1, 40] as const)('split at %s and with CRLF still verifies', async (at) => {
    Object.assign(stage.at.model.faults, { splitAt: at, crlf: true })
    const me = user(stage, 'direct', { level: 'bytes' })
    await readAll(await me.openai.chat.completions.create({ ...ASK, stream: true }))
    expect(me.verdicts[0]?.accepted).toBe(true)
  })

  test('a Request object and a body of bytes are captured, too', async () => {
    const me = user(stage, 'direct', { level: 'bytes' })
    const init = {
      method: 'POST',
      headers: { authorization: `Bearer ${TOKENS.alice}`, 'content-type': 'application/json' },
      body: JSON.stringify(ASK),
    }
    const url = `${me.base}/chat/completions`
    await me.fetch(new Request(url, init))
    await me.fetch(new URL(url), { ...init, body: new TextEncoder().encode(init.body) })
    await me.fetch(url, { ...init, body: new Blob([init.body]) })
    expect(me.verdicts.map(({ level }) => level)).toEqual(['bytes', 'bytes', 'bytes'])
  })
})

describe('what is not a completion', () => {
  test('passes untouched and unjudged', async () => {
    const me = user(stage, 'direct')
    const models: string[] = []
    for await (const model of me.openai.models.list()) models.push(model.id)
    expect(models).toContain(ASK.model)
    expect(me.verdicts).toEqual([])
    expect(stage.at.model.requests.at(-1)?.headers).not.toHaveProperty('x-countersign-challenge')
  })

  test('an error of the model stays the error that it is, with a verdict', async () => {
    const me = user(stage, 'direct')
    const wrong = me.openai.chat.completions.create({ ...ASK, model: 'no-such-model' })
    await expect(wrong).rejects.toBeInstanceOf(OpenAI.NotFoundError)
    expect(me.verdicts[0]).toMatchObject({ level: 'bytes', accepted: true })
    expect(me.verdicts[0]?.outcome).not.toBe('complete')
  })

  test('a refusal without a receipt stays the error that it is', async () => {
    const me = user(stage, 'direct')
    const stranger = new OpenAI({ baseURL: me.base, apiKey: 'wrong', fetch: me.fetch })
    await expect(stranger.chat.completions.create(ASK)).rejects.toBeInstanceOf(
      OpenAI.AuthenticationError,
    )
    expect(me.verdicts).toMatchObject([{ accepted: false, level: 'none', code: 'receipt_missing' }])
  })
})

describe('attestation', () => {
  test('happens once for many first requests at the same time', async () => {
    const me = user(stage, 'broker')
    const before = stage.broker.requests.length
    await Promise.all(Array.from({ length: 5 }, () => me.openai.chat.completions.create(ASK)))
    await me.openai.chat.completions.create(ASK)
    const seen = stage.broker.requests.slice(before).filter(({ route }) => route === 'attestation')
    expect(seen).toHaveLength(1)
    expect(me.verdicts.every(({ accepted }) => accepted)).toBe(true)
  })

  test('simulated evidence is refused by default, and no prompt is sent', async () => {
    const me = user(stage, 'broker', { policy: {} })
    const prompts = stage.at.model.requests.length
    const error = await caught(me.openai.chat.completions.create(ASK))
    expect(error).toBeInstanceOf(VerificationError)
    expect(error.code).toBe('simulation_not_allowed')
    expect(stage.at.model.requests).toHaveLength(prompts)
    // Once: a client that retried would have asked again.
    expect(me.verdicts).toHaveLength(1)
    const streamed = await me.openai.chat.completions.create({ ...ASK, stream: true })
    expect((await caught(readAll(streamed))).code).toBe('simulation_not_allowed')
  })

  test('a route that is dropped fails the call', async () => {
    stage.broker.hostile.dropRoute = ['attestation']
    try {
      const me = user(stage, 'broker')
      const openai = new OpenAI({ baseURL: me.base, apiKey: 'x', fetch: me.fetch, maxRetries: 0 })
      const error = await caught(openai.chat.completions.create(ASK))
      expect(error.code).toBe('attestation_unavailable')
    } finally {
      stage.broker.hostile.dropRoute = undefined
    }
    // Nothing of the failure is remembered.
    const again = user(stage, 'broker')
    await again.openai.chat.completions.create(ASK)
    expect(again.verdicts[0]?.accepted).toBe(true)
  })

  test('a replayed document is refused', async () => {
    const old = await (await fetch(`${stage.broker.url}/v1/proxy/attestation/document`)).json()
    stage.broker.hostile.changeReads = old as Record<string, unknown>
    try {
      const me = user(stage, 'broker')
      expect((await caught(me.openai.chat.completions.create(ASK))).code).toBe('nonce_missing')
      const nonce = '00'.repeat(32)
      const url = `${stage.at.url}/v1/attestation/document?nonce=${nonce}`
      stage.broker.hostile.changeReads = (await (await fetch(url)).json()) as Record<
        string,
        unknown
      >
      expect((await caught(me.openai.chat.completions.create(ASK))).code).toBe('nonce_mismatch')
    } finally {
      stage.broker.hostile.changeReads = undefined
    }
  })

  test('a service that has restarted is attested to anew', async () => {
    const first = await openStage()
    const second = await openStage()
    let target = first
    const roots = [first, second].map(({ policy }) => policy)
    const me = user(first, 'direct', {
      policy: {
        allowSimulated: true,
        sgxRoots: roots.flatMap(({ sgxRoots }) => sgxRoots ?? []),
        nvidiaRoots: roots.flatMap(({ nvidiaRoots }) => nvidiaRoots ?? []),
      },
      fetch: (input, init) => fetch(String(input).replace(first.at.url, target.at.url), init),
    })
    try {
      await me.openai.chat.completions.create(ASK)
      target = second
      await me.openai.chat.completions.create(ASK)
      expect(me.verdicts.map(({ keysetDigest, accepted }) => [accepted, keysetDigest])).toEqual([
        [true, first.at.service.keys.keysetDigest],
        [true, second.at.service.keys.keysetDigest],
      ])
    } finally {
      await first.close()
      await second.close()
    }
  })

  test('a keyset that has expired is not used for another request', async () => {
    let now = Math.floor(Date.now() / 1000)
    const me = user(stage, 'direct', { now: () => now })
    await me.openai.chat.completions.create(ASK)
    now = stage.at.service.keys.keyset.not_after + 1
    const error = await caught(me.openai.chat.completions.create(ASK))
    expect(['keyset_expired', 'statement_stale']).toContain(error.code)
  })

  test('a policy with an unknown member is refused at once', () => {
    expect(() => verified({ policy: { allowSimulatd: true } as object })).toThrow(TypeError)
  })
})

test.each([
  ['a misspelt option', { levle: 'bytes' }],
  ['a misspelt level', { level: 'byte' }],
  ['no level at all', { level: 'none' }],
  ['a misspelt reaction', { onFailure: 'warn' }],
  ['a signature that is wanted by a word', { httpSignature: 'false' }],
  ['a misspelt member of the policy', { policy: { allowSimulate: true } }],
])('refuses %s instead of checking less than was meant', (_name, options) => {
  expect(() => verified(options as object)).toThrow(TypeError)
})
