/**
 * Readers of single members, for the parsers of documents: each throws {@link Unreadable}, which the parser turns into its
 * result, so that a document is read in one line a member.
 *
 * @module
 */
import { isHex32 } from '../protocol/hex.ts'
import type { Hex32 } from '../protocol/hex.ts'
import { isJsonObject } from '../protocol/json.ts'
import type { JsonObject, JsonValue } from '../protocol/json.ts'

/** Characters of a name that are quoted in a detail. */
const MAX_SHOWN = 64

/** Thrown and caught inside the appraiser only. */
export class Unreadable extends Error {
  /** Unsupported: a genuine kind that is not judged here. */
  readonly kind: 'malformed' | 'unsupported'
  constructor(detail: string, kind: Unreadable['kind'] = 'malformed') {
    super(detail)
    this.kind = kind
  }
}

/** @param members all of them must be there, and beside them only the `optional` ones */
export function objectOf(
  value: unknown,
  what: string,
  members: readonly string[],
  optional: readonly string[] = [],
): JsonObject {
  if (!isJsonObject(value)) throw new Unreadable(`${what} is not an object`)
  const names = Object.keys(value)
  const absent = members.find((name) => !names.includes(name))
  if (absent !== undefined) throw new Unreadable(`${what} lacks ${absent}`)
  const odd = names.find((name) => !members.includes(name) && !optional.includes(name))
  if (odd !== undefined) {
    throw new Unreadable(`${what} must not have ${odd.slice(0, MAX_SHOWN)}`)
  }
  return value
}

/** @param limit characters */
export function textOf(value: unknown, what: string, limit: number): string {
  if (typeof value !== 'string' || value.length > limit) throw new Unreadable(`${what} is no text`)
  return value
}

export function integerOf(value: unknown, what: string): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    throw new Unreadable(`${what} is no whole number`)
  }
  return value
}

export function hex32Of(value: unknown, what: string): Hex32 {
  if (!isHex32(value)) throw new Unreadable(`${what} is not 64 hex digits`)
  return value
}

/** @param limit elements */
export function listOf(value: unknown, what: string, limit: number): readonly JsonValue[] {
  if (!Array.isArray(value) || value.length > limit) throw new Unreadable(`${what} is no list`)
  return value as readonly JsonValue[]
}
