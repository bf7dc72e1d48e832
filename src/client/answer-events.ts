/**
 * Reads a streamed answer while it passes, and keeps its end back.
 *
 * An intermediary can choose any framing, so only framing that every reader takes alike is let through: lines end in LF
 * or CRLF, and there is no byte-order mark before a field (some readers strip it from each line, others ignore such a
 * line), no named event where names are not part of the API (some readers hand those out in another shape) and no name that
 * is not the event's type where they are (readers go by either), no text that is not UTF-8. Outside of data there are no control
 * characters and none at which only some readers end a line: to those readers a comment could say a whole event.
 *
 * Readers that look for `data: ` or for two line feeds pass over an event written in another way. So all events of a stream are written
 * as the first is, one `data` line each, or its bytes must be the enclave's.
 *
 * @module
 */
import type { CheckCode } from '../../attestation/appraiser/codes.ts'
import type { CryptoPort } from '../../attestation/crypto/port.ts'
import type { ContentKind, ContentSummary } from '../../attestation/protocol/content.ts'
import { createAccumulator } from '../../attestation/protocol/content-kinds.ts'
import type { Accumulator } from '../../attestation/protocol/content-kinds.ts'
import { isJsonObject, parseJsonText } from '../../attestation/protocol/json.ts'
import { RESPONSE_ENDS } from '../../attestation/protocol/responses-content.ts'
import { fromUtf8 } from '../../attestation/protocol/utf8.ts'
import { membersOf } from './answer-members.ts'
import type { Members } from './answer-members.ts'
import { concatBytes } from './bytes.ts'
import { hasBreak, hasPlainBreaks } from './has-plain-breaks.ts'
import { createStreamShape } from './shape-of.ts'
import type { StreamShape } from './shape-of.ts'

/** Length of one line in bytes. */
export const MAX_LINE_BYTES = 16 * 1024 * 1024
/** Lines of one event; their bytes together are no more than those of one line. */
export const MAX_EVENT_LINES = 4096
/** Bytes that may follow the terminator. */
export const MAX_HELD_BYTES = 64 * 1024

const LF = 0x0a
const CR = 0x0d
const TERMINATOR = '[DONE]'
/** What lines hold whose text is not JSON. U+0085 is one of the control characters. */
const PLAIN_LINE = /^[^\p{Cc}\p{Zl}\p{Zp}]*$/u
/** Of the fields that mean nothing to an answer. */
const VALUES: Readonly<Record<string, RegExp>> = {
  // Readers keep it.
  id: /^.{0,128}$/u,
  retry: /^[0-9]{1,10}$/,
}

/** Of the kinds whose events have names: the types of those that end a stream, and whether a name may be left out. */
interface Naming {
  readonly ends: ReadonlySet<string>
  readonly optional: boolean
}
const NAMED: Readonly<Partial<Record<ContentKind, Naming>>> = {
  // Anthropic's client passes over an event without a name.
  'messages/v1': { ends: new Set(['message_stop']), optional: false },
  'responses/v1': { ends: RESPONSE_ENDS, optional: true },
}

export class AnswerEvents {
  readonly #accumulator: Accumulator
  readonly #members: Members
  readonly #shape: StreamShape
  readonly #naming: Naming | null
  /** The name of the event that is being read. */
  #name: string | null = null
  /** How that event is written: its lines but for their texts; and how the first one was. */
  #writing = ''
  #usual: string | null = null
  #plain = true
  /** Of kinds with names, the lines of that event: it is handed out when it is known not to be the last. */
  #event: Uint8Array[] = []
  #partial: Uint8Array[] = []
  #partialBytes = 0
  /** Of the event that is being read, as far as it is kept. */
  #eventLines = 0
  #eventBytes = 0
  #data: string[] = []
  #done = false
  #held: Uint8Array[] = []
  #heldBytes = 0
  #fault: CheckCode | null = null

  constructor(kind: ContentKind, crypto: CryptoPort) {
    this.#accumulator = createAccumulator(kind, crypto)
    this.#members = membersOf(kind, true)
    this.#shape = createStreamShape(kind)
    this.#naming = NAMED[kind] ?? null
  }

  /** The terminator has been read. */
  get done(): boolean {
    return this.#done
  }

  /** Why the stream cannot be vouched for; set once. */
  get fault(): CheckCode | null {
    return this.#fault
  }

