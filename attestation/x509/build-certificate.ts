/**
 * Writes X.509 version 3 certificates with ECDSA keys (RFC 5280 §4.1 and §4.2): the service's own TLS certificate, and those of
 * the simulated Intel and NVIDIA PKIs.
 *
 * @module
 */
import type { KeyObject } from 'node:crypto'
import {
  bitString,
  boolean,
  octetString,
  oid,
  raw,
  sequence,
  smallInteger,
  tagged,
  taggedBytes,
  time,
  toDer,
  unsigned,
} from './der.ts'
import type { Node } from './der.ts'
import { distinguishedName, keyIdentifier, signatureAlgorithm, signDer } from './sign-der.ts'
import type { DistinguishedName, SignEcdsa } from './sign-der.ts'

export type KeyUsage = 'digitalSignature' | 'keyCertSign' | 'crlSign'

export interface CertificateExtension {
  /** Dotted. */
  readonly oid: string
  readonly critical: boolean
  /** The DER inside extnValue. */
  readonly value: Uint8Array
}

export interface CertificateTemplate {
  readonly subject: DistinguishedName
  readonly issuer: DistinguishedName
  /** Big-endian magnitude, at most 20 bytes (RFC 5280 §4.1.2.2). */
  readonly serial: Uint8Array
  readonly notBefore: Date
  /** From the year 2050 on it is written as GeneralizedTime; 9999-12-31 means no end. */
  readonly notAfter: Date
  /** EC on P-256 or P-384. */
  readonly publicKey: KeyObject
  /** Private EC key on P-256 or P-384; the signature's hash follows its curve. */
  readonly issuerKey: KeyObject
  /** Absent: no basicConstraints, so not a CA. */
  readonly ca?: { readonly pathLength: number | null }
  readonly keyUsage?: readonly KeyUsage[]
  /** Beside the key identifiers, basicConstraints and keyUsage, which this builder writes itself. */
  readonly extensions?: readonly CertificateExtension[]
  /** Default: with a fresh nonce. */
  readonly sign?: SignEcdsa
}

const VERSION_3 = 2
const PEM_LINE = 64
const BIT_OF_USAGE = { digitalSignature: 0, keyCertSign: 5, crlSign: 6 } as const

/** @returns the certificate in DER */
export function buildCertificate(template: CertificateTemplate): Uint8Array {
  const toBeSigned = sequence(
    tagged(0, smallInteger(VERSION_3)),
    unsigned(template.serial),
    signatureAlgorithm(template.issuerKey),
    distinguishedName(template.issuer),
    sequence(time(template.notBefore), time(template.notAfter)),
    distinguishedName(template.subject),
    raw(template.publicKey.export({ format: 'der', type: 'spki' })),
    tagged(3, sequence(...extensions(template))),
  )
  return signDer(toBeSigned, template.issuerKey, template.sign)
}

/** One `CERTIFICATE` block (RFC 7468 §5) ending in a newline, so that blocks can be joined into a chain. */
export function toPem(der: Uint8Array): string {
  return toPemBlock('CERTIFICATE', der)
}

/** RFC 7468 §3. */
export function toPemBlock(label: string, der: Uint8Array): string {
  const base64 = Buffer.from(der).toString('base64')
  const lines: string[] = []
  for (let i = 0; i < base64.length; i += PEM_LINE) lines.push(base64.slice(i, i + PEM_LINE))
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}

function extensions(template: CertificateTemplate): Node[] {
  const out = [
    extension('2.5.29.14', false, octetString(keyIdentifier(template.publicKey))),
    extension('2.5.29.35', false, sequence(taggedBytes(0, keyIdentifier(template.issuerKey)))),
  ]
  if (template.ca !== undefined) {
    const { pathLength } = template.ca
    const length = pathLength === null ? [] : [smallInteger(pathLength)]
    out.push(extension('2.5.29.19', true, sequence(boolean(true), ...length)))
  }
  if (template.keyUsage !== undefined) {
    out.push(extension('2.5.29.15', true, keyUsageBits(template.keyUsage)))
  }
  for (const { oid: id, critical, value } of template.extensions ?? []) {
    out.push(extension(id, critical, value))
  }
  return out
}

/** Extension (RFC 5280 §4.1): `critical` is written only when true, as DER demands of a DEFAULT. */
function extension(id: string, critical: boolean, value: Node | Uint8Array): Node {
  const der = value instanceof Uint8Array ? value : toDer(value)
  const mark = critical ? [boolean(true)] : []
  return sequence(oid(id), ...mark, octetString(der))
}

/** KeyUsage as a named bit list, trailing zero bits cut off (X.690 §11.2.2). */
function keyUsageBits(usages: readonly KeyUsage[]): Node {
  let bits = 0
  for (const usage of usages) bits |= 0x80 >> BIT_OF_USAGE[usage]
  let unused = 0
  while (unused < 7 && ((bits >> unused) & 1) === 0) unused++
  return bitString(Uint8Array.of(bits), unused)
}
