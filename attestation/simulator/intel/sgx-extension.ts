/**
 * The SGX extension of a PCK certificate, OID 1.2.840.113741.1.13.1 (Intel SGX PCK Certificate and CRL Profile
 * Specification, §1.3.5).
 *
 * @module
 */
import type { CertificateExtension } from '../../x509/build-certificate.ts'
import {
  boolean,
  enumerated,
  octetString,
  oid,
  sequence,
  smallInteger,
  toDer,
} from '../../x509/der.ts'
import type { Node } from '../../x509/der.ts'
import type { SimulatedPlatform } from './simulated-platform.ts'

/** Intel's arc for everything that a PCK certificate says about a platform. */
export const SGX_EXTENSION_OID = '1.2.840.113741.1.13.1'

const SCALABLE = 1

/** TCB components .1 to .16, PCESVN .17, CPUSVN .18; the last holds the components again, as opaque bytes. */
function tcb(platform: SimulatedPlatform): Node {
  const arc = `${SGX_EXTENSION_OID}.2`
  const components = platform.components.map((svn, index) =>
    sequence(oid(`${arc}.${index + 1}`), smallInteger(svn)),
  )
  return sequence(
    ...components,
    sequence(oid(`${arc}.17`), smallInteger(platform.pceSvn)),
    sequence(oid(`${arc}.18`), octetString(Uint8Array.from(platform.components))),
  )
}

/** Dynamic platform, cached keys, SMT enabled: present for platforms under the Platform CA. */
function configuration(): Node {
  const arc = `${SGX_EXTENSION_OID}.7`
  return sequence(
    ...[1, 2, 3].map((member) => sequence(oid(`${arc}.${member}`), boolean(member !== 3))),
  )
}

export function sgxExtension(platform: SimulatedPlatform): CertificateExtension {
  const member = (number: number, value: Node): Node =>
    sequence(oid(`${SGX_EXTENSION_OID}.${number}`), value)
  const value = sequence(
    member(1, octetString(platform.ppid)),
    member(2, tcb(platform)),
    member(3, octetString(platform.pceId)),
    member(4, octetString(platform.fmspc)),
    member(5, enumerated(SCALABLE)),
    member(6, octetString(platform.instanceId)),
    member(7, configuration()),
  )
  return { oid: SGX_EXTENSION_OID, critical: false, value: toDer(value) }
}
