/**
 * Request members: a salted digest for each top-level member of the request body that the enclave received, so that
 * nobody between user and enclave can force an answer with an added `logit_bias`, or drop or change a member, unseen.
 *
 * @module
 */
import type { CryptoPort } from '../crypto/port.ts'
import type { Sha256Digest } from './hex.ts'
import { canonicalize } from './jcs.ts'
import type { JsonObject } from './json.ts'
import { saltedDigest } from './salted-digest.ts'

/** Top-level members a request body may have. */
export const MAX_REQUEST_MEMBERS = 256
/** Length of a member's name in UTF-16 code units. */
export const MAX_MEMBER_NAME = 256

export interface RequestMember {
  readonly digest: Sha256Digest
  readonly name: string
}

/** Digest of one member: salted, over JCS({"name", "value"}), so that equal values of two members do not show. */
export function memberDigest(
  name: string,
  value: unknown,
  salt: Uint8Array,
  crypto: CryptoPort,
): Sha256Digest {
  const canonical = `{"name":${canonicalize(name)},"value":${canonicalize(value)}}`
  return saltedDigest('countersign.member.v1', salt, canonical, crypto)
}

/** All members, sorted by name in UTF-16 code units. */
export function requestMembers(
  body: JsonObject,
  salt: Uint8Array,
  crypto: CryptoPort,
): RequestMember[] {
  return Object.keys(body)
    .sort()
    .map((name) => ({ digest: memberDigest(name, body[name], salt, crypto), name }))
}
