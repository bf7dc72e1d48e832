/**
 * The bytes of one answer as they pass: hashed, and shown to the observer that reads them.
 *
 * @module
 */
import type { Observer } from './answer-observer.ts'
import { ResponseDigest } from './response-digest.ts'

/** Pieces of a stream, and bytes of them, that are put aside and then hashed and read in one go. */
const PIECES_AT_ONCE = 32
const BYTES_AT_ONCE = 32 * 1024

export class WatchedAnswer {
  readonly digest = new ResponseDigest()
  #observer: Observer | null = null
  /** Sent, and neither hashed nor read yet. */
  #waiting: Buffer[] = []
  #waitingBytes = 0
  /** Reading the answer failed by a fault of ours. */
  #broken = false

  /** From now on somebody reads. */
  show(observer: Observer): void {
    this.#observer = observer
  }

  /** As `Recording.pass`. */
  pass(chunk: Buffer): boolean {
    const observer = this.#observer
    if (observer === null) return true
    if (this.#broken) return false
    try {
      if (observer.canWait(chunk)) {
        this.#waiting.push(chunk)
        this.#waitingBytes += chunk.length
        const full = this.#waiting.length >= PIECES_AT_ONCE || this.#waitingBytes >= BYTES_AT_ONCE
        if (full) this.readWaiting()
        return true
      }
      this.readWaiting()
      observer.stream(chunk)
      if (observer.terminatorInSight || this.#broken) return false
    } catch {
      this.#broken = true
      return false
    }
    this.digest.add(chunk)
    return true
  }

  /**
   * Asks the observer, if there is one to be asked. A fault of ours in reading an answer costs the answer its content, and
   * the rest of a stream is held to its end; it must not end what goes on around it.
   */
  observe<T>(ask: (observer: Observer) => T): T | null {
    if (this.#observer === null || this.#broken) return null
    try {
      return ask(this.#observer)
    } catch {
      this.#broken = true
      return null
    }
  }

  /** Reads what was put aside. */
  readWaiting(): void {
    const [first] = this.#waiting
    if (first === undefined) return
    const bytes =
      this.#waiting.length === 1 ? first : Buffer.concat(this.#waiting, this.#waitingBytes)
    this.#waiting = []
    this.#waitingBytes = 0
    this.digest.add(bytes)
    this.observe((observer) => observer.streamWaiting(bytes))
  }
}
