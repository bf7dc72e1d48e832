/**
 * The operations whose answers have receipts, told apart by the end of their path.
 *
 * @module
 */
import { contentKindOf } from '../../attestation/protocol/content-kinds.ts'
import type { ContentKind } from '../../attestation/protocol/content.ts'

export interface Operation {
  /** As receipts name it. */
  readonly endpoint: string
  /** Null: an answer is compared by its bytes alone. */
  readonly kind: ContentKind | null
  /** What precedes it is the base URL. */
  readonly suffix: string
}

function operation(endpoint: string): Operation {
  const suffix = endpoint.startsWith('/v1/') ? endpoint.slice('/v1'.length) : endpoint
  return { endpoint, kind: contentKindOf(endpoint), suffix }
}

/** Those whose path ends in another one's come first. */
export const OPERATIONS: readonly Operation[] = [
  '/v1/chat/completions',
  '/v1/completions',
  '/v1/messages/count_tokens',
  '/v1/messages',
  '/v1/responses',
  '/v1/embeddings',
  '/v2/rerank',
  '/v1/rerank',
  '/v1/score',
  '/v1/detokenize',
  '/v1/tokenize',
  '/v1/audio/transcriptions',
  '/v1/audio/translations',
  '/v1/images/generations',
  '/v1/images/edits',
].map(operation)

/** @param path of a URL, or a URL without query */
export function operationOf(path: string): Operation | null {
  return OPERATIONS.find(({ suffix }) => path.endsWith(suffix)) ?? null
}
