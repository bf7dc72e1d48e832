/**
 * What all tokens of an answer have to say alike (times, issuer, nonce), and what the overall token says of the others.
 *
 * @module
 */
import type { CryptoPort } from '../../../crypto/port.ts'
import { fromHex, isHex32, toHex } from '../../../protocol/hex.ts'
import { isJsonObject } from '../../../protocol/json.ts'
import type { JsonObject, JsonValue } from '../../../protocol/json.ts'
import { toUtf8 } from '../../../protocol/utf8.ts'
import { errorDetails } from './judge-device-claims.ts'
import type { Refusal } from './judge-device-claims.ts'
import { NRAS_CLAIMS_VERSIONS } from './nras-policy.ts'
import type { NrasClaimsVersion, NrasPolicy } from './nras-policy.ts'
import type { NrasAnswer, NrasDeviceToken } from './parse-nras-answer.ts'

/** What the service calls an overall token. */
const OVERALL_SUBJECT = 'NVIDIA-PLATFORM-ATTESTATION'
const MAX_SHOWN = 64

interface Named {
  readonly name: string
  readonly claims: JsonObject
}

function allOf(answer: NrasAnswer): readonly Named[] {
  const devices = answer.devices.map(({ name, token }) => ({ name, claims: token.claims }))
  return [{ name: 'overall', claims: answer.overall.claims }, ...devices]
}

/** The first refusal of any token, with the token's name. */
function firstRefusal(
  answer: NrasAnswer,
  judge: (claims: JsonObject) => Refusal | null,
): Refusal | null {
  for (const { name, claims } of allOf(answer)) {
    const fault = judge(claims)
    if (fault !== null) return { code: fault.code, detail: `${name}: ${fault.detail}` }
  }
  return null
}

function isSeconds(value: JsonValue | undefined): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

function judgeTimesOf(claims: JsonObject, at: number, policy: NrasPolicy): Refusal | null {
  const { nbf, iat, exp } = claims
  if (!isSeconds(nbf) || !isSeconds(iat) || !isSeconds(exp) || exp <= iat || exp <= nbf) {
    return { code: 'nras_time_malformed', detail: 'nbf, iat, exp' }
  }
  const { clockSkewS: skew, maxTokenLifetimeS: lifetime } = policy
  if (exp - iat > lifetime) {
    return { code: 'nras_lifetime_refused', detail: `${exp - iat} seconds` }
  }
  if (nbf > at + skew || iat > at + skew) {
    return { code: 'nras_not_yet_valid', detail: `issued ${iat}, valid from ${nbf}` }
  }
  // RFC 7519 §4.1.4: on or after exp the token must not be accepted.
  return at >= exp + skew ? { code: 'nras_expired', detail: `until ${exp}` } : null
}

/** RFC 7519 §4.1.4 to §4.1.6. Written so that each of the three must be there: a token without exp would live for ever. */
export function judgeTimes(answer: NrasAnswer, at: number, policy: NrasPolicy): Refusal | null {
  return firstRefusal(answer, (claims) => judgeTimesOf(claims, at, policy))
}

export function judgeIssuer(answer: NrasAnswer, policy: NrasPolicy): Refusal | null {
  return firstRefusal(answer, ({ iss }) =>
    iss === policy.issuer
      ? null
      : {
          code: 'nras_issuer_mismatch',
          detail: typeof iss === 'string' ? iss.slice(0, MAX_SHOWN) : 'no issuer',
        },
  )
}

/**
 * Each token's own `eat_nonce`. A token that holds an error names none: its device has already failed, and what is wrong with
 * it is for that check to say.
 */
export function judgeNonce(
  answer: NrasAnswer,
  expected: Uint8Array,
  crypto: CryptoPort,
): Refusal | null {
  return firstRefusal(answer, (claims) => {
    const { eat_nonce: nonce } = claims
    if (nonce === undefined && errorDetails(claims) !== null) return null
    const bytes = typeof nonce === 'string' ? fromHex(nonce) : null
    return bytes !== null && crypto.equal(bytes, expected)
      ? null
      : { code: 'nras_nonce_mismatch', detail: bytes === null ? 'no nonce' : 'another nonce' }
  })
}

