/** Answers in one piece that say something else, can be read in two ways, or hold what the digest does not speak for. */
import type { Vector } from '../../corpus/vector.ts'
import { completion } from '../answer-text.ts'
import { exchangeOf, fullExchange, shownAnswer } from '../shown-answer.ts'
import { REQUEST, RESPONSE } from '../world.ts'

const TWO = REQUEST.replace('"seed":7', '"n":2,"seed":7')
const MISMATCH = 'content_digest_mismatch'

const message = (members: object) => ({ role: 'assistant', content: null, ...members })
const said = (content: string | null, more: object = {}) => message({ content, ...more })
const choice = (index: number, spoken: object, more: object = {}) => ({
  index,
  message: spoken,
  finish_reason: 'stop',
  ...more,
})
const FOUR = choice(0, said('4'))
const WORD = choice(1, said('four'))
const BOTH = completion([FOUR, WORD])

function choices(): Vector[] {
  const exchange = exchangeOf(TWO, BOTH)
  const { index: _index, ...placeless } = WORD
  const bad = (id: string, title: string, answer: string) =>
    shownAnswer(`content-${id}`, MISMATCH, title, exchange, answer)
  return [
    ...shownAnswer('content-two-choices', 'ok', 'two choices', exchange, BOTH),
    ...bad('choice-missing', 'one of two choices is missing', completion([FOUR])),
    ...bad('first-choice-missing', 'the first of two choices is missing', completion([WORD])),
    ...bad('choices-empty', 'no choice is left', completion([])),
    ...bad('choices-missing', 'the member choices is missing', BOTH.replace('"choices"', '"data"')),
    ...bad(
      'text-moved',
      'the texts of two choices changed places',
      completion([choice(0, said('four')), choice(1, said('4'))]),
    ),
    ...bad(
      'text-joined',
      'the text of one choice joined to the other',
      completion([choice(0, said('4four')), choice(1, said(null))]),
    ),
    ...bad('index-twice', 'two choices of one index', completion([FOUR, { ...WORD, index: 0 }])),
    ...bad('index-missing', 'a choice without an index', completion([FOUR, placeless])),
    ...bad('index-text', 'an index that is a text', completion([FOUR, { ...WORD, index: '1' }])),
    ...shownAnswer(
      'content-choices-turned',
      'answer_ambiguous',
      'choices that do not stand at their index',
      exchange,
      completion([WORD, FOUR]),
    ),
  ]
}

function texts(): Vector[] {
  const thought = completion([choice(0, said('4', { reasoning: '2 and 2' }))])
  const exchange = exchangeOf(REQUEST, thought)
  const bad = (id: string, title: string, spoken: object, more: object = {}) =>
    shownAnswer(`content-${id}`, MISMATCH, title, exchange, completion([choice(0, spoken, more)]))
  const twice = thought.replace('"content":"4"', '"content":"5","content":"4"')
  const other = { reasoning: '2 and 2', reasoning_content: '3 and 1' }
  const same = { reasoning: '2 and 2', reasoning_content: '2 and 2' }
  const doubled = completion([choice(0, said('4', other))])
  const own = fullExchange(REQUEST, doubled)
  return [
    ...shownAnswer('content-reasoning', 'ok', 'an answer with reasoning', exchange, thought),
    ...shownAnswer(
      'content-reasoning-content',
      'ok',
      'the same reasoning under its other name',
      exchange,
      thought.replace('"reasoning"', '"reasoning_content"'),
    ),
    ...shownAnswer(
      'content-reasoning-agrees',
      'ok',
      'the same reasoning under both names',
      exchange,
      completion([choice(0, said('4', same))]),
    ),
    ...bad('reasoning-differs', 'two texts of reasoning', said('4', other)),
    ...bad('reasoning-as-text', 'reasoning shown as the answer', said('2 and 24')),
    ...bad('reasoning-missing', 'the reasoning is missing', said('4')),
    ...bad(
      'refusal-added',
      'a refusal beside the answer',
      said('4', { reasoning: '2 and 2', refusal: 'no' }),
    ),
    ...bad('role-changed', 'the answer of a user', {
      ...said('4', { reasoning: '2 and 2' }),
      role: 'user',
    }),
    ...bad('text-number', 'a text that is a number', message({ content: 4, reasoning: '2 and 2' })),
    ...bad('delta-beside', 'a delta beside the message', said('4', { reasoning: '2 and 2' }), {
      delta: { content: '5' },
    }),
    ...shownAnswer(
      'content-name-twice',
      'answer_form_mismatch',
      'a body with two texts of one name, which is no JSON',
      exchange,
      twice,
    ),
    ...shownAnswer(
      'content-trailing',
      'answer_form_mismatch',
      'a body with another behind it, which is no JSON',
      exchange,
      thought + RESPONSE,
    ),
    ...shownAnswer(
      'content-ambiguous',
      'level_not_reached',
      'an answer that the enclave itself found ambiguous',
      exchangeOf(REQUEST, doubled),
      doubled,
    ),
    ...shownAnswer(
      'content-ambiguous-bytes',
      'ok',
      'an ambiguous answer, in the enclave’s own bytes',
      own,
      doubled,
      { level: 'bytes' },
    ),
    ...shownAnswer(
      'content-ambiguous-own',
      'ok',
      'the same, where the content is wanted: own bytes say it',
      own,
      doubled,
    ),
    ...shownAnswer(
      'content-none',
      'level_not_reached',
      'an answer that has no content to speak of',
      exchangeOf(REQUEST, completion([choice(0, message({ content: 4 }))])),
      completion([choice(0, message({ content: 4 }))]),
    ),
  ]
}

