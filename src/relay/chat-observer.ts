/**
 * What the record needs to know of a chat answer, read while its bytes pass.
 *
 * @module
 */
import { ChatAccumulator } from '../../attestation/protocol/chat-content.ts'
import type { ContentSummary } from '../../attestation/protocol/content.ts'
import { isJsonObject } from '../../attestation/protocol/json.ts'
import type { JsonObject } from '../../attestation/protocol/json.ts'
import type { Usage } from '../../attestation/protocol/record.ts'
import { deltaTemplate, readDelta } from './delta-template.ts'
import type { DeltaTemplate } from './delta-template.ts'
import { SseScanner } from './sse-scanner.ts'

/** Length of a completion id, a model name or a finish reason that is taken into the record. */
export const MAX_LABEL = 256

/** A text of the upstream's as it may stand in a signed record: bounded, well-formed Unicode; else null. */
export function label(value: unknown): string | null {
  if (typeof value !== 'string' || value.length === 0 || value.length > MAX_LABEL) return null
  return value.isWellFormed() ? value : null
}

/** Finish reasons are single words; up to MAX_CHOICES of them stand in a receipt of bounded length. */
export function word(value: string | null): string | null {
  return value !== null && /^[\x21-\x7e]{1,64}$/.test(value) ? value : null
}

export function count(value: unknown): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null
}

function usageOf(value: unknown): Usage | null {
  if (!isJsonObject(value)) return null
  const prompt = count(value['prompt_tokens'])
  const total = count(value['total_tokens'])
  const completion = count(value['completion_tokens'] ?? 0)
  if (prompt === null || total === null || completion === null) return null
  return { completion_tokens: completion, prompt_tokens: prompt, total_tokens: total }
}

export interface ChatFacts {
  readonly chatId: string | null
  readonly modelServed: string | null
  readonly content: ContentSummary
  readonly finishReasons: readonly (string | null)[]
  readonly usage: Usage | null
}

export class ChatObserver {
  readonly #accumulator = new ChatAccumulator()
  readonly #scanner: SseScanner
  readonly #expectedChoices: number
  #chatId: string | null = null
  #model: string | null = null
  #usage: Usage | null = null
  #done = false
  #error = false
  #unreadable = false
  #streamed = false
  #template: DeltaTemplate | null = null
  /** Read by the template and not appended yet. */
  #texts: string[] = []

  /** @param expectedChoices the request's `n`, 1 where it has none */
  constructor(expectedChoices: number, maxLine: number) {
    this.#expectedChoices = expectedChoices
    this.#scanner = new SseScanner(
      {
        onData: (data) => this.#onData(data),
        onEvent: (all, bytes, start, end) => this.#onEvent(all, bytes, start, end),
      },
      maxLine,
    )
  }

  /** Looks at a piece of a stream. */
  stream(chunk: Buffer): void {
    this.#streamed = true
    this.#scanner.push(chunk)
    this.#appendTexts()
  }

  /** Whether a piece of a stream may be looked at later, together with others. */
  canWait(chunk: Buffer): boolean {
    return this.#scanner.canWait(chunk)
  }

  /** Looks at pieces that could wait, end to end; before any other piece. */
  streamWaiting(bytes: Buffer): void {
    this.#scanner.readWaiting(bytes)
    this.#appendTexts()
  }

  get terminatorInSight(): boolean {
    return this.#scanner.terminatorInSight
  }

  get terminated(): boolean {
    return this.#scanner.terminatorInSight
  }

  /** Looks at a whole buffered body, already decoded from any Content-Encoding. */
  body(bytes: Buffer): void {
    this.#done = true
    this.#parse(bytes.toString('utf8'))
  }

  /** `[DONE]` (or the whole buffered body) was seen, no error was, and every choice came to an end. */
  get complete(): boolean {
    if (!this.#done || this.#error || this.#unreadable || this.#scanner.oversize) return false
    const reasons = this.#accumulator.finishReasons()
    return (
      reasons.length >= this.#expectedChoices &&
      this.#accumulator.isContiguous() &&
      reasons.every((reason) => reason !== null && reason !== 'abort')
    )
  }

  facts(): ChatFacts {
    const content = this.#accumulator.summarize()
    const unknown = this.#unreadable || this.#scanner.oversize
    return {
      chatId: this.#chatId,
      modelServed: this.#model,
      content: unknown ? { ...content, status: 'none', content: null } : content,
      finishReasons: this.#accumulator.finishReasons().map((reason) => word(reason)),
      usage: this.#usage,
    }
  }

  #onData(data: string): void {
    this.#appendTexts()
    if (data === '[DONE]') {
      this.#done = true
      return
    }
    this.#parse(data)
  }

  #onEvent(all: string, bytes: Buffer, start: number, end: number): void {
    if (this.#template !== null && !this.#done) {
      const text = readDelta(this.#template, all, bytes, start, end)
      if (text !== null) {
        this.#texts.push(text)
        return
      }
    }
    this.#appendTexts()
    const event = this.#parse(bytes.toString('utf8', start, end))
    this.#template = deltaTemplate(bytes.toString('latin1', start, end), event)
  }

  /** Some deltas at once: a string that grew by each of them would be a chain of as many links. */
  #appendTexts(): void {
    if (this.#texts.length === 0 || this.#template === null) return
    const { index, member } = this.#template
    this.#accumulator.append(index, member, this.#texts.join(''))
    this.#texts = []
  }

  /** After the terminator it takes nothing from what was said; but it could be an error, so the answer does not end well. */
  #readNothing(): void {
    if (this.#done && this.#streamed) this.#error = true
    else this.#unreadable = true
  }

  /** @returns the event; null where it is not a JSON object */
  #parse(text: string): JsonObject | null {
    let event: unknown
    try {
      event = JSON.parse(text)
    } catch {
      this.#readNothing()
      return null
    }
    if (!isJsonObject(event)) {
      this.#readNothing()
      return null
    }
    // An error event makes the answer an error whatever follows; `"error": null` is how some servers say "none".
    if (event['error'] !== undefined && event['error'] !== null) this.#error = true
    // Clients stop reading at [DONE]: what a server says after it cannot become part of the answer.
    if (this.#done && this.#streamed) return event
    this.#chatId ??= label(event['id'])
    this.#model ??= label(event['model'])
    if (event['usage'] !== undefined && event['usage'] !== null) {
      this.#usage = usageOf(event['usage']) ?? this.#usage
    }
    this.#accumulator.add(event)
    return event
  }
}
