/** The kinds of content beside chat: however an answer is cut and framed, it gives the same value. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import type { ContentKind } from '../../attestation/protocol/content.ts'
import {
  contentKindOf,
  contentOfBody,
  contentOfEvents,
  hasFinishReasons,
} from '../../attestation/protocol/content-kinds.ts'

type Members = Readonly<Record<string, unknown>>

const text = fc.string({ unit: 'grapheme', maxLength: 24 })
const nonEmpty = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 24 })
/** Texts in pieces, cut between any two code units that are not a pair. */
const pieces = (of: string): string[] => Array.from(of)

const bodyOf = (kind: ContentKind, body: unknown) => contentOfBody(kind, body, nodeCrypto)
const eventsOf = (kind: ContentKind, events: Iterable<unknown>) =>
  contentOfEvents(kind, events, nodeCrypto)

describe('text/v1', () => {
  const choice = fc.record({
    text,
    finish_reason: fc.constantFrom('stop', 'length', null),
  })

  test('a stream cut anywhere says what the whole answer says', () => {
    fc.assert(
      fc.property(fc.array(choice, { minLength: 1, maxLength: 4 }), fc.nat(), (choices, seed) => {
        const whole = choices.map((each, index) => ({ index, ...each }))
        const events = whole.flatMap(({ index, text: said, finish_reason: reason }) => [
          ...pieces(said).map((piece) => ({ choices: [{ index, text: piece }] })),
          { choices: [{ index, text: '', finish_reason: reason }] },
        ])
        // Choices may interleave in any way as long as each keeps its own order.
        const shuffled = events
          .map((event, i) => ({ event, index: event.choices[0]?.index ?? 0, i }))
          .sort((a, b) => ((a.index + seed) % 3) - ((b.index + seed) % 3) || a.i - b.i)
        const streamed = eventsOf(
          'text/v1',
          shuffled.map(({ event }) => event),
        )
        expect(streamed).toEqual(bodyOf('text/v1', { choices: whole }))
      }),
    )
  })
})

describe('messages/v1', () => {
  const json = fc.dictionary(fc.string({ maxLength: 6 }), fc.jsonValue({ maxDepth: 2 }), {
    maxKeys: 4,
  })
  const block = fc.oneof(
    fc.record({ type: fc.constant('text'), text }),
    fc.record({ type: fc.constant('thinking'), thinking: text, signature: nonEmpty }),
    fc.record({ type: fc.constant('tool_use'), id: nonEmpty, name: nonEmpty, input: json }),
  )

  const started = { type: 'message_start', message: { type: 'message', content: [] } }
  const ended = { type: 'message_delta', delta: { stop_reason: 'end_turn' } }

  function streamOf(given: Members, index: number): unknown[] {
    const delta = (members: Members) => ({ type: 'content_block_delta', index, delta: members })
    const deltas = []
    const start: Record<string, unknown> = { ...given }
    for (const [member, type, name] of [
      ['text', 'text_delta', 'text'],
      ['thinking', 'thinking_delta', 'thinking'],
    ] as const) {
      if (typeof given[member] !== 'string') continue
      start[member] = ''
      for (const piece of pieces(given[member])) deltas.push(delta({ type, [name]: piece }))
    }
    if (given['signature'] !== undefined) {
      delete start['signature']
      deltas.push(delta({ type: 'signature_delta', signature: given['signature'] }))
    }
    if (given['input'] !== undefined) {
      start['input'] = {}
      for (const piece of pieces(JSON.stringify(given['input'], null, 1))) {
        deltas.push(delta({ type: 'input_json_delta', partial_json: piece }))
      }
    }
    return [
      { type: 'content_block_start', index, content_block: start },
      ...deltas,
      { type: 'content_block_stop', index },
    ]
  }

  test('a stream cut anywhere says what the whole message says', () => {
    fc.assert(
      fc.property(fc.array(block, { maxLength: 4 }), (content) => {
        const body = { type: 'message', role: 'assistant', content, stop_reason: 'end_turn' }
        const whole = bodyOf('messages/v1', body)
        const streamed = eventsOf('messages/v1', [
          started,
          ...content.flatMap((each, index) => streamOf(each, index)),
          { type: 'ping' },
          ended,
          { type: 'message_stop' },
        ])
        expect(streamed).toEqual(whole)
        expect(whole.status).toBe('covered')
      }),
    )
  })

  test('a second message, a second start of a block and a delta to no block have no digest', () => {
    const start = {
      type: 'content_block_start',
      index: 0,
      content_block: { type: 'text', text: 'a' },
    }
    const far = {
      type: 'content_block_delta',
      index: 1,
      delta: { type: 'text_delta', text: 'b' },
    }
    for (const events of [
      [started, started],
      [started, start, start],
      [started, start, far],
      [ended],
    ]) {
      expect(eventsOf('messages/v1', events).status).toBe('none')
    }
  })

  test('two stop reasons are ambiguous', () => {
    const other = { type: 'message_delta', delta: { stop_reason: 'max_tokens' } }
    expect(eventsOf('messages/v1', [started, ended, other]).status).toBe('ambiguous')
  })
})

