/**
 * Reads the data of server-sent events out of a byte stream as it passes (WHATWG HTML §9.2.6): CR, LF and CRLF, chunks cut
 * at any byte, comments and other fields ignored, several data lines joined by LF.
 *
 * The bytes themselves are never touched: this looks on while they are forwarded.
 *
 * @module
 */

const LF = 0x0a
const CR = 0x0d
const DATA = Buffer.from('data')
const EVENT = Buffer.from('event')
const COLON = 0x3a
const OPEN_BRACE = 0x7b
const SPACE = 0x20
const DONE = '[DONE]'
/** White space as clients in one language or another trim it, and then that word, whatever follows. */
const LOOKS_DONE = /^[\s\p{Cc}]*\[DONE\]/u
/** Of a line whose end is not there yet, the first bytes that are looked at for that word. */
const HEAD_BYTES = 64
const BOM = Buffer.from('\ufeff')
const EMPTY = Buffer.alloc(0)

export interface SseSink {
  /** The data of one dispatched event. */
  onData(data: string): void
  /**
   * The same for an event on one line, unread: its data are the bytes `[start, end)`.
   * @param all one character for each byte (latin1)
   */
  onEvent(all: string, bytes: Buffer, start: number, end: number): void
  /** Whether an event of that name ends the stream; of none where this is left out. */
  isEnd?(name: string): boolean
}

/** How an event that may wait begins: with an object, so that whatever it says, it is not the terminator. */
const OBJECT = 'data: {'
const BLANK_LINE = '\n\n'

export class SseScanner {
  readonly #sink: SseSink
  readonly #maxLine: number
  #partial: Buffer[] = []
  #partialBytes = 0
  #data: string | null = null
  #lastWasCr = false
  #first = true
  #oversize = false
  #terminator = false

  constructor(sink: SseSink, maxLine: number) {
    this.#sink = sink
    this.#maxLine = maxLine
  }

  /** A line was longer than allowed: what was said cannot be known any more. */
  get oversize(): boolean {
    return this.#oversize
  }

  /**
   * A data line that begins with `[DONE]` has been read, though perhaps not its end: some clients look for those bytes
   * alone, OpenAI's take `[DONE]x` for the end, others trim what stands before it. So has the line that names an event
   * which ends the stream.
   */
  get terminatorInSight(): boolean {
    return this.#terminator
  }

  /**
   * Whether a piece may be read later, by {@link readWaiting}, before anything else is: whole events and no terminator. A
   * stream brings an event every twenty milliseconds or so; to read each by itself, with cold caches, costs several times as
   * much as to read some together.
   */
  canWait(chunk: Buffer): boolean {
    const end = chunk.length - 2
    return chunk[end] === LF && chunk[end + 1] === LF && this.#areEvents(chunk)
  }

  /** Reads pieces that could wait, end to end. */
  readWaiting(bytes: Buffer): void {
    const all = bytes.toString('latin1')
    let start = 0
    while (start < all.length) {
      const end = all.indexOf('\n', start)
      const whole =
        all.startsWith(OBJECT, start) &&
        all.charCodeAt(end + 1) === LF &&
        end - start <= this.#maxLine
      if (!whole) {
        this.#scan(bytes.subarray(start))
        return
      }
      this.#sink.onEvent(all, bytes, start + OBJECT.length - 1, end)
      start = end + 2
    }
  }

  push(chunk: Buffer): void {
    let rest = chunk
    if (!this.#isBetweenEvents()) {
      const end = chunk.indexOf(BLANK_LINE, 0, 'latin1')
      const head = end === -1 ? chunk.length : end + BLANK_LINE.length
      this.#scan(chunk.subarray(0, head))
      rest = chunk.subarray(head)
    }
    // A piece of many events, as a fast model or a slow reader makes them, is not read line by line either.
    const end = rest.lastIndexOf(BLANK_LINE, undefined, 'latin1') + BLANK_LINE.length
    const events = rest.subarray(0, end)
    if (end >= BLANK_LINE.length && this.#areEvents(events)) {
      this.readWaiting(events)
      rest = rest.subarray(end)
    }
    if (rest.length > 0) this.#scan(rest)
  }

