/**
 * Reads what a shared store answers before the client library does: RESP2 (Redis' serialization protocol), of which only what our
 * commands can be answered with passes: a line, an error, an integer, or one string of bounded length, and not more of them than
 * commands are open.
 *
 * The server is not ours. ioredis 6.0.0 gathers a string of any length in memory, makes arrays as deep and long as it is told, and ends the
 * process at a null that nobody asked for.
 *
 * @module
 */

/** Of a status, an error or a number. */
const MAX_LINE_BYTES = 1024
const [PLUS, MINUS, COLON, DOLLAR] = [0x2b, 0x2d, 0x3a, 0x24]
const [CR, LF] = [0x0d, 0x0a]
/** `$-1`: there is nothing. */
const LENGTH = /^(?:-1|0|[1-9]\d{0,9})$/

export interface ReplyGuard {
  /** So many more replies may come. */
  expect(count: number): void
  /** False for what no such server answers; nothing after it is to be read. */
  admits(chunk: Uint8Array): boolean
}

type Place =
  | { readonly in: 'type' }
  | { readonly in: 'line'; readonly bulk: boolean }
  /** Bytes of the string and its line end that are still to come. */
  | { readonly in: 'string' }

export function createReplyGuard(maxStringBytes: number): ReplyGuard {
  let expected = 0
  let place: Place = { in: 'type' }
  let line = ''
  let left = 0

  const ended = (): boolean => {
    place = { in: 'type' }
    return true
  }
  const lineEnded = (bulk: boolean): boolean => {
    if (!line.endsWith('\r')) return false
    const text = line.slice(0, -1)
    line = ''
    if (!bulk) return ended()
    if (!LENGTH.test(text) || Number(text) > maxStringBytes) return false
    if (text === '-1') return ended()
    left = Number(text) + 2
    place = { in: 'string' }
    return true
  }
  const typed = (byte: number): boolean => {
    if (expected === 0) return false
    expected--
    if (byte !== PLUS && byte !== MINUS && byte !== COLON && byte !== DOLLAR) return false
    place = { in: 'line', bulk: byte === DOLLAR }
    return true
  }
  /** @returns bytes that were read; 0 for what is refused */
  const read = (chunk: Uint8Array, at: number): number => {
    const byte = chunk[at] ?? 0
    switch (place.in) {
      case 'type':
        return typed(byte) ? 1 : 0
      case 'line':
        if (byte === LF) return lineEnded(place.bulk) ? 1 : 0
        if (line.length >= MAX_LINE_BYTES || line.endsWith('\r')) return 0
        line += String.fromCharCode(byte)
        return 1
      case 'string': {
        if (left > 2) {
          const taken = Math.min(left - 2, chunk.length - at)
          left -= taken
          return taken
        }
        if (byte !== (left === 2 ? CR : LF)) return 0
        left--
        if (left === 0) ended()
        return 1
      }
    }
  }
  return {
    expect(count) {
      expected += count
    },
    admits(chunk) {
      for (let at = 0; at < chunk.length;) {
        const taken = read(chunk, at)
        if (taken === 0) return false
        at += taken
      }
      return true
    },
  }
}
