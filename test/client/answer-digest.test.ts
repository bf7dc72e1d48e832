/** An answer of which an application holds only what its SDK made of it, behind a broker that rewrites. */
import Anthropic from '@anthropic-ai/sdk'
import type OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseReceipt } from '../../attestation/appraiser/receipt/parse-receipt.ts'
import { answerDigest } from '../../src/client/answer-digest.ts'
import { jsonObject } from '../harness/chat.ts'
import { MODEL, TOKENS } from '../harness/service.ts'
import { ASK, openStage, turnBroker, user } from './client.helpers.ts'
import type { Stage, User } from './client.helpers.ts'

const ENDPOINT = '/v1/chat/completions'
const OPENING = '1f'.repeat(32)

let stage: Stage
beforeAll(async () => {
  stage = await openStage()
})
afterAll(() => stage.close())

/** What the receipt of the last answer states, and its opening. */
async function receiptOf({ verdict }: User): Promise<{ stated: unknown; opening: string }> {
  const { receiptId, opening } = await verdict()
  const response = await fetch(
    `${stage.at.url}/v1/attestation/receipts/${receiptId ?? 'no receipt'}`,
    { headers: { authorization: `Bearer ${TOKENS.broker}` } },
  )
  const parsed = parseReceipt(String(jsonObject(await response.text())['document']))
  if (!parsed.ok || opening === null) throw new Error('no receipt')
  return { stated: parsed.receipt.record.content_digest, opening }
}

const textOf = (completion: OpenAI.ChatCompletion) => completion.choices[0]?.message.content

describe('the digest of an object that an SDK made', () => {
  test("is the record's, of a whole answer, until somebody changes a word of it", async () => {
    turnBroker(stage)
    const alice = user(stage)
    const answer = await alice.openai.chat.completions.create(ASK)
    const { stated, opening } = await receiptOf(alice)
    const whole = answerDigest({ endpoint: ENDPOINT, answer }, opening)
    expect(whole.digest).toBe(stated)
    const [choice] = answer.choices
    if (choice === undefined) throw new Error('no choice')
    choice.message.content = `${textOf(answer) ?? ''} Buy gold.`
    const changed = answerDigest({ endpoint: ENDPOINT, answer }, opening)
    expect(changed.status).toBe(whole.status)
    expect(changed.digest).toMatch(/^sha256:/)
    expect(changed.digest).not.toBe(stated)
  })

  test("is the record's, of a stream's chunks and of what a helper made of them", async () => {
    const alice = user(stage)
    const stream = alice.openai.chat.completions.stream(ASK)
    const events: OpenAI.ChatCompletionChunk[] = []
    stream.on('chunk', (chunk) => void events.push(chunk))
    const answer = await stream.finalChatCompletion()
    const { stated: expected, opening } = await receiptOf(alice)
    expect(answerDigest({ endpoint: ENDPOINT, events }, opening).digest).toBe(expected)
    expect(answerDigest({ endpoint: ENDPOINT, answer }, opening).digest).toBe(expected)
    const cut = events.filter(({ choices }) => typeof choices[0]?.finish_reason !== 'string')
    expect(answerDigest({ endpoint: ENDPOINT, events: cut }, opening).digest).not.toBe(expected)
  })

  test("is the record's, of the message that Anthropic's helper made of a stream", async () => {
    const alice = user(stage)
    const baseURL = alice.base.replace(/\/v1$/, '')
    const anthropic = new Anthropic({ apiKey: TOKENS.alice, baseURL, fetch: alice.fetch })
    const messages = [{ role: 'user' as const, content: 'hello' }]
    const ask = { model: MODEL, max_tokens: 50, messages }
    const answer = await anthropic.messages.stream(ask).finalMessage()
    const { stated, opening } = await receiptOf(alice)
    expect(answerDigest({ endpoint: '/v1/messages', answer }, opening).digest).toBe(stated)
  })
})

test('names what the digest does not speak for', () => {
  const answer = { choices: [{ index: 0, message: { role: 'assistant', content: 'yes', ads: 1 } }] }
  const { status, uncovered } = answerDigest({ endpoint: ENDPOINT, answer }, OPENING)
  expect([status, uncovered]).toEqual(['partial', ['message.ads']])
})

test.each([
  ['an endpoint that is compared by its bytes', '/v1/rerank', { results: [] }],
  ['an answer of another kind', ENDPOINT, 'yes'],
  [
    'half of a surrogate pair',
    ENDPOINT,
    { choices: [{ index: 0, message: { role: 'assistant', content: '\ud83d' } }] },
  ],
])('has none of %s', (_name, endpoint, answer) => {
  expect(answerDigest({ endpoint, answer }, OPENING)).toEqual({
    digest: null,
    status: 'none',
    uncovered: [],
  })
})

test.each([
  ['the bytes that the hex digits stand for', Buffer.from(OPENING, 'hex').toString('latin1')],
  ['one that is cut', OPENING.slice(2)],
  ['none', ''],
])('throws for %s, rather than give a digest that reads as a forged answer', (_name, opening) => {
  expect(() => answerDigest({ endpoint: ENDPOINT, answer: {} }, opening)).toThrow(TypeError)
})
