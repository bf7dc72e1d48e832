/** What a hostile broker does, seen by the openai package, by curl and by Python's urllib through the local proxy. */
import OpenAI from 'openai'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { BrokerHostility } from '../../src/demo/broker/hostility.ts'
import { TOKENS } from '../harness/service.ts'
import { ASK, TOOLS, openStage, readAll, turnBroker } from './client.helpers.ts'
import type { Stage } from './client.helpers.ts'
import { curl, openProxy, refusal, urllib } from './proxy.helpers.ts'
import type { TestProxy } from './proxy.helpers.ts'

let stage: Stage
let proxy: TestProxy
let holding: TestProxy
beforeAll(async () => {
  stage = await openStage()
  proxy = await openProxy(stage)
  holding = await openProxy(stage, { stream: 'hold' })
})
afterAll(async () => {
  await proxy.close()
  await holding.close()
  await stage.close()
})
afterEach(() => {
  turn()
})

const turn = (hostile?: BrokerHostility) => {
  turnBroker(stage, hostile)
}

const CALL_TOOLS = {
  ...ASK,
  tools: TOOLS,
  messages: [{ role: 'user' as const, content: '[[tool]]' }],
}

/** The receipt that comes with a buffered answer: without it one is fetched. */
const INSIDE = ['X-Countersign-Receipt']

const ATTACKS: readonly (readonly [
  string,
  BrokerHostility,
  OpenAI.ChatCompletionCreateParamsNonStreaming,
  string,
])[] = [
  ['adds logit_bias', { addMembers: { logit_bias: { 1: 100 } } }, ASK, 'request_member_added'],
  ['swaps the answer', { swapAnswer: 'Buy gold.' }, ASK, 'content_digest_mismatch'],
  [
    'changes a tool call',
    { swapArguments: '{"city":"elsewhere"}' },
    CALL_TOOLS,
    'content_digest_mismatch',
  ],
  [
    'strips the receipt headers',
    { dropHeaders: ['X-Receipt-Id', 'ZG-Res-Key'] },
    ASK,
    'receipt_missing',
  ],
  [
    'hides the receipts',
    { dropRoute: ['signature'], dropHeaders: INSIDE },
    ASK,
    'receipt_unavailable',
  ],
  [
    'forges a receipt',
    { changeReads: { document: '{}' }, dropHeaders: INSIDE },
    ASK,
    'receipt_malformed',
  ],
]

