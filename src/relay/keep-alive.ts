/**
 * Comments in a stream whose model server is silent, so that nobody on the way takes the connection for dead.
 *
 * A comment goes out between two events only, never into the middle of one (WHATWG HTML §9.2.6: a line that starts with a
 * colon is ignored, and so is the blank line after it), and never after the terminator. It is part of the bytes under the
 * receipt like any other: a client hashes what it received.
 *
 * @module
 */

const COMMENT = Buffer.from(': keep-alive\n\n')
const LF = 0x0a
const CR = 0x0d
/** Bytes that show whether a blank line was written last: two line ends of two bytes each. */
const TAIL = 4

/** The stream stands between two events: nothing was written, or a blank line was the last. */
function isBetweenEvents(tail: Buffer): boolean {
  if (tail.length === 0) return true
  const last = tail[tail.length - 1]
  if (last !== LF && last !== CR) return false
  const lineEnd = last === LF && tail[tail.length - 2] === CR ? 2 : 1
  const before = tail[tail.length - 1 - lineEnd]
  return before === LF || before === CR
}

export class KeepAlive {
  readonly #send: (comment: Buffer) => void
  readonly #timer: NodeJS.Timeout
  /** The last piece, or as many as show its last bytes. */
  #tail: Buffer = Buffer.alloc(0)

  /** @param send called with a comment after each `intervalMs` without a piece */
  constructor(intervalMs: number, send: (comment: Buffer) => void) {
    this.#send = send
    this.#timer = setInterval(() => this.#onSilence(), intervalMs)
  }

  /** A piece of the stream was written. */
  wrote(piece: Buffer): void {
    this.#tail = piece.length >= TAIL ? piece : Buffer.concat([this.#tail.subarray(-TAIL), piece])
    this.#timer.refresh()
  }

  #onSilence(): void {
    if (isBetweenEvents(this.#tail)) this.#send(COMMENT)
  }

  stop(): void {
    clearInterval(this.#timer)
  }
}
