/**
 * Certificates together with the keys that they certify, so that each can issue the next.
 *
 * @module
 */
import type { KeyObject } from 'node:crypto'
import type { Entropy } from '../entropy.ts'
import { buildCertificate } from '../../x509/build-certificate.ts'
import type { CertificateTemplate } from '../../x509/build-certificate.ts'
import type { DistinguishedName } from '../../x509/sign-der.ts'

/** One certificate with its private key. */
export interface IssuedCertificate {
  readonly name: DistinguishedName
  readonly serial: Uint8Array
  readonly key: KeyObject
  readonly der: Uint8Array
}

export interface IssueRequest extends Pick<
  CertificateTemplate,
  'notBefore' | 'notAfter' | 'ca' | 'keyUsage' | 'extensions'
> {
  readonly name: DistinguishedName
  /** Null: signs itself. */
  readonly issuer: IssuedCertificate | null
  readonly entropy: Entropy
  /** Default: 16 bytes, as NVIDIA's certification authorities use. */
  readonly serial?: Uint8Array
}

const SERIAL_BYTES = 16

/** A positive serial whose length does not change. */
export function positiveSerial(bytes: Uint8Array): Uint8Array {
  return Uint8Array.from(bytes, (byte, index) => (index === 0 ? (byte & 0x3f) | 0x40 : byte))
}

export function issueCertificate(request: IssueRequest): IssuedCertificate {
  const { name, issuer, entropy, serial: given, ...template } = request
  const label = `${issuer?.name.commonName ?? 'root'} / ${name.serialNumber ?? ''} ${name.commonName}`
  const { publicKey, privateKey } = entropy.keyPair(label)
  const serial = given ?? positiveSerial(entropy.bytes(`serial ${label}`, SERIAL_BYTES))
  const der = buildCertificate({
    ...template,
    subject: name,
    issuer: issuer?.name ?? name,
    serial,
    publicKey,
    issuerKey: issuer?.key ?? privateKey,
    sign: entropy.sign,
  })
  return { name, serial, key: privateKey, der }
}
