/**
 * Certificates that are met more than once: each is parsed once, and each signature verified once. The root stands in four
 * chains of a quote and its collateral, its signature checks are most of the work.
 *
 * Nothing in it depends on a time or a policy: the same bytes parse to the same certificate, and a signature that was good
 * is good. Keys are whole encodings and the very objects parsed from them, so no two certificates can be confused. A
 * signature that did not verify leaves no trace.
 *
 * @module
 */
import type { Certificate } from './parse-certificate.ts'

export interface CertificateMemo {
  /** By base64 text without line ends. */
  readonly parsed: Map<string, Certificate>
  /** The certificate whose key signed the key's certificate. */
  readonly issuers: Map<Certificate, Certificate>
}

/** @param from what is already known; later finds do not get into it */
export function createCertificateMemo(from?: CertificateMemo): CertificateMemo {
  return { parsed: new Map(from?.parsed), issuers: new Map(from?.issuers) }
}
