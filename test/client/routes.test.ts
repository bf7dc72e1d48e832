/** Every route by the client that its users have, through the verified fetch: directly, and through a broker that rewrites. */
import Anthropic from '@anthropic-ai/sdk'
import OpenAI, { toFile } from 'openai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { MODEL, TOKENS } from '../harness/service.ts'
import { openStage, user } from './client.helpers.ts'
import type { Stage, User } from './client.helpers.ts'

let stage: Stage
beforeAll(async () => {
  stage = await openStage()
})
afterAll(() => stage.close())

async function collect<T>(stream: AsyncIterable<T>): Promise<readonly T[]> {
  const all: T[] = []
  for await (const each of stream) all.push(each)
  return all
}

const anthropicOf = ({ fetch, base }: User) =>
  new Anthropic({
    baseURL: base.replace(/\/v1$/, ''),
    apiKey: TOKENS.alice,
    fetch,
    maxRetries: 0,
  })

const file = () => toFile(Buffer.from('RIFF sound'), 'sound.wav', { type: 'audio/wav' })
const image = () => toFile(Buffer.from('PNG'), 'a.png', { type: 'image/png' })
const say = (content: string) => [{ role: 'user' as const, content }]
const schema = { type: 'object' as const, properties: { city: { type: 'string' } } }

type Call = (openai: OpenAI, anthropic: Anthropic) => Promise<unknown>

/** Name, endpoint, kind of content, call. */
const CALLS: readonly (readonly [string, string, string, Call])[] = [
  [
    'a completion',
    '/v1/completions',
    'text/v1',
    (openai) => openai.completions.create({ model: MODEL, prompt: ['a', 'b'], n: 2 }),
  ],
  [
    'a streamed completion',
    '/v1/completions',
    'text/v1',
    async (openai) => {
      const stream = await openai.completions.create({ model: MODEL, prompt: 'a', stream: true })
      return collect(stream)
    },
  ],
  [
    'vectors as numbers',
    '/v1/embeddings',
    'embeddings/v1',
    (openai) =>
      openai.embeddings.create({ model: MODEL, input: ['a', 'b'], encoding_format: 'float' }),
  ],
  [
    'vectors as base64, as the client asks for by itself',
    '/v1/embeddings',
    'embeddings/v1',
    (openai) => openai.embeddings.create({ model: MODEL, input: 'a' }),
  ],
  [
    'a response',
    '/v1/responses',
    'responses/v1',
    (openai) => openai.responses.create({ model: MODEL, input: '[[reasoning]] hello' }),
  ],
  [
    'a streamed response with function calls',
    '/v1/responses',
    'responses/v1',
    (openai) =>
      openai.responses
        .stream({
          model: MODEL,
          input: '[[tools]] hello',
          tools: [{ type: 'function', name: 'weather', parameters: schema, strict: false }],
        })
        .finalResponse(),
  ],
  [
    'a truncated streamed response',
    '/v1/responses',
    'responses/v1',
    (openai) =>
      openai.responses.stream({ model: MODEL, input: 'x', max_output_tokens: 3 }).finalResponse(),
  ],
  [
    'a message',
    '/v1/messages',
    'messages/v1',
    (_openai, anthropic) =>
      anthropic.messages.create({ model: MODEL, max_tokens: 99, messages: say('hello') }),
  ],
  [
    'a streamed message with thoughts and tool calls',
    '/v1/messages',
    'messages/v1',
    (_openai, anthropic) =>
      anthropic.messages
        .stream({
          model: MODEL,
          max_tokens: 200,
          messages: say('[[reasoning]] [[tools]]'),
          tools: [{ name: 'weather', input_schema: schema }],
        })
        .finalMessage(),
  ],
  [
    'a count of tokens',
    '/v1/messages/count_tokens',
    'none',
    (_openai, anthropic) =>
      anthropic.messages.countTokens({ model: MODEL, messages: say('hello') }),
  ],
  [
    'a transcription',
    '/v1/audio/transcriptions',
    'none',
    async (openai) => openai.audio.transcriptions.create({ file: await file(), model: MODEL }),
  ],
  [
    'a streamed transcription',
    '/v1/audio/transcriptions',
    'none',
    async (openai) => {
      const asked = { file: await file(), model: MODEL, stream: true as const }
      return collect(await openai.audio.transcriptions.create(asked))
    },
  ],
  [
    'a translation',
    '/v1/audio/translations',
    'none',
    async (openai) => openai.audio.translations.create({ file: await file(), model: MODEL }),
  ],
  [
    'an image',
    '/v1/images/generations',
    'none',
    (openai) => openai.images.generate({ model: MODEL, prompt: 'grey' }),
  ],
  [
    'an edited image',
    '/v1/images/edits',
    'none',
    async (openai) => openai.images.edit({ model: MODEL, prompt: 'greyer', image: await image() }),
  ],
]

