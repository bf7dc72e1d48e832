/**
 * Asks for an HTTP message signature of a buffered answer, and verifies it (docs/protocol.md §9.2).
 *
 * @module
 */
import { verifyHttpSignature } from '../../attestation/appraiser/http-signature/verify-http-signature.ts'
import type {
  HttpSignatureOptions,
  SignedRequest,
} from '../../attestation/appraiser/http-signature/verify-http-signature.ts'
import type { Check } from '../../attestation/appraiser/check.ts'
import type { CryptoPort } from '../../attestation/crypto/port.ts'
import {
  HTTP_COMPONENTS,
  HTTP_SIGNATURE_TAG,
  REQUEST_DIGEST_COMPONENT,
} from '../../attestation/protocol/http-signature.ts'
import { randomBytes, toBase64Url } from './bytes.ts'

const LABEL = 'countersign'
const NONCE_BYTES = 32

/** The fields of a request that ask for a signature, and what is to be compared with it. */
export interface SignatureDemand {
  readonly fields: readonly (readonly [name: string, value: string])[]
  readonly request: SignedRequest
}

/** @param body as it is sent */
export function demandSignature(
  url: string,
  body: Uint8Array,
  crypto: CryptoPort,
): SignatureDemand {
  const nonce = toBase64Url(randomBytes(NONCE_BYTES))
  const contentDigest = `sha-256=:${btoa(String.fromCharCode(...crypto.sha256(body)))}:`
  const components = [...HTTP_COMPONENTS, REQUEST_DIGEST_COMPONENT].join(' ')
  const params = `created;nonce="${nonce}";tag="${HTTP_SIGNATURE_TAG}"`
  return {
    fields: [
      ['content-digest', contentDigest],
      ['accept-signature', `${LABEL}=(${components});${params}`],
    ],
    request: {
      label: LABEL,
      nonce,
      method: 'POST',
      path: new URL(url).pathname,
      contentDigest,
    },
  }
}

export interface ReceivedAnswer {
  readonly status: number
  readonly headers: Headers
  readonly body: Uint8Array
}

export function judgeHttpSignature(
  { status, headers, body }: ReceivedAnswer,
  request: SignedRequest,
  options: HttpSignatureOptions,
): readonly Check[] {
  return verifyHttpSignature(
    {
      status,
      contentDigest: headers.get('content-digest'),
      receiptId: headers.get('x-receipt-id'),
      signatureInput: headers.get('signature-input'),
      signature: headers.get('signature'),
      bodyHash: options.crypto.sha256(body),
    },
    request,
    options,
  )
}
