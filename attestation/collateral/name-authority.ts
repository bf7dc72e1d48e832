/**
 * An authority by name and key, as the appraiser tells them apart: it may be certified anew, and another may bear its name.
 *
 * @module
 */
import type { Certificate } from '../appraiser/x509/parse-certificate.ts'
import { toHex } from '../protocol/hex.ts'

/** @returns DER Name and SubjectPublicKeyInfo, lower-case hex */
export function nameAuthority({
  subject,
  spki,
}: Pick<Certificate, 'subject' | 'spki'>): `${string}:${string}` {
  return `${toHex(subject)}:${toHex(spki)}`
}
