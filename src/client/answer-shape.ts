/**
 * Whether an answer is written so that every reader takes the same text from it.
 *
 * The content digest speaks of the text, however it was cut and framed. So an intermediary could leave the text as it is
 * and frame it in a way that a usual reader sees another one: two entries for one choice, of which a reader looks at the
 * first; a `delta` beside a `message`; the name of a tool in two pieces, of which a reader keeps the last. No model
 * server writes like that. Bytes that are the enclave's own need no such care.
 *
 * @module
 */
import { isJsonObject } from '../../attestation/protocol/json.ts'

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

function isStated(value: unknown): boolean {
  return value !== undefined && value !== null && value !== ''
}

/** A buffered answer: choices and tool calls stand at their index, and there is nothing of a stream in it. */
export function isPlainCompletion(value: unknown): boolean {
  if (!isJsonObject(value)) return true
  return listOf(value['choices']).every((choice, place) => {
    if (!isJsonObject(choice)) return true
    const { delta, index, message } = choice
    if (isStated(delta) || index !== place) return false
    const calls = isJsonObject(message) ? listOf(message['tool_calls']) : []
    return calls.every((call, position) => {
      if (!isJsonObject(call)) return true
      const stated = call['index']
      return stated === undefined || stated === null || stated === position
    })
  })
}

/** The chunks of one stream. */
export class ChunkShape {
  readonly #named = new Set<string>()
  #plain = true

  get plain(): boolean {
    return this.#plain
  }

  add(chunk: unknown): void {
    if (!isJsonObject(chunk)) return
    const seen = new Set<unknown>()
    for (const choice of listOf(chunk['choices'])) {
      if (!isJsonObject(choice)) continue
      const { delta, index, message } = choice
      // Many readers look at the first entry of a chunk alone.
      if (seen.has(index) || isStated(message)) this.#plain = false
      seen.add(index)
      if (isJsonObject(delta)) this.#addCalls(index, listOf(delta['tool_calls']))
    }
  }

  #addCalls(choice: unknown, calls: readonly unknown[]): void {
    for (const [position, call] of calls.entries()) {
      if (!isJsonObject(call)) continue
      const fn = call['function']
      if (!isJsonObject(fn) || !isStated(fn['name'])) continue
      const key = JSON.stringify([choice, call['index'] ?? position])
      if (this.#named.has(key)) this.#plain = false
      this.#named.add(key)
    }
  }
}
