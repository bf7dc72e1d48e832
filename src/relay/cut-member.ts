/**
 * Takes one top-level member out of a JSON object's text and leaves every other byte as it was: to parse and print again
 * would change numbers beyond 2^53, `1.0` and the order of names that look like numbers.
 *
 * @module
 */

const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPEN = new Set([0x7b, 0x5b])
const CLOSE = new Set([0x7d, 0x5d])
const COMMA = 0x2c

/** The index after the string that begins at `start`. */
function stringEnd(bytes: Buffer, start: number): number {
  for (let i = start + 1; i < bytes.length; i++) {
    if (bytes[i] === BACKSLASH) i++
    else if (bytes[i] === QUOTE) return i + 1
  }
  return bytes.length
}

/**
 * @param bytes a valid JSON object without duplicate names, as a strict parse found
 * @returns the bytes without the member; unchanged where it has none of that name
 */
export function cutMember(bytes: Buffer, name: string): Buffer {
  let depth = 0
  /** Where the current member begins, and whether it is the one. */
  let begin = -1
  let found = false
  let previousComma = -1
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] ?? 0
    if (byte === QUOTE) {
      const end = stringEnd(bytes, i)
      if (depth === 1 && begin === -1) {
        begin = i
        found = JSON.parse(bytes.toString('utf8', i, end)) === name
      }
      i = end - 1
    } else if (OPEN.has(byte)) {
      depth++
    } else if (CLOSE.has(byte)) {
      depth--
      if (depth === 0 && found) {
        // The last member: the comma before it goes too.
        const from = previousComma === -1 ? begin : previousComma
        return Buffer.concat([bytes.subarray(0, from), bytes.subarray(i)])
      }
    } else if (byte === COMMA && depth === 1) {
      if (found) return Buffer.concat([bytes.subarray(0, begin), bytes.subarray(i + 1)])
      previousComma = i
      begin = -1
    }
  }
  return bytes
}