/** `["DIGEST", ["SHA-256", hex]]`. @returns the hex, or null */
function digestOf(value: JsonValue | undefined): string | null {
  if (!Array.isArray(value) || value.length !== 2) return null
  const [label, digest] = value as readonly JsonValue[]
  if (label !== 'DIGEST' || !Array.isArray(digest) || digest.length !== 2) return null
  const [algorithm, hex] = digest as readonly JsonValue[]
  return algorithm === 'SHA-256' && isHex32(hex) ? hex : null
}

/**
 * The devices are exactly those that the overall token lists, numbered from 0 without a gap, and each token is the one whose
 * SHA-256 the overall token signs. So none can be left out, added, or taken from another answer.
 */
export function judgeSubmodules(answer: NrasAnswer, crypto: CryptoPort): Refusal | null {
  const { submods } = answer.overall.claims
  if (!isJsonObject(submods)) return { code: 'nras_device_set_mismatch', detail: 'no submods' }
  const names = answer.devices.map(({ name }) => name)
  const listed = Object.keys(submods)
  const missing = listed.find((name) => !names.includes(name))
  const added = names.find((name) => !listed.includes(name))
  if (missing !== undefined || added !== undefined) {
    const detail =
      missing === undefined
        ? `${added ?? ''} is not signed for`
        : `no token of ${missing.slice(0, MAX_SHOWN)}`
    return { code: 'nras_device_set_mismatch', detail }
  }
  const gap = answer.devices.find(({ index }, place) => index !== place)
  if (gap !== undefined) {
    return { code: 'nras_device_set_mismatch', detail: `${gap.name} follows a gap` }
  }
  const other = answer.devices.find(
    ({ name, token }) => digestOf(submods[name]) !== toHex(crypto.sha256(toUtf8(token.compact))),
  )
  return other === undefined ? null : { code: 'nras_digest_mismatch', detail: other.name }
}

/** One device that is listed under two names must not count as two. */
export function judgeUnique(devices: readonly NrasDeviceToken[]): Refusal | null {
  const owners = new Map<string, string>()
  for (const { name, token } of devices) {
    const { ueid } = token.claims
    // The service names no device where it answers with an error, which is for that device's own check to say.
    if (ueid === undefined && errorDetails(token.claims) !== null) continue
    if (typeof ueid !== 'string') {
      return { code: 'nras_claim_refused', detail: `${name}: ueid is no text` }
    }
    const owner = owners.get(ueid)
    if (owner !== undefined) {
      return { code: 'nras_duplicate_device', detail: `${owner} and ${name} have one ueid` }
    }
    owners.set(ueid, name)
  }
  return null
}

export type ClaimsVersionResult =
  | { readonly ok: true; readonly version: NrasClaimsVersion }
  | { readonly ok: false; readonly refusal: Refusal }

/** `x-nvidia-ver` of the overall token: the version of the claims in all tokens of the answer. */
export function claimsVersionOf(overall: JsonObject, policy: NrasPolicy): ClaimsVersionResult {
  const given = overall['x-nvidia-ver']
  const version = NRAS_CLAIMS_VERSIONS.find((known) => known === given)
  const detail = `x-nvidia-ver ${typeof given === 'string' ? given.slice(0, MAX_SHOWN) : 'missing'}`
  if (version === undefined) {
    return { ok: false, refusal: { code: 'nras_claims_unsupported', detail } }
  }
  return policy.claimsVersions.includes(version)
    ? { ok: true, version }
    : { ok: false, refusal: { code: 'nras_claims_version_refused', detail } }
}

/** What the overall token says beside its submodules. Claims that are not known are tolerated, as in device tokens. */
export function judgeOverallClaims(overall: JsonObject, policy: NrasPolicy): Refusal | null {
  const version = claimsVersionOf(overall, policy)
  if (!version.ok) return version.refusal
  if (overall['sub'] !== OVERALL_SUBJECT) {
    return { code: 'nras_claim_refused', detail: 'sub is not that of an overall token' }
  }
  // Exactly true: a client that takes any truthy value takes the text "false".
  return overall['x-nvidia-overall-att-result'] === true
    ? null
    : { code: 'nras_result_false', detail: 'x-nvidia-overall-att-result' }
}
