/**
 * OCSP requests (RFC 6960 §4.1.1): unsigned, version 1, one CertID a certificate, with or without a nonce.
 *
 * @module
 */
import type { CryptoPort } from '../../../crypto/port.ts'
import { TAG } from '../../x509/der.ts'
import { encodeDer, encodeOid } from '../../x509/encode-der.ts'
import type { Certificate } from '../../x509/parse-certificate.ts'
import { CERT_ID_HASH_OIDS, certIdOf } from './cert-id.ts'

/** RFC 9654 §2.1: clients send 32 octets, which every responder that knows nonces takes (RFC 8954 §2.1: at most 32). */
export const OCSP_NONCE_BYTES = 32
/** Certificates in one request. A chain has three or four to ask about. */
export const MAX_REQUESTED_CERTIFICATES = 16
export const OID_OCSP_NONCE = '1.3.6.1.5.5.7.48.1.2'

/** A certificate to ask about, and the one that issued it. */
export interface IssuedCertificate {
  readonly certificate: Certificate
  readonly issuer: Certificate
}

const HASH = 'SHA-384'
const CONTEXT_2 = 0xa2

/** Request ::= SEQUENCE { reqCert CertID }. The NULL is what OpenSSL writes and every responder has met. */
function requestFor({ certificate, issuer }: IssuedCertificate, crypto: CryptoPort): Uint8Array {
  const { nameHash, keyHash, serial } = certIdOf(certificate, issuer, HASH, crypto)
  const algorithm = encodeDer(TAG.sequence, encodeOid(CERT_ID_HASH_OIDS[HASH]), encodeDer(TAG.null))
  return encodeDer(
    TAG.sequence,
    encodeDer(
      TAG.sequence,
      algorithm,
      encodeDer(TAG.octetString, nameHash),
      encodeDer(TAG.octetString, keyHash),
      encodeDer(TAG.integer, serial),
    ),
  )
}

/** requestExtensions [2] with the nonce alone: an OCTET STRING inside extnValue (RFC 9654 §2.1), not critical. */
function nonceExtension(nonce: Uint8Array): Uint8Array {
  const value = encodeDer(TAG.octetString, encodeDer(TAG.octetString, nonce))
  const extension = encodeDer(TAG.sequence, encodeOid(OID_OCSP_NONCE), value)
  return encodeDer(CONTEXT_2, encodeDer(TAG.sequence, extension))
}

/**
 * @param nonce 32 random bytes, or null for a response that is to be stapled: one nonce serves all requests of a round
 * @returns DER
 * @throws RangeError for no certificate, too many, or a nonce of another length: a bug of the caller
 */
export function buildOcspRequest(
  certificates: readonly IssuedCertificate[],
  nonce: Uint8Array | null,
  crypto: CryptoPort,
): Uint8Array {
  if (certificates.length === 0 || certificates.length > MAX_REQUESTED_CERTIFICATES) {
    throw new RangeError(`an OCSP request asks about 1 to ${MAX_REQUESTED_CERTIFICATES}`)
  }
  if (nonce !== null && nonce.length !== OCSP_NONCE_BYTES) {
    throw new RangeError(`an OCSP nonce has ${OCSP_NONCE_BYTES} bytes`)
  }
  const list = certificates.map((each) => requestFor(each, crypto))
  const extensions = nonce === null ? [] : [nonceExtension(nonce)]
  return encodeDer(
    TAG.sequence,
    encodeDer(TAG.sequence, encodeDer(TAG.sequence, ...list), ...extensions),
  )
}
