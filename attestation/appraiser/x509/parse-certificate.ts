/**
 * X.509 v3 certificates with EC keys on P-256 or P-384, the only kind that Intel's and NVIDIA's attestation roots
 * issue. RFC 5280 §4.1 and §4.2, RFC 5480 (keys), RFC 5758 §3.2 (signatures).
 *
 * @module
 */
import type { NistCurve } from '../../crypto/port.ts'
import { bitStringBytesOf, oidOf, readDer, smallIntegerOf, TAG, textOf, timeOf } from './der.ts'
import type { DerNode } from './der.ts'
import { COORDINATE_BYTES, ecdsaSignatureOf, signatureCurveOf } from './ecdsa-signature.ts'

/** Longest certificate accepted. A PCK certificate has about 1.3 kB, one of RA-TLS with quote and event log about 13. */
export const MAX_CERTIFICATE_BYTES = 64 * 1024
const MAX_EXTENSIONS = 32
/** RFC 5280 §4.1.2.2. */
export const MAX_SERIAL_BYTES = 20

export const OID_BASIC_CONSTRAINTS = '2.5.29.19'
export const OID_KEY_USAGE = '2.5.29.15'
const OID_COMMON_NAME = '2.5.4.3'
const OID_EC_PUBLIC_KEY = '1.2.840.10045.2.1'

/** Named curves of RFC 5480 §2.1.1.1. */
const CURVES: ReadonlyMap<string, NistCurve> = new Map([
  ['1.2.840.10045.3.1.7', 'P-256'],
  ['1.3.132.0.34', 'P-384'],
])
export interface KeyUsage {
  readonly keyCertSign: boolean
  readonly crlSign: boolean
  readonly digitalSignature: boolean
}

export interface Extension {
  readonly critical: boolean
  /** Content of the extnValue OCTET STRING. */
  readonly value: Uint8Array
}

/** A certificate that was read, not yet trusted. All arrays are slices of one copy of the input. */
export interface Certificate {
  /** The whole certificate as received. */
  readonly der: Uint8Array
  /** The signed bytes. */
  readonly tbs: Uint8Array
  /** Content bytes of the serial INTEGER. */
  readonly serial: Uint8Array
  /** DER Name. */
  readonly issuer: Uint8Array
  /** DER Name. */
  readonly subject: Uint8Array
  /** Null where there is none, more than one, or one in a legacy string type. */
  readonly subjectCommonName: string | null
  readonly issuerCommonName: string | null
  /** Unix seconds. */
  readonly notBefore: number
  /** Unix seconds, inclusive. */
  readonly notAfter: number
  /** DER SubjectPublicKeyInfo. */
  readonly spki: Uint8Array
  /** Uncompressed point without its prefix: x ‖ y. Not yet checked to lie on the curve. */
  readonly publicKey: { readonly curve: NistCurve; readonly point: Uint8Array }
  /** Curve the issuer's key must be on, from signatureAlgorithm. */
  readonly signatureCurve: NistCurve
  /** r ‖ s, each as wide as the field of `signatureCurve`. */
  readonly signature: Uint8Array
  readonly isCa: boolean
  readonly pathLength: number | null
  /** Null where the extension is absent. */
  readonly keyUsage: KeyUsage | null
  /** By dotted OID. */
  readonly extensions: ReadonlyMap<string, Extension>
}

export type CertificateResult =
  | { readonly ok: true; readonly certificate: Certificate }
  | { readonly ok: false; readonly detail: string }

function publicKeyOf(node: DerNode): Certificate['publicKey'] | null {
  const [algorithm, key, ...rest] = node.children
  if (node.tag !== TAG.sequence || rest.length !== 0) return null
  if (algorithm?.tag !== TAG.sequence || algorithm.children.length !== 2) return null
  if (oidOf(algorithm.children[0]) !== OID_EC_PUBLIC_KEY) return null
  const curve = CURVES.get(oidOf(algorithm.children[1]) ?? '')
  const point = bitStringBytesOf(key)
  if (curve === undefined || point === null) return null
  if (point[0] !== 0x04 || point.length !== 1 + 2 * COORDINATE_BYTES[curve]) return null
  return { curve, point: point.subarray(1) }
}

/** @returns false where the Name is malformed, null where it has no single readable common name */
function commonNameOf(name: DerNode): string | null | false {
  if (name.tag !== TAG.sequence) return false
  const found: (string | null)[] = []
  for (const rdn of name.children) {
    if (rdn.tag !== TAG.set || rdn.children.length === 0) return false
    for (const attribute of rdn.children) {
      const type = oidOf(attribute.children[0])
      if (attribute.tag !== TAG.sequence || attribute.children.length !== 2 || type === null) {
        return false
      }
      if (type === OID_COMMON_NAME) found.push(textOf(attribute.children[1]))
    }
  }
  return found.length === 1 ? (found[0] ?? null) : null
}

/** Extensions (RFC 5280 §4.1) inside their explicit tag, by OID. Null where they are malformed, too many or repeated. */
export function extensionsOf(wrapper: DerNode): Map<string, Extension> | null {
  const [list, ...rest] = wrapper.children
  if (list?.tag !== TAG.sequence || rest.length !== 0) return null
  if (list.children.length === 0 || list.children.length > MAX_EXTENSIONS) return null
  const extensions = new Map<string, Extension>()
  for (const node of list.children) {
    const critical = node.children[1]?.tag === TAG.boolean ? node.children[1] : null
    const [value, ...more] = node.children.slice(critical === null ? 1 : 2)
    const oid = oidOf(node.children[0])
    if (node.tag !== TAG.sequence || oid === null || more.length !== 0) return null
    if (value?.tag !== TAG.octetString) return null
    // X.690 §11.5: a default (critical FALSE) is not encoded.
    if (critical !== null && critical.content[0] !== 0xff) return null
    // RFC 5280 §4.2: one instance of each. With two, readers would pick different ones.
    if (extensions.has(oid)) return null
    extensions.set(oid, { critical: critical !== null, value: value.content })
  }
  return extensions
}

