/**
 * Cuts a stream into its events (WHATWG HTML §9.2.6), each up to and with its blank line, so that something can be put
 * between two of them. Lines end in LF, CR or CRLF, and pieces are cut anywhere.
 *
 * @module
 */
const LF = 0x0a
const CR = 0x0d

export class WholeEvents {
  readonly #limit: number
  #parts: Buffer[] = []
  #bytes = 0
  /** No byte of the current line has come. */
  #lineEmpty = false
  #lastWasCr = false
  /** A blank line ended in CR, which a LF may still belong to. */
  #overAtCr = false
  #givenUp = false

  /** @param limit bytes of one event */
  constructor(limit: number) {
    this.#limit = limit
  }

  /** An event was too long, or too long in coming: pieces pass as they come from then on, and nobody knows where one ends. */
  get givenUp(): boolean {
    return this.#givenUp
  }

  /** An event has begun and is not whole. */
  get waiting(): boolean {
    return this.#bytes > 0
  }

  /** @returns the events that are whole with this piece */
  push(chunk: Buffer): Buffer[] {
    if (this.#givenUp) return [chunk]
    const events: Buffer[] = []
    let start = 0
    for (let i = 0; i < chunk.length; i++) {
      const byte = chunk[i]
      const ends = this.#overAtCr
      const completesCr = this.#lastWasCr && byte === LF
      this.#overAtCr = false
      this.#lastWasCr = byte === CR
      if (ends) {
        const end = completesCr ? i + 1 : i
        events.push(this.#take(chunk.subarray(start, end)))
        start = end
      }
      if (completesCr) continue
      if (byte !== LF && byte !== CR) {
        this.#lineEmpty = false
        continue
      }
      const over = this.#lineEmpty
      this.#lineEmpty = true
      if (!over) continue
      if (byte === CR) {
        this.#overAtCr = true
        continue
      }
      events.push(this.#take(chunk.subarray(start, i + 1)))
      start = i + 1
    }
    this.#keep(chunk.subarray(start))
    if (this.#bytes > this.#limit) events.push(this.giveUp())
    return events
  }

  /** @returns what there is of an event that is not whole */
  giveUp(): Buffer {
    this.#givenUp = true
    return this.#take(EMPTY)
  }

  #keep(part: Buffer): void {
    if (part.length === 0) return
    this.#parts.push(part)
    this.#bytes += part.length
  }

  #take(last: Buffer): Buffer {
    if (this.#bytes === 0) return last
    this.#keep(last)
    const event = Buffer.concat(this.#parts, this.#bytes)
    this.#parts = []
    this.#bytes = 0
    return event
  }
}

const EMPTY = Buffer.alloc(0)
