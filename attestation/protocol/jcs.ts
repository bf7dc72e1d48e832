/**
 * JSON Canonicalization Scheme, RFC 8785, over values that came from a strict parse or were built by us.
 *
 * Own code because it runs for every request and every receipt: 5 to 8 times faster than the libraries tried, and
 * strict where they are not (they write undefined, call toJSON, or let lone surrogates through). A test compares it
 * with `canonicalize` on random documents and with the RFC's vectors.
 *
 * @module
 */
import { MAX_JSON_DEPTH } from './json.ts'
import { toUtf8 } from './utf8.ts'

/** The text as UTF-8 bytes, which is what gets hashed. */
export function canonicalBytes(value: unknown): Uint8Array<ArrayBuffer> {
  return toUtf8(canonicalize(value))
}

/**
 * The canonical text of a JSON value.
 *
 * @throws TypeError for what is not JSON (undefined, functions, bigint, non-finite numbers, class instances with
 *   methods count as their own enumerable members), for lone surrogates and for nesting beyond MAX_JSON_DEPTH
 */
export function canonicalize(value: unknown): string {
  return write(value, 0)
}

function write(value: unknown, depth: number): string {
  switch (typeof value) {
    case 'string':
      if (!value.isWellFormed()) throw new TypeError('a lone surrogate has no canonical form')
      // RFC 8785 §3.2.2.2 takes over the string escapes of ECMAScript's JSON.stringify.
      return JSON.stringify(value)
    case 'number':
      if (!Number.isFinite(value)) throw new TypeError('a non-finite number has no canonical form')
      // RFC 8785 §3.2.2.3 takes over Number::toString, in which -0 is 0.
      return String(value)
    case 'boolean':
      return value ? 'true' : 'false'
    case 'object':
      if (value === null) return 'null'
      if (depth >= MAX_JSON_DEPTH) throw new TypeError('nested too deeply for a canonical form')
      return Array.isArray(value) ? writeArray(value, depth + 1) : writeObject(value, depth + 1)
    default:
      throw new TypeError(`a ${typeof value} has no canonical form`)
  }
}

function writeArray(items: readonly unknown[], depth: number): string {
  let out = '['
  for (let i = 0; i < items.length; i++) {
    if (i > 0) out += ','
    out += write(items[i], depth)
  }
  return out + ']'
}

function writeObject(object: object, depth: number): string {
  // The default sort compares UTF-16 code units, which is the order RFC 8785 §3.2.3 asks for.
  const names = Object.keys(object).sort()
  let out = '{'
  for (const name of names) {
    if (out.length > 1) out += ','
    out += write(name, depth) + ':' + write((object as Record<string, unknown>)[name], depth)
  }
  return out + '}'
}
