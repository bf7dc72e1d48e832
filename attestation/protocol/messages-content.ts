/**
 * Content of a message (`POST /v1/messages`, Anthropic's API), kind `messages/v1`: its blocks and why it stopped.
 *
 * Streamed tool input comes as pieces of JSON text and buffered as a value, so the value is what is compared.
 *
 * @module
 */
import { ContentAccumulator, inOrder, isIndex, orNull } from './content.ts'
import { isJsonObject, parseJsonText } from './json.ts'
import type { JsonObject } from './json.ts'

/** Blocks in one message. */
export const MAX_BLOCKS = 1024

export interface MessageBlock {
  /** Of a redacted thought. */
  readonly data: string | null
  readonly id: string | null
  /** Of a tool call. */
  readonly input: JsonObject | null
  readonly name: string | null
  /** Of a thought. */
  readonly signature: string | null
  readonly text: string | null
  readonly thinking: string | null
  readonly type: string | null
}

export interface MessagesContent {
  readonly content: readonly MessageBlock[]
  readonly kind: 'messages/v1'
  readonly role: string
  readonly stop_reason: string | null
  readonly stop_sequence: string | null
}

interface BlockState {
  data: string | null
  id: string | null
  input: JsonObject | null
  /** Pieces of the input's JSON text, in order. */
  inputText: string
  name: string | null
  signature: string | null
  text: string
  thinking: string
  type: string | null
}

/** Members that say how an answer was made, framed or counted, not what it says. */
const MESSAGE_MEMBERS = new Set([
  ...['id', 'type', 'role', 'content', 'model', 'stop_reason', 'stop_sequence', 'usage'],
])
const BLOCK_MEMBERS = new Set([
  ...['data', 'id', 'input', 'name', 'signature', 'text', 'thinking', 'type'],
])
const DELTA_END = new Set(['type', 'stop_reason', 'stop_sequence'])

/** The members of each event beside `type`. */
const EVENTS: Readonly<Record<string, ReadonlySet<string>>> = {
  message_start: new Set(['type', 'message']),
  content_block_start: new Set(['type', 'index', 'content_block']),
  content_block_delta: new Set(['type', 'index', 'delta']),
  content_block_stop: new Set(['type', 'index']),
  message_delta: new Set(['type', 'delta', 'usage']),
  message_stop: new Set(['type']),
  ping: new Set(['type']),
}

/** The one member that each kind of delta is about. */
const DELTAS: Readonly<Record<string, string>> = {
  text_delta: 'text',
  thinking_delta: 'thinking',
  signature_delta: 'signature',
  input_json_delta: 'partial_json',
}

export class MessagesAccumulator extends ContentAccumulator<MessagesContent> {
  readonly #blocks = new Map<number, BlockState>()
  #started = false
  #role: string | null = null
  #stopReason: string | null = null
  #stopSequence: string | null = null

  add(event: unknown): void {
    const type = isJsonObject(event) ? event['type'] : undefined
    if (!isJsonObject(event) || typeof type !== 'string') {
      this.malformed = true
      return
    }
    if (type === 'message') {
      this.#start(event)
      return
    }
    const known = Object.hasOwn(EVENTS, type) ? EVENTS[type] : undefined
    if (known === undefined) {
      this.cover(`event.${type}`)
      return
    }
    this.coverRest('event.', event, known)
    switch (type) {
      case 'message_start':
        this.#start(event['message'])
        break
      case 'content_block_start':
        this.#startBlock(event['index'], event['content_block'])
        break
      case 'content_block_delta':
        this.#addDelta(event['index'], event['delta'])
        break
      case 'message_delta':
        this.#end(event['delta'])
        break
      default:
    }
  }

  finishReasons(): (string | null)[] {
    return this.#started ? [this.#stopReason] : []
  }

  protected content(): MessagesContent | null {
    if (!this.#started) return null
    const content = inOrder(this.#blocks).map(([, block]) => this.#finishBlock(block))
    // Found while a block was put together: a tool's input that is no JSON object.
    if (content.includes(null)) return null
    return {
      content: content.filter((block) => block !== null),
      kind: 'messages/v1',
      role: this.#role ?? 'assistant',
      stop_reason: this.#stopReason,
      stop_sequence: this.#stopSequence,
    }
  }

  #start(message: unknown): void {
    // A message is stated once; of two, each reader would take another one.
    if (!isJsonObject(message) || this.#started) {
      this.malformed = true
      return
    }
    this.#started = true
    this.coverRest('', message, MESSAGE_MEMBERS)
    this.#role = this.once(this.#role, message['role'])
    this.#stopReason = this.once(this.#stopReason, message['stop_reason'])
    this.#stopSequence = this.once(this.#stopSequence, message['stop_sequence'])
    this.list(message['content']).forEach((block, index) => this.#startBlock(index, block))
  }

  #startBlock(index: unknown, block: unknown): void {
    if (!isIndex(index, MAX_BLOCKS) || !isJsonObject(block) || this.#blocks.has(index)) {
      this.malformed = true
      return
    }
    this.coverRest('content.', block, BLOCK_MEMBERS)
    const input = block['input'] ?? null
    if (input !== null && !isJsonObject(input)) this.malformed = true
    this.#blocks.set(index, {
      data: this.once(null, block['data']),
      id: this.once(null, block['id']),
      input: isJsonObject(input) ? input : null,
      inputText: '',
      name: this.once(null, block['name']),
      signature: this.once(null, block['signature']),
      text: this.text(block['text']),
      thinking: this.text(block['thinking']),
      type: this.once(null, block['type']),
    })
  }

  #addDelta(index: unknown, delta: unknown): void {
    const block = typeof index === 'number' ? this.#blocks.get(index) : undefined
    const type = isJsonObject(delta) ? delta['type'] : undefined
    if (block === undefined || !isJsonObject(delta) || typeof type !== 'string') {
      this.malformed = true
      return
    }
    const about = Object.hasOwn(DELTAS, type) ? DELTAS[type] : undefined
    this.coverRest('content.', delta, new Set(['type', about ?? '']))
    switch (about) {
      case 'text':
        block.text += this.text(delta['text'])
        break
      case 'thinking':
        block.thinking += this.text(delta['thinking'])
        break
      case 'signature':
        block.signature = this.once(block.signature, delta['signature'])
        break
      case 'partial_json':
        block.inputText += this.text(delta['partial_json'])
        break
      default:
        this.cover(`event.${type}`)
    }
  }

  #end(delta: unknown): void {
    if (!isJsonObject(delta) || !this.#started) {
      this.malformed = true
      return
    }
    this.coverRest('', delta, DELTA_END)
    this.#stopReason = this.once(this.#stopReason, delta['stop_reason'])
    this.#stopSequence = this.once(this.#stopSequence, delta['stop_sequence'])
  }

  #finishBlock(block: BlockState): MessageBlock | null {
    let { input } = block
    if (block.inputText !== '') {
      const parsed = parseJsonText(block.inputText)
      if (!parsed.ok || !isJsonObject(parsed.value)) return null
      // The start of a streamed call states `{}`; anything else there would be a second input.
      if (input !== null && Object.keys(input).length > 0) this.ambiguous = true
      input = parsed.value
    }
    return {
      data: block.data,
      id: block.id,
      input,
      name: block.name,
      signature: block.signature,
      text: orNull(block.text),
      thinking: orNull(block.thinking),
      type: block.type,
    }
  }
}
