/**
 * The routes that are relayed: an allow-list. The model server's other paths do not exist here.
 *
 * @module
 */
import { contentKindOf } from '../../attestation/protocol/content-kinds.ts'
import type { ContentKind } from '../../attestation/protocol/content.ts'

export interface RelayRoute {
  /** As it stands in records and receipts, whichever spelling was asked for. */
  readonly endpoint: string
  /** Where the model server has it. */
  readonly upstreamPath: string
  /** A multipart form is passed on as it is, and read no further than to find the model. */
  readonly body: 'json' | 'multipart'
  /** The limit of its request body. */
  readonly limit: 'requestBodyBytes' | 'uploadBodyBytes'
  /** Null: its answers are not read, their bytes are all that is attested. */
  readonly kind: ContentKind | null
  /** Spellings of its path. */
  readonly paths: readonly string[]
}

/** With `/v1`, without it, and below `/v1/proxy`. */
function spellings(endpoint: string): readonly string[] {
  if (!endpoint.startsWith('/v1/')) return [endpoint, `/v1/proxy${endpoint}`]
  const bare = endpoint.slice('/v1'.length)
  return [endpoint, bare, `/v1/proxy${bare}`]
}

function route(
  endpoint: string,
  body: RelayRoute['body'] = 'json',
  upstreamPath: string = endpoint,
): RelayRoute {
  return {
    endpoint,
    upstreamPath,
    body,
    limit: body === 'json' ? 'requestBodyBytes' : 'uploadBodyBytes',
    kind: contentKindOf(endpoint),
    paths: spellings(endpoint),
  }
}

/** Spellings of the list of models. */
export const MODELS_PATHS: readonly string[] = spellings('/v1/models')

export const RELAY_ROUTES: readonly RelayRoute[] = [
  route('/v1/chat/completions'),
  route('/v1/completions'),
  route('/v1/messages'),
  route('/v1/messages/count_tokens'),
  route('/v1/responses'),
  route('/v1/embeddings'),
  route('/v1/rerank'),
  route('/v2/rerank'),
  route('/v1/score'),
  // vLLM has these two at the root alone.
  route('/v1/tokenize', 'json', '/tokenize'),
  route('/v1/detokenize', 'json', '/detokenize'),
  route('/v1/audio/transcriptions', 'multipart'),
  route('/v1/audio/translations', 'multipart'),
  route('/v1/images/generations'),
  route('/v1/images/edits', 'multipart'),
]
