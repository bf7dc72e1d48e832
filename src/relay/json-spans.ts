/**
 * Where the members of a JSON object and the elements of an array lie in its text, so that one of them can be taken out
 * or put in while every other byte stays as it was: to parse and print again would change numbers beyond 2^53, `1.0`, and
 * the order of names that look like numbers.
 *
 * Everything here reads text that a strict parse has accepted (RFC 8259, no duplicate names); it checks nothing.
 *
 * @module
 */

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d

/** `to` is the index after the last byte. */
export interface Span {
  readonly from: number
  readonly to: number
}

export interface MemberSpan {
  readonly name: string
  /** From the name's opening quote to the end of the value. */
  readonly whole: Span
  readonly value: Span
  /** Index of the comma on either side, -1 where there is none. */
  readonly commaBefore: number
  readonly commaAfter: number
}

/** White space of RFC 8259 §2. */
function skipSpace(bytes: Buffer, from: number): number {
  let i = from
  for (;;) {
    const byte = bytes[i]
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return i
    i++
  }
}

/** The index after the string that begins at `from`. Native search: strings are what most of a large body consists of. */
function stringEnd(bytes: Buffer, from: number): number {
  let end = bytes.indexOf(QUOTE, from + 1)
  while (end !== -1) {
    let slashes = 0
    while (bytes[end - 1 - slashes] === BACKSLASH) slashes++
    if (slashes % 2 === 0) return end + 1
    end = bytes.indexOf(QUOTE, end + 1)
  }
  return bytes.length
}

/** The index after the value that begins at `from`. */
function valueEnd(bytes: Buffer, from: number): number {
  const first = bytes[from]
  if (first === QUOTE) return stringEnd(bytes, from)
  let depth = 0
  for (let i = from; i < bytes.length; i++) {
    const byte = bytes[i]
    if (byte === QUOTE) {
      i = stringEnd(bytes, i) - 1
    } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      depth++
    } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
      // Of the container around a number or a literal.
      if (depth === 0) return trimmedEnd(bytes, i)
      if (--depth === 0) return i + 1
    } else if (byte === COMMA && depth === 0) {
      return trimmedEnd(bytes, i)
    }
  }
  return bytes.length
}

/** A number or a literal ends before the white space that follows it. */
function trimmedEnd(bytes: Buffer, to: number): number {
  let end = to
  while (end > 0 && skipSpace(bytes, end - 1) !== end - 1) end--
  return end
}

/** Members of the object whose brace is at `at`, in their order. */
export function* memberSpans(bytes: Buffer, at: number): Generator<MemberSpan, void> {
  let commaBefore = -1
  let i = skipSpace(bytes, at + 1)
  while (bytes[i] === QUOTE) {
    const nameEnd = stringEnd(bytes, i)
    const name = JSON.parse(bytes.toString('utf8', i, nameEnd)) as string
    const colon = skipSpace(bytes, nameEnd)
    const value = skipSpace(bytes, colon + 1)
    const end = valueEnd(bytes, value)
    const next = skipSpace(bytes, end)
    const commaAfter = bytes[next] === COMMA ? next : -1
    yield {
      name,
      whole: { from: i, to: end },
      value: { from: value, to: end },
      commaBefore,
      commaAfter,
    }
    if (commaAfter === -1) return
    commaBefore = commaAfter
    i = skipSpace(bytes, commaAfter + 1)
  }
}

/** Elements of the array whose bracket is at `at`, in their order. */
export function* elementSpans(bytes: Buffer, at: number): Generator<Span, void> {
  let i = skipSpace(bytes, at + 1)
  while (i < bytes.length && bytes[i] !== CLOSE_BRACKET) {
    const to = valueEnd(bytes, i)
    yield { from: i, to }
    const next = skipSpace(bytes, to)
    if (bytes[next] !== COMMA) return
    i = skipSpace(bytes, next + 1)
  }
}

/** The member of that name of the object whose brace is at `at`. */
export function findMember(bytes: Buffer, at: number, name: string): MemberSpan | null {
  for (const member of memberSpans(bytes, at)) if (member.name === name) return member
  return null
}

/** Where the document's value begins. */
export function documentStart(bytes: Buffer): number {
  return skipSpace(bytes, 0)
}

export interface Edit extends Span {
  /** What stands there afterwards. */
  readonly text: string
}

/** Takes a member out, with the comma that would be left over: the one before it, or after it where it is the first. */
export function removal({ whole, commaBefore, commaAfter }: MemberSpan): Edit {
  if (commaBefore !== -1) return { from: commaBefore, to: whole.to, text: '' }
  if (commaAfter !== -1) return { from: whole.from, to: commaAfter + 1, text: '' }
  return { ...whole, text: '' }
}

/** @param edits apart from each other, in any order; what is put in stands before what is taken out at the same place */
export function applyEdits(bytes: Buffer, edits: readonly Edit[]): Buffer {
  const pieces: Buffer[] = []
  let at = 0
  for (const { from, to, text } of edits.toSorted((a, b) => a.from - b.from || a.to - b.to)) {
    pieces.push(bytes.subarray(at, from), Buffer.from(text))
    at = to
  }
  return Buffer.concat([...pieces, bytes.subarray(at)])
}
