/** The demo model's other routes as the official clients see them. */
import Anthropic from '@anthropic-ai/sdk'
import OpenAI, { toFile } from 'openai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { isJsonObject } from '../../attestation/protocol/json.ts'
import type { DemoModel } from '../../src/demo/model/start-demo-model.ts'
import { startDemoModel } from '../../src/demo/model/start-demo-model.ts'

const MODEL = 'demo/words'
let demo: DemoModel
let openai: OpenAI
let anthropic: Anthropic

beforeAll(async () => {
  demo = await startDemoModel({ models: [MODEL] })
  openai = new OpenAI({ baseURL: `${demo.url}/v1`, apiKey: 'unused', maxRetries: 0 })
  anthropic = new Anthropic({ baseURL: demo.url, apiKey: 'unused', maxRetries: 0 })
})
afterAll(() => demo.close())

async function collect<T>(stream: AsyncIterable<T>): Promise<readonly T[]> {
  const all: T[] = []
  for await (const each of stream) all.push(each)
  return all
}

async function post(path: string, body: object): Promise<unknown> {
  const response = await fetch(`${demo.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: MODEL, ...body }),
  })
  expect(response.status).toBe(200)
  return response.json()
}

describe('completions', () => {
  const ask = { model: MODEL, prompt: ['one', 'two'], n: 2, seed: 7, max_tokens: 40 }

  test('two prompts and two choices make four, in a body and in a stream alike', async () => {
    const whole = await openai.completions.create(ask)
    expect(whole.id).toMatch(/^cmpl-/)
    expect(whole.choices.map(({ index }) => index)).toEqual([0, 1, 2, 3])
    const chunks = await collect(await openai.completions.create({ ...ask, stream: true }))
    const texts = whole.choices.map(({ index }) =>
      chunks
        .flatMap(({ choices }) => choices)
        .filter((choice) => choice.index === index)
        .map(({ text }) => text)
        .join(''),
    )
    expect(texts).toEqual(whole.choices.map(({ text }) => text))
  })

  test('sixteen tokens are all there is unless more are asked for', async () => {
    const short = await openai.completions.create({ model: MODEL, prompt: '[[tokens=40]]' })
    expect(short.choices[0]?.finish_reason).toBe('length')
    expect(short.usage?.completion_tokens).toBe(16)
  })
})

describe('messages', () => {
  const ask = {
    model: MODEL,
    max_tokens: 200,
    messages: [{ role: 'user' as const, content: 'hello' }],
  }
  const tools = [
    {
      name: 'weather',
      input_schema: { type: 'object' as const, properties: { city: { type: 'string' } } },
    },
  ]

  test('a body, and a stream that the client puts together', async () => {
    const whole = await anthropic.messages.create(ask)
    expect(whole.content.map(({ type }) => type)).toEqual(['text'])
    expect(whole.stop_reason).toBe('end_turn')
    const final = await anthropic.messages.stream(ask).finalMessage()
    expect(final).toMatchObject({ type: 'message', role: 'assistant' })
    expect(final.content[0]?.type).toBe('text')
    expect(final.usage.output_tokens).toBeGreaterThan(0)
  })

  test('thoughts and tool calls, streamed', async () => {
    const messages = [{ role: 'user' as const, content: '[[reasoning]] [[tools]]' }]
    const final = await anthropic.messages.stream({ ...ask, messages, tools }).finalMessage()
    expect(final.content.map(({ type }) => type)).toEqual(['thinking', 'tool_use', 'tool_use'])
    expect(final.stop_reason).toBe('tool_use')
    const [, call] = final.content
    expect(call?.type === 'tool_use' && isJsonObject(call.input)).toBe(true)
  })

  test('counts tokens', async () => {
    const { max_tokens: _, ...counted } = ask
    const { input_tokens: tokens } = await anthropic.messages.countTokens(counted)
    expect(tokens).toBeGreaterThan(0)
  })
})

describe('responses', () => {
  test('a body, and a stream whose last event repeats what the deltas said', async () => {
    const whole = await openai.responses.create({ model: MODEL, input: 'hello', temperature: 0 })
    expect(whole.status).toBe('completed')
    const stream = openai.responses.stream({ model: MODEL, input: 'hello', temperature: 0 })
    const events = await collect(stream)
    const final = await stream.finalResponse()
    expect(final.output_text).toBe(whole.output_text)
    const deltas = events.map((event) =>
      event.type === 'response.output_text.delta' ? event.delta : '',
    )
    expect(deltas.join('')).toBe(whole.output_text)
  })

  test('a truncated answer is incomplete', async () => {
    const cut = await openai.responses.create({
      model: MODEL,
      input: 'hello',
      max_output_tokens: 2,
    })
    expect(cut.status).toBe('incomplete')
    expect(cut.incomplete_details?.reason).toBe('max_output_tokens')
  })

  test('function calls and reasoning', async () => {
    const response = await openai.responses.create({
      model: MODEL,
      input: [{ role: 'user', content: '[[tool]] [[reasoning]]' }],
      tools: [{ type: 'function', name: 'weather', parameters: {}, strict: false }],
    })
    expect(response.output.map(({ type }) => type)).toEqual(['reasoning', 'function_call'])
  })
})

describe('pooling', () => {
  test('the same vectors as numbers and as base64', async () => {
    const input = ['a', 'b']
    const floats = await openai.embeddings.create({
      model: MODEL,
      input,
      encoding_format: 'float',
    })
    // The client asks for base64 and decodes it unless told otherwise.
    const decoded = await openai.embeddings.create({ model: MODEL, input })
    expect(decoded.data.map(({ embedding }) => embedding)).toEqual(
      floats.data.map(({ embedding }) => embedding),
    )
  })

  test('rerank, score, tokenize and back', async () => {
    const ranked = await post('/v1/rerank', { query: 'q', documents: ['a', 'b', 'c'], top_n: 2 })
    expect(ranked).toMatchObject({ results: [{}, {}] })
    const scored = await post('/score', { text_1: 'q', text_2: ['a', 'b'] })
    expect(scored).toMatchObject({ data: [{ object: 'score' }, { object: 'score' }] })
    const tokens = await post('/tokenize', { prompt: 'né' })
    expect(tokens).toMatchObject({ count: 3, tokens: [110, 195, 169] })
    expect(await post('/detokenize', { tokens: [110, 195, 169] })).toEqual({ prompt: 'né' })
  })
})

describe('media', () => {
  const file = () => toFile(Buffer.from('RIFF sound'), 'sound.wav', { type: 'audio/wav' })

  test('transcriptions in a body and streamed, and translations', async () => {
    const heard = await openai.audio.transcriptions.create({ file: await file(), model: MODEL })
    expect(heard.text.length).toBeGreaterThan(0)
    const stream = await openai.audio.transcriptions.create({
      file: await file(),
      model: MODEL,
      stream: true,
    })
    const words = (await collect<unknown>(stream)).map((event) => JSON.stringify(event))
    expect(words.length).toBeGreaterThan(1)
    const translated = await openai.audio.translations.create({ file: await file(), model: MODEL })
    expect(translated.text).toBe(heard.text)
  })

  test('images', async () => {
    const made = await openai.images.generate({ model: MODEL, prompt: 'grey', n: 2 })
    expect(made.data).toHaveLength(2)
    const image = await toFile(Buffer.from('PNG'), 'a.png', { type: 'image/png' })
    const edited = await openai.images.edit({ model: MODEL, prompt: 'greyer', image })
    expect(edited.data?.[0]?.b64_json).toMatch(/^iVBOR/)
  })

  test('a form for another model is refused', async () => {
    const asked = openai.audio.transcriptions.create({ file: await file(), model: 'other' })
    await expect(asked).rejects.toMatchObject({ status: 404 })
  })
})
