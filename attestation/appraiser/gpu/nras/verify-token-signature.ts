/**
 * The signature of one token. The only file of the appraiser that imports `jose`, and the only one that waits: `jose` uses the
 * runtime's Web Crypto. Everything else about a token is judged by code that needs neither.
 *
 * @module
 */
import { compactVerify } from 'jose/jws/compact/verify'
import type { CompactToken } from './parse-compact-token.ts'
import type { NrasKey } from './parse-jwks.ts'

/** In every runtime, in no ECMAScript library; browsers leave `subtle` out on pages that are not secure. */
declare const globalThis: { readonly crypto?: { readonly subtle?: unknown } }

export type TokenSignature = 'valid' | 'invalid' | 'unsupported'

/**
 * ES384 (RFC 7518 §3.4) over the exact text of the token.
 *
 * @param token of {@link parseCompactToken}, so its header names ES384 and nothing that leads elsewhere
 * @returns `invalid` also for a key that is no point of the curve; `unsupported` where the runtime has no Web Crypto
 */
export async function verifyTokenSignature(
  token: CompactToken,
  key: NrasKey,
): Promise<TokenSignature> {
  if (globalThis.crypto?.subtle === undefined) return 'unsupported'
  try {
    const jwk = { kty: 'EC', crv: 'P-384', x: key.x, y: key.y }
    await compactVerify(token.compact, jwk, { algorithms: ['ES384'] })
    return 'valid'
  } catch {
    return 'invalid'
  }
}
