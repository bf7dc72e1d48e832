/**
 * Reads a caller's options once, so that what was checked is what is used.
 *
 * @module
 */
import type { JsonValue } from '../protocol/json.ts'

/** Nesting and members of one object or list. */
const MAX_DEPTH = 8
const MAX_MEMBERS = 1024
/** Characters of a name that are quoted. */
const MAX_SHOWN = 64

export type PlainDataResult =
  { readonly ok: true; readonly value: JsonValue } | { readonly ok: false; readonly detail: string }

class NotPlain extends Error {}

function dataOf(owner: object, key: PropertyKey, path: string): unknown {
  const property = Object.getOwnPropertyDescriptor(owner, key)
  // A getter can answer otherwise the second time; what is not enumerable would be lost in a copy.
  if (property === undefined || !('value' in property) || property.enumerable !== true) {
    throw new NotPlain(path)
  }
  return property.value
}

function copyList(list: readonly unknown[], path: string, depth: number): JsonValue {
  const { length } = list
  if (length > MAX_MEMBERS || Object.getPrototypeOf(list) !== Array.prototype) {
    throw new NotPlain(path)
  }
  // Beside its elements an array owns its length alone: one with a hole owns less.
  if (Reflect.ownKeys(list).length !== length + 1) throw new NotPlain(path)
  return Object.freeze(
    Array.from({ length }, (_, index) => copy(dataOf(list, index, path), path, depth)),
  )
}

function copyObject(object: object, path: string, depth: number): JsonValue {
  const prototype: unknown = Object.getPrototypeOf(object)
  // Members that are inherited, or that only a class knows how to read, would be lost.
  if (prototype !== Object.prototype && prototype !== null) throw new NotPlain(path)
  const keys = Reflect.ownKeys(object)
  if (keys.length > MAX_MEMBERS) throw new NotPlain(path)
  const entries = keys.map((key): [string, JsonValue] => {
    if (typeof key !== 'string') throw new NotPlain(path)
    const below = `${path}.${key.slice(0, MAX_SHOWN)}`
    return [key, copy(dataOf(object, key, below), below, depth)]
  })
  return Object.freeze(Object.fromEntries(entries))
}

function copy(value: unknown, path: string, depth: number): JsonValue {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return value
  if (typeof value === 'number' && Number.isFinite(value)) return value
  if (typeof value !== 'object' || depth >= MAX_DEPTH) throw new NotPlain(path)
  return Array.isArray(value)
    ? copyList(value, path, depth + 1)
    : copyObject(value, path, depth + 1)
}

/**
 * A frozen copy of what JSON can say: own enumerable data properties of plain objects and arrays. Everything else is
 * refused: accessors, inherited members, instances of classes (Map, Date), symbols, undefined, holes.
 *
 * @param name of the value, for the detail
 */
export function snapshot(value: unknown, name: string): PlainDataResult {
  try {
    return { ok: true, value: copy(value, name, 0) }
  } catch (error) {
    if (!(error instanceof NotPlain)) throw error
    return { ok: false, detail: `${error.message} is not plain data` }
  }
}
