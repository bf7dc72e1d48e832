/**
 * What the record needs to know of an answer, read while its bytes pass: of every kind but chat, whose streams are the ones
 * that have to be read fastest.
 *
 * @module
 */
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { createAccumulator, hasFinishReasons } from '../../attestation/protocol/content-kinds.ts'
import type { Accumulator } from '../../attestation/protocol/content-kinds.ts'
import type { ContentKind, ContentSummary } from '../../attestation/protocol/content.ts'
import { isJsonObject } from '../../attestation/protocol/json.ts'
import type { JsonObject } from '../../attestation/protocol/json.ts'
import type { Usage } from '../../attestation/protocol/record.ts'
import { RESPONSE_ENDS } from '../../attestation/protocol/responses-content.ts'
import { ChatObserver, count, label, word } from './chat-observer.ts'
import type { ChatFacts } from './chat-observer.ts'
import type { RelayRoute } from './relay-routes.ts'
import { SseScanner } from './sse-scanner.ts'

/** What is read of one answer. */
export interface Observer {
  /** Whether a piece of a stream may be looked at later, together with others. */
  canWait(chunk: Buffer): boolean
  /** Looks at a piece of a stream. */
  stream(chunk: Buffer): void
  /** Looks at pieces that could wait, end to end; before any other piece. */
  streamWaiting(bytes: Buffer): void
  /** The next bytes could end the answer in a client's eyes. */
  readonly terminatorInSight: boolean
  /** Nothing more is to be awaited: the terminator was read, or is `[DONE]` and can only be that. */
  readonly terminated: boolean
  /** Looks at a whole buffered body, already decoded from any Content-Encoding. */
  body(bytes: Buffer): void
  /** The answer ended as its API says an answer ends. */
  readonly complete: boolean
  facts(): ChatFacts
}

/** @param expected choices that were asked for */
export function createObserver(route: RelayRoute, expected: number, maxLine: number): Observer {
  if (route.kind === 'chat/v1') return new ChatObserver(expected, maxLine)
  return route.kind === null
    ? new BytesObserver(maxLine)
    : new AnswerObserver(route.kind, expected, maxLine)
}

/** Types of the events with which streams end that have no `[DONE]`, by kind. */
const ENDS: Readonly<Record<ContentKind, ReadonlySet<string>>> = {
  'chat/v1': new Set(),
  'text/v1': new Set(),
  'messages/v1': new Set(['message_stop']),
  'responses/v1': RESPONSE_ENDS,
  'embeddings/v1': new Set(),
}
/** How OpenAI's own streams of audio and images end; vLLM's end with `[DONE]`. */
const MEDIA_ENDS: ReadonlySet<string> = new Set([
  ...['transcript.text.done', 'image_generation.completed', 'image_edit.completed'],
])

/** The member of an event that carries what a buffered body is. */
const CARRIERS: Readonly<Partial<Record<ContentKind, string>>> = {
  'messages/v1': 'message',
  'responses/v1': 'response',
}

function isStated(value: unknown): boolean {
  return value !== undefined && value !== null
}

function parseEvent(text: string): JsonObject | null {
  try {
    const event: unknown = JSON.parse(text)
    return isJsonObject(event) ? event : null
  } catch {
    return null
  }
}

const NOTHING: ContentSummary = { status: 'none', content: null, uncovered: [] }

class AnswerObserver implements Observer {
  readonly #kind: ContentKind
  readonly #expected: number
  readonly #accumulator: Accumulator
  readonly #scanner: SseScanner
  readonly #ends: ReadonlySet<string>
  #chatId: string | null = null
  #model: string | null = null
  /** Prompt, completion and total, as last stated. */
  readonly #tokens: [number | null, number | null, number | null] = [null, null, null]
  #done = false
  #error = false
  #unreadable = false
  #streamed = false

