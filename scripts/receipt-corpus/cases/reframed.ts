/** Answers whose words are those of the receipt, framed so that a reader takes something else from them. */
import { requestMembers } from '../../../attestation/protocol/request-members.ts'
import { nodeCrypto } from '../../../attestation/crypto/node.ts'
import { vectorsOf } from '../../corpus/vector.ts'
import type { Vector, VectorCode } from '../../corpus/vector.ts'
import {
  aciReceipt,
  base64,
  coseMessage,
  inputOf,
  OPENING,
  RECORD,
  REQUEST,
  RESPONSE,
} from '../world.ts'
import type { Issue } from '../world.ts'

const { accepted, rejected } = vectorsOf(inputOf)

const STREAM_REQUEST = REQUEST.replace('"seed":7', '"seed":7,"stream":true')
const BODY: Issue = { bodies: null }
/** The same words as a stream: the digest of their content is the same. */
const STREAM: Issue = {
  bodies: null,
  record: {
    ...RECORD,
    members: requestMembers(
      { ...(JSON.parse(REQUEST) as object), stream: true },
      OPENING,
      nodeCrypto,
    ),
  },
}

const FRAME =
  '{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1790000100,"model":"demo-v2",'
const ROLE = `${FRAME}"choices":[{"index":0,"delta":{"role":"assistant"},"finish_reason":null}]}`
const TEXT = `${FRAME}"choices":[{"index":0,"delta":{"content":"4"},"finish_reason":null}]}`
const END = `${FRAME}"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`
const DONE = '[DONE]'

const written = (...events: readonly string[]): string =>
  events.map((data) => `data: ${data}\n\n`).join('')
const GOOD = written(ROLE, TEXT, END, DONE)

function both(
  id: string,
  code: VectorCode | 'ok',
  title: string,
  [issue, request]: readonly [Issue, string],
  response: string,
): Vector[] {
  const more = { request: base64(request), response: base64(response), level: 'content' }
  const aci = { receipt: aciReceipt(issue), more }
  const cose = { receipt: coseMessage(issue), more }
  const titleOfCose = `${title}; as COSE_Sign1`
  return code === 'ok'
    ? [accepted(`ok-${id}`, title, aci), accepted(`ok-cose-${id}`, titleOfCose, cose)]
    : [rejected(id, code, title, aci), rejected(`cose-${id}`, code, titleOfCose, cose)]
}

export function reframedCases(): Vector[] {
  const stream = [STREAM, STREAM_REQUEST] as const
  const body = [BODY, REQUEST] as const
  return [
    ...both('stream', 'ok', 'a stream in three chunks', stream, GOOD),
    ...both(
      'stream-comments',
      'ok',
      'a stream with comments of a broker',
      stream,
      `: busy\n\n${GOOD}`,
    ),
    ...both(
      'reframed-end-first',
      'answer_ambiguous',
      'a stream whose end comes before its text',
      stream,
      written(ROLE, END, TEXT, DONE),
    ),
    ...both(
      'reframed-ids',
      'answer_ambiguous',
      'a stream whose chunks have two ids',
      stream,
      written(ROLE, TEXT.replace('chatcmpl-1', 'chatcmpl-2'), END, DONE),
    ),
    ...both(
      'reframed-models',
      'answer_ambiguous',
      'a stream whose second chunk names another model',
      stream,
      written(ROLE, TEXT.replace('demo-v2', 'demo-v3'), END, DONE),
    ),
    ...both(
      'reframed-object',
      'answer_ambiguous',
      'a stream with a chunk that calls itself a message of a thread',
      stream,
      written(ROLE, TEXT.replace('chat.completion.chunk', 'thread.message'), END, DONE),
    ),
    ...both(
      'reframed-body-object',
      'answer_ambiguous',
      'a body that calls itself a chunk',
      body,
      RESPONSE.replace('chat.completion', 'chat.completion.chunk'),
    ),
    ...both(
      'model-of-body',
      'model_mismatch',
      'a body that names another model',
      body,
      RESPONSE.replace('demo-v2', 'demo-v3'),
    ),
    ...both(
      'model-of-stream',
      'model_mismatch',
      'a stream that names another model',
      stream,
      GOOD.replaceAll('demo-v2', 'demo-v3'),
    ),
    ...both(
      'other-form-stream',
      'answer_form_mismatch',
      'a stream, and a body was asked for',
      body,
      GOOD,
    ),
    ...both(
      'other-form-body',
      'answer_form_mismatch',
      'a body, and a stream was asked for',
      stream,
      RESPONSE,
    ),
    ...both(
      'stream-without-end',
      'stream_cut',
      'a stream without its terminator',
      stream,
      written(ROLE, TEXT, END),
    ),
    ...both(
      'stream-goes-on',
      'stream_after_done',
      'a stream with text after its terminator',
      stream,
      written(ROLE, END, DONE, TEXT),
    ),
    ...both(
      'stream-named-event',
      'stream_unreadable',
      'a stream with a named event',
      stream,
      `event: thread.message.delta\n${GOOD}`,
    ),
  ]
}