/** BasicConstraints, RFC 5280 §4.2.1.9. An absent extension means: not a CA. */
function constraintsOf(
  extension: Extension | undefined,
): Pick<Certificate, 'isCa' | 'pathLength'> | null {
  if (extension === undefined) return { isCa: false, pathLength: null }
  const parsed = readDer(extension.value, MAX_CERTIFICATE_BYTES)
  if (!parsed.ok || parsed.node.tag !== TAG.sequence) return null
  const [ca, pathLength, ...rest] = parsed.node.children
  if (ca === undefined) return { isCa: false, pathLength: null }
  if (ca.tag !== TAG.boolean || ca.content[0] !== 0xff || rest.length !== 0) return null
  if (pathLength === undefined) return { isCa: true, pathLength: null }
  const length = smallIntegerOf(pathLength)
  return length === null ? null : { isCa: true, pathLength: length }
}

/** KeyUsage, RFC 5280 §4.2.1.3: bits 0 (digitalSignature), 5 (keyCertSign) and 6 (cRLSign) of the first byte. */
function keyUsageOf(extension: Extension): KeyUsage | null {
  const parsed = readDer(extension.value, MAX_CERTIFICATE_BYTES)
  if (!parsed.ok || parsed.node.tag !== TAG.bitString) return null
  const bits = parsed.node.content[1] ?? 0
  return {
    digitalSignature: (bits & 0x80) !== 0,
    keyCertSign: (bits & 0x04) !== 0,
    crlSign: (bits & 0x02) !== 0,
  }
}

function refuse(detail: string): CertificateResult {
  return { ok: false, detail }
}

/**
 * Reads one certificate that fills `input` exactly. Never throws; nothing about trust is judged here.
 *
 * @param input DER, at most {@link MAX_CERTIFICATE_BYTES}
 */
export function parseCertificate(input: Uint8Array): CertificateResult {
  if (input.length > MAX_CERTIFICATE_BYTES) return refuse('longer than 64 KiB')
  // A copy, so that nobody can change between check and use what was checked.
  const der = new Uint8Array(input)
  const parsed = readDer(der, MAX_CERTIFICATE_BYTES)
  if (!parsed.ok) return refuse(parsed.detail)
  const [tbs, algorithm, signatureNode, ...rest] = parsed.node.children
  if (parsed.node.tag !== TAG.sequence || rest.length !== 0 || tbs?.tag !== TAG.sequence) {
    return refuse('not a Certificate')
  }
  const signatureCurve = signatureCurveOf(algorithm)
  if (signatureCurve === null) return refuse('not signed with ecdsa-with-SHA256 or -SHA384')
  const signature = ecdsaSignatureOf(signatureNode, signatureCurve)
  if (signature === null) return refuse('malformed signature value')

  const [version, serial, inner, issuer, validity, subject, spki, wrapper, ...more] = tbs.children
  if (version?.tag !== 0xa0 || smallIntegerOf(version.children[0]) !== 2) return refuse('not v3')
  if (serial?.tag !== TAG.integer || serial.content.length > MAX_SERIAL_BYTES + 1) {
    return refuse('malformed serial number')
  }
  // RFC 5280 §4.1.1.2: the algorithm that is signed must be the one that is used.
  if (signatureCurveOf(inner) !== signatureCurve) return refuse('two signature algorithms')
  if (issuer === undefined || subject === undefined || spki === undefined) {
    return refuse('not a TBSCertificate')
  }
  const issuerCommonName = commonNameOf(issuer)
  const subjectCommonName = commonNameOf(subject)
  if (issuerCommonName === false || subjectCommonName === false) return refuse('malformed name')
  const notBefore = timeOf(validity?.children[0])
  const notAfter = timeOf(validity?.children[1])
  if (validity?.tag !== TAG.sequence || validity.children.length !== 2) {
    return refuse('malformed validity')
  }
  if (notBefore === null || notAfter === null) return refuse('malformed validity')
  const publicKey = publicKeyOf(spki)
  if (publicKey === null) return refuse('not an uncompressed P-256 or P-384 key')
  if (wrapper?.tag !== 0xa3 || more.length !== 0) return refuse('no extensions, or more than those')
  const extensions = extensionsOf(wrapper)
  if (extensions === null) return refuse('malformed extensions')
  const constraints = constraintsOf(extensions.get(OID_BASIC_CONSTRAINTS))
  if (constraints === null) return refuse('malformed basic constraints')
  const usage = extensions.get(OID_KEY_USAGE)
  const keyUsage = usage === undefined ? null : keyUsageOf(usage)
  if (usage !== undefined && keyUsage === null) return refuse('malformed key usage')

  return {
    ok: true,
    certificate: Object.freeze({
      der,
      tbs: tbs.bytes,
      serial: serial.content,
      issuer: issuer.bytes,
      subject: subject.bytes,
      subjectCommonName,
      issuerCommonName,
      notBefore,
      notAfter,
      spki: spki.bytes,
      publicKey,
      signatureCurve,
      signature,
      ...constraints,
      keyUsage,
      extensions,
    }),
  }
}
