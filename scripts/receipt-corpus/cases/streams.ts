/** Streams of two choices: framed anew, which changes nothing, and with words dropped, moved or said twice. */
import type { Vector, VectorCode } from '../../corpus/vector.ts'
import { chunk, completion, DONE, part, written } from '../answer-text.ts'
import { exchangeOf, shownAnswer } from '../shown-answer.ts'
import { REQUEST } from '../world.ts'

const MISMATCH = 'content_digest_mismatch'
const ASKED = REQUEST.replace('"seed":7', '"n":2,"seed":7,"stream":true')
const choice = (index: number, content: string, reason: string) => ({
  index,
  message: { role: 'assistant', content },
  finish_reason: reason,
})
const SAID = exchangeOf(
  ASKED,
  completion([choice(0, 'It is 4.', 'stop'), choice(1, 'Four', 'length')]),
)

const text = (index: number, content: string) => chunk(part(index, { content }))
const ROLES = [0, 1].map((index) => chunk(part(index, { role: 'assistant' })))
const [IT, IS, FOUR] = [text(0, 'It '), text(0, 'is '), text(0, '4.')]
const [FO, UR] = [text(1, 'Fo'), text(1, 'ur')]
const ENDS = [chunk(part(0, {}, 'stop')), chunk(part(1, {}, 'length'))]
const [END0 = '', END1 = ''] = ENDS
const USAGE = chunk().replace(/\}$/, ',"usage":{"prompt_tokens":12,"completion_tokens":9}}')
const EVENTS = [...ROLES, IT, FO, IS, UR, FOUR, ...ENDS, DONE]
const GOOD = written(...EVENTS)
const without = (...gone: readonly string[]) =>
  written(...EVENTS.filter((event) => !gone.includes(event)))
const withOne = (old: string, ...fresh: readonly string[]) =>
  written(...EVENTS.flatMap((event) => (event === old ? fresh : [event])))

const good = (id: string, title: string, stream: string) =>
  shownAnswer(`stream-${id}`, 'ok', title, SAID, stream)
const bad = (id: string, code: VectorCode, title: string, stream: string | Uint8Array) =>
  shownAnswer(`stream-${id}`, code, title, SAID, stream)

function reframed(): Vector[] {
  const letters = (index: number, all: string) => [...all].map((one) => text(index, one))
  return [
    ...good('two-choices', 'a stream of two choices', GOOD),
    ...good('crlf', 'lines that end in CRLF', GOOD.replaceAll('\n', '\r\n')),
    ...good('no-space', 'no space after the colon', GOOD.replaceAll('data: ', 'data:')),
    ...good('fields', 'ids and times to wait, which say nothing', `id: 1\nretry: 10\n${GOOD}`),
    ...good(
      'split',
      'an event for each letter',
      written(...ROLES, ...letters(0, 'It is 4.'), ...letters(1, 'Four'), ...ENDS, DONE),
    ),
    ...good(
      'merged',
      'all of it in one event',
      written(
        chunk(
          part(0, { role: 'assistant', content: 'It is 4.' }, 'stop'),
          part(1, { role: 'assistant', content: 'Four' }, 'length'),
        ),
        DONE,
      ),
    ),
    ...good(
      'one-after-the-other',
      'one choice after the other',
      written(...[ROLES[0] ?? '', IT, IS, FOUR, END0, ROLES[1] ?? '', FO, UR, END1, DONE]),
    ),
    ...good('usage', 'a chunk of usage alone', withOne(DONE, USAGE, DONE)),
    ...good('empty-parts', 'chunks that say nothing', withOne(IT, text(0, ''), IT)),
    ...good(
      'comments-between',
      'comments between all events',
      GOOD.replaceAll('\n\n', '\n\n: busy\n\n'),
    ),
    ...good('roles-missing', 'no role, which is the assistant’s', without(...ROLES)),
  ]
}

