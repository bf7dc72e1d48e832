/** The demo model as the official client sees it. */
import OpenAI from 'openai'
import type { ChatCompletionChunk } from 'openai/resources/chat/completions'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { DemoModel } from '../../src/demo/model/start-demo-model.ts'
import { startDemoModel } from '../../src/demo/model/start-demo-model.ts'
import { userMessage, WEATHER_TOOLS } from './model-raw-request.ts'

const MODEL = 'demo/words'
let demo: DemoModel
let client: OpenAI

beforeAll(async () => {
  demo = await startDemoModel({ models: [MODEL, 'alias'] })
  client = new OpenAI({ baseURL: `${demo.url}/v1`, apiKey: 'unused', maxRetries: 0 })
})
afterAll(() => demo.close())

function ask(content: string) {
  return { model: MODEL, messages: [...userMessage(content)], seed: 7 }
}

async function collect(
  stream: AsyncIterable<ChatCompletionChunk>,
): Promise<readonly ChatCompletionChunk[]> {
  const chunks: ChatCompletionChunk[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return chunks
}

function textOf(chunks: readonly ChatCompletionChunk[], index = 0): string {
  return chunks
    .flatMap((chunk) => chunk.choices)
    .filter((choice) => choice.index === index)
    .map((choice) => choice.delta.content ?? '')
    .join('')
}

describe('the openai client', () => {
  test('gets a buffered completion with usage', async () => {
    const completion = await client.chat.completions.create(ask('hello'))
    expect(completion.id).toMatch(/^chatcmpl-[0-9a-f]{16}$/)
    expect(completion.model).toBe(MODEL)
    expect(completion.choices).toHaveLength(1)
    expect(completion.choices[0]?.finish_reason).toBe('stop')
    expect(completion.choices[0]?.message.content).toMatch(/\p{Extended_Pictographic}|\p{RI}/u)
    const { usage } = completion
    expect(usage?.total_tokens).toBe((usage?.prompt_tokens ?? 0) + (usage?.completion_tokens ?? 0))
  })

  test('reads the same text from a stream as from a body, for equal seed and messages', async () => {
    const whole = await client.chat.completions.create(ask('hello'))
    const chunks = await collect(
      await client.chat.completions.create({ ...ask('hello'), stream: true }),
    )
    expect(textOf(chunks)).toBe(whole.choices[0]?.message.content)
    expect(chunks[0]?.choices[0]?.delta).toEqual({ role: 'assistant', content: '' })
    expect(chunks.at(-1)?.choices[0]?.finish_reason).toBe('stop')
  })

  test('gets other text for another seed, another message, or no seed at all', async () => {
    const contents = await Promise.all(
      [
        ask('hello'),
        { ...ask('hello'), seed: 8 },
        ask('hallo'),
        { model: MODEL, messages: [...userMessage('hello')] },
        { model: MODEL, messages: [...userMessage('hello')] },
      ].map(async (body) => {
        const completion = await client.chat.completions.create(body)
        return completion.choices[0]?.message.content
      }),
    )
    expect(new Set(contents).size).toBe(5)
  })

  test('gets the usage chunk last, without choices, when it asks for it', async () => {
    const chunks = await collect(
      await client.chat.completions.create({
        ...ask('hello'),
        stream: true,
        stream_options: { include_usage: true },
      }),
    )
    const last = chunks.at(-1)
    expect(last?.choices).toEqual([])
    expect(last?.usage?.completion_tokens).toBe(chunks.length - 2)
    expect(chunks.slice(0, -1).every((chunk) => !('usage' in chunk))).toBe(true)
  })

  test('gets two choices, buffered and streamed, each with its own text', async () => {
    const whole = await client.chat.completions.create({ ...ask('hello'), n: 2 })
    const chunks = await collect(
      await client.chat.completions.create({ ...ask('hello'), n: 2, stream: true }),
    )
    const texts = whole.choices.map((choice) => choice.message.content)
    expect(texts[0]).not.toBe(texts[1])
    expect([textOf(chunks, 0), textOf(chunks, 1)]).toEqual(texts)
  })

  test.each([
    ['auto', undefined, 'tool_calls'],
    ['required', 'required' as const, 'tool_calls'],
    ['named', { type: 'function' as const, function: { name: 'weather' } }, 'stop'],
  ])('gets an %s tool call whose streamed arguments add up', async (kind, choice, finish) => {
    const body = {
      ...ask(kind === 'auto' ? 'weather? [[tool]]' : 'weather?'),
      tools: WEATHER_TOOLS,
      ...(choice === undefined ? {} : { tool_choice: choice }),
    }
    const whole = await client.chat.completions.create(body)
    const final = await client.chat.completions.stream(body).finalChatCompletion()
    const [call] = whole.choices[0]?.message.tool_calls ?? []
    expect(call?.id).toMatch(/^chatcmpl-tool-[0-9a-f]{16}$/)
    if (call?.type !== 'function') throw new Error('no function call')
    expect(call.function.name).toBe('weather')
    expect(Object.keys(JSON.parse(call.function.arguments) as object)).toEqual(['city', 'days'])
    expect(whole.choices[0]?.finish_reason).toBe(finish)
    expect(whole.choices[0]?.message.content).toBe(kind === 'auto' ? null : '')
    expect(final.choices[0]?.finish_reason).toBe(finish)
    expect(final.choices[0]?.message.tool_calls).toMatchObject([
      { id: call.id, function: { name: 'weather', arguments: call.function.arguments } },
    ])
  })

  test('gets two parallel tool calls by index, and one when it forbids parallel calls', async () => {
    const body = { ...ask('[[tools]]'), tools: WEATHER_TOOLS }
    const final = await client.chat.completions.stream(body).finalChatCompletion()
    const calls = final.choices[0]?.message.tool_calls ?? []
    expect(calls).toHaveLength(2)
    expect(calls[0]?.id).not.toBe(calls[1]?.id)
    const single = await client.chat.completions.create({ ...body, parallel_tool_calls: false })
    expect(single.choices[0]?.message.tool_calls).toHaveLength(1)
    const none = await client.chat.completions.create({ ...body, tool_choice: 'none' })
    expect(none.choices[0]?.message.tool_calls).toBeUndefined()
  })

  test('gets log probabilities whose tokens spell the text', async () => {
    const completion = await client.chat.completions.create({
      ...ask('hello'),
      logprobs: true,
      top_logprobs: 2,
    })
    const [choice] = completion.choices
    const tokens = choice?.logprobs?.content ?? []
    expect(
      tokens
        .slice(0, -1)
        .map((entry) => entry.token)
        .join(''),
    ).toBe(choice?.message.content)
    for (const entry of tokens) {
      expect(Buffer.from(entry.bytes ?? []).toString()).toBe(entry.token)
      expect(entry.logprob).toBeLessThan(0)
      expect(entry.top_logprobs).toHaveLength(2)
    }
  })

  test.each(['max_tokens', 'max_completion_tokens'])('is cut by %s', async (member) => {
    const completion = await client.chat.completions.create({ ...ask('hello'), [member]: 3 })
    expect(completion.choices[0]?.finish_reason).toBe('length')
    expect(completion.usage?.completion_tokens).toBe(3)
  })

  test('is stopped before a stop string, which vLLM names', async () => {
    const whole = await client.chat.completions.create(ask('hello'))
    const text = whole.choices[0]?.message.content ?? ''
    const stop = text.slice(6, 9)
    const stopped = await client.chat.completions.create({ ...ask('hello'), stop })
    expect(stopped.choices[0]?.message.content).toBe(text.slice(0, text.indexOf(stop)))
    expect(stopped.choices[0]).toMatchObject({ finish_reason: 'stop', stop_reason: stop })
  })

  test('throws on the error event of a stream, and on a 500 body', async () => {
    const stream = await client.chat.completions.create({ ...ask('[[error]]'), stream: true })
    await expect(collect(stream)).rejects.toThrow('Internal server error')
    await expect(client.chat.completions.create(ask('[[error]]'))).rejects.toBeInstanceOf(
      OpenAI.InternalServerError,
    )
  })

  test('reads an engine abort as a finish reason OpenAI does not have', async () => {
    const stream = await client.chat.completions.create({ ...ask('[[abort]]'), stream: true })
    const chunks = await collect(stream)
    expect(chunks.at(-1)?.choices[0]?.finish_reason).toBe('abort')
    const whole = await client.chat.completions.create(ask('[[abort]]'))
    expect(whole.choices[0]?.finish_reason).toBe('abort')
  })

  test('gets the right error class for a bad parameter, an unknown model and unreachable media', async () => {
    const bad = client.chat.completions.create({ ...ask('hello'), top_logprobs: 2 })
    await expect(bad).rejects.toBeInstanceOf(OpenAI.BadRequestError)
    const unknown = client.chat.completions.create({ ...ask('hello'), model: 'nobody' })
    await expect(unknown).rejects.toBeInstanceOf(OpenAI.NotFoundError)
    const media = client.chat.completions.create({
      model: MODEL,
      messages: [
        {
          role: 'user',
          content: [{ type: 'image_url', image_url: { url: 'https://example.invalid/a.png' } }],
        },
      ],
    })
    await expect(media).rejects.toBeInstanceOf(OpenAI.UnprocessableEntityError)
  })

  test('lists the models, and an alias is answered under the first name', async () => {
    const models = await client.models.list()
    expect(models.data.map((model) => model.id)).toEqual([MODEL, 'alias'])
    const completion = await client.chat.completions.create({ ...ask('hello'), model: 'alias' })
    expect(completion.model).toBe(MODEL)
  })
})
