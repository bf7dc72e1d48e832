/**
 * Whether an answer is written so that every reader takes the same text from it.
 *
 * The content digest speaks of the text, however it was cut and framed. So an intermediary could leave the text as it is
 * and frame it in a way that a usual reader sees another one: two entries for one choice, of which a reader looks at the
 * first; a `delta` beside a `message`; the name of a tool in two pieces, of which a reader keeps the last; an `object`
 * that is a message for the reader, or an `id` by whose change it begins another answer; an end before the rest of the
 * text, at which a reader acts on half of it. No model server writes like that. Bytes that are the enclave's own need no
 * such care.
 *
 * @module
 */
import { MAX_CHOICES } from '../../attestation/protocol/chat-content.ts'
import { isJsonObject } from '../../attestation/protocol/json.ts'
import type { JsonObject } from '../../attestation/protocol/json.ts'

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

function isStated(value: unknown): boolean {
  return value !== undefined && value !== null && value !== ''
}

/** The members around the choices: readers tell by them what they hold and where it begins. */
function isPlainFrame(answer: JsonObject, object: string): boolean {
  const { created, id, model } = answer
  return (
    answer['object'] === object &&
    typeof id === 'string' &&
    typeof model === 'string' &&
    (created === undefined || Number.isSafeInteger(created)) &&
    Array.isArray(answer['choices'])
  )
}

/** A buffered answer: choices and tool calls stand at their index, and there is nothing of a stream in it. */
export function isPlainCompletion(value: unknown): boolean {
  if (!isJsonObject(value) || !isPlainFrame(value, 'chat.completion')) return false
  return listOf(value['choices']).every((choice, place) => {
    if (!isJsonObject(choice)) return false
    const { delta, index, message } = choice
    if (isStated(delta) || index !== place) return false
    const calls = isJsonObject(message) ? listOf(message['tool_calls']) : []
    return calls.every((call, position) => {
      if (!isJsonObject(call)) return false
      const stated = call['index']
      return stated === undefined || stated === null || stated === position
    })
  })
}

/** How far one choice of a stream has come. */
interface Progress {
  finished: boolean
  /** Of the last tool call; -1 before the first. */
  call: number
  /** That call has its name. */
  named: boolean
}

/** The chunks of one stream. */
export class ChunkShape {
  readonly #choices = new Map<unknown, Progress>()
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
    if (!isJsonObject(chunk) || !isPlainFrame(chunk, 'chat.completion.chunk')) {
      this.#plain = false
      return
    }
    const { choices, id, model } = chunk
    this.#id ??= id
    this.#model ??= typeof model === 'string' ? model : null
    if (id !== this.#id || model !== this.#model) this.#plain = false
    const seen = new Set<unknown>()
    for (const choice of listOf(choices)) {
      if (!isJsonObject(choice)) {
        this.#plain = false
        return
      }
      const { index, message } = choice
      // Many readers look at the first entry of a chunk alone.
      if (seen.has(index) || isStated(message)) this.#plain = false
      seen.add(index)
      this.#addChoice(choice)
    }
  }

  #addChoice(choice: JsonObject): void {
    const { delta, finish_reason: reason, index } = choice
    const known = this.#choices.get(index)
    if (known === undefined && this.#choices.size >= MAX_CHOICES) {
      this.#plain = false
      return
    }
    const progress = known ?? { finished: false, call: -1, named: false }
    this.#choices.set(index, progress)
    // Readers act on what they have when they see the reason.
    if (progress.finished) this.#plain = false
    if (isJsonObject(delta)) {
      // A call begins where the text has ended. Some tool parsers let the white space between two calls through.
      const text = [delta['content'], delta['refusal']]
      const more = text.some((part) => typeof part === 'string' && part.trim() !== '')
      if (more && progress.call !== -1) this.#plain = false
      for (const call of listOf(delta['tool_calls'])) this.#addCall(progress, call)
    }
    if (isStated(reason)) progress.finished = true
  }

  #addCall(progress: Progress, call: unknown): void {
    const index = isJsonObject(call) ? call['index'] : undefined
    // A call is over for its reader when the next one begins.
    if (!isJsonObject(call) || typeof index !== 'number' || index < progress.call) {
      this.#plain = false
      return
    }
    if (index > progress.call) progress.named = false
    progress.call = index
    const fn = call['function']
    if (!isJsonObject(fn) || !isStated(fn['name'])) return
    if (progress.named) this.#plain = false
    progress.named = true
  }
}