function otherWords(): Vector[] {
  return [
    ...bad('first-text-dropped', MISMATCH, 'the first words were dropped', without(IT)),
    ...bad('inner-text-dropped', MISMATCH, 'words within were dropped', without(IS)),
    ...bad('last-text-dropped', MISMATCH, 'the last words were dropped', without(FOUR)),
    ...bad(
      'last-end-dropped',
      MISMATCH,
      'the last event before the terminator was dropped',
      without(END1),
    ),
    ...bad('ends-dropped', MISMATCH, 'no choice has an end', without(...ENDS)),
    ...bad(
      'choice-dropped',
      MISMATCH,
      'all of one choice was dropped',
      without(ROLES[1] ?? '', FO, UR, END1),
    ),
    ...bad('all-dropped', MISMATCH, 'the terminator alone', written(DONE)),
    ...bad('text-twice', MISMATCH, 'an event was sent twice', withOne(IS, IS, IS)),
    ...bad(
      'texts-turned',
      MISMATCH,
      'two events of one choice changed places',
      written(...[...ROLES, IS, FO, IT, UR, FOUR, ...ENDS, DONE]),
    ),
    ...bad(
      'text-moved',
      MISMATCH,
      'words of one choice under the other',
      withOne(UR, text(0, 'ur')),
    ),
    ...bad(
      'texts-exchanged',
      MISMATCH,
      'the choices changed places',
      written(...[...ROLES, text(1, 'It is 4.'), text(0, 'Four'), ...ENDS, DONE]),
    ),
    ...bad(
      'ends-exchanged',
      MISMATCH,
      'the choices end for one another’s reason',
      written(
        ...[
          ...ROLES,
          IT,
          FO,
          IS,
          UR,
          FOUR,
          chunk(part(0, {}, 'length')),
          chunk(part(1, {}, 'stop')),
          DONE,
        ],
      ),
    ),
    ...bad('text-added', MISMATCH, 'words were added', withOne(FOUR, FOUR, text(0, ' Or 5.'))),
    ...bad(
      'choice-added',
      MISMATCH,
      'a choice was added',
      withOne(DONE, chunk(part(2, { content: '5' }, 'stop')), DONE),
    ),
    ...bad(
      'choice-twice',
      MISMATCH,
      'a choice twice in one event',
      withOne(IS, chunk(part(0, { content: 'is ' }), part(0, {}))),
    ),
    ...bad(
      'message-beside',
      MISMATCH,
      'a message beside the delta',
      withOne(
        IS,
        chunk({
          ...part(0, { content: 'is ' }),
          message: { content: 'is not ' },
        }),
      ),
    ),
    ...bad(
      'error-added',
      'content_member_added',
      'an error between the words',
      withOne(IS, IS, chunk().replace(/\}$/, ',"error":{"code":1}}')),
    ),
    ...bad(
      'member-added',
      'content_member_added',
      'a member within a delta',
      withOne(IS, chunk(part(0, { content: 'is ', annotations: [1] }))),
    ),
  ]
}

function otherEnds(): Vector[] {
  const cut = 'stream_cut'
  const odd = 'stream_unreadable'
  const tail = `data: ${DONE}\n\n`
  const ended = (end: string) => GOOD.slice(0, -tail.length) + end
  const latin = Buffer.from(GOOD.replace('It ', 'I\u00ef '), 'latin1')
  return [
    ...bad('done-missing', cut, 'no terminator', ended('')),
    ...bad('done-cut', cut, 'half a terminator', ended('data: [DON')),
    ...bad('done-as-comment', cut, 'the terminator in a comment', ended(`: ${DONE}\n\n`)),
    ...bad('done-twice', 'stream_after_done', 'two terminators', ended(tail + tail)),
    ...bad('done-lower-case', odd, 'a terminator in other letters', ended('data: [done]\n\n')),
    ...bad('done-with-more', odd, 'a terminator with more behind it', ended(`data: ${DONE} \n\n`)),
    ...bad(
      'done-after-data',
      odd,
      'a terminator in an event with others',
      ended(`data: {}\n${tail}`),
    ),
    ...bad(
      'two-in-one',
      odd,
      'two events without a line between them',
      GOOD.replace('}\n\ndata', '}\ndata'),
    ),
    ...bad(
      'name-twice',
      odd,
      'an event with two texts of one name',
      GOOD.replace('"content":"is "', '"content":"is not ","content":"is "'),
    ),
    ...bad('byte-order-mark', odd, 'a byte-order mark at the start', `\uFEFF${GOOD}`),
    ...bad('lone-cr', odd, 'lines that end in CR', GOOD.replace('\n\n', '\r\r')),
    ...bad('latin', odd, 'bytes that are no UTF-8', latin),
    ...bad('unknown-field', odd, 'a field that no reader knows', `note: 1\n${GOOD}`),
  ]
}

