/**
 * Strict JSON: what JSON.parse lets through and a signed protocol must not.
 *
 * Refused: text that is not UTF-8, a byte-order mark, duplicate member names at any depth (each reader picks another
 * one of them, so a digest over one says nothing about the other), lone surrogates (no two languages serialise them
 * alike, RFC 8785 §3.2.2.2), nesting deeper than {@link MAX_JSON_DEPTH}, more values than {@link MAX_JSON_VALUES}.
 *
 * @module
 */
import { fromUtf8, toUtf8 } from './utf8.ts'

/** Nesting depth allowed in any JSON document that Countersign reads. */
export const MAX_JSON_DEPTH = 64

/**
 * Values in one document. A few bytes of text become an object of many times their size: without a bound on the number of
 * values a body within its limit could still take all memory there is.
 */
export const MAX_JSON_VALUES = 262_144

export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject
export interface JsonObject {
  readonly [name: string]: JsonValue
}

export type JsonFault =
  | 'not_utf8'
  | 'not_json'
  | 'duplicate_member'
  | 'lone_surrogate'
  | 'number_overflow'
  | 'too_deep'
  | 'too_many_values'

export type JsonResult =
  | { readonly ok: true; readonly value: JsonValue }
  | { readonly ok: false; readonly fault: JsonFault }

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COLON = 0x3a
const COMMA = 0x2c
const BRACE = 0x7b
const BRACKET = 0x5b

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

interface Structure {
  /** One for each member that was written, duplicates included. */
  readonly colons: number
  /** Not fewer than the values that a parser would make of the text, up to the limit. */
  readonly values: number
}

/** Counts what stands outside of strings, before anything is parsed. */
function scan(bytes: Uint8Array): Structure {
  let colons = 0
  let values = 1
  let i = 0
  while (i < bytes.length && values <= MAX_JSON_VALUES) {
    const byte = bytes[i]
    if (byte === COLON) colons++
    // Every value but the outermost follows a comma, or is the first of its container.
    else if (byte === COMMA || byte === BRACE || byte === BRACKET) values++
    if (byte !== QUOTE) {
      i++
      continue
    }
    // A string ends at the first quote with an even number of backslashes before it. indexOf is native code: prompts
    // are long strings, and this runs for every request.
    for (;;) {
      const end = bytes.indexOf(QUOTE, i + 1)
      if (end === -1) return { colons, values }
      let slashes = 0
      while (bytes[end - 1 - slashes] === BACKSLASH) slashes++
      i = end
      if (slashes % 2 === 0) break
    }
    i++
  }
  return { colons, values }
}

interface Walk {
  members: number
  fault: JsonFault | null
}

function walk(value: unknown, depth: number, state: Walk): void {
  if (state.fault !== null) return
  if (typeof value === 'string') {
    if (!value.isWellFormed()) state.fault = 'lone_surrogate'
    return
  }
  if (typeof value === 'number') {
    // JSON.parse reads 1e999 as Infinity, which has no JSON spelling at all.
    if (!Number.isFinite(value)) state.fault = 'number_overflow'
    return
  }
  if (typeof value !== 'object' || value === null) return
  if (depth >= MAX_JSON_DEPTH) {
    state.fault = 'too_deep'
    return
  }
  if (Array.isArray(value)) {
    for (const item of value) walk(item, depth + 1, state)
    return
  }
  for (const name in value) {
    state.members++
    if (!name.isWellFormed()) state.fault = 'lone_surrogate'
    walk((value as Record<string, unknown>)[name], depth + 1, state)
  }
}

/** Parses one JSON text from its bytes. Never throws. */
export function parseJson(bytes: Uint8Array): JsonResult {
  const { colons, values } = scan(bytes)
  if (values > MAX_JSON_VALUES) return { ok: false, fault: 'too_many_values' }
  const text = fromUtf8(bytes)
  if (text === null) return { ok: false, fault: 'not_utf8' }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return { ok: false, fault: 'not_json' }
  }
  const state: Walk = { members: 0, fault: null }
  walk(value, 0, state)
  if (state.fault !== null) return { ok: false, fault: state.fault }
  if (colons !== state.members) return { ok: false, fault: 'duplicate_member' }
  return { ok: true, value: value as JsonValue }
}

/** {@link parseJson} for a text that is already a string. */
export function parseJsonText(text: string): JsonResult {
  // Encoding would turn a lone surrogate into U+FFFD.
  return text.isWellFormed() ? parseJson(toUtf8(text)) : { ok: false, fault: 'lone_surrogate' }
}
