/** Streams in which an intermediary wrote lines that only some readers see, or pass over. */
import { execFileSync } from 'node:child_process'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { readSaved } from '../../src/client/read-answer.ts'
import { TOKENS } from '../harness/service.ts'
import { CONTENT_VECTORS } from '../vectors/content.helpers.ts'
import { ASK, caught, openStage, readAll, rewriting } from './client.helpers.ts'
import type { Stage } from './client.helpers.ts'
import { at, dataOf, object, streamed } from './kind-attacks.helpers.ts'
import type { Event, Members } from './kind-attacks.helpers.ts'

let stage: Stage
beforeAll(async () => {
  stage = await openStage()
})
afterAll(() => stage.close())

const EVIL = JSON.stringify({
  ...{ id: 'x', object: 'chat.completion.chunk', created: 1, model: ASK.model },
  choices: [{ index: 0, delta: { content: 'Buy gold. ' }, finish_reason: null }],
})
/** Where Python's `str.splitlines` ends a line and WHATWG HTML §9.2.6 does not. */
const ENDS = ['\v', '\f', '\x1c', '\x1d', '\x1e', '\u0085', '\u2028', '\u2029']

/** What is said of a chat stream that was rewritten, and what of it was handed out. */
async function chat(rewrite: (text: string) => string) {
  const me = rewriting(stage, rewrite)
  const response = await me.fetch(`${me.base}/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${TOKENS.alice}` },
    body: JSON.stringify({ ...ASK, stream: true }),
  })
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
  let out = ''
  try {
    for (;;) {
      const read = await reader?.read()
      if (read?.value === undefined) break
      out += read.value
    }
  } catch {
    // The verdict says why.
  }
  const { accepted, code } = await me.verdict()
  return { accepted, code, out }
}

/** Changes the data line of that number, counted from zero. */
const nth = (place: number, change: (line: string) => string) => (text: string) => {
  let count = 0
  return text.replace(/^data: .*\n/gm, (line) => (count++ === place ? change(line) : line))
}
const REFUSED = { accepted: false, code: 'stream_unreadable' }
const AMBIGUOUS = { accepted: false, code: 'answer_ambiguous' }
const ACCEPTED = { accepted: true }

