/**
 * One OCSP response over HTTP (RFC 6960 appendix A.1, POST). That it is an answer to what was asked is checked, so that
 * nothing else is kept or stapled; who signed it is for the appraiser to say.
 *
 * @module
 */
import { buildOcspRequest } from '../../appraiser/gpu/ocsp/build-ocsp-request.ts'
import type { IssuedCertificate } from '../../appraiser/gpu/ocsp/build-ocsp-request.ts'
import { namesCertificate } from '../../appraiser/gpu/ocsp/cert-id.ts'
import { NO_NEXT_UPDATE_S } from '../../appraiser/gpu/ocsp/judge-revocation.ts'
import { parseOcspResponse } from '../../appraiser/gpu/ocsp/parse-ocsp-response.ts'
import { nodeCrypto } from '../../crypto/node.ts'
import { MAX_OCSP_BYTES } from '../../protocol/gpu-collateral.ts'
import { CollateralError } from '../collateral-error.ts'
import type { CollateralErrorCode } from '../collateral-error.ts'
import type { HttpRequest } from '../http-request.ts'

const WHAT = 'OCSP response'
const OCSP_TYPES: ReadonlySet<string> = new Set(['application/ocsp-response'])

/** @param nonce null: for a response that is to be kept or stapled */
export function ocspRequest(
  service: string,
  asked: readonly IssuedCertificate[],
  nonce: Uint8Array | null,
): HttpRequest & Required<Pick<HttpRequest, 'post'>> {
  return {
    // RFC 6960 leaves the path to the responder; the bare origin needs one.
    url: `${service}/`,
    what: WHAT,
    maxBytes: MAX_OCSP_BYTES,
    contentTypes: OCSP_TYPES,
    post: {
      contentType: 'application/ocsp-request',
      body: buildOcspRequest(asked, nonce, nodeCrypto),
    },
  }
}

/** Of OCSPResponseStatus: the responder's own trouble, or that it does not answer us. */
function errorCode(status: string): CollateralErrorCode {
  return status === 'tryLater' || status === 'internalError'
    ? 'collateral_busy'
    : 'collateral_refused'
}

/**
 * @returns until when it counts by what it says, in Unix seconds
 * @throws CollateralError where it is an error, or does not answer for each certificate
 */
export function readOcspAnswer(body: Uint8Array, asked: readonly IssuedCertificate[]): number {
  const parsed = parseOcspResponse(body)
  if (!parsed.ok) {
    const code =
      parsed.code === 'ocsp_not_successful' ? errorCode(parsed.detail) : 'collateral_malformed'
    throw new CollateralError(code, `${WHAT}: ${parsed.detail}`)
  }
  const ends = asked.map(({ certificate, issuer }) => {
    const answer = parsed.response.answers.find(({ certId }) =>
      namesCertificate(certId, certificate, issuer, nodeCrypto),
    )
    if (answer === undefined) {
      throw new CollateralError('collateral_malformed', `${WHAT}: about another certificate`)
    }
    return answer.nextUpdate ?? answer.thisUpdate + NO_NEXT_UPDATE_S
  })
  return Math.min(...ends)
}
