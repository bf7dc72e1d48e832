/**
 * Gathers the pieces of a body. A large one comes to lie in memory that a worker thread can read without a copy.
 *
 * @module
 */

/** Bodies of so many bytes and more are read by a worker thread: less than this is read faster than it is handed over. */
export const LARGE_BODY_BYTES = 32 * 1024

/** Whether a body is one that {@link createGather} made for a worker thread. */
export function isLarge(body: Buffer): boolean {
  return body.buffer instanceof SharedArrayBuffer
}

export interface Gather {
  readonly length: number
  add(piece: Buffer): void
  /** All of it, once, after the last piece. From {@link LARGE_BODY_BYTES} on it lies in a SharedArrayBuffer. */
  bytes(): Buffer
}

function sharedBuffer(length: number): Buffer {
  return Buffer.from(new SharedArrayBuffer(length))
}

/**
 * @param declared the length that the sender announced; 0 where it did not. Memory is taken for it at once, of which the
 *   system commits what is written
 */
export function createGather(declared: number): Gather {
  const whole = declared >= LARGE_BODY_BYTES ? sharedBuffer(declared) : null
  const pieces: Buffer[] = []
  let length = 0
  return {
    get length() {
      return length
    },
    add(piece) {
      // Piece by piece as they come: to copy a large body at once would hold up everybody else.
      if (whole !== null && length + piece.length <= whole.length) whole.set(piece, length)
      else pieces.push(piece)
      length += piece.length
    },
    bytes() {
      if (whole !== null && pieces.length === 0) return whole.subarray(0, length)
      const [only] = pieces
      if (pieces.length === 1 && only !== undefined && length < LARGE_BODY_BYTES) return only
      if (whole !== null) pieces.unshift(whole.subarray(0, length - total(pieces)))
      if (length < LARGE_BODY_BYTES) return Buffer.concat(pieces, length)
      const shared = sharedBuffer(length)
      let at = 0
      for (const piece of pieces) {
        shared.set(piece, at)
        at += piece.length
      }
      return shared
    },
  }
}

function total(pieces: readonly Buffer[]): number {
  return pieces.reduce((sum, piece) => sum + piece.length, 0)
}
