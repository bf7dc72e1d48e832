import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MAX_CONTENT_UNITS } from '../../attestation/protocol/content.ts'
import { ChatObserver } from '../../src/relay/chat-observer.ts'
import { deltaTemplate, readDelta } from '../../src/relay/delta-template.ts'

const MAX_LINE = 64 * 1024

/** The facts of a stream whose pieces were put aside where they may be, or none of them. */
function factsOf(events: readonly string[], together: boolean) {
  const observer = new ChatObserver(1, MAX_LINE)
  let waiting: Buffer[] = []
  const readWaiting = () => {
    if (waiting.length > 0) observer.streamWaiting(Buffer.concat(waiting))
    waiting = []
  }
  let waited = 0
  for (const event of events) {
    const chunk = Buffer.from(event, 'latin1')
    if (together && observer.canWait(chunk)) {
      waiting.push(chunk)
      waited++
    } else {
      readWaiting()
      observer.stream(chunk)
    }
  }
  readWaiting()
  return { facts: observer.facts(), complete: observer.complete, waited }
}

function event(delta: object | string, more: object = {}): string {
  const text = typeof delta === 'string' ? delta : JSON.stringify(delta)
  const rest = JSON.stringify({ logprobs: null, finish_reason: null, ...more }).slice(1)
  const json = `{"id":"c-1","model":"m","choices":[{"index":0,"delta":${text},${rest}]}`
  return `data: ${Buffer.from(json).toString('latin1')}\n\n`
}

const template = (delta: string) => {
  const text = event(delta).slice(6, -2)
  return deltaTemplate(text, JSON.parse(text))
}

