/**
 * Reference integrity manifests as NVIDIA publishes them: a SWID tag (ISO/IEC 19770-2:2015) with one resource for each
 * measurement, under an enveloped XML signature (W3C XML Signature 1.1; ECDSA with SHA-384, RFC 9231 §2.3.6) whose key is
 * the first of four certificates.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import { signRandomized } from '../../x509/sign-der.ts'
import type { SignEcdsa } from '../../x509/sign-der.ts'
import type { RimPki } from './create-rim-pki.ts'
import { canonicalXml, writeXml } from './xml-element.ts'
import type { XmlElement } from './xml-element.ts'

export interface RimResource {
  readonly active: boolean
  /** SHA-384 values of which any one is good, at least one. */
  readonly alternatives: readonly Uint8Array[]
}

export interface RimTemplate {
  readonly product: 'GH100' | 'LS10'
  /** What `colloquialVersion` says: of the driver, or of the VBIOS. */
  readonly version: string
  /** By measurement index, from 0. */
  readonly resources: readonly RimResource[]
}

export interface RimSignature {
  /** Signer first; only its key signs. */
  readonly pki: Pick<RimPki, 'chain' | 'signer'>
  readonly sign?: SignEcdsa
  readonly algorithms?: Partial<Record<keyof typeof RIM_ALGORITHMS, string>>
}

/** URIs of the algorithms that NVIDIA's files name. */
export const RIM_ALGORITHMS = Object.freeze({
  canonicalization: 'http://www.w3.org/2006/12/xml-c14n11',
  signature: 'http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384',
  digest: 'http://www.w3.org/2001/04/xmldsig-more#sha384',
  enveloped: 'http://www.w3.org/2000/09/xmldsig#enveloped-signature',
})

const SWID = 'http://standards.iso.org/iso/19770/-2/2015/schema.xsd'
const TCG_RIM =
  'https://trustedcomputinggroup.org/resource/tcg-reference-integrity-manifest-rim-information-model/'
const SHA384 = 'http://www.w3.org/2001/04/xmlenc#sha384'
const XMLDSIG = 'http://www.w3.org/2000/09/xmldsig#'
/** As in every file of this form; that this one is simulated stands in its certificates, the names of all of which say so. */
const MANUFACTURER = 'NVIDIA Corporation'
/** SMI enterprise number of NVIDIA. */
const MANUFACTURER_ID = '5703'
const DIGEST_BYTES = 48
const BASE64_LINE = 64

const ROOT_NAMESPACES = [
  ['', SWID],
  ['ns0', SWID],
  ['ns2', SHA384],
] as const

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

function resource({ active, alternatives }: RimResource, index: number): XmlElement {
  return {
    name: 'ns0:Resource',
    attributes: [
      ['type', 'Measurement'],
      ['index', String(index)],
      ['active', active ? 'True' : 'False'],
      ['alternatives', String(alternatives.length)],
      ...alternatives.map((value, i) => [`ns2:Hash${i}`, hex(value)] as const),
      ['name', `Measurement_${index}`],
      ['size', String(DIGEST_BYTES)],
    ],
  }
}

function meta({ product, version }: RimTemplate): XmlElement {
  return {
    name: 'ns0:Meta',
    namespaces: [['ns1', TCG_RIM]],
    attributes: [
      ['colloquialVersion', version],
      ['edition', product === 'LS10' ? 'SWITCH' : 'GPU'],
      ['product', product],
      ['revision', 'r1'],
      ['PayloadType', 'direct'],
      ['ns1:BindingSpec', 'RIMIM'],
      ['ns1:BindingSpecVersion', '1.01'],
      ['ns1:PlatformManufacturerId', MANUFACTURER_ID],
      ['ns1:PlatformManufacturerStr', MANUFACTURER],
      ['ns1:PlatformModel', product],
      ['ns1:FirmwareManufacturer', MANUFACTURER],
      ['ns1:FirmwareManufacturerId', MANUFACTURER_ID],
    ],
  }
}

