/**
 * Whether a message of Anthropic's API is written so that every reader takes the same from it, see answer-shape.ts. Readers put a
 * streamed message together from the one in its first event, block by block, and act on a block when it stops.
 *
 * @module
 */
import { isJsonObject } from '../../attestation/protocol/json.ts'
import type { JsonObject } from '../../attestation/protocol/json.ts'

/** The one kind of delta that a block takes, beside the signature of a thought. */
const DELTAS: Readonly<Record<string, readonly string[]>> = {
  text: ['text_delta'],
  thinking: ['thinking_delta', 'signature_delta'],
  redacted_thinking: [],
  tool_use: ['input_json_delta'],
}

/** A type that stands for "message" may be left out where nothing else could be meant: vLLM's first event has none. */
function isPlainHead(message: JsonObject, streamed: boolean): boolean {
  const { id, model, role, type } = message
  const named = type === 'message' && role === 'assistant'
  const nameless = (type ?? 'message') === 'message' && (role ?? 'assistant') === 'assistant'
  return typeof id === 'string' && typeof model === 'string' && (streamed ? nameless : named)
}

function isBlock(block: unknown): boolean {
  const type = isJsonObject(block) ? block['type'] : undefined
  return typeof type === 'string' && Object.hasOwn(DELTAS, type)
}

/** A buffered message. */
export function isPlainMessage(value: unknown): boolean {
  if (!isJsonObject(value) || !isPlainHead(value, false)) return false
  const { content } = value
  return Array.isArray(content) && content.every(isBlock)
}

/** The events of one stream. */
export class MessageShape {
  #plain = true
  #model: string | null = null
  #started = false
  #ended = false
  /** Blocks so far, and the type of the one that is open. */
  #blocks = 0
  #open: string | null = null

  get plain(): boolean {
    return this.#plain
  }

  /** Of the message in the first event. */
  get model(): string | null {
    return this.#model
  }

  add(event: unknown): void {
    if (!isJsonObject(event) || !this.#isNext(event)) this.#plain = false
  }

  #isNext(event: JsonObject): boolean {
    const { index, type } = event
    if (type === 'ping') return true
    if (type === 'message_start') return this.#start(event['message'])
    if (!this.#started) return false
    const inBlock = this.#open !== null && index === this.#blocks - 1
    switch (type) {
      case 'content_block_start': {
        const block = event['content_block']
        if (this.#open !== null || this.#ended || index !== this.#blocks || !isBlock(block)) {
          return false
        }
        this.#blocks++
        this.#open = isJsonObject(block) ? String(block['type']) : null
        return true
      }
      case 'content_block_delta': {
        const delta = event['delta']
        const kind = isJsonObject(delta) ? delta['type'] : undefined
        return inBlock && (DELTAS[this.#open ?? ''] ?? []).some((each) => each === kind)
      }
      case 'content_block_stop':
        this.#open = null
        return inBlock
      case 'message_delta': {
        const once = !this.#ended && this.#open === null
        this.#ended = true
        return once
      }
      case 'message_stop':
        return this.#ended
      default:
        return false
    }
  }

  #start(message: unknown): boolean {
    if (this.#started || !isJsonObject(message) || !isPlainHead(message, true)) return false
    this.#started = true
    this.#model = typeof message['model'] === 'string' ? message['model'] : null
    const { content, stop_reason: reason } = message
    return Array.isArray(content) && content.length === 0 && (reason ?? null) === null
  }
}