describe('a line within a line', () => {
  test.each(
    ENDS.flatMap((end) =>
      [': hi', 'id: 1', 'retry: 10', 'event: message', 'x: y'].map((line) => [line, end] as const),
    ),
  )('behind "%s" and %j is not handed out', async (line, end) => {
    const hostile = `${line}${end}data: ${EVIL}${end}${end}\n`
    const seen = await chat((text) => hostile + text)
    expect(seen).toMatchObject(REFUSED)
    expect(seen.out).toBe('')
  })

  test('would be read by a reader that splits as Python does', () => {
    const comments = ENDS.map((end) => `: hi${end}data: ${EVIL}${end}${end}\n`)
    const ids = ENDS.map((end) => `data: {"id":"x${end}data: [DONE]${end}"}\n`)
    const split =
      'import sys, json; print(json.dumps([s.splitlines() for s in json.load(sys.stdin)]))'
    const input = JSON.stringify([...comments, ...ids])
    const lines = JSON.parse(
      execFileSync('python3', ['-c', split], { input, encoding: 'utf8' }),
    ) as string[][]
    expect(lines).toHaveLength(2 * ENDS.length)
    for (const each of lines.slice(0, ENDS.length)) expect(each).toContain(`data: ${EVIL}`)
    for (const each of lines.slice(ENDS.length)) expect(each).toContain('data: [DONE]')
  })

  test('with an early terminator is not handed out', async () => {
    const seen = await chat(nth(2, (line) => `: \u2028data: [DONE]\u2028\u2028\n${line}`))
    expect(seen).toMatchObject(REFUSED)
    expect(seen.out).not.toContain('[DONE]')
  })

  test.each([
    ['a number that is none', 'retry: 1e3'],
    ['a long number', `retry: ${'1'.repeat(11)}`],
    ['a long id', `id: ${'1'.repeat(129)}`],
    ['an id with NUL, which only some readers keep', 'id: 1\0'],
    ['an escape in a comment', ': \u001b[2J'],
  ])('%s is refused', async (_name, line) => {
    expect(await chat((text) => `${line}\n${text}`)).toMatchObject(REFUSED)
  })

  test('is no reason to refuse fields and comments as servers send them', async () => {
    const lines = ['retry: 15000', 'id: 7', 'id', 'event: message', ': ping – 2026-11-27 12:00:00']
    for (const line of lines) {
      expect(await chat((text) => `${line}\n\n${text}`)).toMatchObject(ACCEPTED)
    }
  })

  test.each(['\u0085', '\u2028', '\u2029'])(
    'in a member that nobody vouches for is refused: %j',
    async (end) => {
      const inner = `x${end}data: [DONE]${end}${end}`
      const put = (change: (chunk: Members) => void) =>
        chat((text) =>
          text.replace(/^data: (\{.*)$/gm, (_, json: string) => {
            const chunk = JSON.parse(json) as Members
            change(chunk)
            return `data: ${JSON.stringify(chunk)}`
          }),
        )
      expect(await put((chunk) => (chunk['id'] = inner))).toMatchObject(AMBIGUOUS)
      expect(await put((chunk) => (chunk['usage'] = { note: [inner] }))).toMatchObject(AMBIGUOUS)
      expect(await put((chunk) => (chunk['usage'] = { [inner]: 1 }))).toMatchObject(AMBIGUOUS)
      expect(await put((chunk) => (chunk[inner] = null))).toMatchObject(AMBIGUOUS)
      // Escaped it is one line for every reader.
      const escaped = JSON.stringify(inner).replace(
        /[\u0085\u2028\u2029]/g,
        (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
      )
      expect(
        await chat((text) => text.replaceAll(/"id":"[^"]*"/g, `"id":${escaped}`)),
      ).toMatchObject(ACCEPTED)
    },
  )

  test.each(['/messages', '/responses'])(
    'in %s, where it would be the name of an end, is refused',
    async (path) => {
      const end = path === '/messages' ? 'message_stop' : 'response.completed'
      const verdict = streamed(stage, path, (events) => {
        for (const [, data] of events) {
          for (const carrier of ['message', 'response']) {
            if (data[carrier] === undefined) continue
            data[carrier] = {
              ...object(data[carrier]),
              usage: { note: `\u2028event: ${end}\u2028` },
            }
          }
        }
        return events
      })
      expect(await verdict).toMatchObject(AMBIGUOUS)
    },
  )

  test('in what the model said is what it said', () => {
    const vectors = CONTENT_VECTORS.filter(({ name }) => name === 'chat-separators')
    const streams = vectors.flatMap(({ framings }) =>
      framings.filter(({ form }) => form === 'stream'),
    )
    const raw = streams.filter(({ bytes }) => bytes.includes('\u2028'))
    expect(raw.length).toBeGreaterThan(0)
    for (const { bytes } of raw) {
      expect(readSaved('chat/v1', bytes, null, nodeCrypto)).toMatchObject({
        fault: null,
        plain: true,
      })
    }
  })
})

describe('an event written in another way than the others, which some readers pass over', () => {
  test.each<[string, (text: string) => string]>([
    ['without the space', nth(3, (line) => line.replace('data: ', 'data:'))],
    ['after one without the space', nth(0, (line) => line.replace('data: ', 'data:'))],
    ['in two data lines', nth(3, (line) => `data:\n${line}`)],
    ['with other line ends', (text) => nth(3, (line) => line.replace('\n', '\r\n'))(text)],
    ['with a blank line that ends otherwise', (text) => text.replace('\n\n', '\n\r\n')],
    ['with a name', nth(3, (line) => `event: message\n${line}`)],
  ])('%s is refused', async (_name, rewrite) => {
    expect(await chat(rewrite)).toMatchObject(AMBIGUOUS)
  })

  test('all events in two data lines are refused', async () => {
    expect(await chat((text) => text.replace(/^data: \{/gm, 'data: {\ndata: '))).toMatchObject(
      AMBIGUOUS,
    )
  })

  test.each<[string, (text: string) => string]>([
    ['without the space', (text) => text.replaceAll('data: ', 'data:')],
    ['with other line ends', (text) => text.replaceAll('\n', '\r\n')],
    // As 0G's broker does with a server that ends lines in CRLF and leaves the space out.
    [
      'but for the terminator',
      (text) => text.replaceAll('\n\n', '\n\r\n').replace('data: [DONE]\n', 'data:[DONE]\r\n'),
    ],
    ['with names', (text) => text.replaceAll('data: {', 'event: message\ndata: {')],
  ])('all alike %s are not', async (_name, rewrite) => {
    expect(await chat(rewrite)).toMatchObject(ACCEPTED)
  })
})

describe('an event that has its name in another place, or twice', () => {
  const rewritten = async (path: string, rewrite: (text: string) => string) => {
    const me = rewriting(stage, rewrite)
    const ask = path === '/messages' ? { max_tokens: 50, messages: ASK.messages } : { input: 'hi' }
    const response = await me.fetch(`${me.base}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${TOKENS.alice}` },
      body: JSON.stringify({ model: ASK.model, stream: true, ...ask }),
    })
    await response.text().catch(() => undefined)
    return me.verdict()
  }

  test.each(['/messages', '/responses'])(
    '%s: a second name, which clients take, is refused',
    async (path) => {
      const second = (text: string) => text.replaceAll(/^(event: .*delta)$/gm, '$1\nevent: message')
      expect(await rewritten(path, second)).toMatchObject(REFUSED)
    },
  )

  test.each(['/messages', '/responses'])('%s: a name behind its data is refused', async (path) => {
    const behind = (text: string) => text.replaceAll(/^(event: .*)\n(data: .*)$/gm, '$2\n$1')
    expect(await rewritten(path, behind)).toMatchObject(REFUSED)
  })

  test('an event of a response with what another event is about is refused', async () => {
    const put = (type: string, name: string, value: unknown) =>
      streamed(stage, '/responses', (events: Event[]) => {
        dataOf(events[at(events, type)])[name] = value
        return events
      })
    for (const [type, name] of [
      ['response.output_text.delta', 'text'],
      ['response.output_text.done', 'delta'],
      ['response.output_item.done', 'delta'],
      ['response.created', 'text'],
      ['response.completed', 'arguments'],
    ] as const) {
      expect(await put(type, name, 'Buy gold.')).toMatchObject(AMBIGUOUS)
      expect(await put(type, name, null)).toMatchObject(ACCEPTED)
    }
  })
})

test('the official client reads a stream whose comments are plain', async () => {
  const me = rewriting(stage, (text) => `: hello\n\n${text}`)
  await readAll(await me.openai.chat.completions.create({ ...ASK, stream: true }))
  expect(me.verdicts).toMatchObject([ACCEPTED])
  const hostile = rewriting(stage, (text) => `: \u2028data: ${EVIL}\u2028\u2028\n${text}`)
  const stream = await hostile.openai.chat.completions.create({ ...ASK, stream: true })
  expect((await caught(readAll(stream))).code).toBe('stream_unreadable')
})
