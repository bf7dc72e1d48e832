/**
 * Content of a response (`POST /v1/responses`), kind `responses/v1`: the output items and the response's status.
 *
 * A stream says everything several times: in deltas, in the events that end a text, a part and an item, and once more in
 * the response that its last event carries. Readers differ in which of them they take, so all of them must agree; where
 * they do not, the answer is ambiguous and has no digest.
 *
 * @module
 */
import { ContentAccumulator, inOrder, isIndex } from './content.ts'
import { isJsonObject } from './json.ts'
import type { JsonObject } from './json.ts'
import { MAX_PARTS, emptyItem, finishItem, sameItem } from './response-item.ts'
import type { ItemState, PartState, ResponseItem } from './response-item.ts'

/** Output items of one response. */
export const MAX_ITEMS = 1024

export interface ResponsesContent {
  /** `incomplete_details.reason` */
  readonly incomplete_reason: string | null
  readonly kind: 'responses/v1'
  readonly output: readonly ResponseItem[]
  readonly status: string | null
}

/** Members that say how an answer was made, framed or counted, or that repeat the request. */
const RESPONSE_MEMBERS = new Set([
  ...['id', 'object', 'created_at', 'completed_at', 'model', 'usage', 'status', 'output', 'error'],
  ...['incomplete_details', 'output_text', 'instructions', 'metadata', 'parallel_tool_calls'],
  ...['temperature', 'tool_choice', 'tools', 'top_p', 'top_k', 'background', 'max_output_tokens'],
  ...['max_tool_calls', 'previous_response_id', 'prompt', 'prompt_cache_key', 'reasoning', 'store'],
  ...['safety_identifier', 'service_tier', 'text', 'top_logprobs', 'truncation', 'user'],
  ...['presence_penalty', 'frequency_penalty', 'prompt_cache_retention', 'conversation'],
])
const ITEM_MEMBERS = new Set([
  ...['arguments', 'call_id', 'content', 'id', 'name', 'role', 'status', 'summary', 'type'],
])
const PART_MEMBERS = new Set(['annotations', 'logprobs', 'refusal', 'text', 'type'])
const EVENT_MEMBERS = new Set([
  ...['type', 'sequence_number', 'output_index', 'item_id', 'content_index', 'summary_index'],
  ...['item', 'part', 'delta', 'text', 'refusal', 'arguments', 'name', 'response', 'logprobs'],
  'obfuscation',
])

/** Which text of an item an event is about: the list it stands in, the type of its part, and its member. */
interface Place {
  readonly list: 'content' | 'summary'
  readonly type: string
  readonly member: 'text' | 'refusal'
}
const TEXTS: Readonly<Record<string, Place>> = {
  'response.output_text': { list: 'content', type: 'output_text', member: 'text' },
  'response.refusal': { list: 'content', type: 'refusal', member: 'refusal' },
  'response.reasoning_text': { list: 'content', type: 'reasoning_text', member: 'text' },
  'response.reasoning_summary_text': { list: 'summary', type: 'summary_text', member: 'text' },
}
const PARTS: Readonly<Record<string, 'content' | 'summary'>> = {
  'response.content_part': 'content',
  'response.reasoning_part': 'content',
  'response.reasoning_summary_part': 'summary',
}
/** Their response has no output yet. */
const STARTS = new Set(['response.created', 'response.in_progress', 'response.queued'])
export const RESPONSE_ENDS: ReadonlySet<string> = new Set([
  ...['response.completed', 'response.incomplete', 'response.failed'],
])

function lookUp<T>(table: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined
}

export class ResponsesAccumulator extends ContentAccumulator<ResponsesContent> {
  readonly #items = new Map<number, ItemState>()
  #stated = false
  #status: string | null = null
  #incompleteReason: string | null = null

  add(event: unknown): void {
    if (!isJsonObject(event)) {
      this.malformed = true
      return
    }
    const type = event['type']
    if (type === undefined && event['object'] === 'response') {
      this.#end(event)
      return
    }
    if (typeof type !== 'string') {
      this.malformed = true
      return
    }
    this.coverRest('event.', event, EVENT_MEMBERS)
    if (STARTS.has(type)) return
    if (RESPONSE_ENDS.has(type)) this.#end(event['response'])
    else this.#addTyped(type, event)
  }

  finishReasons(): (string | null)[] {
    return this.#stated || this.#items.size > 0 ? [this.#status] : []
  }

  protected content(): ResponsesContent | null {
    if (!this.#stated && this.#items.size === 0) return null
    return {
      incomplete_reason: this.#incompleteReason,
      kind: 'responses/v1',
      output: this.#output(),
      status: this.#status,
    }
  }

  #output(): readonly ResponseItem[] {
    return inOrder(this.#items).map(([, item]) => finishItem(item))
  }

  #addTyped(type: string, event: JsonObject): void {
    const cut = type.lastIndexOf('.')
    const subject = type.slice(0, cut)
    const phase = type.slice(cut + 1)
    const place = lookUp(TEXTS, subject)
    const list = lookUp(PARTS, subject)
    if (type === 'response.output_item.added') this.#addItem(event)
    else if (type === 'response.output_item.done') this.#endItem(event)
    else if (place !== undefined && phase === 'delta') this.#addText(place, event)
    else if (place !== undefined && phase === 'done') this.#endText(place, event)
    else if (list !== undefined && phase === 'added') this.#addPart(list, event)
    else if (list !== undefined && phase === 'done') this.#endPart(list, event)
    else if (type === 'response.function_call_arguments.delta') this.#addArguments(event)
    else if (type === 'response.function_call_arguments.done') this.#endArguments(event)
    else this.cover(`event.${type}`)
  }

