/**
 * A token of NVIDIA's Remote Attestation Service: a JWS in compact form (RFC 7515 §7.1), read strictly before any library
 * sees it, so that no header can choose how it is verified.
 *
 * @module
 */
import { decodeBase64Url } from '../../../protocol/base64.ts'
import { isJsonObject, parseJson } from '../../../protocol/json.ts'
import type { JsonObject } from '../../../protocol/json.ts'

/** Characters of one token. A good one has about 2,500; one that lists all 64 measurements as wrong has about 30,000. */
export const MAX_TOKEN_LENGTH = 64 * 1024
/** Characters of a key id. */
export const MAX_KID_LENGTH = 256
/** ECDSA P-384, r ‖ s (RFC 7518 §3.4). */
export const TOKEN_SIGNATURE_BYTES = 96

export interface CompactToken {
  /** The exact text: what is signed and digested. */
  readonly compact: string
  /** Which key the header names. Not proven until the signature verifies. */
  readonly kid: string
  /** The payload. Not proven either. */
  readonly claims: JsonObject
}

export interface TokenFault {
  readonly code: 'nras_token_malformed' | 'nras_algorithm_refused' | 'nras_header_refused'
  readonly detail: string
}

export type TokenResult =
  { readonly ok: true; readonly token: CompactToken } | ({ readonly ok: false } & TokenFault)

function refuse(code: TokenFault['code'], detail: string): TokenResult {
  return { ok: false, code, detail }
}

/** Base64url of one JSON object, duplicate members refused: two readers would not see the same claims. */
function objectOf(part: string, what: string): JsonObject | string {
  const bytes = decodeBase64Url(part)
  if (bytes === null) return `the ${what} is not base64url in its one spelling`
  const json = parseJson(bytes)
  if (!json.ok) return `the ${what} is not strict JSON: ${json.fault}`
  return isJsonObject(json.value) ? json.value : `the ${what} is not an object`
}

/**
 * Reads one token. Never throws; the signature is not looked at.
 *
 * Of the header, `alg` must be exactly ES384 and nothing may stand beside `kid`, `alg` and `typ`: members such as jwk, jku,
 * x5u and x5c would let the token bring its own key, crit and b64 would change what is signed.
 */
export function parseCompactToken(compact: string): TokenResult {
  if (compact.length > MAX_TOKEN_LENGTH) {
    return refuse('nras_token_malformed', `longer than ${MAX_TOKEN_LENGTH} characters`)
  }
  const [headerPart, payloadPart, signaturePart, ...rest] = compact.split('.')
  if (
    headerPart === undefined ||
    payloadPart === undefined ||
    signaturePart === undefined ||
    rest.length !== 0
  ) {
    return refuse('nras_token_malformed', 'not three parts')
  }
  const header = objectOf(headerPart, 'header')
  if (typeof header === 'string') return refuse('nras_token_malformed', header)
  const { alg, kid, typ, ...others } = header
  if (alg !== 'ES384') {
    const named = typeof alg === 'string' ? alg.slice(0, 16) : 'no text'
    return refuse('nras_algorithm_refused', `alg is ${named}`)
  }
  const [odd] = Object.keys(others)
  if (odd !== undefined) {
    return refuse('nras_header_refused', `the header has ${odd.slice(0, 64)}`)
  }
  if (typ !== undefined && typ !== 'JWT') return refuse('nras_header_refused', 'typ is not JWT')
  if (typeof kid !== 'string' || kid.length === 0 || kid.length > MAX_KID_LENGTH) {
    return refuse('nras_token_malformed', 'the header names no key')
  }
  const claims = objectOf(payloadPart, 'payload')
  if (typeof claims === 'string') return refuse('nras_token_malformed', claims)
  if (decodeBase64Url(signaturePart)?.length !== TOKEN_SIGNATURE_BYTES) {
    return refuse('nras_token_malformed', `the signature is not ${TOKEN_SIGNATURE_BYTES} bytes`)
  }
  return { ok: true, token: Object.freeze({ compact, kid, claims }) }
}
