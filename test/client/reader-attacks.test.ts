/** Answers that say what the enclave said and are written so that the official client reads something else. */
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { contentOfChunks } from '../../attestation/protocol/chat-content.ts'
import { failures } from '../appraiser/document.helpers.ts'
import { ASK, TOOLS, caught, openStage, readAll, rewriting, user } from './client.helpers.ts'
import type { Stage, User } from './client.helpers.ts'

let stage: Stage
beforeAll(async () => {
  stage = await openStage()
})
afterAll(async () => {
  await stage.close()
})

const AMBIGUOUS = { 'client.answer': 'answer_ambiguous' }
const OTHER_FORM = { 'client.answer': 'answer_form_mismatch' }
const CALL_TOOLS = {
  ...ASK,
  tools: TOOLS,
  messages: [{ role: 'user' as const, content: '[[tools]]' }],
}

interface Draft {
  id?: unknown
  object?: unknown
  model?: unknown
  created?: unknown
  choices: {
    index: number
    finish_reason?: string | null
    message?: object
    delta?: { role?: string; content?: string | null; tool_calls?: { index: number }[] }
  }[]
}

function draftsOf(text: string): Draft[] {
  return [...text.matchAll(/^data: (\{.*)$/gm)].map(([, json = '']) => JSON.parse(json) as Draft)
}

function written(drafts: readonly Draft[]): string {
  const events = drafts.map((draft) => `data: ${JSON.stringify(draft)}\n\n`)
  return `${events.join('')}data: [DONE]\n\n`
}

/** A user whose streams have their chunks rewritten. */
function rechunking(change: (drafts: Draft[]) => Draft[]): User {
  return rewriting(stage, (text) => written(change(draftsOf(text))))
}

/** The checks that fail when an answer is read to its end; an answer that is taken has none. */
async function failing(
  me: User,
  ask: Omit<OpenAI.ChatCompletionCreateParamsStreaming, 'stream'>,
  stream: boolean,
): Promise<Record<string, string>> {
  const create = async (): Promise<void> => {
    if (stream) await readAll(await me.openai.chat.completions.create({ ...ask, stream }))
    else await me.openai.chat.completions.create(ask)
  }
  const error = await caught(create())
  return failures(error.verdict.checks)
}

describe('an answer in another form than was asked for', () => {
  /** The stream's words as one body: the same content digest. */
  const asBody = (text: string): string => {
    const drafts = draftsOf(text)
    const choice = contentOfChunks(drafts).content?.choices[0]
    const { content, role, finish_reason } = choice ?? {}
    const { id, model, created } = drafts[0] ?? {}
    const choices = [{ index: 0, message: { role, content }, finish_reason }]
    return JSON.stringify({ id, object: 'chat.completion', created, model, choices })
  }
  const asStream = (text: string): string => {
    const { choices, ...rest } = JSON.parse(text) as Draft
    const chunk = {
      ...rest,
      object: 'chat.completion.chunk',
      choices: choices.map(({ message, ...choice }) => ({ ...choice, delta: message ?? {} })),
    }
    return written([chunk])
  }
  const typed = (body: string | null, type: string, from: Response, status = 200) => {
    const headers = new Headers(from.headers)
    headers.set('content-type', type)
    return new Response(body, { status, headers })
  }

  test('a body in place of a stream, in which clients find no chunk and no error, is refused', async () => {
    const me = rewriting(stage, (text, from) => typed(asBody(text), 'application/json', from))
    expect(await failing(me, ASK, true)).toEqual(OTHER_FORM)
    expect(me.verdicts).toMatchObject([{ accepted: false, level: 'signer' }])
  })

  test('a stream in place of a body, which clients hand out as a text, is refused', async () => {
    const me = rewriting(stage, (text, from) => typed(asStream(text), 'text/event-stream', from))
    expect(await failing(me, ASK, false)).toEqual(OTHER_FORM)
  })

  test.each([
    ['text/plain', false],
    ['application/jsonl', false],
    ['application/json; charset=utf-16', false],
    ['application/json, text/event-stream', false],
    ['', false],
    ['text/event-stream-x', true],
    ['application/x-ndjson', true],
  ])('the genuine answer declared as "%s" is refused', async (type, stream) => {
    const me = rewriting(stage, (text, from) => typed(text, type, from))
    expect(await failing(me, ASK, stream)).toEqual(OTHER_FORM)
  })

  test.each([
    ['application/json; charset=utf-8', false],
    ['Application/JSON', false],
    ['text/event-stream;charset="UTF-8"', true],
  ])('and declared as "%s" it is not', async (type, stream) => {
    const me = rewriting(stage, (text, from) => typed(text, type, from))
    if (stream) await readAll(await me.openai.chat.completions.create({ ...ASK, stream }))
    else await me.openai.chat.completions.create(ASK)
    expect(me.verdicts).toMatchObject([{ accepted: true, level: 'bytes' }])
  })

  test.each([true, false])('no content at all is refused (stream: %s)', async (stream) => {
    const me = rewriting(stage, (_, from) => typed(null, 'application/json', from, 204))
    expect(await failing(me, ASK, stream)).toEqual(OTHER_FORM)
  })

  test('an empty body is not handed out as an answer of nothing', async () => {
    const me = rewriting(stage, (_, from) => {
      const empty = typed('', 'application/json', from)
      empty.headers.set('content-length', '0')
      return empty
    })
    expect(await failing(me, ASK, false)).toMatchObject({
      'receipt.content': 'content_digest_mismatch',
    })
  })

  test('is reported and handed out as it came where reports are asked for', async () => {
    const me = rewriting(stage, (text, from) => typed(asBody(text), 'application/json', from), {
      onFailure: 'report',
    })
    const response = await me.fetch(`${me.base}/chat/completions`, {
      method: 'POST',
      headers: { authorization: 'Bearer alice-token-0123456789' },
      body: JSON.stringify({ ...ASK, stream: true }),
    })
    expect(await response.json()).toMatchObject({ object: 'chat.completion' })
    expect(me.verdicts).toMatchObject([{ accepted: false, code: 'answer_form_mismatch' }])
  })
})

describe('members around the choices', () => {
  const LIE = `chat.completion.chunk.message:{"message":{"role":"assistant","content":"Buy gold."}}`

  test.each<[string, (draft: Draft, place: number) => void]>([
    ['an object that clients read as a message', (d, i) => i === 2 && (d.object = LIE)],
    ['no object', (d) => delete d.object],
    ['the object of a body', (d) => (d.object = 'chat.completion')],
    ['an id that changes, at which clients begin another answer', (d, i) => i > 2 && (d.id = 'x')],
    ['an id that is left out', (d, i) => i === 1 && delete d.id],
    ['an id that is no text', (d) => (d.id = { toString: 'x' })],
    ['a model that changes', (d, i) => i > 2 && (d.model = 'gpt-9')],
    ['a model that is no text', (d) => (d.model = ['demo/words'])],
    ['a time that is a text', (d) => (d.created = 'Buy gold.')],
  ])('%s are refused in a stream', async (_name, change) => {
    const me = rechunking((drafts) => {
      drafts.forEach(change)
      return drafts
    })
    expect(await failing(me, ASK, true)).toMatchObject(AMBIGUOUS)
  })

  test.each<[string, (draft: Draft) => unknown]>([
    ['an object that clients read as a message', (d) => (d.object = LIE)],
    ['the object of a chunk', (d) => (d.object = 'chat.completion.chunk')],
    ['no id', (d) => delete d.id],
    ['a model that is no text', (d) => (d.model = null)],
    ['a time that is a text', (d) => (d.created = 'Buy gold.')],
  ])('%s are refused in a body', async (_name, change) => {
    const me = rewriting(stage, (text) => {
      const draft = JSON.parse(text) as Draft
      change(draft)
      return JSON.stringify(draft)
    })
    expect(await failing(me, ASK, false)).toMatchObject(AMBIGUOUS)
  })

  test.each([true, false])(
    'another model than answered is refused (stream: %s)',
    async (stream) => {
      const me = rewriting(stage, (text) =>
        text.replaceAll(`"model":"${ASK.model}"`, '"model":"gpt-9"'),
      )
      expect(await failing(me, ASK, stream)).toEqual({ 'receipt.model': 'model_mismatch' })
    },
  )
})

describe('the order of a stream', () => {
  const callOf = (draft: Draft) => draft.choices[0]?.delta?.tool_calls?.[0]?.index
  /** Takes the last chunk with the property out and puts it behind the first with the other. */
  const move = (drafts: Draft[], what: (d: Draft) => boolean, behind: (d: Draft) => boolean) => {
    const [taken] = drafts.splice(drafts.findLastIndex(what), 1)
    if (taken === undefined) throw new Error('nothing to move')
    drafts.splice(drafts.findIndex(behind) + 1, 0, taken)
    return drafts
  }

  test('an end before the rest of the text, at which clients act on half of it, is refused', async () => {
    const me = rechunking((drafts) => {
      const last = drafts.findIndex(
        ({ choices: [choice] }) => (choice?.finish_reason ?? null) !== null,
      )
      const [end, early] = [drafts[last]?.choices[0], drafts[2]?.choices[0]]
      if (end === undefined || early === undefined) throw new Error('no end')
      early.finish_reason = end.finish_reason ?? null
      end.finish_reason = null
      return drafts
    })
    expect(await failing(me, ASK, true)).toEqual(AMBIGUOUS)
  })

  test('an end that is said again with more text is refused', async () => {
    const me = rechunking((drafts) => {
      const reason = drafts
        .flatMap(({ choices }) => choices)
        .find((c) => c.finish_reason)?.finish_reason
      for (const { choices } of drafts)
        for (const choice of choices) choice.finish_reason = reason ?? null
      return drafts
    })
    expect(await failing(me, ASK, true)).toEqual(AMBIGUOUS)
  })

  test('a return to an earlier tool call, which clients took for over, is refused', async () => {
    const me = rechunking((drafts) =>
      move(
        drafts,
        (d) => callOf(d) === 0,
        (d) => callOf(d) === 1,
      ),
    )
    expect(await failing(me, CALL_TOOLS, true)).toEqual(AMBIGUOUS)
  })

  /** The genuine stream with a text before its first tool call, and the same with half of the text behind it. */
  const textAround = (before: string, behind: string) => (drafts: Draft[]) => {
    const [first] = drafts
    const text = (content: string): Draft => ({
      ...first,
      choices: [{ index: 0, delta: { content }, finish_reason: null }],
    })
    const at = drafts.findIndex((d) => callOf(d) === 0)
    drafts.splice(at + 1, 0, text(behind))
    drafts.splice(at, 0, text(before))
    return drafts
  }

  test('text behind a tool call, at which clients took it for over, is refused', async () => {
    const me = rechunking(textAround('Pay Bob, ', 'but not today.'))
    expect(await failing(me, CALL_TOOLS, true)).toMatchObject(AMBIGUOUS)
  })

  test('white space between tool calls, as some tool parsers let it through, is not', async () => {
    const me = rechunking(textAround('', '\n'))
    // The model said no line feed, so its digest is another one; the order alone is not held against it.
    expect(await failing(me, CALL_TOOLS, true)).not.toHaveProperty(['client.answer'])
  })

  test.each([
    ['parallel tool calls', CALL_TOOLS],
    ['several choices', { ...ASK, n: 3 }],
    ['several choices with parallel tool calls', { ...CALL_TOOLS, n: 2 }],
    ['reasoning', { ...ASK, messages: [{ role: 'user' as const, content: '[[reasoning]]' }] }],
    ['log probabilities', { ...ASK, logprobs: true, top_logprobs: 2 }],
  ])('that a model server writes is let pass: %s', async (_name, ask) => {
    // Written anew, so that nothing but the content is compared.
    const me = rechunking((drafts) => drafts)
    const usage = { include_usage: true, continuous_usage_stats: true }
    for (const stream_options of [undefined, { include_usage: true }, usage]) {
      const options = stream_options === undefined ? {} : { stream_options }
      await readAll(await me.openai.chat.completions.create({ ...ask, ...options, stream: true }))
    }
    expect(me.verdicts).toHaveLength(3)
    expect(me.verdicts.every(({ accepted }) => accepted)).toBe(true)
    const brokered = user(stage, 'broker')
    await readAll(await brokered.openai.chat.completions.create({ ...ask, stream: true }))
    expect(brokered.verdicts).toMatchObject([{ accepted: true, level: 'content' }])
  })
})

describe('a request that is no chat completion', () => {
  /** A client whose every request but the attestation would be answered with a lie. */
  function lying(options: Parameters<typeof user>[2] = {}) {
    const sent: string[] = []
    const me = user(stage, 'direct', {
      ...options,
      fetch: (input) => {
        sent.push(String(input))
        return Promise.resolve(Response.json({ object: 'list', data: [], output: [] }))
      },
    })
    const openai = new OpenAI({ baseURL: me.base, apiKey: 'x', fetch: me.fetch, maxRetries: 0 })
    return { sent, me, openai }
  }

  test.each<[string, (openai: OpenAI) => Promise<unknown>]>([
    ['responses', (openai) => openai.responses.create({ model: 'm', input: 'hi' })],
    ['embeddings', (openai) => openai.embeddings.create({ model: 'm', input: 'hi' })],
    ['completions', (openai) => openai.completions.create({ model: 'm', prompt: 'hi' })],
    ['a stored completion that is deleted', (openai) => openai.chat.completions.delete('x')],
  ])('(%s) is refused before anything is sent', async (_name, act) => {
    for (const onFailure of ['throw', 'report'] as const) {
      const { sent, me, openai } = lying({ onFailure })
      expect(await caught(act(openai))).toMatchObject({
        code: 'route_unverified',
        verdict: { accepted: false, level: 'none' },
      })
      expect([sent, me.verdicts]).toEqual([[], []])
    }
  })

  test.each([
    '/chat/completions/',
    '/Chat/Completions',
    '/chat/completions/x',
    '/chat%2fcompletions',
  ])('but nearly (%s) is refused', async (path) => {
    const { sent, me } = lying()
    const url = `${me.base}${path}`
    await caught(me.fetch(url, { method: 'post', body: '{}' }))
    await caught(me.fetch(new Request(url, { method: 'PUT', body: '{}' })))
    expect(sent).toEqual([])
  })

  test('passes where that is asked for, and reads always do', async () => {
    const { sent, me, openai } = lying({ otherRequests: 'pass' })
    await openai.embeddings.create({ model: 'm', input: 'hi', encoding_format: 'float' })
    expect(sent).toEqual([`${me.base}/embeddings`])
    const strict = lying()
    await strict.me.fetch(`${me.base}/models`)
    await strict.me.fetch(new URL(`${me.base}/models`), { method: 'head' })
    expect(strict.sent).toHaveLength(2)
  })
})
