/**
 * Gathers the pieces of a body, in memory that can be handed to a worker thread without a copy once there is much of it.
 *
 * Memory is taken as the bytes come, never for a length that was only announced: a thousand senders could announce more
 * than there is. It is ordinary memory of the collector's, which is handed over and given back; shared memory would weigh
 * nothing in its accounts, and so would stay.
 *
 * @module
 */

/** Bodies of so many bytes and more are read by a worker thread: less than this is read faster than it is handed over. */
export const LARGE_BODY_BYTES = 32 * 1024
/** Large bodies are gathered in parts of this size. */
const SEGMENT_BYTES = 256 * 1024

/** A body as it was gathered. */
export type Gathered =
  | { readonly large: false; readonly length: number; readonly bytes: Buffer }
  /** The pieces' memory belongs to them alone. */
  | { readonly large: true; readonly length: number; readonly pieces: readonly Uint8Array[] }

export interface Gather {
  readonly length: number
  add(piece: Buffer): void
  /** All of it, once, after the last piece. */
  end(): Gathered
}

export function smallBody(bytes: Buffer): Gathered {
  return { large: false, length: bytes.length, bytes }
}

export function createGather(): Gather {
  let length = 0
  let first: Buffer[] = []
  const full: Uint8Array[] = []
  let segment: Buffer | null = null
  let used = 0

  const copy = (piece: Buffer) => {
    for (let at = 0; at < piece.length;) {
      segment ??= Buffer.allocUnsafeSlow(SEGMENT_BYTES)
      const count = piece.copy(segment, used, at)
      at += count
      used += count
      if (used === segment.length) {
        full.push(segment)
        segment = null
        used = 0
      }
    }
  }

  return {
    get length() {
      return length
    },
    add(piece) {
      length += piece.length
      if (length < LARGE_BODY_BYTES) {
        first.push(piece)
        return
      }
      // Piece by piece as they come: to copy a large body at once would hold up everybody else.
      for (const early of first) copy(early)
      first = []
      copy(piece)
    },
    end() {
      if (length >= LARGE_BODY_BYTES) {
        const rest = segment === null ? [] : [segment.subarray(0, used)]
        return { large: true, length, pieces: [...full, ...rest] }
      }
      const [only] = first
      return smallBody(
        first.length === 1 && only !== undefined ? only : Buffer.concat(first, length),
      )
    },
  }
}
