/**
 * The shapes of the kinds of answers, see answer-shape.ts.
 *
 * @module
 */
import type { ContentKind } from '../../attestation/protocol/content.ts'
import type { JsonObject } from '../../attestation/protocol/json.ts'
import { membersOf } from './answer-members.ts'
import type { Members } from './answer-members.ts'
import { ChunkShape, isPlainCompletion } from './answer-shape.ts'
import { hasPlainNames } from './has-plain-names.ts'
import { MessageShape, isPlainMessage } from './messages-shape.ts'
import { ResponseShape, isPlainResponse } from './responses-shape.ts'
import { TextShape, isPlainEmbeddings, isPlainText } from './text-shape.ts'

/** Looks at the events of one stream. */
export interface StreamShape {
  readonly plain: boolean
  readonly model: string | null
  add(event: unknown): void
}

/** A stream of vectors is never plain. */
const NEVER: StreamShape = Object.freeze({ plain: false, model: null, add: () => undefined })

function shapeOf(kind: ContentKind): StreamShape {
  switch (kind) {
    case 'chat/v1':
      return new ChunkShape()
    case 'text/v1':
      return new TextShape()
    case 'messages/v1':
      return new MessageShape()
    case 'responses/v1':
      return new ResponseShape()
    case 'embeddings/v1':
      return NEVER
  }
}

/** The shape of its kind, and names that every reader takes for the same. */
class NamedShape implements StreamShape {
  readonly #shape: StreamShape
  readonly #members: Members
  #plain = true

  constructor(kind: ContentKind) {
    this.#shape = shapeOf(kind)
    this.#members = membersOf(kind, true)
  }

  get plain(): boolean {
    return this.#plain && this.#shape.plain
  }

  get model(): string | null {
    return this.#shape.model
  }

  add(event: unknown): void {
    if (!hasPlainNames(event, this.#members)) this.#plain = false
    this.#shape.add(event)
  }
}

export function createStreamShape(kind: ContentKind): StreamShape {
  return new NamedShape(kind)
}

/** @param request what was asked, null where it is not known */
export function isPlainBody(kind: ContentKind, body: unknown, request: JsonObject | null): boolean {
  return hasPlainNames(body, membersOf(kind, false)) && isPlainShape(kind, body, request)
}

function isPlainShape(kind: ContentKind, body: unknown, request: JsonObject | null): boolean {
  switch (kind) {
    case 'chat/v1':
      return isPlainCompletion(body)
    case 'text/v1':
      return isPlainText(body)
    case 'messages/v1':
      return isPlainMessage(body)
    case 'responses/v1':
      return isPlainResponse(body)
    case 'embeddings/v1':
      return isPlainEmbeddings(body, request)
  }
}
