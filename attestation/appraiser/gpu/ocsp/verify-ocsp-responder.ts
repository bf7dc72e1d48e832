/**
 * Who may sign an OCSP response about a certificate (RFC 6960 §4.2.2.2): its issuer, or a responder whose certificate that
 * very issuer signed with the extended key usage OCSPSigning. Nobody else: neither a responder of another authority of the
 * same hierarchy, nor one that the verifier's machine happens to trust, which RFC 6960 would also allow.
 *
 * P-384 with SHA-384 alone. All of NVIDIA's device and RIM hierarchies are on that curve, and NVIDIA's Python verifier reads
 * responses of no other kind.
 *
 * @module
 */
import type { CryptoPort } from '../../../crypto/port.ts'
import { counted } from '../../counted.ts'
import { oidOf, readDer, TAG } from '../../x509/der.ts'
import {
  MAX_CERTIFICATE_BYTES,
  OID_BASIC_CONSTRAINTS,
  OID_KEY_USAGE,
} from '../../x509/parse-certificate.ts'
import type { Certificate } from '../../x509/parse-certificate.ts'
import { validityFault } from '../../x509/verify-chain.ts'
import { responderKeyHash } from './cert-id.ts'
import type { OcspCode } from './codes.ts'
import { isSignedBy } from './ocsp-memo.ts'
import type { OcspMemo } from './ocsp-memo.ts'
import type { OcspResponse } from './parse-ocsp-response.ts'

const OID_EXTENDED_KEY_USAGE = '2.5.29.37'
const OID_OCSP_SIGNING = '1.3.6.1.5.5.7.3.9'
const OID_NO_CHECK = '1.3.6.1.5.5.7.48.1.5'
/**
 * Enclosed certificates that bear the responder's name. An honest response has one, or the old and the new one; each costs a
 * verification, and whoever forges a response pays for none of them.
 */
export const MAX_NAMED_RESPONDERS = 2
const KNOWN: ReadonlySet<string> = new Set([
  OID_BASIC_CONSTRAINTS,
  OID_KEY_USAGE,
  OID_EXTENDED_KEY_USAGE,
  OID_NO_CHECK,
])

export interface ResponderOptions {
  readonly crypto: CryptoPort
  /** Unix seconds. */
  readonly at: number
  readonly memo: OcspMemo
}

export interface OcspFault {
  readonly code: OcspCode
  readonly detail: string
}

export type ResponderResult =
  | {
      readonly ok: true
      /** The delegated responder whose own status has to be asked for; null where there is nothing to ask. */
      readonly unchecked: Certificate | null
    }
  | ({ readonly ok: false } & OcspFault)

function refuse(code: OcspCode, detail: string): ResponderResult & OcspFault {
  return { ok: false, code, detail }
}

/** ExtKeyUsageSyntax, RFC 5280 §4.2.1.12. anyExtendedKeyUsage is not enough: RFC 6960 §4.2.2.2 wants OCSPSigning itself. */
function maySignOcsp(certificate: Certificate): boolean {
  const extension = certificate.extensions.get(OID_EXTENDED_KEY_USAGE)
  if (extension === undefined) return false
  const parsed = readDer(extension.value, MAX_CERTIFICATE_BYTES)
  if (!parsed.ok || parsed.node.tag !== TAG.sequence) return false
  return parsed.node.children.some((node) => oidOf(node) === OID_OCSP_SIGNING)
}

/** id-pkix-ocsp-nocheck holds a NULL (RFC 6960 §4.2.2.2.1). */
function noCheck(certificate: Certificate): boolean {
  const value = certificate.extensions.get(OID_NO_CHECK)?.value
  return value?.length === 2 && value[0] === TAG.null && value[1] === 0
}

function isNamed(
  { responder }: OcspResponse,
  certificate: Certificate,
  crypto: CryptoPort,
): boolean {
  return responder.by === 'name'
    ? crypto.equal(responder.name, certificate.subject)
    : crypto.equal(responder.sha1, responderKeyHash(certificate, crypto))
}

/** What stands against a delegated responder, apart from its signature over the response. */
function delegationFault(
  responder: Certificate,
  issuer: Certificate,
  response: OcspResponse,
  { crypto, at, memo }: ResponderOptions,
): OcspFault | null {
  const refused = (code: OcspCode, detail: string): OcspFault => ({ code, detail })
  if (responder.publicKey.curve !== 'P-384' || responder.signatureCurve !== 'P-384') {
    return refused('ocsp_algorithm', 'the responder is not P-384 with SHA-384')
  }
  if (!crypto.equal(responder.issuer, issuer.subject)) {
    return refused('ocsp_responder_untrusted', 'the responder names another issuer')
  }
  if (!isSignedBy(responder, issuer, crypto, memo)) {
    return refused('ocsp_responder_untrusted', 'the issuer did not sign the responder')
  }
  if (!maySignOcsp(responder)) {
    return refused('ocsp_responder_unauthorized', 'no extended key usage OCSPSigning')
  }
  // A subordinate authority with OCSPSigning could answer for its siblings, and could unsay its own revocation.
  if (responder.isCa) return refused('ocsp_responder_unauthorized', 'the responder is a CA')
  if (responder.keyUsage !== null && !responder.keyUsage.digitalSignature) {
    return refused('ocsp_responder_unauthorized', 'the responder may not sign data')
  }
  for (const [oid, { critical }] of responder.extensions) {
    if (critical && !KNOWN.has(oid)) {
      return refused('ocsp_responder_unauthorized', `critical extension ${oid}`)
    }
  }
  // At both times: nothing is accepted of a responder before it was one, nor after it ceased to be.
  const window = validityFault([responder], response.producedAt) ?? validityFault([responder], at)
  return window === null ? null : refused('ocsp_responder_time', window.detail)
}

/**
 * @param issuer of the certificate asked about, itself already part of a verified chain
 */
export function verifyOcspResponder(
  response: OcspResponse,
  issuer: Certificate,
  options: ResponderOptions,
): ResponderResult {
  const { crypto, memo } = options
  const signed = (by: Certificate): boolean => isSignedBy(response, by, crypto, memo)
  let first: (ResponderResult & OcspFault) | null = null
  if (isNamed(response, issuer, crypto)) {
    if (signed(issuer)) return { ok: true, unchecked: null }
    first = refuse('ocsp_signature_invalid', 'not signed by the issuer that it names')
  }
  const named = response.certificates.filter((one) => isNamed(response, one, crypto))
  if (named.length > MAX_NAMED_RESPONDERS) {
    return refuse(
      'ocsp_responder_untrusted',
      `${counted(named.length, 'certificate')} of the responder’s name`,
    )
  }
  for (const certificate of named) {
    const fault = delegationFault(certificate, issuer, response, options)
    if (fault !== null) {
      first ??= refuse(fault.code, fault.detail)
    } else if (signed(certificate)) {
      return { ok: true, unchecked: noCheck(certificate) ? null : certificate }
    } else {
      first ??= refuse('ocsp_signature_invalid', 'not signed by the responder that it names')
    }
  }
  return (
    first ??
    refuse('ocsp_responder_missing', 'neither the issuer nor a certificate that is enclosed')
  )
}
