/**
 * Writes a PKCS #10 certification request (RFC 2986 §4), by which a certification authority is asked to certify a key.
 *
 * @module
 */
import { createPublicKey } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { octetString, oid, raw, sequence, set, smallInteger, tagged } from './der.ts'
import { distinguishedName, signDer } from './sign-der.ts'
import type { DistinguishedName } from './sign-der.ts'
import { altNamesExtension } from './server-certificate.ts'

const VERSION_1 = 0
/** RFC 2985 §5.4.2. */
const OID_EXTENSION_REQUEST = '1.2.840.113549.1.9.14'

export interface CertificationRequest {
  readonly subject: DistinguishedName
  /** At least one, each as `isServerName` has it. */
  readonly names: readonly string[]
  /** Private EC key on P-256 or P-384. */
  readonly key: KeyObject
}

/** @returns the request in DER */
export function buildCertificationRequest({
  subject,
  names,
  key,
}: CertificationRequest): Uint8Array {
  const { oid: id, value } = altNamesExtension(names)
  const extensions = sequence(sequence(oid(id), octetString(value)))
  const info = sequence(
    smallInteger(VERSION_1),
    distinguishedName(subject),
    raw(createPublicKey(key).export({ format: 'der', type: 'spki' })),
    tagged(0, sequence(oid(OID_EXTENSION_REQUEST), set(extensions))),
  )
  return signDer(info, key)
}