describe('a broker that', () => {
  test.each(ATTACKS)('%s is refused for each client', async (_name, hostile, ask, code) => {
    await proxy.openai.chat.completions.create(ASK)
    turn(hostile)
    const lines = proxy.log.length
    const streamed = { ...ask, stream: true } as const
    const [buffered, said, read, held, broken, events, whole, lined] = await Promise.all([
      refusal(proxy.openai.chat.completions.create(ask)),
      curl(proxy, ask),
      urllib(proxy, ask),
      refusal(holding.openai.chat.completions.create(streamed)),
      proxy.openai.chat.completions.create(streamed).then(
        (stream) => readAll(stream).catch(() => 'broken'),
        () => 'broken',
      ),
      curl(proxy, streamed),
      urllib(proxy, streamed),
      urllib(proxy, streamed, 'lines'),
    ])
    const refused = { status: 502, code }
    expect([buffered, held]).toEqual([refused, refused])
    expect(JSON.parse(said.out)).toMatchObject({ error: { code, type: 'verification_error' } })
    expect(said.out).not.toContain('Buy gold')
    expect(read).toMatchObject({ ended: false, status: 502, error: { code } })
    // Words pass while they come, the end does not: no client takes such a stream for a whole one.
    expect(broken).toBe('broken')
    expect(events.code).not.toBe(0)
    expect(events.out).not.toContain('[DONE]')
    for (const part of [whole, lined]) {
      expect(part['ended']).toBe(false)
      expect(part['broken']).toMatch(/IncompleteRead|ConnectionResetError/)
      expect(part['text']).not.toContain('[DONE]')
    }
    const told = proxy.log.slice(lines).map(({ fields }) => fields)
    expect(told).toHaveLength(7)
    for (const line of told) expect(line).toMatchObject({ ending: 'refused', code })
  })

  test.each([
    ['cuts a stream', { cutAfterEvents: 3 }, 'stream_cut'],
    [
      'cuts a stream and ends it',
      { cutAfterEvents: 3, cutWithDone: true },
      'content_digest_mismatch',
    ],
  ] as const)('%s is refused', async (_name, hostile, code) => {
    turn(hostile)
    const streamed = { ...ASK, stream: true } as const
    expect(await refusal(holding.openai.chat.completions.create(streamed))).toEqual({
      status: 502,
      code,
    })
    const events = await curl(proxy, streamed)
    expect([events.code, events.out.includes('[DONE]')]).not.toEqual([0, true])
    expect(events.code).not.toBe(0)
    expect(proxy.last()).toMatchObject({ ending: 'refused', code })
    expect(await urllib(proxy, streamed)).toMatchObject({ ended: false })
  })

  test('replays an answer with its genuine receipt is refused', async () => {
    await proxy.openai.chat.completions.create(ASK)
    turn({ replay: 'last' })
    expect(await refusal(proxy.openai.chat.completions.create(ASK))).toEqual({
      status: 502,
      code: 'challenge_mismatch',
    })
  })

  test('says of an answer that it was verified is not believed', async () => {
    turn({
      swapAnswer: 'Buy gold.',
      changeHeaders: { 'X-Countersign-Level': 'bytes', 'X-Countersign-Code': 'ok' },
    })
    const said = await curl(proxy, ASK, ['-D', '-'])
    expect(said.out.toLowerCase()).not.toContain('x-countersign-level: bytes')
    const events = await curl(proxy, { ...ASK, stream: true }, ['-D', '-'])
    expect(events.out.toLowerCase()).not.toContain('x-countersign-level')
  })

  test('is of another service, or of none, is refused before the prompt is sent', async () => {
    const other = await openStage()
    const pinned = await openProxy(other, { policy: stage.policy })
    const genuine = await openProxy(stage, { policy: {} })
    try {
      for (const [at, code] of [
        [pinned, 'pck_chain_untrusted_root'],
        [genuine, 'simulation_not_allowed'],
      ] as const) {
        const refused = await refusal(at.openai.chat.completions.create(ASK))
        expect(refused).toEqual({ status: 502, code })
      }
      expect(other.broker.requests.filter(({ route }) => route === 'completion')).toEqual([])
    } finally {
      await pinned.close()
      await genuine.close()
      await other.close()
    }
  })

  test('serves no evidence is refused, and asked again by the next request', async () => {
    const fresh = await openProxy(stage)
    turn({ dropRoute: ['attestation'] })
    expect(await refusal(fresh.openai.chat.completions.create(ASK))).toEqual({
      status: 502,
      code: 'attestation_unavailable',
    })
    turn()
    await fresh.openai.chat.completions.create(ASK)
    await fresh.close()
  })

  test('is not asked again by clients that ask again after a 502', async () => {
    turn({ swapAnswer: 'Buy gold.' })
    const eager = new OpenAI({
      baseURL: `${proxy.url}/v1`,
      apiKey: TOKENS.alice,
      maxRetries: 3,
    })
    const before = stage.broker.requests.filter(({ route }) => route === 'completion').length
    await refusal(eager.chat.completions.create(ASK))
    const after = stage.broker.requests.filter(({ route }) => route === 'completion').length
    expect(after - before).toBe(1)
  })
})

describe('a reader of HTTP/1.0', () => {
  test('gets a stream held, because the end of a connection would look like its end', async () => {
    turn({ swapAnswer: 'Buy gold.' })
    const said = await curl(proxy, { ...ASK, stream: true }, ['--http1.0'])
    expect(JSON.parse(said.out)).toMatchObject({ error: { code: 'content_digest_mismatch' } })
    turn()
    const whole = await curl(proxy, { ...ASK, stream: true }, ['--http1.0'])
    expect([whole.code, whole.out.endsWith('data: [DONE]\n\n')]).toEqual([0, true])
  })
})
