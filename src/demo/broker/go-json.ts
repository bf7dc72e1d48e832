/**
 * JSON as Go's encoding/json reads and writes it through `map[string]interface{}`, which is what 0G's broker passes
 * both directions of its traffic through: members sorted by their UTF-8 bytes, the last of two equal names wins,
 * lone surrogates and broken UTF-8 become U+FFFD, U+2028 and U+2029 are always escaped.
 *
 * Requests lose their number spelling (each goes through float64), answers keep it (`Decoder.UseNumber`).
 *
 * @module
 */

/** Go itself stops at 10,000; a recursive reader in JavaScript has to stop earlier. Deeper text is "not JSON" here. */
export const MAX_GO_JSON_DEPTH = 1_000

/** A number that keeps the spelling it arrived in (`json.Number`). */
export class NumberLiteral {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

export type GoObject = Map<string, GoValue>
export type GoValue = null | boolean | number | string | NumberLiteral | GoValue[] | GoObject

export type GoNumbers = 'float64' | 'literal'

const WHITESPACE = /[ \t\n\r]*/y
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y
const QUOTE = '"'

class NotGoJson extends Error {}

class Reader {
  readonly #text: string
  readonly #numbers: GoNumbers
  #at = 0

  constructor(text: string, numbers: GoNumbers) {
    this.#text = text
    this.#numbers = numbers
  }

  document(): GoValue {
    const value = this.#value(0)
    this.#space()
    // Only json.Unmarshal looks behind the value; a Decoder reads the first one and is content.
    if (this.#numbers === 'float64' && this.#at !== this.#text.length) throw new NotGoJson()
    return value
  }

  #space(): void {
    WHITESPACE.lastIndex = this.#at
    WHITESPACE.exec(this.#text)
    this.#at = WHITESPACE.lastIndex
  }

  #take(token: string): boolean {
    this.#space()
    if (!this.#text.startsWith(token, this.#at)) return false
    this.#at += token.length
    return true
  }

  #value(depth: number): GoValue {
    if (depth > MAX_GO_JSON_DEPTH) throw new NotGoJson()
    if (this.#take('{')) return this.#object(depth)
    if (this.#take('[')) return this.#array(depth)
    if (this.#text.startsWith(QUOTE, this.#at)) return this.#string()
    if (this.#take('true')) return true
    if (this.#take('false')) return false
    if (this.#take('null')) return null
    return this.#number()
  }

  #object(depth: number): GoObject {
    const object: GoObject = new Map()
    if (this.#take('}')) return object
    do {
      this.#space()
      const name = this.#string()
      if (!this.#take(':')) throw new NotGoJson()
      object.set(name, this.#value(depth + 1))
    } while (this.#take(','))
    if (!this.#take('}')) throw new NotGoJson()
    return object
  }

  #array(depth: number): GoValue[] {
    const array: GoValue[] = []
    if (this.#take(']')) return array
    do array.push(this.#value(depth + 1))
    while (this.#take(','))
    if (!this.#take(']')) throw new NotGoJson()
    return array
  }

  #string(): string {
    const start = this.#at
    if (!this.#text.startsWith(QUOTE, start)) throw new NotGoJson()
    let end = start
    let slashes: number
    do {
      end = this.#text.indexOf(QUOTE, end + 1)
      if (end === -1) throw new NotGoJson()
      slashes = 0
      while (this.#text[end - 1 - slashes] === '\\') slashes++
    } while (slashes % 2 === 1)
    this.#at = end + 1
    // One string token: JSON.parse knows the escapes and refuses raw control characters, as Go does.
    const value: unknown = JSON.parse(this.#text.slice(start, end + 1))
    if (typeof value !== 'string') throw new NotGoJson()
    return value.toWellFormed()
  }

  #number(): number | NumberLiteral {
    NUMBER.lastIndex = this.#at
    const literal = NUMBER.exec(this.#text)?.[0]
    if (literal === undefined) throw new NotGoJson()
    this.#at += literal.length
    if (this.#numbers === 'literal') return new NumberLiteral(literal)
    const value = Number(literal)
    // json.Unmarshal fails on a number that float64 cannot hold.
    if (!Number.isFinite(value)) throw new NotGoJson()
    return value
  }
}

/**
 * @param bytes one JSON text
 * @param numbers `float64` as `json.Unmarshal` into an interface; `literal` as a `Decoder` with `UseNumber`, which also
 *   ignores what follows the first value
 * @returns the value, or null where Go would report an error or the text is deeper than {@link MAX_GO_JSON_DEPTH};
 *   the broker then forwards the bytes untouched. The document `null` is also null: the broker treats both alike.
 */
export function decodeGoJson(bytes: Uint8Array, numbers: GoNumbers): GoValue {
  try {
    // Not the strict decoder: Go replaces broken UTF-8 and carries on.
    return new Reader(Buffer.from(bytes).toString('utf8'), numbers).document()
  } catch (error) {
    if (error instanceof NotGoJson || error instanceof SyntaxError) return null
    throw error
  }
}

/** The Go value of a plain JavaScript value, for the members that a hostile broker makes up. */
export function toGoValue(value: unknown): GoValue {
  const text: unknown = JSON.stringify(value)
  if (typeof text !== 'string') throw new TypeError('the value has no JSON form')
  return decodeGoJson(Buffer.from(text), 'float64')
}

function byUtf8(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}

const HTML = /[<>&\u2028\u2029]/g
const LINE_SEPARATORS = /[\u2028\u2029]/g

function escape(character: string): string {
  return '\\u' + character.charCodeAt(0).toString(16).padStart(4, '0')
}

/**
 * @param value what {@link decodeGoJson} returned
 * @param options `escapeHtml`: `json.Marshal` does, an `Encoder` with `SetEscapeHTML(false)` does not
 */
export function encodeGoJson(value: GoValue, options: { readonly escapeHtml: boolean }): string {
  const special = options.escapeHtml ? HTML : LINE_SEPARATORS
  const write = (item: GoValue): string => {
    if (item === null) return 'null'
    if (typeof item === 'string') return JSON.stringify(item).replace(special, escape)
    // strconv writes float64 as JavaScript does, but for the sign of zero.
    if (typeof item === 'number') return Object.is(item, -0) ? '-0' : String(item)
    if (typeof item === 'boolean') return String(item)
    if (item instanceof NumberLiteral) return item.text
    if (Array.isArray(item)) return `[${item.map(write).join(',')}]`
    const members = [...item.keys()].sort(byUtf8).map((name) => {
      return `${write(name)}:${write(item.get(name) ?? null)}`
    })
    return `{${members.join(',')}}`
  }
  return write(value)
}
