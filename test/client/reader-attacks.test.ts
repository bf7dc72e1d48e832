/** Answers that say what the enclave said and are framed so that the official client reads something else. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ASK, TOOLS, openStage, readAll, rewriting, user } from './client.helpers.ts'
import type { Stage, User } from './client.helpers.ts'
import { draftsOf, failing, written } from './reader-attacks.helpers.ts'
import type { Draft } from './reader-attacks.helpers.ts'

let stage: Stage
beforeAll(async () => {
  stage = await openStage()
})
afterAll(async () => {
  await stage.close()
})

const AMBIGUOUS = { 'client.answer': 'answer_ambiguous' }
const CALL_TOOLS = {
  ...ASK,
  tools: TOOLS,
  messages: [{ role: 'user' as const, content: '[[tools]]' }],
}

/** A user whose streams have their chunks rewritten. */
function rechunking(change: (drafts: Draft[]) => Draft[]): User {
  return rewriting(stage, (text) => written(change(draftsOf(text))))
}

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
