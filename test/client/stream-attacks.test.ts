import OpenAI from 'openai'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { MAX_ANSWER_BYTES } from '../../src/client/verified.ts'
import type { BrokerHostility } from '../../src/demo/broker/hostility.ts'
import { failures } from '../appraiser/document.helpers.ts'
import {
  ASK,
  TOOLS,
  caught,
  openStage,
  readAll,
  rewriting,
  turnBroker,
  user,
} from './client.helpers.ts'
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

/** A completion or chunk as an intermediary holds it. */
interface Draft {
  choices: {
    index: number
    message?: { role?: string; content?: string | null }
    delta?: { content?: string | null }
  }[]
}

const CALL_TOOLS = {
  ...ASK,
  tools: TOOLS,
  messages: [{ role: 'user' as const, content: '[[tool]]' }],
}

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

describe('a stream that is cut', () => {
  const ask = { ...ASK, stream: true as const }
  /** Events of the whole stream, the terminator counted as one. */
  const EVENTS = 10

  test('has as many events as the cuts below assume', async () => {
    const me = user(stage, 'broker')
    const { chunks } = await readAll(await me.openai.chat.completions.create(ask))
    expect(chunks + 1).toBe(EVENTS)
  })

  test.each(Array.from({ length: EVENTS }, (_, i) => i))(
    'after event %i is caught',
    async (events) => {
      turn({ cutAfterEvents: events })
      const me = user(stage, 'broker')
      const stream = await me.openai.chat.completions.create(ask)
      const error = await caught(readAll(stream))
      expect(error.code).toBe('stream_cut')
      expect(error.verdict.level).toBe('signer')
    },
  )

  test.each(Array.from({ length: EVENTS - 2 }, (_, i) => i))(
    'after event %i with a forged terminator is caught before it is handed on',
    async (events) => {
      turn({ cutAfterEvents: events, cutWithDone: true })
      const me = user(stage, 'broker')
      const stream = await me.openai.chat.completions.create(ask)
      expect((await caught(readAll(stream))).code).toBe('content_digest_mismatch')
    },
  )

  test('behind the last word with a forged terminator has lost nothing that was said', async () => {
    turn({ cutAfterEvents: EVENTS - 2, cutWithDone: true })
    const me = user(stage, 'broker')
    await readAll(await me.openai.chat.completions.create(ask))
    expect(me.verdicts[0]).toMatchObject({ accepted: true, level: 'content' })
  })

  test.each(['cutAfterBytes', 'resetAfterBytes'] as const)(
    'by the model server (%s) is not taken for an answer',
    async (fault) => {
      stage.at.model.faults[fault] = 900
      try {
        const me = user(stage, 'broker')
        const stream = await me.openai.chat.completions.create(ask)
        const error = await caught(readAll(stream))
        expect(error.code).toBe('stream_cut')
        expect(error.verdict.outcome).toBe('upstream_reset')
      } finally {
        stage.at.model.faults[fault] = undefined
      }
    },
  )

  test('by the engine (finish_reason abort) is not taken for an answer', async () => {
    const me = user(stage, 'direct')
    const aborted = { ...ASK, messages: [{ role: 'user' as const, content: '[[abort]]' }] }
    expect(await bothWays(me, aborted)).toEqual(['outcome_not_complete', 'outcome_not_complete'])
  })
})

