/**
 * Every route of the demo model besides chat, by path, under the names that vLLM gives them.
 *
 * @module
 */
import { answerCompletion } from './answer-completion.ts'
import {
  answerImageEdits,
  answerImages,
  answerTranscription,
  answerTranslation,
} from './answer-media.ts'
import { answerCountTokens, answerMessage } from './answer-message.ts'
import {
  answerDetokenize,
  answerEmbeddings,
  answerRerank,
  answerScore,
  answerTokenize,
} from './answer-pooling.ts'
import { answerResponse } from './answer-response.ts'
import type { ResponsesQuirks } from './answer-response.ts'
import type { Route } from './route.ts'

export interface RouteEntry {
  readonly answer: Route
  readonly multipart: boolean
}

const json = (answer: Route): RouteEntry => ({ answer, multipart: false })
const form = (answer: Route): RouteEntry => ({ answer, multipart: true })

export function demoRoutes(quirks: ResponsesQuirks): ReadonlyMap<string, RouteEntry> {
  return new Map([
    ['/v1/completions', json(answerCompletion)],
    ['/v1/messages', json(answerMessage)],
    ['/v1/messages/count_tokens', json(answerCountTokens)],
    ['/v1/responses', json((body, context) => answerResponse(body, context, quirks))],
    ['/v1/embeddings', json(answerEmbeddings)],
    ['/rerank', json(answerRerank)],
    ['/v1/rerank', json(answerRerank)],
    ['/v2/rerank', json(answerRerank)],
    ['/score', json(answerScore)],
    ['/v1/score', json(answerScore)],
    ['/tokenize', json(answerTokenize)],
    ['/detokenize', json(answerDetokenize)],
    ['/v1/images/generations', json(answerImages)],
    ['/v1/images/edits', form(answerImageEdits)],
    ['/v1/audio/transcriptions', form(answerTranscription)],
    ['/v1/audio/translations', form(answerTranslation)],
  ])
}
