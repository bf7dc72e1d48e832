/**
 * Whether a connection was not made because nobody this system trusts vouches for its certificate.
 *
 * @module
 */

/** What Node names an error of certificate verification (Node 20, TLS: "X509 certificate error codes"), and that of the name. */
const CERTIFICATE_CODES: ReadonlySet<unknown> = new Set([
  'CERT_CHAIN_TOO_LONG',
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
  'CERT_REJECTED',
  'CERT_SIGNATURE_FAILURE',
  'CERT_UNTRUSTED',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'HOSTNAME_MISMATCH',
  'INVALID_CA',
  'INVALID_PURPOSE',
  'PATH_LENGTH_EXCEEDED',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
])

/** Causes that are looked through: `fetch` hands the error of a connection out inside of its own. */
const MAX_CAUSES = 4

/** True: the handshake was refused on this side, so nothing of a request that follows no redirect was sent. */
export function isCertificateError(error: unknown): boolean {
  for (let at = error, depth = 0; at instanceof Error && depth < MAX_CAUSES; depth++) {
    if ('code' in at && CERTIFICATE_CODES.has(at.code)) return true
    at = at.cause
  }
  return false
}
