/**
 * Takes the service's own comments out of a stream, with the receipt in them.
 *
 * What is left is what the receipt is over and what the reader gets: both are the same bytes, so it does not matter where
 * somebody on the way put such comments, or how many. A receipt is believed for its signature alone.
 *
 * @module
 */
import {
  INLINE_PIECE_LENGTH,
  INLINE_PREFIX,
  MAX_INLINE_PIECES,
  decodeInlineReceipt,
} from '../../attestation/protocol/inline-receipt.ts'
import { concatBytes } from './bytes.ts'

const LF = 0x0a
const CR = 0x0d
const PREFIX = new TextEncoder().encode(INLINE_PREFIX)
/** Bytes of one line: a longer one is no line of the service's, and passes. */
const MAX_LINE = PREFIX.length + INLINE_PIECE_LENGTH + 16
const LINE = /^([1-9]\d{0,3})\/([1-9]\d{0,3}) ([A-Za-z0-9_-]+)$/

export class InlineReceipts {
  /** Of a line that may be one of ours. */
  #line: number[] = []
  /** Within a line that is none. */
  #passing = false
  /** The line before was one of ours, so a blank one is, too. */
  #afterOurs = false
  readonly #pieces: string[] = []
  #count = 0
  #broken = false

  /** @returns the bytes that are not the service's comments; those of an unfinished line that may be one are kept back */
  push(chunk: Uint8Array): Uint8Array {
    const out: Uint8Array[] = []
    // What passes is taken out in as few pieces as it can be: a stream is nearly all of it.
    let start = 0
    let next = 0
    while (next < chunk.length) {
      if (this.#passing) {
        const end = chunk.indexOf(LF, next)
        this.#passing = end === -1
        next = end === -1 ? chunk.length : end + 1
        continue
      }
      if (this.#line.length === 0) {
        if (!this.#mayBegin(chunk[next])) {
          this.#passing = true
          this.#afterOurs = false
          continue
        }
        if (next > start) out.push(chunk.subarray(start, next))
      }
      const byte = chunk[next++] ?? 0
      start = next
      this.#line.push(byte)
      if (byte === LF) this.#end(out)
      else if (!this.#mayBeOurs()) {
        out.push(this.#take())
        this.#passing = true
        this.#afterOurs = false
      }
    }
    if (next > start) out.push(chunk.subarray(start, next))
    const [only] = out
    return out.length === 1 && only !== undefined ? only : concatBytes(out)
  }

  /** The stream is over. @returns what was kept back */
  end(): Uint8Array<ArrayBuffer> {
    return this.#take()
  }

  /** The receipt's text, where it came once and whole. */
  receipt(): string | null {
    if (this.#broken || this.#count === 0 || this.#pieces.length !== this.#count) return null
    return decodeInlineReceipt(this.#pieces.join(''))
  }

  #take(): Uint8Array<ArrayBuffer> {
    const line = Uint8Array.from(this.#line)
    this.#line = []
    return line
  }

  /** Whether a line that begins with that byte may be one of ours. */
  #mayBegin(byte: number | undefined): boolean {
    return byte === PREFIX[0] || (this.#afterOurs && (byte === LF || byte === CR))
  }

  #mayBeOurs(): boolean {
    const { length } = this.#line
    if (length > MAX_LINE) return false
    if (this.#line[0] === CR) return this.#afterOurs && length === 1
    return length > PREFIX.length || this.#line[length - 1] === PREFIX[length - 1]
  }

  /** A line has ended of which every byte may be one of ours. */
  #end(out: Uint8Array[]): void {
    const line = this.#take()
    const text = line.subarray(0, line.at(-2) === CR ? -2 : -1)
    if (text.length === 0 && this.#afterOurs) {
      this.#afterOurs = false
      return
    }
    const fields =
      text.length > PREFIX.length
        ? LINE.exec(String.fromCharCode(...text.subarray(PREFIX.length)))
        : null
    this.#afterOurs = fields !== null
    if (fields === null) out.push(line)
    else this.#add(Number(fields[1]), Number(fields[2]), fields[3] ?? '')
  }

  #add(number: number, count: number, piece: string): void {
    const next =
      number === this.#pieces.length + 1 &&
      number <= count &&
      count <= MAX_INLINE_PIECES &&
      piece.length <= INLINE_PIECE_LENGTH &&
      (this.#count === 0 || this.#count === count)
    // Twice, out of order or without an end: which one was meant nobody knows, and it can be fetched.
    if (next) {
      this.#count = count
      this.#pieces.push(piece)
    } else this.#broken = true
  }
}
