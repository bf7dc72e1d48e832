/**
 * The key set of NVIDIA's Remote Attestation Service (RFC 7517), as `/.well-known/jwks.json` gives it: P-384 keys, each with
 * its short-lived certificate and the intermediate above.
 *
 * @module
 */
import { decodeBase64, decodeBase64Url } from '../../../protocol/base64.ts'
import { isJsonObject, parseJson } from '../../../protocol/json.ts'
import type { JsonValue } from '../../../protocol/json.ts'
import { MAX_KID_LENGTH } from './parse-compact-token.ts'

export const MAX_JWKS_BYTES = 512 * 1024
export const MAX_JWKS_KEYS = 64
/** Leaf and intermediate. */
export const MAX_X5C = 2
/** Bytes of DER of one of them; NVIDIA's have fewer than 1,000. */
export const MAX_X5C_CERTIFICATE_BYTES = 8 * 1024
const COORDINATE_BYTES = 48

export interface NrasKey {
  readonly kid: string
  /** Base64url, 48 bytes each. Whether they are a point is for the import to say. */
  readonly x: string
  readonly y: string
  /** x ‖ y, 96 bytes. */
  readonly point: Uint8Array
  /** DER, the key's own first. Not yet read. */
  readonly x5c: readonly Uint8Array[]
}

export type JwksResult =
  | { readonly ok: true; readonly keys: ReadonlyMap<string, NrasKey> }
  | { readonly ok: false; readonly detail: string }

const REQUIRED: readonly string[] = ['kid', 'kty', 'crv', 'x', 'y']
/** A private part, `d`, is not among them: such a key is anybody's. */
const MEMBERS: readonly string[] = [...REQUIRED, 'x5c', 'use', 'alg']

function certificatesOf(value: JsonValue | undefined): Uint8Array[] | null {
  if (value === undefined) return []
  if (!Array.isArray(value) || value.length === 0 || value.length > MAX_X5C) return null
  const out: Uint8Array[] = []
  for (const text of value as readonly JsonValue[]) {
    // RFC 7517 §4.7: base64, not base64url.
    if (typeof text !== 'string' || text.length > Math.ceil(MAX_X5C_CERTIFICATE_BYTES / 3) * 4) {
      return null
    }
    const der = decodeBase64(text)
    if (der === null) return null
    out.push(der)
  }
  return out
}

function coordinateOf(value: JsonValue | undefined): Uint8Array | null {
  if (typeof value !== 'string' || value.length !== (COORDINATE_BYTES / 3) * 4) return null
  return decodeBase64Url(value)
}

/** @returns the key, or what is wrong with it */
function keyOf(value: JsonValue): NrasKey | string {
  if (!isJsonObject(value)) return 'is no object'
  const names = Object.keys(value)
  const odd =
    REQUIRED.find((name) => !names.includes(name)) ?? names.find((name) => !MEMBERS.includes(name))
  if (odd !== undefined) return `lacks or must not have ${odd.slice(0, 64)}`
  const { kid, kty, crv, x, y, x5c, use, alg } = value
  if (typeof kid !== 'string' || kid.length === 0 || kid.length > MAX_KID_LENGTH) return 'has no id'
  if (kty !== 'EC' || crv !== 'P-384') return 'is not on P-384'
  if (use !== undefined && use !== 'sig') return 'is not for signatures'
  if (alg !== undefined && alg !== 'ES384') return 'is not for ES384'
  const xBytes = coordinateOf(x)
  const yBytes = coordinateOf(y)
  if (typeof x !== 'string' || typeof y !== 'string' || xBytes === null || yBytes === null) {
    return `has no coordinates of ${COORDINATE_BYTES} bytes`
  }
  const certificates = certificatesOf(x5c)
  if (certificates === null) return `has an x5c that is not 1 to ${MAX_X5C} certificates in base64`
  const point = new Uint8Array(2 * COORDINATE_BYTES)
  point.set(xBytes)
  point.set(yBytes, COORDINATE_BYTES)
  return Object.freeze({ kid, x, y, point, x5c: Object.freeze(certificates) })
}

/**
 * Reads a key set. Never throws; nothing about trust is judged here.
 *
 * One odd key refuses the whole set: a set that somebody mixed keys of his own into is not read in part.
 *
 * @param input the bytes as fetched or stapled, or the value that `parseJson` made of them
 */
export function parseJwks(input: unknown): JwksResult {
  let value = input
  if (input instanceof Uint8Array) {
    if (input.length > MAX_JWKS_BYTES) {
      return { ok: false, detail: `longer than ${MAX_JWKS_BYTES} bytes` }
    }
    const json = parseJson(input)
    if (!json.ok) return { ok: false, detail: `not strict JSON: ${json.fault}` }
    value = json.value
  }
  if (
    !isJsonObject(value) ||
    Object.keys(value).join() !== 'keys' ||
    !Array.isArray(value['keys'])
  ) {
    return { ok: false, detail: 'not an object of keys alone' }
  }
  const list = value['keys'] as readonly JsonValue[]
  if (list.length === 0 || list.length > MAX_JWKS_KEYS) {
    return { ok: false, detail: `${list.length} keys, not 1 to ${MAX_JWKS_KEYS}` }
  }
  const keys = new Map<string, NrasKey>()
  for (const [index, item] of list.entries()) {
    const key = keyOf(item)
    if (typeof key === 'string') return { ok: false, detail: `key ${index} ${key}` }
    // With two keys of one id, readers would pick different ones.
    if (keys.has(key.kid)) return { ok: false, detail: `key ${index} has the id of another` }
    keys.set(key.kid, key)
  }
  return { ok: true, keys }
}