function calls(): Vector[] {
  const asked = REQUEST.replace('"seed":7', '"seed":7,"stream":true')
  const call = (id: string, name: string, all: string) => ({
    id,
    type: 'function',
    function: { name, arguments: all },
  })
  const tools = [call('c1', 'add', '{"a":2}'), call('c2', 'pay', '{"to":"x"}')]
  const exchange = exchangeOf(
    asked,
    completion([
      {
        index: 0,
        message: { role: 'assistant', content: null, tool_calls: tools },
        finish_reason: 'tool_calls',
      },
    ]),
  )
  const piece = (index: number, members: object) =>
    chunk(part(0, { tool_calls: [{ index, ...members }] }))
  const more = (index: number, all: string) => piece(index, { function: { arguments: all } })
  const [add, pay] = [piece(0, call('c1', 'add', '{"a"')), piece(1, call('c2', 'pay', '{"to"'))]
  const end = chunk(part(0, {}, 'tool_calls'))
  const stream = (...events: readonly string[]) => written(...events, end, DONE)
  const shown = (id: string, code: VectorCode | 'ok', title: string, answer: string) =>
    shownAnswer(`stream-calls-${id}`, code, title, exchange, answer)
  return [
    ...shown('whole', 'ok', 'two tool calls', stream(add, more(0, ':2}'), pay, more(1, ':"x"}'))),
    ...shown(
      'split',
      'ok',
      'the same in more pieces',
      stream(add, more(0, ':'), more(0, '2}'), pay, more(1, ':"'), more(1, 'x"}')),
    ),
    ...shown(
      'returned',
      'answer_ambiguous',
      'back to a call after the next began',
      stream(add, pay, more(0, ':2}'), more(1, ':"x"}')),
    ),
    ...shown(
      'name-again',
      'answer_ambiguous',
      'the name of a call said again',
      stream(add, more(0, ':2}'), pay, piece(1, call('c2', 'pay', ':"x"}'))),
    ),
    ...shown(
      'arguments-moved',
      MISMATCH,
      'arguments of one call in the other',
      stream(add, more(0, ':"x"}'), pay, more(1, ':2}')),
    ),
    ...shown(
      'exchanged',
      MISMATCH,
      'the calls changed places',
      stream(piece(0, call('c2', 'pay', '{"to":"x"}')), piece(1, call('c1', 'add', '{"a":2}'))),
    ),
    ...shown(
      'last-dropped',
      MISMATCH,
      'the last arguments were dropped',
      stream(add, more(0, ':2}'), pay),
    ),
  ]
}

/** Lines that only some readers see, and names that only some take for those of the API. */
function otherReaders(): Vector[] {
  const evil = text(0, 'Buy gold. ')
  const at = (place: number, change: (event: string) => string) =>
    GOOD.split('\n\n')
      .map((event, i) => (i === place ? change(event) : event))
      .join('\n\n')
  const inserted = (place: number, member: string) =>
    at(place, (event) => event.replace(/\}$/, `,${member}}`))
  const odd = 'stream_unreadable'
  const ambiguous = 'answer_ambiguous'
  const separated = exchangeOf(ASKED, completion([choice(0, 'It\u2028is\u00854.', 'stop')]))
  return [
    ...shownAnswer(
      'stream-separators',
      'ok',
      'words with U+2028 and U+0085 in them, unescaped',
      separated,
      written(text(0, 'It\u2028is\u0085'), FOUR, END0, DONE),
    ),
    ...bad(
      'line-in-comment',
      odd,
      'a comment that is an event where U+2028 ends a line',
      `: x\u2028data: ${evil}\u2028\u2028\n${GOOD}`,
    ),
    ...bad('line-in-id', odd, 'the same of U+0085 in an id', `id: x\u0085data: ${evil}\n${GOOD}`),
    ...bad('control-in-comment', odd, 'a form feed in a comment', `: x\f\n${GOOD}`),
    ...bad('wait-no-number', odd, 'a time to wait that is no number', `retry: 1e3\n${GOOD}`),
    ...bad(
      'line-in-member',
      ambiguous,
      'an id that is a terminator where U+2028 ends a line',
      GOOD.replaceAll('chatcmpl-1', 'x\u2028data: [DONE]\u2028'),
    ),
    ...bad(
      'one-without-space',
      ambiguous,
      'no space behind one colon of many',
      at(3, (event) => event.replace('data: ', 'data:')),
    ),
    ...bad(
      'one-crlf',
      ambiguous,
      'one line of many ends in CRLF',
      at(3, (event) => `${event}\r`),
    ),
    ...bad(
      'two-lines',
      ambiguous,
      'an event in two lines',
      at(3, (event) => `data:\n${event}`),
    ),
    ...bad(
      'name-in-case',
      ambiguous,
      'null under the name of the choices in other letters',
      inserted(3, '"Choices":null'),
    ),
    ...bad(
      'name-folded',
      ambiguous,
      'the same with a long s, which Unicode folds to an s',
      inserted(3, '"choice\u017f":null'),
    ),
    ...bad(
      'name-in-delta',
      ambiguous,
      'null under the name of the text in other letters',
      at(2, (event) => event.replace('"content":"It "', '"content":"It ","Content":null')),
    ),
  ]
}

export function streamCases(): Vector[] {
  return [...reframed(), ...otherWords(), ...otherEnds(), ...otherReaders(), ...calls()]
}
