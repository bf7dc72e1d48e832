/**
 * Which endpoint answers with which kind of content, and the accumulator of each kind.
 *
 * @module
 */
import type { CryptoPort } from '../crypto/port.ts'
import { ChatAccumulator } from './chat-content.ts'
import type { ContentKind, ContentSummary } from './content.ts'
import { EmbeddingsAccumulator } from './embeddings-content.ts'
import { MessagesAccumulator } from './messages-content.ts'
import { ResponsesAccumulator } from './responses-content.ts'
import { TextAccumulator } from './text-content.ts'

const KINDS: Readonly<Record<string, ContentKind>> = {
  '/v1/chat/completions': 'chat/v1',
  '/v1/completions': 'text/v1',
  '/v1/messages': 'messages/v1',
  '/v1/responses': 'responses/v1',
  '/v1/embeddings': 'embeddings/v1',
}

/** @returns null for an endpoint whose answers are attested to by their bytes alone */
export function contentKindOf(endpoint: string): ContentKind | null {
  return Object.hasOwn(KINDS, endpoint) ? (KINDS[endpoint] ?? null) : null
}

/** Answers of these kinds end for a reason, which their record states; others just end. */
export function hasFinishReasons(kind: ContentKind | null): boolean {
  return kind !== null && kind !== 'embeddings/v1'
}

export interface Accumulator {
  add(event: unknown): void
  finishReasons(): (string | null)[]
  summarize(): ContentSummary
}

export function createAccumulator(kind: ContentKind, crypto: CryptoPort): Accumulator {
  switch (kind) {
    case 'chat/v1':
      return new ChatAccumulator()
    case 'text/v1':
      return new TextAccumulator()
    case 'messages/v1':
      return new MessagesAccumulator()
    case 'responses/v1':
      return new ResponsesAccumulator()
    case 'embeddings/v1':
      return new EmbeddingsAccumulator(crypto)
  }
}

/** The content of one buffered body, or of the object that an SDK made of it. */
export function contentOfBody(
  kind: ContentKind,
  body: unknown,
  crypto: CryptoPort,
): ContentSummary {
  const accumulator = createAccumulator(kind, crypto)
  accumulator.add(body)
  return accumulator.summarize()
}

/** The content of a stream's events, in order of arrival. */
export function contentOfEvents(
  kind: ContentKind,
  events: Iterable<unknown>,
  crypto: CryptoPort,
): ContentSummary {
  const accumulator = createAccumulator(kind, crypto)
  for (const event of events) accumulator.add(event)
  return accumulator.summarize()
}
