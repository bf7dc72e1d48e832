/**
 * What an ACI client may ask of the service itself.
 *
 * @module
 */
import { isJsonObject } from '../../attestation/protocol/json.ts'
import type { JsonObject } from '../../attestation/protocol/json.ts'
import type { ServiceErrorCode } from '../errors.ts'

/**
 * ACI's constraints in the request body: consumed here, never forwarded.
 *
 * @returns whether the `provider` member is to be taken out, or the error
 */
export function readConstraints(body: JsonObject): boolean | ServiceErrorCode {
  const provider = body['provider']
  if (!isJsonObject(provider)) return false
  const names = Object.keys(provider)
  if (!names.some((name) => name.startsWith('aci_'))) return false
  if (names.includes('aci_session_ids')) return 'session_not_accepted'
  // `aci_verified: true` asks for verified inference, which is all there is here. Anything beside it is for somebody else,
  // and could only be passed on by writing the member anew.
  const known = names.length === 1 && typeof provider['aci_verified'] === 'boolean'
  return known ? true : 'invalid_constraint'
}
