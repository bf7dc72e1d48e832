/**
 * Routes of embedding and scoring models as vLLM answers them: embeddings (vllm/entrypoints/pooling/embed/protocol.py
 * @ff8d577a: `base64` is single precision in the machine's order, little-endian wherever it runs), rerank and score
 * (pooling/scoring/protocol.py @004706d8), tokenize and detokenize (serve/tokenize/protocol.py @343bacaf), stored copies read on
 * 2026-11-26. Vectors and scores are drawn from the texts; a token is a byte.
 *
 * @module
 */
import { isJsonObject } from '../../../../attestation/protocol/json.ts'
import type { JsonObject, JsonValue } from '../../../../attestation/protocol/json.ts'
import { badShape } from '../error-body.ts'
import { integer, isList, list } from '../members.ts'
import type { Reply } from '../reply.ts'
import { errorReply, jsonReply } from '../reply.ts'
import { countMembers, DEMO_MAX_MODEL_LEN } from '../wire.ts'
import type { RouteContext } from './route.ts'
import { fraction, readRequest, textOf, tokensOf } from './route.ts'

const DEFAULT_DIMENSIONS = 16
const MAX_DEMO_DIMENSIONS = 4_096

/** Answers a request that has the member `needed`. */
function withRequest(
  body: Buffer,
  context: RouteContext,
  needed: string,
  answer: (request: JsonObject) => object,
): Reply {
  const read = readRequest(body, context.models)
  if (!read.ok) return errorReply(read.error)
  if (read.request[needed] === undefined) {
    return errorReply(badShape('missing', `body.${needed}`, 'Field required', read.request))
  }
  return jsonReply(200, JSON.stringify(answer(read.request)))
}

function textsOf(value: JsonValue | undefined): readonly string[] {
  if (!isList(value)) return [typeof value === 'string' ? value : JSON.stringify(value)]
  if (value.every((item) => typeof item === 'number')) return [JSON.stringify(value)]
  return value.map((item) =>
    typeof item === 'string'
      ? item
      : isJsonObject(item)
        ? textOf(item['content'] ?? item['text'])
        : JSON.stringify(item),
  )
}

function total(texts: readonly string[]): number {
  return texts.reduce((sum, text) => sum + tokensOf(text), 0)
}

/** Single-precision numbers of length 1 together. */
function vectorOf(text: string, dimensions: number): Float32Array {
  const raw = Array.from({ length: dimensions }, (_, i) => fraction(`${text}\0${i}`) - 0.5)
  const length = Math.sqrt(raw.reduce((sum, value) => sum + value * value, 0))
  return Float32Array.from(raw, (value) => value / length)
}

export function answerEmbeddings(body: Buffer, context: RouteContext): Reply {
  return withRequest(body, context, 'input', (request) => {
    const texts = textsOf(request['input'])
    const asked = integer(request['dimensions']) ?? DEFAULT_DIMENSIONS
    const dimensions = Math.min(Math.max(asked, 1), MAX_DEMO_DIMENSIONS)
    return {
      id: `embd-${context.requestId}`,
      object: 'list',
      created: context.created,
      model: context.model,
      data: texts.map((text, index) => {
        const vector = vectorOf(text, dimensions)
        const embedding =
          request['encoding_format'] === 'base64'
            ? Buffer.from(vector.buffer).toString('base64')
            : [...vector]
        return { index, object: 'embedding', embedding }
      }),
      usage: { ...countMembers(total(texts), 0), prompt_tokens_details: null },
    }
  })
}

export function answerRerank(body: Buffer, context: RouteContext): Reply {
  return withRequest(body, context, 'documents', (request) => {
    const query = textOf(request['query'])
    const documents = textsOf(request['documents'])
    const results = documents
      .map((text, index) => ({
        index,
        document: { text, multi_modal: null },
        relevance_score: fraction(`${query}\0${text}`),
      }))
      .sort((a, b) => b.relevance_score - a.relevance_score)
    const top = integer(request['top_n']) ?? 0
    const tokens = total([query, ...documents])
    return {
      id: `rerank-${context.requestId}`,
      model: context.model,
      usage: { prompt_tokens: tokens, total_tokens: tokens },
      results: top > 0 ? results.slice(0, top) : results,
    }
  })
}

export function answerScore(body: Buffer, context: RouteContext): Reply {
  const left = (request: JsonObject) => request['text_1'] ?? request['queries'] ?? request['data_1']
  const right = (request: JsonObject) =>
    request['text_2'] ?? request['documents'] ?? request['items'] ?? request['data_2']
  const read = readRequest(body, context.models)
  if (!read.ok) return errorReply(read.error)
  const { request } = read
  if (left(request) === undefined || right(request) === undefined) {
    return errorReply(badShape('missing', 'body.text_1', 'Field required', request))
  }
  const [one, other] = [textsOf(left(request)), textsOf(right(request))]
  const data = other.map((text, index) => {
    const query = one[one.length === 1 ? 0 : index] ?? ''
    return { index, object: 'score', score: fraction(`${query}\0${text}`) }
  })
  const members = {
    id: `score-${context.requestId}`,
    object: 'list',
    created: context.created,
    model: context.model,
    data,
    usage: { ...countMembers(total([...one, ...other]), 0), prompt_tokens_details: null },
  }
  return jsonReply(200, JSON.stringify(members))
}

export function answerTokenize(body: Buffer, context: RouteContext): Reply {
  const read = readRequest(body, context.models)
  if (!read.ok) return errorReply(read.error)
  const { prompt, messages } = read.request
  if (prompt === undefined && messages === undefined) {
    return errorReply(badShape('missing', 'body.prompt', 'Field required', read.request))
  }
  const text = prompt === undefined ? textsOf(messages).join('\n') : textOf(prompt)
  const tokens = [...Buffer.from(text)]
  const members = {
    count: tokens.length,
    max_model_len: DEMO_MAX_MODEL_LEN,
    tokens,
    token_strs: null,
  }
  return jsonReply(200, JSON.stringify(members))
}

export function answerDetokenize(body: Buffer, context: RouteContext): Reply {
  return withRequest(body, context, 'tokens', (request) => ({
    prompt: Buffer.from(list(request['tokens']).map((token) => integer(token) ?? 0)).toString(),
  }))
}