  /** From the line of the terminator on. */
  get held(): Uint8Array<ArrayBuffer> {
    return concatBytes([...this.#held, ...this.#event, ...this.#partial])
  }

  /** What was said before the terminator. */
  content(): ContentSummary {
    return this.#accumulator.summarize()
  }

  /** See `ChunkShape`. */
  get model(): string | null {
    return this.#shape.model
  }

  /** See `ChunkShape`. */
  get plain(): boolean {
    return this.#plain && this.#shape.plain
  }

  /** Takes bytes as they arrive. @returns those that the reader may have now: whole lines before the terminator */
  push(chunk: Uint8Array): Uint8Array<ArrayBuffer> {
    if (this.#fault !== null) return new Uint8Array(0)
    const release: Uint8Array[] = []
    let start = 0
    for (;;) {
      const end = chunk.indexOf(LF, start)
      if (end === -1) break
      const line = concatBytes([...this.#partial, chunk.subarray(start, end + 1)])
      this.#partial = []
      this.#partialBytes = 0
      start = end + 1
      this.#line(line.subarray(0, -1))
      if (this.#fault !== null) return concatBytes(release)
      if (this.#naming !== null) this.#handOut(line, release)
      else if (!this.#done) release.push(line)
      else this.#hold(line)
    }
    if (start < chunk.length) {
      this.#append(chunk.subarray(start))
      if (this.#partialBytes > MAX_LINE_BYTES) this.#fault = 'stream_unreadable'
      if (this.#done && this.#heldBytes + this.#partialBytes > MAX_HELD_BYTES) {
        this.#fault = 'stream_after_done'
      }
    }
    return concatBytes(release)
  }

  /** The stream is over. */
  end(): void {
    if (this.#fault !== null) return
    // A last line without its end: some readers take it, some do not.
    if (this.#partialBytes > 0) this.#line(concatBytes(this.#partial))
    if (this.#fault === null && !this.#done) this.#fault = 'stream_cut'
  }

  /** Byte by byte a line would take many times its length: each piece is longer than the one after it. */
  #append(piece: Uint8Array): void {
    let from = this.#partial.length
    let size = piece.length
    for (;;) {
      const before = this.#partial[from - 1]
      if (before === undefined || before.length > size) break
      from--
      size += before.length
    }
    this.#partial.push(concatBytes([...this.#partial.splice(from), piece]))
    this.#partialBytes += piece.length
  }

  #handOut(line: Uint8Array, release: Uint8Array[]): void {
    this.#event.push(line)
    const over = line.length === 1 || (line.length === 2 && line[0] === CR)
    if (!over) return
    for (const each of this.#event) {
      if (this.#done) this.#hold(each)
      else release.push(each)
    }
    this.#event = []
  }

  #hold(line: Uint8Array): void {
    this.#held.push(line)
    this.#heldBytes += line.length
    if (this.#heldBytes > MAX_HELD_BYTES) this.#fault = 'stream_after_done'
  }

  #line(bytes: Uint8Array): void {
    const text = fromUtf8(bytes.at(-1) === CR ? bytes.subarray(0, -1) : bytes)
    if (text === null || text.includes('\r')) {
      this.#fault = 'stream_unreadable'
      return
    }
    const end = bytes.at(-1) === CR ? '\r\n' : '\n'
    if (text === '') {
      this.#dispatch(end)
      return
    }
    const comment = text.startsWith(':')
    // Without names a comment is handed out at once.
    if (!comment || this.#naming !== null) {
      this.#eventLines++
      this.#eventBytes += bytes.length
      // An event that does not end would be kept for ever.
      if (this.#eventLines > MAX_EVENT_LINES || this.#eventBytes > MAX_LINE_BYTES) {
        this.#fault = 'stream_unreadable'
        this.#data = []
        return
      }
    }
    if (!text.startsWith('data:') && !PLAIN_LINE.test(text)) {
      this.#fault = 'stream_unreadable'
      return
    }
    if (comment) return
    const colon = text.indexOf(':')
    const field = colon === -1 ? text : text.slice(0, colon)
    const rest = colon === -1 ? '' : text.slice(colon + 1)
    const value = rest.startsWith(' ') ? rest.slice(1) : rest
    if (field === 'event' || field === 'data') {
      this.#writing += `${field}:${rest === value ? '' : ' '}${end}`
    }
    if (field === 'event') {
      if (!this.#takeName(value)) this.#fault = 'stream_unreadable'
      return
    }
    if (field !== 'data') {
      const values = Object.hasOwn(VALUES, field) ? VALUES[field] : undefined
      if (values?.test(value) !== true) this.#fault = 'stream_unreadable'
      return
    }
    if (this.#done) {
      this.#fault = 'stream_after_done'
      return
    }
    this.#data.push(value)
    // Clients stop reading at a text that starts like this, even before the event is over.
    if (value.startsWith(TERMINATOR)) {
      if (value === TERMINATOR && this.#data.length === 1 && this.#naming === null) {
        this.#done = true
      } else this.#fault = 'stream_unreadable'
      this.#data = []
    }
  }

  /** Of two names readers take the last, and line by line one that follows its data is the next event's. */
  #takeName(value: string): boolean {
    if (this.#naming === null) return value === 'message'
    if (this.#name !== null || this.#data.length > 0) return false
    this.#name = value
    return true
  }

  /** @param end of the blank line */
  #dispatch(end: string): void {
    const name = this.#name
    const writing = this.#writing + end
    this.#name = null
    this.#writing = ''
    this.#eventLines = 0
    this.#eventBytes = 0
    if (this.#data.length === 0) {
      // A name without data: some readers hand it out, some do not.
      if (name !== null) this.#fault = 'stream_unreadable'
      return
    }
    this.#usual ??= writing
    if (writing !== this.#usual || this.#data.length > 1) this.#plain = false
    const text = this.#data.join('\n')
    const parsed = parseJsonText(text)
    this.#data = []
    if (!parsed.ok || !this.#isNamed(name, parsed.value)) {
      this.#fault = 'stream_unreadable'
      return
    }
    if (hasBreak(text) && !hasPlainBreaks(parsed.value, this.#members)) this.#plain = false
    this.#accumulator.add(parsed.value)
    this.#shape.add(parsed.value)
    const type = isJsonObject(parsed.value) ? parsed.value['type'] : undefined
    if (typeof type === 'string' && this.#naming?.ends.has(type) === true) this.#done = true
  }

  #isNamed(name: string | null, event: unknown): boolean {
    if (this.#naming === null) return true
    if (name === null) return this.#naming.optional
    return isJsonObject(event) && event['type'] === name
  }
}
