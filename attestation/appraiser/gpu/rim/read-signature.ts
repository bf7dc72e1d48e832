/**
 * The XML signature of a RIM (W3C XML Signature Syntax and Processing 1.1) in the one form that NVIDIA writes:
 *
 * ```
 * Signature                            last child of the root, the only one in the document
 *   SignedInfo
 *     CanonicalizationMethod           Canonical XML 1.1
 *     SignatureMethod                  ECDSA with SHA-384
 *     Reference URI=""                 one, the whole document
 *       Transforms                     enveloped-signature, then Canonical XML 1.1
 *       DigestMethod, DigestValue      SHA-384
 *   SignatureValue                     r ‖ s, 96 bytes
 *   KeyInfo / X509Data                 X509Certificate, the signer's first
 * ```
 *
 * The form is the defence against signature wrapping: there is no identifier to look up, no second reference and no Object
 * that could hold what is signed elsewhere, and every algorithm is compared with its one name, never chosen by it.
 *
 * @module
 */
import { decodeBase64 } from '../../../protocol/base64.ts'
import { attributesOf, elementsOf, textOf } from './read-element.ts'
import type { XmlElement } from './parse-xml.ts'

const DSIG = 'http://www.w3.org/2000/09/xmldsig#'
const C14N_1_1 = 'http://www.w3.org/2006/12/xml-c14n11'
const ENVELOPED_SIGNATURE = 'http://www.w3.org/2000/09/xmldsig#enveloped-signature'
const ECDSA_SHA384 = 'http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384'
const SHA384 = 'http://www.w3.org/2001/04/xmldsig-more#sha384'

const DIGEST_BYTES = 48
const SIGNATURE_BYTES = 96
/** Certificates that are read at all; how many there have to be is a question to the chain. */
export const MAX_RIM_CERTIFICATES = 8

export interface RimSignature {
  /** The element whose canonical form is signed. */
  readonly signedInfo: XmlElement
  /** SHA-384 of the document without its signature, as signed. */
  readonly digest: Uint8Array
  /** r ‖ s. */
  readonly value: Uint8Array
  /** Base64 of DER, without line ends, in the order of the document: the signer's first. */
  readonly certificates: readonly string[]
}

export type RimSignatureResult =
  | { readonly ok: true; readonly signature: RimSignature }
  | { readonly ok: false; readonly detail: string }

function refuse(detail: string): RimSignatureResult {
  return { ok: false, detail }
}

export function isSignature(element: XmlElement): boolean {
  return element.namespace === DSIG && element.local === 'Signature'
}

/** The children of `element`, where they are exactly the named ones in this order and it has so many attributes. */
function children(
  element: XmlElement | undefined,
  names: readonly string[],
  attributes = 0,
): readonly XmlElement[] | null {
  if (element?.attributes.length !== attributes) return null
  const elements = elementsOf(element)
  if (elements?.length !== names.length) return null
  const exact = elements.every(
    ({ namespace, local }, index) => namespace === DSIG && local === names[index],
  )
  return exact ? elements : null
}

/** Whether `element` is empty and names this algorithm in its only attribute. */
function isAlgorithm(element: XmlElement | undefined, uri: string): boolean {
  if (element === undefined || element.children.length !== 0) return false
  const attributes = attributesOf(element)
  return attributes.size === 1 && attributes.get('Algorithm') === uri
}

/** The bytes of an element that holds base64 alone, without white space. */
function bytesOf(element: XmlElement | undefined, length: number): Uint8Array | null {
  if (element === undefined || element.attributes.length !== 0) return null
  const bytes = decodeBase64(textOf(element) ?? '')
  return bytes?.length === length ? bytes : null
}

/** @returns the digest that the reference names, or a fault */
function readReference(reference: XmlElement | undefined): Uint8Array | string {
  const parts = children(reference, ['Transforms', 'DigestMethod', 'DigestValue'], 1)
  if (reference === undefined || parts === null) return 'a reference of another form'
  if (attributesOf(reference).get('URI') !== '') return 'the reference is not to the whole document'
  const [transforms, method, value] = parts
  const steps = children(transforms, ['Transform', 'Transform'])
  if (!isAlgorithm(steps?.[0], ENVELOPED_SIGNATURE) || !isAlgorithm(steps?.[1], C14N_1_1)) {
    return 'the transforms are not enveloped-signature and Canonical XML 1.1'
  }
  if (!isAlgorithm(method, SHA384)) return 'the digest method is not SHA-384'
  return bytesOf(value, DIGEST_BYTES) ?? 'the digest value is not 48 bytes in base64'
}

function readCertificates(keyInfo: XmlElement | undefined): readonly string[] | null {
  const data = children(keyInfo, ['X509Data'])?.[0]
  const elements = data === undefined || data.attributes.length !== 0 ? null : elementsOf(data)
  if (elements === null || elements.length === 0 || elements.length > MAX_RIM_CERTIFICATES) {
    return null
  }
  const certificates: string[] = []
  for (const element of elements) {
    const { namespace, local, attributes } = element
    const text = textOf(element)
    if (namespace !== DSIG || local !== 'X509Certificate' || attributes.length !== 0) return null
    if (text === null) return null
    // NVIDIA breaks the lines of a certificate, nothing else.
    certificates.push(text.replaceAll('\n', ''))
  }
  return certificates
}

/** @param element one for which {@link isSignature} holds. Nothing about trust is judged here. Never throws */
export function readSignature(element: XmlElement): RimSignatureResult {
  const parts = children(element, ['SignedInfo', 'SignatureValue', 'KeyInfo'])
  if (parts === null) return refuse('not exactly SignedInfo, SignatureValue and KeyInfo')
  const [signedInfo, signatureValue, keyInfo] = parts
  const info = children(signedInfo, ['CanonicalizationMethod', 'SignatureMethod', 'Reference'])
  if (signedInfo === undefined || info === null) {
    return refuse('not exactly one canonicalisation method, signature method and reference')
  }
  const [canonicalization, method, reference] = info
  if (!isAlgorithm(canonicalization, C14N_1_1)) {
    return refuse('the canonicalisation method is not Canonical XML 1.1')
  }
  if (!isAlgorithm(method, ECDSA_SHA384)) {
    return refuse('the signature method is not ECDSA with SHA-384')
  }
  const digest = readReference(reference)
  if (typeof digest === 'string') return refuse(digest)
  const value = bytesOf(signatureValue, SIGNATURE_BYTES)
  if (value === null) return refuse('the signature value is not 96 bytes in base64')
  const certificates = readCertificates(keyInfo)
  if (certificates === null) return refuse('the key is not given by one list of certificates')
  return { ok: true, signature: { signedInfo, digest, value, certificates } }
}
