/**
 * A request body that has to be a JSON object, read strictly.
 *
 * @module
 */
import { isJsonObject, parseJson } from '../../attestation/protocol/json.ts'
import type { JsonObject } from '../../attestation/protocol/json.ts'
import { MAX_MEMBER_NAME, MAX_REQUEST_MEMBERS } from '../../attestation/protocol/request-members.ts'
import type { ServiceErrorCode } from '../errors.ts'

export type JsonRequest =
  | { readonly ok: true; readonly request: JsonObject }
  | { readonly ok: false; readonly code: ServiceErrorCode }

/**
 * Names stand in the receipt as they are; all of them together are bounded, so that no request makes a receipt that is too
 * long for a verifier or that crowds out others.
 */
const MAX_NAMES_BYTES = 16 * 1024

function areNamesBounded(names: readonly string[]): boolean {
  if (names.length > MAX_REQUEST_MEMBERS) return false
  let bytes = 0
  for (const name of names) {
    if (name.length > MAX_MEMBER_NAME) return false
    bytes += Buffer.byteLength(JSON.stringify(name))
  }
  return bytes <= MAX_NAMES_BYTES
}

const FAULT_CODES = {
  not_utf8: 'body_ill_formed',
  not_json: 'body_not_json',
  duplicate_member: 'body_duplicate_member',
  lone_surrogate: 'body_ill_formed',
  number_overflow: 'body_ill_formed',
  too_deep: 'body_ill_formed',
  too_many_values: 'body_ill_formed',
} as const satisfies Record<string, ServiceErrorCode>

export function readJsonRequest(body: Buffer): JsonRequest {
  const parsed = parseJson(body)
  if (!parsed.ok) return { ok: false, code: FAULT_CODES[parsed.fault] }
  if (!isJsonObject(parsed.value)) return { ok: false, code: 'body_not_object' }
  const request = parsed.value
  return areNamesBounded(Object.keys(request))
    ? { ok: true, request }
    : { ok: false, code: 'body_too_many_members' }
}