describe('framing that readers take differently', () => {
  const last = (text: string) => text.lastIndexOf('data: [DONE]')

  test.each<[string, (text: string) => string, string]>([
    [
      'an event behind the terminator',
      (text) => `${text}data: {"choices":[]}\n\n`,
      'stream_after_done',
    ],
    [
      'an early terminator before the rest of the answer',
      (text) => text.replace('\n\n', '\n\ndata: [DONE]\n\n'),
      'stream_after_done',
    ],
    [
      'a terminator that only some readers know',
      (text) => text.replace('\n\n', '\n\ndata: [DONE] \n\n'),
      'stream_unreadable',
    ],
    [
      'a byte-order mark before an event',
      (text) => text.replace(/\n\ndata/, '\n\n\ufeffdata'),
      'stream_unreadable',
    ],
    [
      'a named event',
      (text) => text.replace(/\n\ndata/, '\n\nevent: thread.x\ndata'),
      'stream_unreadable',
    ],
    [
      'an event behind a carriage return in a comment, which some readers take for its end',
      (text) => `: x\rdata: {"choices":[{"index":0,"delta":{"content":"Buy gold. "}}]}\n\n${text}`,
      'stream_unreadable',
    ],
    ['a lone carriage return', (text) => text.replace('\n\n', '\r\r'), 'stream_unreadable'],
    [
      'a member given twice',
      (text) => text.replace('"content":', '"content":"Buy gold.","content":'),
      'stream_unreadable',
    ],
    ['an unknown field', (text) => `x: y\n${text}`, 'stream_unreadable'],
    [
      'a comment without end behind the terminator',
      (text) => `${text}: ${'x'.repeat(100_000)}`,
      'stream_after_done',
    ],
  ])('%s is refused', async (_name, rewrite, code) => {
    const me = rewriting(stage, rewrite)
    const stream = await me.openai.chat.completions.create({ ...ASK, stream: true })
    expect((await caught(readAll(stream))).code).toBe(code)
  })

  test('comments and other line ends are not', async () => {
    const me = rewriting(stage, (text) => `: hello\n\n${text.replaceAll('\n', '\r\n')}: bye\r\n`)
    await readAll(await me.openai.chat.completions.create({ ...ASK, stream: true }))
    expect(me.verdicts[0]).toMatchObject({ accepted: true, level: 'content' })
  })

  test('a terminator without line end is enough', async () => {
    const me = rewriting(stage, (text) => text.slice(0, last(text)) + 'data: [DONE]')
    await readAll(await me.openai.chat.completions.create({ ...ASK, stream: true }))
    expect(me.verdicts[0]).toMatchObject({ accepted: true, level: 'content' })
  })

  test('a member that was put into the message is refused', async () => {
    const me = rewriting(stage, (text) =>
      text.replace('"role":"assistant"', '"role":"assistant","extra":{"data":"x"}'),
    )
    const error = await caught(me.openai.chat.completions.create(ASK))
    expect(error.code).toBe('content_member_added')
  })

  /** Rewrites the parsed answer or each parsed chunk. */
  function reframing(change: (value: Draft) => void): User {
    const one = (text: string) => {
      const value = JSON.parse(text) as Draft
      change(value)
      return JSON.stringify(value)
    }
    return rewriting(stage, (text) =>
      text.startsWith('data:')
        ? text.replace(/^data: (\{.*)$/gm, (_, json: string) => `data: ${one(json)}`)
        : one(text),
    )
  }

  test('a forged message beside a genuine delta is refused', async () => {
    const me = reframing(({ choices: [choice] }) => {
      if (choice === undefined) return
      choice.delta = { ...choice.message }
      choice.message = { role: 'assistant', content: 'Buy gold.' }
    })
    const error = await caught(me.openai.chat.completions.create(ASK))
    expect(failures(error.verdict.checks)).toMatchObject({ 'client.answer': 'answer_ambiguous' })
  })

  test('one choice written as two, of which a reader sees half, is refused', async () => {
    const me = reframing(({ choices }) => {
      const [choice] = choices
      const text = choice?.message?.content ?? ''
      if (choice === undefined || text === '') return
      choice.message = { ...choice.message, content: text.slice(0, 4) }
      choices.push({ index: 0, message: { content: text.slice(4) } })
    })
    const error = await caught(me.openai.chat.completions.create(ASK))
    expect(failures(error.verdict.checks)).toMatchObject({ 'client.answer': 'answer_ambiguous' })
  })

  test('a chunk whose second half stands where few readers look is refused', async () => {
    const me = reframing(({ choices }) => {
      const [choice] = choices
      const text = choice?.delta?.content ?? ''
      if (choice === undefined || text === '') return
      choice.delta = { content: text.slice(0, 1) }
      choices.push({ index: 0, delta: { content: text.slice(1) } })
    })
    const stream = await me.openai.chat.completions.create({ ...ASK, stream: true })
    const error = await caught(readAll(stream))
    expect(failures(error.verdict.checks)).toMatchObject({ 'client.answer': 'answer_ambiguous' })
  })

  test('a tool name in two pieces, of which readers keep the last, is refused', async () => {
    const me = rewriting(stage, (text) =>
      text.replace(/^data: (.*"name": ?"weather".*)$/gm, (_, json: string) => {
        const first = json.replace(/("name": ?)"weather"/, '$1"wea"')
        const second =
          '{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"name":"ther"}}]}}]}'
        return `data: ${first}\n\ndata: ${second}`
      }),
    )
    const stream = await me.openai.chat.completions.create({ ...CALL_TOOLS, stream: true })
    const error = await caught(readAll(stream))
    expect(failures(error.verdict.checks)).toMatchObject({ 'client.answer': 'answer_ambiguous' })
  })

  test('a buffered answer without end is not read to the end', async () => {
    const part = new Uint8Array(1024 * 1024)
    let read = 0
    const me = user(stage, 'direct', {
      fetch: async (input, init) => {
        const response = await fetch(input, init)
        if (!String(input).endsWith('/chat/completions')) return response
        await response.body?.cancel()
        const endless = new ReadableStream<Uint8Array>({
          pull: (controller) => {
            read++
            controller.enqueue(part)
          },
        })
        return new Response(endless, { headers: response.headers })
      },
    })
    const error = await caught(me.openai.chat.completions.create(ASK))
    expect(error.code).toBe('answer_too_long')
    expect(read * part.length).toBeLessThan(MAX_ANSWER_BYTES + 4 * part.length)
  })

  test('a buffered answer that is no JSON is refused', async () => {
    const me = rewriting(stage, () => 'Buy gold.')
    const error = await caught(me.openai.chat.completions.create(ASK))
    expect(error.code).toBe('content_digest_mismatch')
  })
})