  #isBetweenEvents(): boolean {
    return !this.#first && this.#partialBytes === 0 && this.#data === null && !this.#lastWasCr
  }

  /** These bytes, which end with a blank line, seem to be nothing but events with one object each. */
  #areEvents(bytes: Buffer): boolean {
    return (
      bytes.length > OBJECT.length &&
      bytes[6] === OPEN_BRACE &&
      bytes[5] === SPACE &&
      bytes[4] === COLON &&
      bytes[0] === 0x64 &&
      bytes[1] === 0x61 &&
      bytes[2] === 0x74 &&
      bytes[3] === 0x61 &&
      this.#isBetweenEvents() &&
      !this.#terminator &&
      bytes.indexOf(CR) === -1 &&
      // Somewhere inside could be the terminator, or a text that speaks of it.
      bytes.indexOf(DONE, OBJECT.length, 'latin1') === -1
    )
  }

  /** Line by line. */
  #scan(chunk: Buffer): void {
    let start = 0
    if (this.#lastWasCr && chunk[0] === LF) start = 1
    if (chunk.length > 0) this.#lastWasCr = false
    for (;;) {
      const end = lineEnd(chunk, start)
      if (end === -1) break
      // By length alone, so that the verdict does not depend on where the network cut the stream.
      if (this.#partialBytes + end - start > this.#maxLine) this.#oversize = true
      this.#line(this.#take(chunk.subarray(start, end)))
      start = end + 1
      if (chunk[end] === CR) {
        if (start === chunk.length) this.#lastWasCr = true
        else if (chunk[start] === LF) start++
      }
    }
    if (start < chunk.length) this.#keep(chunk.subarray(start))
  }

  #take(rest: Buffer): Buffer {
    if (this.#partialBytes === 0) return rest
    this.#partial.push(rest)
    const line = Buffer.concat(this.#partial)
    this.#partial = []
    this.#partialBytes = 0
    return line
  }

  #keep(rest: Buffer): void {
    if (this.#partialBytes + rest.length > this.#maxLine) {
      // Forget the line but remember that there was one: the stream goes on, its content can no longer be attested.
      this.#oversize = true
      this.#partial = [EMPTY]
      this.#partialBytes = this.#maxLine
      return
    }
    const isHead = this.#partialBytes < HEAD_BYTES
    this.#partial.push(rest)
    this.#partialBytes += rest.length
    if (!isHead) return
    const head = this.#partial.length === 1 ? rest : Buffer.concat(this.#partial)
    if (looksDone(valueOf(withoutBom(head.subarray(0, HEAD_BYTES)), DATA))) this.#terminator = true
  }

  #line(line: Buffer): void {
    const bare = withoutBom(line)
    const text = this.#first ? bare : line
    this.#first = false
    if (text.length === 0) {
      this.#dispatch()
      return
    }
    const data = valueOf(text, DATA)
    if (looksDone(text === bare ? data : valueOf(bare, DATA))) this.#terminator = true
    if (data === null) {
      if (this.#sink.isEnd === undefined) return
      const name = valueOf(text, EVENT)
      if (name !== null && this.#sink.isEnd(name.toString('utf8'))) this.#terminator = true
      return
    }
    const value = data.toString('utf8')
    this.#data = this.#data === null ? value : `${this.#data}\n${value}`
  }

  #dispatch(): void {
    if (this.#data === null) return
    const data = this.#data
    this.#data = null
    this.#sink.onData(data)
  }
}

/** Index of the next CR or LF. Two native searches beat a byte loop on events of usual length. */
function lineEnd(chunk: Buffer, start: number): number {
  const lf = chunk.indexOf(LF, start)
  const limit = lf === -1 ? chunk.length : lf
  const cr = chunk.subarray(start, limit).indexOf(CR)
  return cr === -1 ? lf : start + cr
}

/** The value of a line of that field; null for any other. */
function valueOf(line: Buffer, field: Buffer): Buffer | null {
  const { length } = field
  if (line.length < length || line.compare(field, 0, length, 0, length) !== 0) return null
  if (line.length === length) return EMPTY
  if (line[length] !== COLON) return null
  return line.subarray(line[length + 1] === SPACE ? length + 2 : length + 1)
}

/** OpenAI's client decodes each line by itself, and so drops a byte-order mark before any of them. */
function withoutBom(line: Buffer): Buffer {
  const { length } = BOM
  return line[0] === BOM[0] && line.subarray(0, length).equals(BOM) ? line.subarray(length) : line
}

/** Whether some client takes a data line of that value for the terminator. */
function looksDone(data: Buffer | null): boolean {
  if (data === null || data[0] === OPEN_BRACE) return false
  return data.includes(DONE, 0, 'latin1') && LOOKS_DONE.test(data.toString('utf8'))
}
