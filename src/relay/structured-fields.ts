/**
 * What the relay reads of structured fields (RFC 9651): a client's wishes for digests and signatures. What cannot be read, or
 * cannot be done, asks for nothing (RFC 9421 §5.2, RFC 9530 §4).
 *
 * @module
 */
import { isInnerList, parseDictionary, serializeItem } from 'structured-headers'
import type { Dictionary, InnerList, Item } from 'structured-headers'
import {
  HTTP_SIGNATURE_TAG,
  MAX_HTTP_NONCE,
  MAX_STRUCTURED_HEADER,
  REQUEST_DIGEST_COMPONENT,
  isCovered,
} from '../../attestation/protocol/http-signature.ts'
import type { SignatureWish } from '../../enclave/http-signatures/http-signer.ts'

/** Members of `Accept-Signature` that are looked at. */
export const MAX_SIGNATURE_WISHES = 8

function dictionaryOf(header: string): Dictionary {
  if (header.length > MAX_STRUCTURED_HEADER) return new Map()
  try {
    return parseDictionary(header)
  } catch {
    return new Map()
  }
}

/** Whether `Want-Content-Digest` asks for SHA-256 (RFC 9530 §4: 1 to 10, 0 for "not acceptable"). */
export function wantsSha256(header: string): boolean {
  const [weight] = dictionaryOf(header).get('sha-256') ?? []
  return typeof weight === 'number' && Number.isInteger(weight) && weight >= 1 && weight <= 10
}

/** Whether a request's `Content-Digest` has that SHA-256. @param hash 32 bytes */
export function statesSha256(header: string, hash: Uint8Array): boolean {
  const [bytes] = dictionaryOf(header).get('sha-256') ?? []
  return bytes instanceof ArrayBuffer && Buffer.from(bytes).equals(hash)
}

const WANTED = (value: unknown) => value === true

function wishOf([items, params]: InnerList, keyId: string): SignatureWish | null {
  const components = items.map((item) => serializeItem(item))
  if (!isCovered(components)) return null
  for (const [name, value] of params) {
    const can =
      name === 'created' || name === 'expires'
        ? WANTED(value)
        : name === 'nonce'
          ? typeof value === 'string' && value.length > 0 && value.length <= MAX_HTTP_NONCE
          : (name === 'alg' && value === 'ed25519') ||
            (name === 'keyid' && value === keyId) ||
            (name === 'tag' && value === HTTP_SIGNATURE_TAG)
    // All that was asked for is done, or nothing.
    if (!can) return null
  }
  const nonce = params.get('nonce')
  return {
    components,
    nonce: typeof nonce === 'string' ? nonce : null,
    alg: params.has('alg'),
    expires: params.has('expires'),
  }
}

/**
 * The first member of `Accept-Signature` that can be satisfied.
 *
 * @param requestDigest the request states a digest, and it is that of what arrived
 */
export function readSignatureWish(
  header: string,
  keyId: string,
  requestDigest: boolean,
): { readonly label: string; readonly wish: SignatureWish } | null {
  const members: [string, Item | InnerList][] = [...dictionaryOf(header)]
  for (const [label, member] of members.slice(0, MAX_SIGNATURE_WISHES)) {
    const wish = isInnerList(member) ? wishOf(member, keyId) : null
    if (wish === null) continue
    if (requestDigest || !wish.components.includes(REQUEST_DIGEST_COMPONENT)) return { label, wish }
  }
  return null
}
