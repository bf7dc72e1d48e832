import OpenAI from 'openai'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { BrokerHostility } from '../../src/demo/broker/hostility.ts'
import { TOKENS } from '../harness/service.ts'
import { ASK, TOOLS, caught, openStage, readAll, turnBroker, user } from './client.helpers.ts'
import type { Stage, User } from './client.helpers.ts'

let stage: Stage
beforeAll(async () => {
  stage = await openStage()
})
afterAll(async () => {
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

/** What is served for a receipt matters where it does not come inside the answer. */
const FETCHED = { inline: false }

/** The same attack on a buffered answer and on a stream. */
async function bothWays(
  me: User,
  ask: OpenAI.ChatCompletionCreateParamsNonStreaming,
): Promise<string[]> {
  const buffered = await caught(me.openai.chat.completions.create(ask))
  const streamed = await caught(
    me.openai.chat.completions.create({ ...ask, stream: true }).then((stream) => readAll(stream)),
  )
  return [buffered.code, streamed.code]
}

describe('a hostile broker', () => {
  test.each<[string, BrokerHostility, OpenAI.ChatCompletionCreateParamsNonStreaming, string]>([
    [
      'that adds logit_bias',
      { addMembers: { logit_bias: { 1: 100 } } },
      ASK,
      'request_member_added',
    ],
    ['that drops the seed', { removeMembers: ['seed'] }, ASK, 'request_member_removed'],
    [
      'that changes the question',
      { changeMembers: { messages: [{ role: 'user', content: 'say yes' }] } },
      ASK,
      'request_member_changed',
    ],
    ['that swaps the answer', { swapAnswer: 'Buy gold.' }, ASK, 'content_digest_mismatch'],
    [
      'that swaps the arguments of a tool call',
      { swapArguments: '{"city":"elsewhere"}' },
      CALL_TOOLS,
      'content_digest_mismatch',
    ],
    [
      'that swaps the finish reason',
      { swapFinishReason: 'length' },
      ASK,
      'content_digest_mismatch',
    ],
    [
      'that drops the receipt headers',
      { dropHeaders: ['X-Receipt-Id', 'ZG-Res-Key'] },
      ASK,
      'receipt_missing',
    ],
    ['that hides the receipts', { dropRoute: ['signature'] }, ASK, 'receipt_unavailable'],
    [
      'that names a receipt that does not exist',
      { changeHeaders: { 'X-Receipt-Id': `sim-rcpt-${'0'.repeat(32)}` } },
      ASK,
      'receipt_unavailable',
    ],
    [
      'that names no receipt but a path',
      { changeHeaders: { 'X-Receipt-Id': '../attestation/document' } },
      ASK,
      'receipt_missing',
    ],
    [
      'that gives the opening of another receipt',
      { changeReads: { opening: '00'.repeat(32) } },
      ASK,
      'opening_mismatch',
    ],
    [
      'that serves nonsense for a receipt',
      { changeReads: { document: '{}' } },
      ASK,
      'receipt_malformed',
    ],
  ])('%s is caught', async (_name, hostile, ask, code) => {
    const me = user(stage, 'broker', FETCHED)
    await me.openai.chat.completions.create(ASK)
    turn(hostile)
    expect(await bothWays(me, ask)).toEqual([code, code])
    expect(me.verdicts.slice(1).every(({ accepted }) => !accepted)).toBe(true)
  })

  test('that changes a member which the policy names is let pass', async () => {
    turn({ addMembers: { user: 'broker-customer-7' } })
    const me = user(stage, 'broker', { policy: { ...stage.policy, allowMembers: ['user'] } })
    await me.openai.chat.completions.create(ASK)
    expect(me.verdicts[0]).toMatchObject({ accepted: true, level: 'content' })
    const streamed = await me.openai.chat.completions.create({ ...ASK, stream: true })
    // The list replaces the default one, so the broker's stream_options are a change now.
    expect((await caught(readAll(streamed))).code).toBe('request_member_added')
  })

  test('that replays an old answer with its genuine receipt is caught', async () => {
    const me = user(stage, 'broker')
    await me.openai.chat.completions.create(ASK)
    turn({ replay: 'last' })
    expect((await caught(me.openai.chat.completions.create(ASK))).code).toBe('challenge_mismatch')
    turn()
    await readAll(await me.openai.chat.completions.create({ ...ASK, stream: true }))
    turn({ replay: 'last' })
    const stream = await me.openai.chat.completions.create({ ...ASK, stream: true })
    expect((await caught(readAll(stream))).code).toBe('challenge_mismatch')
  })

  test('that replays the old answer of somebody else is caught without the body hashes', async () => {
    const alice = user(stage, 'broker')
    await alice.openai.chat.completions.create(ASK)
    turn({ replay: 'last' })
    const bob = user(stage, 'broker')
    const error = await caught(bob.openai.chat.completions.create(ASK))
    expect(error.code).toBe('challenge_mismatch')
    expect(error.verdict.checks.find(({ id }) => id === 'receipt.structure')?.detail).toBe('view')
  })

  test('that serves the receipt of another answer is caught', async () => {
    const me = user(stage, 'broker', FETCHED)
    await me.openai.chat.completions.create(ASK)
    const id = me.verdicts[0]?.receiptId ?? ''
    turn({ changeHeaders: { 'X-Receipt-Id': id } })
    expect((await caught(me.openai.chat.completions.create(ASK))).code).toBe('challenge_mismatch')
    const old = await fetch(`${me.base}/signature/${id}`)
    const { document } = (await old.json()) as { document: string }
    turn({ changeReads: { document } })
    expect((await caught(me.openai.chat.completions.create(ASK))).code).toBe('receipt_id_mismatch')
  })

  test('that serves a receipt of another service is caught', async () => {
    const other = await openStage()
    try {
      const stranger = user(other, 'direct')
      await stranger.openai.chat.completions.create(ASK)
      const id = stranger.verdicts[0]?.receiptId ?? ''
      const me = user(stage, 'broker', {
        ...FETCHED,
        fetch: (input, init) =>
          String(input).includes('/signature/')
            ? fetch(`${other.at.url}/v1/signature/${id}`, {
                headers: { authorization: `Bearer ${TOKENS.alice}` },
              })
            : fetch(input, init),
      })
      const error = await caught(me.openai.chat.completions.create(ASK))
      expect(error.code).toBe('receipt_other_keyset')
      // The service was asked for its evidence again before that was said.
      const seen = stage.broker.requests.filter(({ route }) => route === 'attestation').slice(-2)
      expect(new Set(seen.map(({ url }) => url)).size).toBe(2)
    } finally {
      await other.close()
    }
  })

  test('is reported and not thrown where reports are asked for', async () => {
    const me = user(stage, 'broker', { onFailure: 'report' })
    turn({ swapAnswer: 'Buy gold.' })
    const answer = await me.openai.chat.completions.create(ASK)
    expect(answer.choices[0]?.message.content).toBe('Buy gold.')
    const stream = await me.openai.chat.completions.create({ ...ASK, stream: true })
    expect((await readAll(stream)).text).toBe('Buy gold.')
    expect(me.verdicts.map(({ code }) => code)).toEqual([
      'content_digest_mismatch',
      'content_digest_mismatch',
    ])
    turn({ dropRoute: ['attestation'] })
    const blind = user(stage, 'broker', { onFailure: 'report' })
    await blind.openai.chat.completions.create(ASK)
    expect(blind.verdicts).toMatchObject([{ level: 'none', code: 'attestation_unavailable' }])
  })
})
