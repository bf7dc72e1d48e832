/**
 * The mark of a simulated root certificate, ready for `CertificateTemplate.extensions`.
 *
 * @module
 */
import { SIMULATION_MARK, SIMULATION_OID } from '../../protocol/simulation.ts'
import type { CertificateExtension } from '../../x509/build-certificate.ts'
import { toDer, utf8String } from '../../x509/der.ts'

/** Critical, so that every verifier that does not know it must refuse the certificate (RFC 5280 §4.2). */
export function simulationExtension(): CertificateExtension {
  return { oid: SIMULATION_OID, critical: true, value: toDer(utf8String(SIMULATION_MARK)) }
}