  #end(response: unknown): void {
    // A response is stated once; of two, each reader would take another one.
    if (!isJsonObject(response) || this.#stated) {
      this.malformed = true
      return
    }
    this.#stated = true
    this.coverRest('', response, RESPONSE_MEMBERS)
    this.#status = this.once(null, response['status'])
    const details = response['incomplete_details'] ?? null
    if (isJsonObject(details)) this.#incompleteReason = this.once(null, details['reason'])
    else if (details !== null) this.malformed = true
    const items = this.list(response['output']).map((item) => this.#readItem(item))
    if (this.#items.size === 0) items.forEach((item, index) => this.#setItem(index, item))
    // Some releases of vLLM leave the output out here; what the events said is then all that was said.
    else if (items.length > 0) this.#compare(items.map(finishItem), this.#output())
  }

  #compare(stated: readonly ResponseItem[], known: readonly ResponseItem[]): void {
    const same =
      stated.length === known.length &&
      stated.every((item, i) => {
        const other = known[i]
        return other !== undefined && sameItem(item, other)
      })
    if (!same) this.ambiguous = true
  }

  #setItem(index: unknown, item: ItemState): void {
    if (isIndex(index, MAX_ITEMS) && !this.#items.has(index)) this.#items.set(index, item)
    else this.malformed = true
  }

  #addItem(event: JsonObject): void {
    this.#setItem(event['output_index'], this.#readItem(event['item']))
  }

  #endItem(event: JsonObject): void {
    const stated = this.#readItem(event['item'])
    const index = event['output_index']
    const known = isIndex(index, MAX_ITEMS) ? this.#items.get(index) : undefined
    if (known === undefined) this.#setItem(index, stated)
    else if (!sameItem(finishItem(stated), finishItem(known))) this.ambiguous = true
  }

  #itemOf(event: JsonObject): ItemState {
    const index = event['output_index']
    const item = isIndex(index, MAX_ITEMS) ? this.#items.get(index) : undefined
    if (item !== undefined) return item
    this.malformed = true
    return emptyItem()
  }

  /** The part that an event is about; made where nothing announced it. */
  #partOf(list: 'content' | 'summary', event: JsonObject): PartState {
    const parts = this.#itemOf(event)[list]
    const index = event[list === 'content' ? 'content_index' : 'summary_index']
    const known = isIndex(index, MAX_PARTS) ? parts.get(index) : undefined
    if (known !== undefined) return known
    const part: PartState = { type: null, text: '', refusal: '' }
    if (isIndex(index, MAX_PARTS)) parts.set(index, part)
    else this.malformed = true
    return part
  }

  #addText(place: Place, event: JsonObject): void {
    const part = this.#partOf(place.list, event)
    part.type = this.once(part.type, place.type)
    part[place.member] += this.text(event['delta'])
  }

  #endText(place: Place, event: JsonObject): void {
    const part = this.#partOf(place.list, event)
    part.type = this.once(part.type, place.type)
    if (this.text(event[place.member]) !== part[place.member]) this.ambiguous = true
  }

  #addPart(list: 'content' | 'summary', event: JsonObject): void {
    const stated = this.#readPart(list, event['part'])
    const part = this.#partOf(list, event)
    // Announced twice, or after its first delta.
    if (part.type !== null) this.malformed = true
    part.type = stated.type
    part.text = stated.text
    part.refusal = stated.refusal
  }

  #endPart(list: 'content' | 'summary', event: JsonObject): void {
    const stated = this.#readPart(list, event['part'])
    const part = this.#partOf(list, event)
    const same =
      stated.type === part.type && stated.text === part.text && stated.refusal === part.refusal
    if (!same) this.ambiguous = true
  }

  #addArguments(event: JsonObject): void {
    this.#itemOf(event).arguments += this.text(event['delta'])
  }

  #endArguments(event: JsonObject): void {
    const item = this.#itemOf(event)
    item.name = this.once(item.name, event['name'])
    if (this.text(event['arguments']) !== item.arguments) this.ambiguous = true
  }

  #readItem(value: unknown): ItemState {
    const item = emptyItem()
    if (!isJsonObject(value)) {
      this.malformed = true
      return item
    }
    this.coverRest('output.', value, ITEM_MEMBERS)
    item.type = this.once(null, value['type'])
    item.role = this.once(null, value['role'])
    item.name = this.once(null, value['name'])
    item.callId = this.once(null, value['call_id'])
    item.arguments = this.text(value['arguments'])
    for (const list of ['content', 'summary'] as const) {
      const parts = this.list(value[list])
      if (parts.length > MAX_PARTS) this.malformed = true
      parts.slice(0, MAX_PARTS).forEach((part, index) => {
        item[list].set(index, this.#readPart(list, part))
      })
    }
    return item
  }

  #readPart(list: 'content' | 'summary', value: unknown): PartState {
    if (!isJsonObject(value)) {
      this.malformed = true
      return { type: null, text: '', refusal: '' }
    }
    this.coverRest(`output.${list}.`, value, PART_MEMBERS)
    if (this.list(value['annotations']).length > 0) this.cover(`output.${list}.annotations`)
    return {
      type: this.once(null, value['type']),
      text: this.text(value['text']),
      refusal: this.text(value['refusal']),
    }
  }
}
