/** Answers whose words are those of the receipt, framed so that a reader takes something else from them. */
import type { Vector } from '../../corpus/vector.ts'
import { chunk, DONE, part, written } from '../answer-text.ts'
import { exchangeOf, shownAnswer } from '../shown-answer.ts'
import { REQUEST, RESPONSE } from '../world.ts'

/** The same words as a stream: the digest of their content is the same. */
const STREAM = exchangeOf(REQUEST.replace('"seed":7', '"seed":7,"stream":true'), RESPONSE)
const BODY = exchangeOf(REQUEST, RESPONSE)

const ROLE = chunk(part(0, { role: 'assistant' }))
const TEXT = chunk(part(0, { content: '4' }))
const END = chunk(part(0, {}, 'stop'))
const GOOD = written(ROLE, TEXT, END, DONE)

export function reframedCases(): Vector[] {
  return [
    ...shownAnswer('stream', 'ok', 'a stream in three chunks', STREAM, GOOD),
    ...shownAnswer(
      'stream-comments',
      'ok',
      'a stream with comments of a broker',
      STREAM,
      `: busy\n\n${GOOD}`,
    ),
    ...shownAnswer(
      'reframed-end-first',
      'answer_ambiguous',
      'a stream whose end comes before its text',
      STREAM,
      written(ROLE, END, TEXT, DONE),
    ),
    ...shownAnswer(
      'reframed-ids',
      'answer_ambiguous',
      'a stream whose chunks have two ids',
      STREAM,
      written(ROLE, TEXT.replace('chatcmpl-1', 'chatcmpl-2'), END, DONE),
    ),
    ...shownAnswer(
      'reframed-models',
      'answer_ambiguous',
      'a stream whose second chunk names another model',
      STREAM,
      written(ROLE, TEXT.replace('demo-v2', 'demo-v3'), END, DONE),
    ),
    ...shownAnswer(
      'reframed-object',
      'answer_ambiguous',
      'a stream with a chunk that calls itself a message of a thread',
      STREAM,
      written(ROLE, TEXT.replace('chat.completion.chunk', 'thread.message'), END, DONE),
    ),
    ...shownAnswer(
      'reframed-body-object',
      'answer_ambiguous',
      'a body that calls itself a chunk',
      BODY,
      RESPONSE.replace('chat.completion', 'chat.completion.chunk'),
    ),
    ...shownAnswer(
      'model-of-body',
      'model_mismatch',
      'a body that names another model',
      BODY,
      RESPONSE.replace('demo-v2', 'demo-v3'),
    ),
    ...shownAnswer(
      'model-of-stream',
      'model_mismatch',
      'a stream that names another model',
      STREAM,
      GOOD.replaceAll('demo-v2', 'demo-v3'),
    ),
    ...shownAnswer(
      'other-form-stream',
      'answer_form_mismatch',
      'a stream, and a body was asked for',
      BODY,
      GOOD,
    ),
    ...shownAnswer(
      'other-form-body',
      'answer_form_mismatch',
      'a body, and a stream was asked for',
      STREAM,
      RESPONSE,
    ),
    ...shownAnswer(
      'stream-without-end',
      'stream_cut',
      'a stream without its terminator',
      STREAM,
      written(ROLE, TEXT, END),
    ),
    ...shownAnswer(
      'stream-goes-on',
      'stream_after_done',
      'a stream with text after its terminator',
      STREAM,
      written(ROLE, END, DONE, TEXT),
    ),
    ...shownAnswer(
      'stream-named-event',
      'stream_unreadable',
      'a stream with a named event',
      STREAM,
      `event: thread.message.delta\n${GOOD}`,
    ),
  ]
}
