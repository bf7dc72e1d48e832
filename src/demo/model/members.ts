/**
 * Readers of parsed JSON that never throw.
 *
 * @module
 */
import type { JsonValue } from '../../../attestation/protocol/json.ts'
import { isJsonObject } from '../../../attestation/protocol/json.ts'

/** `Array.isArray` that keeps the element type of a readonly array. */
export function isList(value: JsonValue | undefined): value is readonly JsonValue[] {
  return Array.isArray(value)
}

/** `function.name` of a tool or a tool choice; '' when there is none. */
export function functionName(tool: JsonValue | undefined): string {
  const declared = isJsonObject(tool) ? tool['function'] : undefined
  const name = isJsonObject(declared) ? declared['name'] : undefined
  return typeof name === 'string' ? name : ''
}

/** The value if it is a whole number. */
export function integer(value: JsonValue | undefined): number | null {
  return typeof value === 'number' && Number.isInteger(value) ? value : null
}

/** The value if it is an array, else nothing. */
export function list(value: JsonValue | undefined): readonly JsonValue[] {
  return isList(value) ? value : []
}

/** Python's truth, which is what the validators test. */
export function isTruthy(value: JsonValue | undefined): boolean {
  if (value === undefined || value === null) return false
  if (isList(value)) return value.length > 0
  if (typeof value === 'object') return Object.keys(value).length > 0
  return Boolean(value)
}
