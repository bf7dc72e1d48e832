/**
 * Whether a completion or an answer of vectors is written so that every reader takes the same from it, see answer-shape.ts.
 *
 * @module
 */
import { MAX_CHOICES } from '../../attestation/protocol/chat-content.ts'
import { isJsonObject } from '../../attestation/protocol/json.ts'
import type { JsonObject, JsonValue } from '../../attestation/protocol/json.ts'

function isPlainHead(answer: JsonObject, object: string): boolean {
  return answer['object'] === object && typeof answer['model'] === 'string'
}

function isCompletion(value: unknown): value is JsonObject {
  return (
    isJsonObject(value) &&
    isPlainHead(value, 'text_completion') &&
    typeof value['id'] === 'string' &&
    Array.isArray(value['choices'])
  )
}

function isAtItsPlace(entry: JsonValue, place: number): boolean {
  return isJsonObject(entry) && entry['index'] === place
}

/** A buffered completion: choices stand at their index. */
export function isPlainText(value: unknown): boolean {
  if (!isCompletion(value)) return false
  return (value['choices'] as readonly JsonValue[]).every(isAtItsPlace)
}

/**
 * Vectors stand at their index, and in the encoding that was asked for: a client that awaits base64 reads numbers as if they were it.
 */
export function isPlainEmbeddings(value: unknown, request: JsonObject | null): boolean {
  if (!isJsonObject(value) || !isPlainHead(value, 'list') || !Array.isArray(value['data']))
    return false
  const encoded = request?.['encoding_format'] === 'base64'
  return (value['data'] as readonly JsonValue[]).every(
    (entry, place) =>
      isAtItsPlace(entry, place) &&
      isJsonObject(entry) &&
      entry['object'] === 'embedding' &&
      (typeof entry['embedding'] === 'string') === encoded,
  )
}

/** The chunks of one streamed completion. */
export class TextShape {
  readonly #finished = new Set<unknown>()
  #id: unknown
  #model: string | null = null
  #plain = true

  get plain(): boolean {
    return this.#plain
  }

  /** Of the first plain chunk. */
  get model(): string | null {
    return this.#model
  }

  add(chunk: unknown): void {
    if (!isCompletion(chunk)) {
      this.#plain = false
      return
    }
    const { choices, id, model } = chunk
    this.#id ??= id
    this.#model ??= typeof model === 'string' ? model : null
    if (id !== this.#id || model !== this.#model) this.#plain = false
    for (const choice of choices as readonly JsonValue[]) {
      const { index, finish_reason: reason } = isJsonObject(choice) ? choice : {}
      // Readers act on what they have when they see the reason.
      if (this.#finished.has(index)) this.#plain = false
      if ((reason ?? '') === '') continue
      if (this.#finished.size < MAX_CHOICES) this.#finished.add(index)
      else this.#plain = false
    }
  }
}