describe('responses/v1', () => {
  const item = fc.oneof(
    fc.record({ kind: fc.constant('message' as const), said: nonEmpty }),
    fc.record({ kind: fc.constant('reasoning' as const), said: nonEmpty }),
    fc.record({
      kind: fc.constant('function_call' as const),
      said: nonEmpty,
      name: nonEmpty,
      call_id: nonEmpty,
    }),
  )
  type Item = typeof item extends fc.Arbitrary<infer T> ? T : never

  const PART = { message: 'output_text', reasoning: 'reasoning_text' } as const

  function wholeItem(given: Item): Members {
    if (given.kind === 'function_call') {
      const { name, call_id, said } = given
      return { type: given.kind, id: 'x', name, call_id, arguments: said, status: 'completed' }
    }
    const part = { type: PART[given.kind], text: given.said }
    return given.kind === 'message'
      ? { type: 'message', role: 'assistant', content: [{ ...part, annotations: [] }] }
      : { type: 'reasoning', summary: [], content: [part] }
  }

  function streamOf(given: Item, output_index: number): unknown[] {
    const done = { type: 'response.output_item.done', output_index, item: wholeItem(given) }
    const opened = (empty: Members) => ({
      type: 'response.output_item.added',
      output_index,
      item: { ...wholeItem(given), ...empty, status: 'in_progress' },
    })
    if (given.kind === 'function_call') {
      const type = 'response.function_call_arguments.delta'
      return [
        opened({ arguments: '' }),
        ...pieces(given.said).map((delta) => ({ type, output_index, delta })),
        done,
      ]
    }
    const type = `response.${PART[given.kind]}`
    const at = { output_index, content_index: 0 }
    return [
      opened({ content: [] }),
      ...pieces(given.said).map((delta) => ({ type: `${type}.delta`, ...at, delta })),
      { type: `${type}.done`, ...at, text: given.said },
      done,
    ]
  }

  const response = (output: readonly Members[]) => ({
    object: 'response',
    status: 'completed',
    output,
  })

  test('a stream cut anywhere says what the whole response says', () => {
    fc.assert(
      fc.property(fc.array(item, { minLength: 1, maxLength: 4 }), fc.boolean(), (items, empty) => {
        const body = response(items.map(wholeItem))
        const streamed = eventsOf('responses/v1', [
          { type: 'response.created', response: { ...body, output: [] } },
          ...items.flatMap((each, index) => streamOf(each, index)),
          { type: 'response.completed', response: empty ? response([]) : body },
        ])
        expect(streamed).toEqual(bodyOf('responses/v1', body))
        expect(streamed.status).toBe('covered')
      }),
    )
  })

  test('a terminator that says another thing than the deltas did is ambiguous', () => {
    fc.assert(
      fc.property(fc.array(item, { minLength: 1, maxLength: 3 }), nonEmpty, (items, other) => {
        const [first] = items
        fc.pre(first !== undefined && first.said !== other)
        const changed = items.map((each, i) => wholeItem(i === 0 ? { ...each, said: other } : each))
        const events = items.flatMap((each, index) => streamOf(each, index))
        for (const output of [changed, changed.slice(1), [...items, ...items].map(wholeItem)]) {
          const end = { type: 'response.completed', response: response(output) }
          // Without any item the terminator is silent, not another account.
          const expected = output.length === 0 ? 'covered' : 'ambiguous'
          expect(eventsOf('responses/v1', [...events, end]).status).toBe(expected)
        }
      }),
    )
  })
})

test('no kind is read as another one, and nothing makes an accumulator throw', () => {
  const kinds = ['chat/v1', 'text/v1', 'messages/v1', 'responses/v1', 'embeddings/v1'] as const
  fc.assert(
    fc.property(fc.constantFrom(...kinds), fc.array(fc.jsonValue()), (kind, events) => {
      const { status, content } = eventsOf(kind, events)
      expect(content === null).toBe(status === 'none' || status === 'ambiguous')
      expect(content?.kind ?? kind).toBe(kind)
    }),
  )
})

test('the endpoints with content, and those whose answers end for a reason', () => {
  expect(contentKindOf('/v1/chat/completions')).toBe('chat/v1')
  expect(contentKindOf('/v1/embeddings')).toBe('embeddings/v1')
  expect(contentKindOf('/v1/rerank')).toBeNull()
  expect(contentKindOf('constructor')).toBeNull()
  expect(hasFinishReasons('messages/v1')).toBe(true)
  expect(hasFinishReasons('embeddings/v1')).toBe(false)
  expect(hasFinishReasons(null)).toBe(false)
})
