/**
 * A server-sent event stream on its way through the broker, line by line, however the bytes were cut on the wire.
 *
 * @module
 */
import { sanitizeLine, type SanitizeContext } from './sanitize.ts'

/** A longer line is handled in pieces of about this size, each as if it were a line: memory stays bounded. */
export const MAX_LINE_BYTES = 16 * 1024 * 1024

const LINE_FEED = 0x0a
const DONE_EVENT = Buffer.from('data: [DONE]\n\n')

export class EventStream {
  readonly #context: SanitizeContext
  #rest: Buffer[] = []
  #restBytes = 0
  #inEvent = false
  #events = 0
  #cut = false

  constructor(context: SanitizeContext) {
    this.#context = context
    this.#cut = context.hostile.cutAfterEvents === 0
  }

  /** Nothing more may reach the client: the hostile broker pretends that the stream is over. */
  get cut(): boolean {
    return this.#cut
  }

  /** What the cut puts in place of the rest. */
  get farewell(): Buffer {
    return this.#context.hostile.cutWithDone === true ? DONE_EVENT : Buffer.alloc(0)
  }

  /**
   * @returns `whole`: the rewritten bytes; `client`: those of them that the client may have before a cut
   */
  push(chunk: Buffer): { readonly whole: Buffer; readonly client: Buffer } {
    const lines: Buffer[] = []
    let start = 0
    for (;;) {
      const end = chunk.indexOf(LINE_FEED, start)
      if (end === -1) break
      lines.push(Buffer.concat([...this.#rest, chunk.subarray(start, end + 1)]))
      this.#rest = []
      this.#restBytes = 0
      start = end + 1
    }
    if (start < chunk.length) {
      this.#rest.push(chunk.subarray(start))
      this.#restBytes += chunk.length - start
    }
    if (this.#restBytes > MAX_LINE_BYTES) lines.push(this.#takeRest())
    return this.#rewrite(lines)
  }

  /** The last line, where the upstream ended without a line feed. */
  end(): { readonly whole: Buffer; readonly client: Buffer } {
    return this.#rewrite(this.#restBytes === 0 ? [] : [this.#takeRest()])
  }

  #takeRest(): Buffer {
    const line = Buffer.concat(this.#rest)
    this.#rest = []
    this.#restBytes = 0
    return line
  }

  #rewrite(lines: readonly Buffer[]): { whole: Buffer; client: Buffer } {
    const whole: Buffer[] = []
    const client: Buffer[] = []
    for (const line of lines) {
      const written = sanitizeLine(line, this.#context)
      if (written === null) continue
      whole.push(written)
      if (!this.#cut) client.push(written)
      this.#count(written)
    }
    return { whole: Buffer.concat(whole), client: Buffer.concat(client) }
  }

  /** An event is over at the blank line after its data. */
  #count(line: Buffer): void {
    const text = line.toString('latin1').trim()
    if (text !== '') {
      this.#inEvent ||= text.startsWith('data:')
      return
    }
    if (!this.#inEvent) return
    this.#inEvent = false
    this.#events++
    if (this.#events === this.#context.hostile.cutAfterEvents) this.#cut = true
  }
}
