/**
 * Signs answers as HTTP messages (RFC 9421), with the boot key of that role.
 *
 * @module
 */
import {
  HTTP_SIGNATURE_LIFETIME_S,
  HTTP_SIGNATURE_TAG,
  signatureBase,
} from '../../attestation/protocol/http-signature.ts'
import type { HttpComponent, SignedExchange } from '../../attestation/protocol/http-signature.ts'
import type { Ed25519Signer } from '../keys/ed25519-signer.ts'

/** What a client asked for in one member of `Accept-Signature`. */
export interface SignatureWish {
  /** Printable ASCII. */
  readonly nonce: string | null
  readonly alg: boolean
  readonly expires: boolean
  /** In the order in which they are to be signed. */
  readonly components: readonly HttpComponent[]
}

export interface HttpSignature {
  /** Members of `Signature-Input` and `Signature`, without their label. */
  readonly input: string
  readonly signature: string
}

export interface HttpSigner {
  readonly keyId: string
  /** @returns null where the exchange has no value for a component */
  sign(wish: SignatureWish, exchange: SignedExchange): HttpSignature | null
}

/** RFC 9651 §4.1.6, of printable ASCII. */
function text(value: string): string {
  return `"${value.replace(/["\\]/g, '\\$&')}"`
}

/** @param now unix seconds */
export function createHttpSigner(
  signer: Ed25519Signer,
  keyId: string,
  now: () => number,
): HttpSigner {
  return {
    keyId,
    sign({ nonce, alg, expires, components }, exchange) {
      const created = now()
      const input = [
        `(${components.join(' ')})`,
        `created=${created}`,
        ...(expires ? [`expires=${created + HTTP_SIGNATURE_LIFETIME_S}`] : []),
        `keyid=${text(keyId)}`,
        ...(alg ? ['alg="ed25519"'] : []),
        ...(nonce === null ? [] : [`nonce=${text(nonce)}`]),
        `tag=${text(HTTP_SIGNATURE_TAG)}`,
      ].join(';')
      const base = signatureBase(components, exchange, input)
      if (base === null) return null
      const signature = Buffer.from(signer.sign(Buffer.from(base, 'latin1'))).toString('base64')
      return { input, signature: `:${signature}:` }
    },
  }
}