describe('directly, every byte is the service’s own:', () => {
  test.each(CALLS)('%s', async (_name, endpoint, kind, call) => {
    const direct = user(stage, 'direct')
    const before = stage.at.receipts.length
    await call(direct.openai, anthropicOf(direct))
    const verdict = await direct.verdict()
    expect(verdict.checks.filter(({ status }) => status === 'fail')).toEqual([])
    expect(verdict).toMatchObject({ accepted: true, level: 'bytes', outcome: 'complete' })
    const [receipt] = stage.at.receipts.slice(before)
    expect(receipt?.record).toMatchObject({
      endpoint,
      content_kind: kind,
      // Completions come with a fingerprint of the system, which says nothing of the answer.
      content_status: kind === 'none' ? 'none' : kind === 'text/v1' ? 'partial' : 'covered',
      model_requested: MODEL,
      model_served: kind === 'none' ? null : MODEL,
    })
  })

  test.each([
    ['/v1/rerank', { query: 'q', documents: ['a', 'b'] }],
    ['/v2/rerank', { query: 'q', documents: ['a', 'b'] }],
    ['/v1/score', { text_1: 'q', text_2: ['a', 'b'] }],
    ['/v1/tokenize', { prompt: 'hello' }],
    ['/v1/detokenize', { tokens: [104, 105] }],
  ])('%s', async (path, body) => {
    const direct = user(stage, 'direct')
    const response = await direct.fetch(`${stage.at.url}${path}`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        authorization: `Bearer ${TOKENS.alice}`,
      },
      body: JSON.stringify({ model: MODEL, ...body }),
    })
    expect(response.status).toBe(200)
    await response.text()
    expect(await direct.verdict()).toMatchObject({ accepted: true, level: 'bytes' })
  })
})

describe('through the broker', () => {
  test('a message is compared by what it says', async () => {
    for (const content of ['hello', '[[reasoning]] hello']) {
      const through = user(stage)
      const anthropic = anthropicOf(through)
      const ask = { model: MODEL, max_tokens: 200, messages: say(content) }
      const whole = await anthropic.messages.create(ask)
      expect(whole.content.length).toBeGreaterThan(0)
      expect(await through.verdict()).toMatchObject({ accepted: true, level: 'content' })
      const final = await anthropic.messages.stream(ask).finalMessage()
      expect(final.stop_reason).toBe('end_turn')
      expect(await through.verdict(2)).toMatchObject({ accepted: true, level: 'content' })
    }
  })

  test('a form passes as it is, so its answer is the service’s to the byte', async () => {
    const through = user(stage)
    const asked = { file: await file(), model: MODEL }
    await through.openai.audio.transcriptions.create(asked)
    expect(await through.verdict()).toMatchObject({ accepted: true, level: 'bytes' })
  })

  test('an image passes where the broker wrote the request anew and left the answer as it was', async () => {
    const through = user(stage)
    await through.openai.images.generate({ prompt: 'grey', model: MODEL })
    expect(await through.verdict()).toMatchObject({ accepted: true, level: 'content' })
  })

  test('an image that the broker wrote anew has nothing left to compare', async () => {
    stage.broker.hostile.stripBodyMembers = ['cot_output']
    const through = user(stage)
    const made = through.openai.images.generate({ prompt: 'grey', model: MODEL })
    await expect(made).rejects.toThrow()
    expect(await through.verdict()).toMatchObject({ accepted: false, code: 'level_not_reached' })
    delete stage.broker.hostile.stripBodyMembers
  })
})
