/**
 * Whether a response of OpenAI's Responses API is written so that every reader takes the same from it, see answer-shape.ts. Some
 * readers collect deltas, some take an item when it is done, some the response in the last event, and some go by the name of that
 * event alone.
 *
 * @module
 */
import { isJsonObject } from '../../attestation/protocol/json.ts'
import type { JsonObject } from '../../attestation/protocol/json.ts'
import { RESPONSE_ENDS } from '../../attestation/protocol/responses-content.ts'

const STARTS = new Set(['response.created', 'response.queued', 'response.in_progress'])

function isPlainHead(response: unknown): response is JsonObject {
  return (
    isJsonObject(response) &&
    response['object'] === 'response' &&
    typeof response['id'] === 'string' &&
    typeof response['model'] === 'string' &&
    Array.isArray(response['output']) &&
    // Clients compute it from the output; on the wire it could say another thing.
    (response['output_text'] ?? null) === null
  )
}

/** An item of a whole response is whole itself, unless the response is not. */
function isPlainOutput({ output, status }: JsonObject): boolean {
  if (!Array.isArray(output)) return false
  return (output as readonly unknown[]).every((item) => {
    if (!isJsonObject(item)) return false
    const stated = item['status'] ?? 'completed'
    return stated === 'completed' || (stated === 'incomplete' && status === 'incomplete')
  })
}

/** A buffered response. */
export function isPlainResponse(value: unknown): boolean {
  return isPlainHead(value) && value['type'] === undefined && isPlainOutput(value)
}

function isEmpty(value: unknown): boolean {
  return (value ?? '') === '' || (Array.isArray(value) && value.length === 0)
}

/** The members of events that carry what is said. */
const CARRIERS = ['arguments', 'delta', 'item', 'part', 'refusal', 'response', 'text'] as const

/** Which one the events of a type are about. */
const OWN: readonly (readonly [RegExp, (typeof CARRIERS)[number]])[] = [
  [/^response\.[a-z_]+\.delta$/, 'delta'],
  [/^response\.output_item\.(?:added|done)$/, 'item'],
  [/^response\.[a-z_]+_part\.(?:added|done)$/, 'part'],
  [/^response\.(?:output|reasoning|reasoning_summary)_text\.done$/, 'text'],
  [/^response\.refusal\.done$/, 'refusal'],
  [/^response\.function_call_arguments\.done$/, 'arguments'],
  [/^response\.[a-z_]+$/, 'response'],
]

/** An event is about one of them. Of another one nobody would see whether it agrees with what was said. */
function hasItsOwn(type: string, event: JsonObject): boolean {
  const own = OWN.find(([types]) => types.test(type))?.[1]
  return (
    own === undefined || CARRIERS.every((name) => name === own || (event[name] ?? null) === null)
  )
}

/** The events of one stream. */
export class ResponseShape {
  #plain = true
  #model: string | null = null
  #id: unknown
  #number = -1
  /** Items so far, and the id of the one that is open. */
  #items = 0
  #open = false
  #itemId: unknown

  get plain(): boolean {
    return this.#plain
  }

  /** Of the response in the first event that has one. */
  get model(): string | null {
    return this.#model
  }

  add(event: unknown): void {
    if (!isJsonObject(event) || !this.#isNext(event)) this.#plain = false
  }

  #isNext(event: JsonObject): boolean {
    const { output_index: index, sequence_number: number, type } = event
    if (typeof type !== 'string') return false
    if (number !== undefined) {
      if (typeof number !== 'number' || number <= this.#number) return false
      this.#number = number
    }
    if (!hasItsOwn(type, event)) return false
    if (STARTS.has(type)) {
      const { response } = event
      return this.#isSame(response) && this.#items === 0 && isEmpty(response['output'])
    }
    if (RESPONSE_ENDS.has(type)) return this.#end(type, event['response'])
    if (type === 'response.output_item.added') return this.#openItem(index, event['item'])
    const current = this.#open && index === this.#items - 1
    if (type === 'response.output_item.done') {
      this.#open = false
      const { item } = event
      return current && isJsonObject(item) && this.#isItem(item['id'])
    }
    return current && this.#isItem(event['item_id'])
  }

  #isSame(response: unknown): response is JsonObject {
    if (!isPlainHead(response)) return false
    const { id, model } = response
    this.#id ??= id
    this.#model ??= typeof model === 'string' ? model : null
    return id === this.#id && model === this.#model
  }

  #isItem(id: unknown): boolean {
    return (id ?? this.#itemId) === this.#itemId
  }

  #openItem(index: unknown, item: unknown): boolean {
    if (this.#open || index !== this.#items || !isJsonObject(item)) return false
    this.#items++
    this.#open = true
    this.#itemId = item['id']
    // A text in it would count beside the deltas for one reader, and be replaced by them for another.
    return isEmpty(item['content']) && isEmpty(item['arguments']) && isEmpty(item['summary'])
  }

  #end(type: string, response: unknown): boolean {
    return (
      !this.#open &&
      this.#isSame(response) &&
      type === `response.${String(response['status'])}` &&
      Array.isArray(response['output']) &&
      response['output'].length === this.#items &&
      isPlainOutput(response)
    )
  }
}