function calls(): Vector[] {
  const call = (id: string, name: string, text: string, more: object = {}) => ({
    id,
    type: 'function',
    function: { name, arguments: text },
    ...more,
  })
  const answer = (...tools: readonly object[]) =>
    completion([choice(0, message({ tool_calls: tools }), { finish_reason: 'tool_calls' })])
  const add = call('c1', 'add', '{"a":2}')
  const pay = call('c2', 'pay', '{"to":"x"}')
  const good = answer(add, pay)
  const exchange = exchangeOf(REQUEST, good)
  const bad = (id: string, title: string, ...tools: readonly object[]) =>
    shownAnswer(`content-${id}`, MISMATCH, title, exchange, answer(...tools))
  return [
    ...shownAnswer('content-calls', 'ok', 'two tool calls', exchange, good),
    ...shownAnswer(
      'content-calls-empty-text',
      'ok',
      'an empty text in the place of none',
      exchange,
      good.replace('"content":null', '"content":""'),
    ),
    ...bad('call-missing', 'one of two tool calls is missing', add),
    ...bad('calls-turned', 'two tool calls changed places', pay, add),
    ...bad('call-twice', 'a tool call is made twice', add, pay, pay),
    ...bad(
      'call-arguments',
      'other arguments of a tool call',
      add,
      call('c2', 'pay', '{"to":"y"}'),
    ),
    ...bad(
      'call-arguments-moved',
      'arguments of one call in the other',
      call('c1', 'add', '{"to":"x"}'),
      call('c2', 'pay', '{"a":2}'),
    ),
    ...bad('call-name', 'another tool', add, call('c2', 'sell', '{"to":"x"}')),
    ...bad('call-id', 'another id of a call', add, call('c3', 'pay', '{"to":"x"}')),
    ...shownAnswer(
      'content-call-member-added',
      'content_member_added',
      'a tool call with a member that it did not have',
      exchange,
      answer(add, { ...pay, approved: true }),
    ),
  ]
}

function uncovered(): Vector[] {
  const inside = completion([choice(0, said('4', { annotations: [{ url: 'https://x.example' }] }))])
  const top = completion([FOUR], { system_fingerprint: 'fp1' })
  const reason = completion([choice(0, said('4'), { stop_reason: 7 })])
  const names = Array.from({ length: 32 }, (_, i) => [`x${String(i).padStart(2, '0')}`, 1])
  const many = completion([FOUR], Object.fromEntries(names) as object)
  const plain = exchangeOf(REQUEST, RESPONSE)
  const seen = exchangeOf(REQUEST, inside)
  const framed = exchangeOf(REQUEST, top)
  return [
    ...shownAnswer(
      'content-uncovered-top',
      'ok',
      'a member at the top that the digest does not speak for',
      framed,
      top,
    ),
    ...shownAnswer(
      'content-uncovered-top-changed',
      'ok',
      'its value changed, which nobody can see',
      framed,
      top.replace('fp1', 'fp2'),
    ),
    ...shownAnswer(
      'content-uncovered-top-missing',
      'ok',
      'it is missing, which says nothing',
      framed,
      RESPONSE,
    ),
    ...shownAnswer(
      'content-uncovered-reason',
      'ok',
      'a member that the policy does without',
      exchangeOf(REQUEST, reason),
      reason,
    ),
    ...shownAnswer(
      'content-uncovered-inside',
      'level_not_reached',
      'a member within the message that the digest does not speak for',
      seen,
      inside,
    ),
    ...shownAnswer(
      'content-uncovered-allowed',
      'ok',
      'the same, where the policy does without it',
      seen,
      inside,
      { policy: { allowUncovered: ['message.annotations'] } },
    ),
    ...shownAnswer(
      'content-uncovered-bytes',
      'ok',
      'the same, in the enclave’s own bytes',
      fullExchange(REQUEST, inside),
      inside,
      { level: 'bytes' },
    ),
    ...shownAnswer(
      'content-uncovered-changed',
      'level_not_reached',
      'its value was changed',
      seen,
      inside.replace('x.example', 'y.example'),
    ),
    ...shownAnswer(
      'content-uncovered-added',
      'content_member_added',
      'a member within the message that was not sent',
      plain,
      inside,
    ),
    ...shownAnswer(
      'content-uncovered-many',
      'level_not_reached',
      'as many members that are not covered as a record names: one more would not be seen',
      exchangeOf(REQUEST, many),
      many,
    ),
    ...shownAnswer(
      'content-logprobs',
      'ok',
      'probabilities, of which the digest never speaks',
      plain,
      completion([choice(0, said('4'), { logprobs: { content: [] } })]),
    ),
  ]
}

export function contentCases(): Vector[] {
  return [...choices(), ...texts(), ...calls(), ...uncovered()]
}