/** The tag before it is signed. */
export function describeRim(template: RimTemplate): XmlElement {
  const lines = template.resources.flatMap((one, index) => ['\n        ', resource(one, index)])
  const payload: XmlElement = {
    name: 'ns0:Payload',
    namespaces: [['SHA384', SHA384]],
    children: [...lines, '\n    '],
  }
  const entity: XmlElement = {
    name: 'ns0:Entity',
    attributes: [
      ['name', MANUFACTURER],
      ['role', 'softwareCreator tagCreator'],
    ],
  }
  const tagId = createHash('sha384').update(JSON.stringify(payload)).digest('hex')
  return {
    name: 'SoftwareIdentity',
    namespaces: ROOT_NAMESPACES,
    attributes: [
      ['corpus', 'false'],
      ['name', template.product],
      ['patch', 'false'],
      ['supplemental', 'false'],
      ['tagId', tagId],
      ['version', '1.0'],
      ['tagVersion', '0'],
    ],
    children: ['\n    ', entity, '\n    ', meta(template), '\n    ', payload, '\n'],
  }
}

function ds(
  name: string,
  attributes: XmlElement['attributes'],
  ...children: (XmlElement | string)[]
): XmlElement {
  return { name: `ds:${name}`, ...(attributes === undefined ? {} : { attributes }), children }
}

function algorithm(name: string, uri: string): XmlElement {
  return ds(name, [['Algorithm', uri]])
}

/** Base64 in lines of 64 characters, the last one ended too. */
function certificateText(der: Uint8Array): string {
  const base64 = Buffer.from(der).toString('base64')
  return base64.replaceAll(new RegExp(`.{1,${BASE64_LINE}}`, 'g'), '$&\n')
}

/** The `ds:Signature` of a tag that holds none yet. */
export function signatureOf(tag: XmlElement, signature: RimSignature): XmlElement {
  const uri = { ...RIM_ALGORITHMS, ...signature.algorithms }
  const digest = createHash('sha384').update(canonicalXml(tag)).digest('base64')
  const signedInfo = ds(
    'SignedInfo',
    undefined,
    algorithm('CanonicalizationMethod', uri.canonicalization),
    algorithm('SignatureMethod', uri.signature),
    ds(
      'Reference',
      [['URI', '']],
      ds(
        'Transforms',
        undefined,
        algorithm('Transform', uri.enveloped),
        algorithm('Transform', uri.canonicalization),
      ),
      algorithm('DigestMethod', uri.digest),
      ds('DigestValue', undefined, digest),
    ),
  )
  const scope = new Map([...(tag.namespaces ?? []), ['ds', XMLDSIG] as const])
  const signed = Buffer.from(canonicalXml(signedInfo, scope), 'utf8')
  const value = (signature.sign ?? signRandomized)(signed, signature.pki.signer.key, 'ieee-p1363')
  const certificates = signature.pki.chain.map((der) =>
    ds('X509Certificate', undefined, certificateText(der)),
  )
  return {
    name: 'ds:Signature',
    namespaces: [['ds', XMLDSIG]],
    children: [
      signedInfo,
      ds('SignatureValue', undefined, Buffer.from(value).toString('base64')),
      ds('KeyInfo', undefined, ds('X509Data', undefined, ...certificates)),
    ],
  }
}

/** The file: the tag with its signature as last child, and a line end. */
export function writeRim(tag: XmlElement, signature: XmlElement): Uint8Array {
  const signed = { ...tag, children: [...(tag.children ?? []), signature] }
  return Uint8Array.from(Buffer.from(`${writeXml(signed)}\n`, 'utf8'))
}

/** @returns the file as the RIM service would serve it, UTF-8 */
export function buildRim(template: RimTemplate, signature: RimSignature): Uint8Array {
  const tag = describeRim(template)
  return writeRim(tag, signatureOf(tag, signature))
}
