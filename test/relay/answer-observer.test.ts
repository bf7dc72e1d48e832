/** However the bytes of a stream were cut, framed and terminated, the record is the same and its end does not pass unseen. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { answerCompletion } from '../../src/demo/model/routes/answer-completion.ts'
import { answerMessage } from '../../src/demo/model/routes/answer-message.ts'
import { answerResponse } from '../../src/demo/model/routes/answer-response.ts'
import type { Route } from '../../src/demo/model/routes/route.ts'
import { createObserver } from '../../src/relay/answer-observer.ts'
import { RELAY_ROUTES } from '../../src/relay/relay-routes.ts'
import type { RelayRoute } from '../../src/relay/relay-routes.ts'

const MAX_LINE = 65_536
const CONTEXT = {
  models: ['m'],
  model: 'm',
  created: 1,
  requestId: 'r',
  contentType: 'application/json',
}

function routeOf(endpoint: string): RelayRoute {
  const found = RELAY_ROUTES.find((route) => route.endpoint === endpoint)
  if (found === undefined) throw new Error(endpoint)
  return found
}

async function streamOf(route: Route, members: object): Promise<string> {
  const body = { model: 'm', stream: true, temperature: 0, ...members }
  const reply = await route(Buffer.from(JSON.stringify(body)), CONTEXT)
  return Buffer.concat(reply.parts).toString('utf8')
}

const messages = [{ role: 'user', content: '[[reasoning]] [[tool]] hello' }]
const tools = [{ name: 'weather', input_schema: { properties: { city: {} } } }]
const CASES = [
  ['/v1/completions', answerCompletion, { prompt: 'a', max_tokens: 40 }, 'data: [DONE]\n\n'],
  ['/v1/messages', answerMessage, { messages, max_tokens: 99, tools }, '"message_stop"}\n\n'],
  [
    '/v1/responses',
    answerResponse,
    { input: '[[reasoning]] hi' },
    '"type":"response.completed"}\n\n',
  ],
] as const

/** As the recorder does it. @returns what it knows, and what it let pass before it saw the end */
function observe(route: RelayRoute, pieces: readonly Buffer[]) {
  const observer = createObserver(route, 1, MAX_LINE)
  const passed: Buffer[] = []
  let waiting: Buffer[] = []
  const readWaiting = () => {
    if (waiting.length > 0) observer.streamWaiting(Buffer.concat(waiting))
    waiting = []
  }
  for (const piece of pieces) {
    if (observer.canWait(piece)) {
      waiting.push(piece)
      passed.push(piece)
      continue
    }
    readWaiting()
    observer.stream(piece)
    if (!observer.terminatorInSight) passed.push(piece)
  }
  readWaiting()
  const { complete } = observer
  return { complete, facts: observer.facts(), passed: Buffer.concat(passed).toString('utf8') }
}

function cutAt(bytes: Buffer, places: readonly number[]): Buffer[] {
  const sorted = [...new Set(places.map((place) => place % bytes.length))].sort((a, b) => a - b)
  return [0, ...sorted].map((start, i) => bytes.subarray(start, sorted[i] ?? bytes.length))
}

describe.each(CASES)('%s', (endpoint, answer, members, end) => {
  const route = routeOf(endpoint)

  test('cut anywhere, with either line end, comments between and without event names', async () => {
    const text = await streamOf(answer, members)
    const whole = observe(route, [Buffer.from(text)])
    expect(whole.complete).toBe(true)
    expect(whole.facts.content.content).not.toBeNull()
    const places = fc.array(fc.nat(), { maxLength: 40 })
    const framing = fc.record({
      crlf: fc.boolean(),
      comments: fc.boolean(),
      nameless: fc.boolean(),
      tight: fc.boolean(),
    })
    fc.assert(
      fc.property(places, framing, (cuts, { crlf, comments, nameless, tight }) => {
        let framed = nameless ? text.replace(/^event: .*\n/gm, '') : text
        if (tight) framed = framed.replaceAll('data: ', 'data:')
        if (comments) framed = framed.replaceAll('\n\n', '\n\n: ping\n\n')
        if (crlf) framed = framed.replaceAll('\n', '\r\n')
        const read = observe(route, cutAt(Buffer.from(framed), cuts))
        expect(read.complete).toBe(true)
        expect(read.facts).toEqual(whole.facts)
        const unseen = read.passed.replaceAll('\r\n', '\n').replaceAll('data:[', 'data: [')
        expect(unseen.includes(end)).toBe(false)
      }),
      { numRuns: 200 },
    )
  })

  test('cut short anywhere before its end, it is not complete', async () => {
    const bytes = Buffer.from(await streamOf(answer, members))
    fc.assert(
      fc.property(fc.integer({ min: 0, max: bytes.length - 2 }), (length) => {
        expect(observe(route, [bytes.subarray(0, length)]).complete).toBe(false)
      }),
      { numRuns: 200 },
    )
  })

  test('an error beside it makes it an error, wherever it stands', async () => {
    const text = await streamOf(answer, members)
    const events = text.split('\n\n').slice(0, -1)
    for (const error of ['{"error":{"message":"x"}}', '{"type":"error","message":"x"}']) {
      for (const place of [0, 1, events.length - 1, events.length]) {
        const disturbed = [...events.slice(0, place), `data: ${error}`, ...events.slice(place)]
        const read = observe(route, [Buffer.from(disturbed.map((each) => `${each}\n\n`).join(''))])
        expect(read.complete).toBe(false)
      }
    }
  })

  test('what comes after its end says nothing', async () => {
    const text = await streamOf(answer, members)
    const whole = observe(route, [Buffer.from(text)])
    const more = text.split('\n\n')[1] ?? ''
    const read = observe(route, [Buffer.from(`${text}${more}\n\n`)])
    expect(read.facts).toEqual(whole.facts)
  })
})

describe('answers that are not read', () => {
  const route = routeOf('/v1/audio/transcriptions')
  const chunk = 'data: {"choices":[{"delta":{"content":"a"}}]}\n\n'
  test.each([
    ['vLLM’s end', `${chunk}data: [DONE]\n\n`, true],
    ['OpenAI’s end', 'data: {"type":"transcript.text.done","text":"a"}\n\n', true],
    ['no end', chunk, false],
    ['an error before the end', `${chunk}data: {"error":{}}\n\ndata: [DONE]\n\n`, false],
    ['what is no JSON', 'data: hello\n\ndata: [DONE]\n\n', false],
  ])('%s', (_name, text, complete) => {
    const read = observe(route, [Buffer.from(text)])
    expect([read.complete, read.facts.content.status]).toEqual([complete, 'none'])
  })
})

test.each([
  [
    '/v1/chat/completions',
    'data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]}\n\n',
  ],
  ['/v1/completions', 'data: {"choices":[{"index":0,"text":"a","finish_reason":"stop"}]}\n\n'],
] as const)(
  '%s: what is no JSON after the terminator leaves the content and is no good end',
  (endpoint, said) => {
    const whole = observe(routeOf(endpoint), [Buffer.from(`${said}data: [DONE]\n\n`)])
    const more = observe(routeOf(endpoint), [
      Buffer.from(`${said}data: [DONE]\n\n`),
      Buffer.from('data: {"error": \n\n'),
    ])
    expect([whole.complete, more.complete]).toEqual([true, false])
    expect(whole.facts.content.status).toBe('covered')
    expect(more.facts.content).toEqual(whole.facts.content)
  },
)