  constructor(kind: ContentKind, expected: number, maxLine: number) {
    this.#kind = kind
    this.#expected = expected
    this.#accumulator = createAccumulator(kind, nodeCrypto)
    this.#ends = ENDS[kind]
    this.#scanner = new SseScanner(
      {
        onData: (data) => this.#onData(data),
        onEvent: (_all, bytes, start, end) => this.#onData(bytes.toString('utf8', start, end)),
        isEnd: (name) => this.#ends.has(name),
      },
      maxLine,
    )
  }

  canWait(chunk: Buffer): boolean {
    // Where an object can be the terminator, none may pass unread.
    return this.#ends.size === 0 && this.#scanner.canWait(chunk)
  }

  stream(chunk: Buffer): void {
    this.#streamed = true
    this.#scanner.push(chunk)
  }

  streamWaiting(bytes: Buffer): void {
    this.#streamed = true
    this.#scanner.readWaiting(bytes)
  }

  get terminatorInSight(): boolean {
    return this.#done || this.#scanner.terminatorInSight
  }

  get terminated(): boolean {
    return this.#done || (this.#ends.size === 0 && this.#scanner.terminatorInSight)
  }

  body(bytes: Buffer): void {
    this.#parse(bytes.toString('utf8'))
    this.#done = true
  }

  get complete(): boolean {
    if (!this.#done || this.#error || this.#unreadable || this.#scanner.oversize) return false
    const reasons = this.#accumulator.finishReasons()
    const ended = reasons.every((reason) => reason !== null && reason !== 'abort')
    switch (this.#kind) {
      case 'chat/v1':
      case 'text/v1':
      case 'messages/v1':
        return reasons.length >= this.#expected && ended
      case 'responses/v1':
        return reasons.length === 1 && ['completed', 'incomplete'].includes(reasons[0] ?? '')
      case 'embeddings/v1':
        return !this.#streamed && this.#accumulator.summarize().status !== 'none'
    }
  }

  facts(): ChatFacts {
    const content = this.#accumulator.summarize()
    const unknown = this.#unreadable || this.#scanner.oversize
    const reasons = hasFinishReasons(this.#kind) ? this.#accumulator.finishReasons() : []
    return {
      chatId: this.#chatId,
      modelServed: this.#model,
      content: unknown ? NOTHING : content,
      finishReasons: reasons.map((reason) => word(reason)),
      usage: this.#usage(),
    }
  }

  #usage(): Usage | null {
    const [prompt, completion, total] = this.#tokens
    if (prompt === null || (completion === null && total === null)) return null
    return {
      completion_tokens: completion ?? 0,
      prompt_tokens: prompt,
      total_tokens: total ?? prompt + (completion ?? 0),
    }
  }

  #onData(data: string): void {
    if (data !== '[DONE]') this.#parse(data)
    // Of the others it is an ornament: SGLang sends it after any stream.
    else if (this.#ends.size === 0) this.#done = true
  }

  #parse(text: string): void {
    const event = parseEvent(text)
    if (event === null) {
      // After the terminator it takes nothing from what was said; but it could be an error, so the answer does not end well.
      if (this.#done && this.#streamed) this.#error = true
      else this.#unreadable = true
      return
    }
    const type = event['type']
    const carrier = CARRIERS[this.#kind]
    const inner = carrier === undefined ? undefined : event[carrier]
    const facts = isJsonObject(inner) ? inner : event
    // An error event makes the answer an error whatever follows; `"error": null` is how some servers say "none".
    if (type === 'error' || isStated(event['error']) || isStated(facts['error'])) {
      this.#error = true
    }
    if (this.#done && this.#streamed) return
    this.#chatId ??= label(facts['id'])
    this.#model ??= label(facts['model'])
    this.#count(facts['usage'])
    if (facts !== event) this.#count(event['usage'])
    this.#accumulator.add(event)
    if (this.#streamed && typeof type === 'string' && this.#ends.has(type)) this.#done = true
  }

  #count(usage: unknown): void {
    if (!isJsonObject(usage)) return
    const stated = [
      usage['prompt_tokens'] ?? usage['input_tokens'],
      usage['completion_tokens'] ?? usage['output_tokens'],
      usage['total_tokens'],
    ]
    stated.forEach((value, i) => {
      const tokens = count(value)
      if (tokens !== null) this.#tokens[i] = tokens
    })
  }
}

/** Of answers that are not read, only how a stream ends. */
class BytesObserver implements Observer {
  readonly #scanner: SseScanner
  #done = false
  #error = false

  constructor(maxLine: number) {
    this.#scanner = new SseScanner(
      {
        onData: (data) => this.#onData(data),
        onEvent: (_all, bytes, start, end) => this.#onData(bytes.toString('utf8', start, end)),
        isEnd: (name) => MEDIA_ENDS.has(name),
      },
      maxLine,
    )
  }

  canWait(): boolean {
    return false
  }

  stream(chunk: Buffer): void {
    this.#scanner.push(chunk)
  }

  streamWaiting(bytes: Buffer): void {
    this.#scanner.push(bytes)
  }

  get terminatorInSight(): boolean {
    return this.#done || this.#scanner.terminatorInSight
  }

  get terminated(): boolean {
    return this.#done
  }

  body(): void {
    this.#done = true
  }

  get complete(): boolean {
    return this.#done && !this.#error && !this.#scanner.oversize
  }

  facts(): ChatFacts {
    return {
      chatId: null,
      modelServed: null,
      content: NOTHING,
      finishReasons: [],
      usage: null,
    }
  }

  #onData(data: string): void {
    if (data === '[DONE]') {
      this.#done = true
      return
    }
    const event = parseEvent(data)
    const type = event?.['type']
    if (event === null || type === 'error' || isStated(event['error'])) this.#error = true
    if (typeof type === 'string' && MEDIA_ENDS.has(type)) this.#done = true
  }
}
