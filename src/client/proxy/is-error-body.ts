/**
 * Whether a body that nobody vouches for has the form of an error and of nothing else.
 *
 * @module
 */
import { isJsonObject, parseJson } from '../../../attestation/protocol/json.ts'
import type { ProxyLimits } from './proxy-limits.ts'

/** What an error answer may say that nobody vouches for: it must not pass for an answer. */
const ERROR_MEMBERS: ReadonlySet<string> = new Set([
  ...['error', 'type', 'code', 'detail', 'message', 'status', 'object', 'request_id'],
])

export function isErrorBody(bytes: Uint8Array, limits: ProxyLimits): boolean {
  if (bytes.length > limits.unverifiedErrorBytes) return false
  const parsed = parseJson(bytes)
  if (!parsed.ok || !isJsonObject(parsed.value)) return false
  const names = Object.keys(parsed.value)
  return names.length > 0 && names.every((name) => ERROR_MEMBERS.has(name))
}
