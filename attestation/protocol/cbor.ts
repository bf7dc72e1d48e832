/**
 * Deterministic CBOR (RFC 8949 §4.2.1), read strictly: of each value one spelling only, so that one signature has one text of bytes.
 *
 * Own code because the decoders of this field take several spellings of one value (cbor-x 1.6.9, 2026-07: repeated keys, long heads, indefinite
 * lengths). Refused: those, keys that are not in bytewise order of their encoding, texts that are not UTF-8, tags, floats, simple values but
 * false, true and null, integers beyond 2^53 − 1, and bytes after the item.
 *
 * @module
 */
import { fromUtf8 } from './utf8.ts'

/** Containers inside each other. */
export const MAX_CBOR_DEPTH = 16

export type CborKey = string | number
export type CborValue =
  null | boolean | number | string | Uint8Array | readonly CborValue[] | CborMap
export interface CborMap extends ReadonlyMap<CborKey, CborValue> {}

export type CborResult =
  { readonly ok: true; readonly value: CborValue } | { readonly ok: false; readonly detail: string }

const MAJOR = { unsigned: 0, negative: 1, bytes: 2, text: 3, array: 4, map: 5, simple: 7 } as const
const FALSE = 20
const TRUE = 21
const NULL = 22

/** Thrown inside this file only. */
class Refused extends Error {}

interface Reader {
  readonly bytes: Uint8Array
  at: number
}

function take(reader: Reader, count: number): Uint8Array {
  if (count > reader.bytes.length - reader.at) throw new Refused('ends too early')
  reader.at += count
  return reader.bytes.subarray(reader.at - count, reader.at)
}

/** The argument of an initial byte (§3), in its shortest form. */
function argument(reader: Reader, info: number): number {
  if (info < 24) return info
  if (info > 27) throw new Refused('an indefinite length, or additional information of no meaning')
  let value = 0
  for (const byte of take(reader, 2 ** (info - 24))) value = value * 256 + byte
  const least = { 24: 24, 25: 0x100, 26: 0x1_0000 }[info] ?? 0x1_0000_0000
  if (value < least) throw new Refused('a head longer than it must be')
  if (!Number.isSafeInteger(value)) throw new Refused('an integer beyond 2^53 - 1')
  return value
}

function isBefore(a: Uint8Array, b: Uint8Array): boolean {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const [left = 0, right = 0] = [a[i], b[i]]
    if (left !== right) return left < right
  }
  return a.length < b.length
}

function readMap(reader: Reader, count: number, depth: number): CborMap {
  const map = new Map<CborKey, CborValue>()
  let last: Uint8Array | null = null
  for (let i = 0; i < count; i++) {
    const start = reader.at
    const key = readItem(reader, depth)
    if (typeof key !== 'string' && typeof key !== 'number') {
      throw new Refused('a key that is neither text nor integer')
    }
    const encoded = reader.bytes.subarray(start, reader.at)
    // Strictly ascending, so none can stand twice.
    if (last !== null && !isBefore(last, encoded)) throw new Refused('keys that are not in order')
    last = encoded
    map.set(key, readItem(reader, depth))
  }
  return map
}

function readItem(reader: Reader, depth: number): CborValue {
  const [first = 0] = take(reader, 1)
  const major = first >> 5
  const info = first & 31
  if (major === MAJOR.simple) {
    if (info === NULL) return null
    if (info === FALSE || info === TRUE) return info === TRUE
    throw new Refused('a float, or a simple value that is none of false, true and null')
  }
  const value = argument(reader, info)
  switch (major) {
    case MAJOR.unsigned:
      return value
    case MAJOR.negative:
      if (!Number.isSafeInteger(-1 - value)) throw new Refused('an integer beyond 2^53 - 1')
      return -1 - value
    case MAJOR.bytes:
      return take(reader, value).slice()
    case MAJOR.text: {
      const text = fromUtf8(take(reader, value))
      if (text === null) throw new Refused('a text that is not UTF-8')
      return text
    }
    case MAJOR.array:
    case MAJOR.map: {
      if (depth === 0) throw new Refused('too many containers inside each other')
      // Every item has a byte at least: a count beyond that cannot be met, and costs nothing.
      const least = major === MAJOR.map ? 2 * value : value
      if (least > reader.bytes.length - reader.at) throw new Refused('ends too early')
      return major === MAJOR.map
        ? readMap(reader, value, depth - 1)
        : Array.from({ length: value }, () => readItem(reader, depth - 1))
    }
    default:
      throw new Refused('a tag')
  }
}

/**
 * Reads one item that takes all of the bytes. Never throws.
 *
 * @param bytes bounded by the caller
 */
export function decodeCbor(bytes: Uint8Array): CborResult {
  const reader: Reader = { bytes, at: 0 }
  try {
    const value = readItem(reader, MAX_CBOR_DEPTH)
    if (reader.at !== bytes.length) throw new Refused('bytes after the item')
    return { ok: true, value }
  } catch (error) {
    if (!(error instanceof Refused)) throw error
    return { ok: false, detail: error.message }
  }
}

/** Head of a byte string in its shortest form (§3.1). */
export function byteStringHead(length: number): Uint8Array {
  const major = MAJOR.bytes << 5
  if (length < 24) return Uint8Array.of(major | length)
  if (length < 0x100) return Uint8Array.of(major | 24, length)
  if (length < 0x1_0000) return Uint8Array.of(major | 25, length >> 8, length & 0xff)
  const [a, b, c, d] = [length >>> 24, (length >> 16) & 0xff, (length >> 8) & 0xff, length & 0xff]
  return Uint8Array.of(major | 26, a, b, c, d)
}
