/**
 * OCSP responses of the simulated PKIs (RFC 6960 §4.2) and the certificates of their responders.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import { systemEntropy } from '../entropy.ts'
import type { Entropy } from '../entropy.ts'
import type { CertificateExtension } from '../../x509/build-certificate.ts'
import {
  bitString,
  boolean,
  enumerated,
  generalizedTime,
  octetString,
  oid,
  raw,
  sequence,
  tagged,
  taggedBytes,
  toDer,
  unsigned,
} from '../../x509/der.ts'
import type { Node } from '../../x509/der.ts'
import { issueCertificate } from './issue-certificate.ts'
import type { IssuedCertificate } from './issue-certificate.ts'
import {
  distinguishedName,
  publicPoint,
  signatureAlgorithm,
  signRandomized,
} from '../../x509/sign-der.ts'
import type { SignEcdsa } from '../../x509/sign-der.ts'

/** CRLReason (RFC 5280 §5.3.1). */
export const REVOCATION_REASON = Object.freeze({
  unspecified: 0,
  keyCompromise: 1,
  superseded: 4,
  certificateHold: 6,
})

export type OcspStatus =
  | { readonly kind: 'good' }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'revoked'; readonly at: Date; readonly reason: number | null }

/** Who issued and under which number: all that OCSP knows of a certificate. */
export interface OcspSubject {
  readonly issuer: IssuedCertificate
  readonly serial: Uint8Array
}

export interface OcspAnswer {
  readonly subject: OcspSubject
  readonly status: OcspStatus
  readonly thisUpdate: Date
  /** Null: the responder says of no time that there will be newer information. */
  readonly nextUpdate: Date | null
  /** Of the certificate id; NVIDIA's answers repeat what they were asked with. */
  readonly hash?: 'sha1' | 'sha256' | 'sha384'
}

export interface OcspResponseTemplate {
  readonly answers: readonly OcspAnswer[]
  readonly responder: IssuedCertificate
  readonly producedAt: Date
  /** Echo of the request's; null for one that was made beforehand. */
  readonly nonce: Uint8Array | null
  /** Sent along for who verifies; default: the responder's own. */
  readonly certificates?: readonly Uint8Array[]
  /** How the responder names itself; default by its name. */
  readonly responderId?: 'name' | 'key'
  /** Beside the nonce. */
  readonly extensions?: readonly CertificateExtension[]
  readonly sign?: SignEcdsa
}

const OID_BASIC_RESPONSE = '1.3.6.1.5.5.7.48.1.1'
const OID_NONCE = '1.3.6.1.5.5.7.48.1.2'
const OID_NO_CHECK = '1.3.6.1.5.5.7.48.1.5'
const OID_EXTENDED_KEY_USAGE = '2.5.29.37'
const OID_OCSP_SIGNING = '1.3.6.1.5.5.7.3.9'
const HASH_OID = {
  sha1: '1.3.14.3.2.26',
  sha256: '2.16.840.1.101.3.4.2.1',
  sha384: '2.16.840.1.101.3.4.2.2',
} as const
const NULL = Uint8Array.of(5, 0)
const NO_CONTENT = new Uint8Array(0)

function certificateId({ subject: { issuer, serial }, hash = 'sha384' }: OcspAnswer): Node {
  const digest = (bytes: Uint8Array): Node => octetString(createHash(hash).update(bytes).digest())
  return sequence(
    sequence(oid(HASH_OID[hash]), raw(NULL)),
    digest(toDer(distinguishedName(issuer.name))),
    digest(publicPoint(issuer.key)),
    unsigned(serial),
  )
}

function certificateStatus(status: OcspStatus): Node {
  switch (status.kind) {
    case 'good':
      return taggedBytes(0, NO_CONTENT)
    case 'unknown':
      return taggedBytes(2, NO_CONTENT)
    case 'revoked': {
      const reason = status.reason === null ? [] : [tagged(0, enumerated(status.reason))]
      return tagged(1, generalizedTime(status.at), ...reason)
    }
  }
}

function singleResponse(answer: OcspAnswer): Node {
  const { nextUpdate } = answer
  return sequence(
    certificateId(answer),
    certificateStatus(answer.status),
    generalizedTime(answer.thisUpdate),
    ...(nextUpdate === null ? [] : [tagged(0, generalizedTime(nextUpdate))]),
  )
}

function responderName({ responder, responderId = 'name' }: OcspResponseTemplate): Node {
  if (responderId === 'name') return tagged(1, distinguishedName(responder.name))
  // RFC 6960 §4.2.1: KeyHash is SHA-1, whatever else is used.
  return tagged(2, octetString(createHash('sha1').update(publicPoint(responder.key)).digest()))
}

/** @returns an OCSPResponse of status successful in DER */
export function buildOcspResponse(template: OcspResponseTemplate): Uint8Array {
  const { responder, nonce, certificates = [responder.der] } = template
  const repeated =
    nonce === null ? [] : [{ oid: OID_NONCE, critical: false, value: toDer(octetString(nonce)) }]
  const extensions = [...repeated, ...(template.extensions ?? [])].map((one) =>
    sequence(oid(one.oid), ...(one.critical ? [boolean(true)] : []), octetString(one.value)),
  )
  const data = sequence(
    responderName(template),
    generalizedTime(template.producedAt),
    sequence(...template.answers.map(singleResponse)),
    ...(extensions.length === 0 ? [] : [tagged(1, sequence(...extensions))]),
  )
  const signature = (template.sign ?? signRandomized)(toDer(data), responder.key, 'der')
  const basic = sequence(
    data,
    signatureAlgorithm(responder.key),
    bitString(signature),
    ...(certificates.length === 0
      ? []
      : [tagged(0, sequence(...certificates.map((der) => raw(der))))]),
  )
  return toDer(
    sequence(
      enumerated(0),
      tagged(0, sequence(oid(OID_BASIC_RESPONSE), octetString(toDer(basic)))),
    ),
  )
}

/** A response without an answer (RFC 6960 §4.2.1): 1 malformedRequest, 2 internalError, 3 tryLater, 5 sigRequired, 6 unauthorized. */
export function buildOcspError(status: 1 | 2 | 3 | 5 | 6): Uint8Array {
  return toDer(sequence(enumerated(status)))
}

/** Extended key usage OCSPSigning alone, and the mark that the responder's own certificate is not to be looked up. */
export function ocspSigningExtensions(): CertificateExtension[] {
  return [
    {
      oid: OID_EXTENDED_KEY_USAGE,
      critical: false,
      value: toDer(sequence(oid(OID_OCSP_SIGNING))),
    },
    { oid: OID_NO_CHECK, critical: false, value: NULL },
  ]
}

export interface OcspResponderRequest {
  /** Whose certificates it speaks of: RFC 6960 §4.2.2.2 wants its own to come from the same. */
  readonly issuer: IssuedCertificate
  readonly notBefore: Date
  readonly notAfter: Date
  readonly entropy?: Entropy
  /** Default: those that make it a responder. */
  readonly extensions?: readonly CertificateExtension[]
}

export function issueOcspResponder(request: OcspResponderRequest): IssuedCertificate {
  const { issuer, notBefore, notAfter, entropy = systemEntropy } = request
  return issueCertificate({
    name: { commonName: 'SIMULATED OCSP Responder', organization: 'SIMULATED - NOT NVIDIA' },
    issuer,
    entropy,
    notBefore,
    notAfter,
    keyUsage: ['digitalSignature'],
    extensions: request.extensions ?? ocspSigningExtensions(),
  })
}