describe('text deltas read without parsing', () => {
  test('a stream says the same, read event by event or by template', () => {
    const texts = fc.oneof(
      fc.string({ unit: 'grapheme', maxLength: 40 }),
      fc.constantFrom(
        '"',
        '\\',
        '\n',
        '", "role":"tool',
        '[DONE]',
        '\u2028',
        '\ud800',
        'é',
        '👩‍🚀',
        '',
      ),
    )
    const deltas = fc.oneof(
      { weight: 8, arbitrary: texts.map((content) => ({ content })) },
      texts.map((reasoning) => ({ reasoning })),
      texts.map((reasoning_content) => ({ reasoning_content })),
      texts.map((refusal) => ({ refusal })),
      texts.map((content) => ({ content, annotations: [] })),
      texts.map((content) => ({ role: 'assistant', content })),
      fc.constantFrom(
        { content: null },
        {},
        { content: 'x', tool_calls: [{ index: 0, function: { arguments: '{"content":"' } }] },
      ),
    )
    const mores = fc.constantFrom(
      {},
      {},
      {},
      { finish_reason: 'stop' },
      { stop_reason: 'content' },
      { note: { content: 'not the answer' } },
    )
    fc.assert(
      fc.property(fc.array(fc.tuple(deltas, mores), { maxLength: 40 }), (items) => {
        const events = [
          event({ role: 'assistant', content: '' }),
          ...items.map(([delta, more]) => event(delta, more)),
          'data: [DONE]\n\n',
        ]
        const [one, other] = [factsOf(events, true), factsOf(events, false)]
        expect(other.waited).toBe(0)
        expect({ ...one, waited: 0 }).toEqual(other)
      }),
      { numRuns: 500 },
    )
  })

  test.each([
    ['the delta', '{"content":"evil"},"delta":{"content":"good"}'],
    ['the delta, with another text', '{"reasoning":"evil"},"delta":{"content":"good"}'],
    ['the text', '{"content":"evil","content":"good"}'],
    ['the choices', '{"content":"evil"}}],"choices":[{"index":0,"delta":{"content":"good"}'],
  ])('a name that stands twice counts as the last, whoever reads it: %s', (_, delta) => {
    const twice = event(delta)
    const later = twice.replace('good', 'better').replace('evil', 'worse')
    const events = [twice, twice, later, later, 'data: [DONE]\n\n']
    const { facts } = factsOf(events, true)
    expect(facts).toEqual(factsOf(events, false).facts)
    const choice: unknown = expect.objectContaining({
      content: 'goodgoodbetterbetter',
      reasoning: null,
    })
    expect(facts.content).toMatchObject({ status: 'covered', content: { choices: [choice] } })
  })

  test('most events of a usual stream are put aside', () => {
    const words = Array.from({ length: 100 }, (_, i) => event({ content: ` word-${String(i)}` }))
    const { facts, waited } = factsOf([event({ role: 'assistant' }), ...words], true)
    expect(waited).toBe(100)
    const content: unknown = expect.stringMatching(/^ word-0 word-1 .* word-99$/)
    expect(facts.content.content).toMatchObject({ choices: [{ content }] })
  })

  test('bytes that are no UTF-8 come out as a parser would have them', () => {
    const events = [
      event('{"content":"a"}'),
      event('{"content":"b"}'),
      event('{"content":"c"}').replace('"c"', '"\xc3\x28\xff"'),
    ]
    expect(factsOf(events, true).facts).toEqual(factsOf(events, false).facts)
  })

  test.each([
    ['a name spelled with an escape', '{"conten\\u0074":"x"}'],
    ['the name a second time, inside another member', '{"content":"x"},"note":{"content":"x"}'],
    ['the name as a text', '{"content":"x"},"note":"content"'],
    ['a space after the colon', '{"content": "x"}'],
    ['an escape in the text', '{"content":"a\\nb"}'],
    ['a second member', '{"content":"x","refusal":null}'],
    ['a member that is no text', '{"tool_calls":[]}'],
  ])('no template is made of an event with %s', (_, delta) => {
    expect(template(delta)).toBeNull()
    expect(template('{"content":"x"}')).not.toBeNull()
  })

  test.each([-1, 128, 0.5])('choice %s, which no answer has, ends nothing', (index) => {
    const odd = event({ content: 'a' }).replace('"index":0', `"index":${String(index)}`)
    const { facts, complete } = factsOf([event({ role: 'assistant' }), odd, odd, odd, odd], true)
    expect(facts.content.status).toBe('none')
    expect(complete).toBe(false)
  })

  test('text beyond what a content may have makes it none, and is not kept', () => {
    const part = event({ content: 'x'.repeat(MAX_LINE / 2) })
    const times = Math.ceil(MAX_CONTENT_UNITS / (MAX_LINE / 2)) + 1
    const events = [event({ role: 'assistant' }), ...Array.from({ length: times }, () => part)]
    expect(factsOf(events.slice(0, -2), true).facts.content.status).toBe('covered')
    expect(factsOf(events, true).facts.content.status).toBe('none')
    expect(factsOf(events, false).facts.content.status).toBe('none')
  })

  test('nothing but the text may differ', () => {
    const of = template('{"content":"x"}')
    if (of === null) throw new Error('no template')
    const read = (delta: string, more = {}) => {
      const text = event(delta, more)
      return readDelta(of, text, Buffer.from(text, 'latin1'), 6, text.length - 2)
    }
    expect(read('{"content":"y z"}')).toBe('y z')
    expect(read('{"content":""}')).toBe('')
    expect(read('{"content":"é"}')).toBe('é')
    expect(read('{"content":"y","role":"user"}')).toBeNull()
    expect(read('{"content":"y"}', { finish_reason: 'stop' })).toBeNull()
    expect(read('{"content":"\t"}')).toBeNull()
    expect(read('{"content":"\\u0041"}')).toBeNull()
    expect(read('{"refusal":"y"}')).toBeNull()
    // Shorter than what stands around the text: the two must not be found to overlap.
    expect(readDelta(of, of.before, Buffer.from(of.before, 'latin1'), 0, 40)).toBeNull()
  })
})
