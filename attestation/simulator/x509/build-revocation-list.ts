/**
 * Certificate revocation lists of the simulated PKIs (RFC 5280 §5), version 2 with the two extensions every list must
 * carry: CRL number and authority key identifier.
 *
 * @module
 */
import type { KeyObject } from 'node:crypto'
import {
  octetString,
  oid,
  sequence,
  smallInteger,
  tagged,
  taggedBytes,
  time,
  toDer,
  unsigned,
} from '../../x509/der.ts'
import {
  distinguishedName,
  keyIdentifier,
  signatureAlgorithm,
  signDer,
} from '../../x509/sign-der.ts'
import type { DistinguishedName } from '../../x509/sign-der.ts'

export interface RevocationListTemplate {
  readonly issuer: DistinguishedName
  /** Private EC key on P-256 or P-384. */
  readonly issuerKey: KeyObject
  readonly thisUpdate: Date
  readonly nextUpdate: Date
  /** Big-endian magnitudes of the serial numbers. */
  readonly revoked: readonly { readonly serial: Uint8Array; readonly at: Date }[]
}

const VERSION_2 = 1
const CRL_NUMBER = 1

/** @returns the list in DER */
export function buildRevocationList(template: RevocationListTemplate): Uint8Array {
  const entries = template.revoked.map(({ serial, at }) => sequence(unsigned(serial), time(at)))
  const authority = sequence(taggedBytes(0, keyIdentifier(template.issuerKey)))
  const toBeSigned = sequence(
    smallInteger(VERSION_2),
    signatureAlgorithm(template.issuerKey),
    distinguishedName(template.issuer),
    time(template.thisUpdate),
    time(template.nextUpdate),
    // RFC 5280 §5.1.2.6: absent, not empty, when nothing is revoked.
    ...(entries.length === 0 ? [] : [sequence(...entries)]),
    tagged(
      0,
      sequence(
        sequence(oid('2.5.29.35'), octetString(toDer(authority))),
        sequence(oid('2.5.29.20'), octetString(toDer(smallInteger(CRL_NUMBER)))),
      ),
    ),
  )
  return signDer(toBeSigned, template.issuerKey)
}
