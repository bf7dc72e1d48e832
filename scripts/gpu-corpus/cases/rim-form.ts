/**
 * RIM files that are not in the one form of NVIDIA's, or that were changed after they were signed: XML that readers disagree
 * about, signature wrapping, other algorithms.
 * Source: XML 1.0 (fifth edition), Namespaces in XML 1.0, Canonical XML 1.1, XML Signature 1.1; McIntosh and Austel, "XML
 * Signature Element Wrapping Attacks" (2005).
 *
 * @module
 */
import type { XmlElement } from '../../../attestation/simulator/nvidia/xml-element.ts'
import { keyOf, seededEntropy } from '../entropy.ts'
import { rimText, VBIOS_TEMPLATE, vbiosFile } from '../rim.ts'
import type { RimChange } from '../rim.ts'
import { malformed, rejected } from '../vector.ts'
import type { Vector } from '../vector.ts'
import { flipped, fromHex, join, RIMS, STRANGER_RIMS } from '../world.ts'

type Row = readonly [id: string, title: string, change: RimChange]

const after = (change: (text: string) => string): RimChange => ({ after: change })
/** Exchanges the first occurrence, which has to be there. */
function swap(from: string | RegExp, to: string): RimChange {
  return after((text) => {
    const changed = text.replace(from, to)
    if (changed === text) throw new TypeError(`nothing changed: ${String(from)}`)
    return changed
  })
}

const GOOD = rimText(VBIOS_TEMPLATE)
const SIGNATURE = /<ds:Signature [^]*<\/ds:Signature>/.exec(GOOD)?.[0] ?? ''
const PAYLOAD = /<ns0:Payload[^]*<\/ns0:Payload>/.exec(GOOD)?.[0] ?? ''
const LAST_RESOURCE = /<ns0:Resource [^>]*name="Measurement_12"[^>]*>/.exec(GOOD)?.[0] ?? ''
const HASH = /ns2:Hash0="([0-9a-f]*[1-9a-f][0-9a-f]*)"/.exec(GOOD)?.[1] ?? ''
const EVIL = 'e'.repeat(96)

/** XML that is no part of the form, or that canonical XML leaves out. */
const XML: readonly Row[] = [
  ['not-xml', 'a text that is no XML', after(() => 'NV_GPU_VBIOS')],
  ['doctype', 'a document type', after((text) => `<!DOCTYPE SoftwareIdentity>${text}`)],
  [
    'entity',
    'a golden value from an entity that the document declares',
    after((text) =>
      `<!DOCTYPE SoftwareIdentity [<!ENTITY v "${HASH}">]>${text}`.replace(`"${HASH}"`, '"&v;"'),
    ),
  ],
  [
    'external-entity',
    'an entity from a file',
    after((text) => `<!DOCTYPE SoftwareIdentity [<!ENTITY v SYSTEM "file:///etc/passwd">]>${text}`),
  ],
  [
    'comment-in-payload',
    'a comment among the resources',
    swap('<ns0:Resource', '<!-- --><ns0:Resource'),
  ],
  [
    'comment-in-digest',
    'a comment in the middle of the digest',
    swap(/(<ds:DigestValue>.{10})/, '$1<!-- -->'),
  ],
  [
    'comment-in-signature-value',
    'a comment in the middle of the signature value',
    swap(/(<ds:SignatureValue>.{10})/, '$1<!-- -->'),
  ],
  [
    'comment-in-certificate',
    'a comment in the middle of a certificate',
    swap(/(<ds:X509Certificate>.{10})/, '$1<!-- -->'),
  ],
  ['comment-before-root', 'a comment before the root', after((text) => `<!-- -->${text}`)],
  [
    'processing-instruction',
    'a processing instruction among the resources',
    swap('<ns0:Resource', '<?skip this?><ns0:Resource'),
  ],
  ['cdata', 'a CDATA section', swap('<ns0:Resource', '<![CDATA[ ]]><ns0:Resource')],
  ['byte-order-mark', 'a byte order mark in front', after((text) => `\ufeff${text}`)],
  ['carriage-return', 'line ends of Windows', after((text) => text.replaceAll('\n', '\r\n'))],
  [
    'xml-attribute',
    'an attribute of the xml namespace',
    swap('corpus="false"', 'xml:space="preserve" corpus="false"'),
  ],
  ['two-roots', 'two documents one after the other', after((text) => text + text)],
  ['text-behind-root', 'text behind the root', after((text) => `${text}more`)],
  ['not-closed', 'the last end tag missing', swap('</SoftwareIdentity>', '')],
  ['attribute-twice', 'an attribute twice', swap('active="True"', 'active="True" active="False"')],
  [
    'attribute-twice-by-namespace',
    'one hash under two prefixes of one namespace',
    swap('ns2:Hash0=', `SHA384:Hash0="${EVIL}" ns2:Hash0=`),
  ],
  [
    'namespace-of-hash-exchanged',
    'the prefix of the hashes bound anew for one resource',
    swap('<ns0:Resource type', '<ns0:Resource xmlns:ns2="urn:other" type'),
  ],
  [
    'namespace-of-root-exchanged',
    'the root in another namespace',
    swap('xmlns="http://standards.iso.org/iso/19770/-2/2015/schema.xsd"', 'xmlns="urn:other"'),
  ],
  ['prefix-undeclared', 'a prefix that nobody declares', swap('<ns0:Resource', '<ns9:Resource')],
  ['payload-twice', 'a second payload', swap('<ns0:Payload', `${PAYLOAD}<ns0:Payload`)],
  [
    'resource-repeated',
    'the last resource twice',
    swap(LAST_RESOURCE, LAST_RESOURCE + LAST_RESOURCE),
  ],
  [
    'resource-missing',
    'a resource left out',
    swap(/<ns0:Resource [^>]*name="Measurement_3"[^>]*>/, ''),
  ],
  ['resource-with-other-index', 'two resources of one index', swap('index="3"', 'index="4"')],
  ['active-lower-case', 'active="true"', swap('active="True"', 'active="true"')],
  [
    'alternatives-more',
    'more alternatives than values',
    swap('alternatives="4"', 'alternatives="5"'),
  ],
  [
    'alternatives-fewer',
    'fewer alternatives than values',
    swap('alternatives="4"', 'alternatives="3"'),
  ],
  ['hash-short', 'a golden value of 47 bytes', swap(`"${HASH}"`, `"${HASH.slice(2)}"`)],
  ['size-other', 'another size', swap('size="48"', 'size="32"')],
  [
    'id-attribute-twice',
    'two elements of one id',
    after((text) =>
      text
        .replace('<ns0:Payload', '<ns0:Payload Id="signed"')
        .replace('<ns0:Entity', '<ns0:Entity Id="signed"'),
    ),
  ],
]

/** Signatures that are not the one enveloped signature over the whole. */
const SIGNATURES: readonly Row[] = [
  [
    'not-last',
    'a second payload behind the signature',
    swap('</ds:Signature>', `</ds:Signature>${PAYLOAD}`),
  ],
  ['none', 'no signature', after((text) => text.replace(SIGNATURE, ''))],
  ['twice', 'the signature twice', after((text) => text.replace(SIGNATURE, SIGNATURE + SIGNATURE))],
  [
    'second-by-stranger',
    'a second signature by a stranger behind the first',
    after((text) => text.replace(SIGNATURE, () => SIGNATURE + strangeSignature())),
  ],
  [
    'second-by-stranger-in-front',
    'a second signature by a stranger before the first',
    after((text) => text.replace(SIGNATURE, () => strangeSignature() + SIGNATURE)),
  ],
  [
    'moved-to-front',
    'the signature before everything else',
    after((text) =>
      text.replace(SIGNATURE, '').replace('<ns0:Entity', () => `${SIGNATURE}<ns0:Entity`),
    ),
  ],
  [
    'moved-into-payload',
    'the signature inside the payload',
    after((text) =>
      text.replace(SIGNATURE, '').replace('</ns0:Payload>', () => `${SIGNATURE}</ns0:Payload>`),
    ),
  ],
  [
    'wrapped-in-object',
    'the signed tag moved into an object of the signature, another one in its place',
    after((text) => {
      const signed = text.replace(SIGNATURE, '').trimEnd()
      const object = `<ds:Object>${signed}</ds:Object></ds:Signature>`
      return text.replaceAll(HASH, EVIL).replace('</ds:Signature>', () => object)
    }),
  ],
  [
    'wrapped-in-root',
    'the whole signed file inside another tag',
    after((text) => {
      const outer = text.replace(SIGNATURE, '').replaceAll(HASH, EVIL)
      return outer.replace('</SoftwareIdentity>', () => `${text.trimEnd()}</SoftwareIdentity>`)
    }),
  ],
  [
    'reference-to-id',
    'the reference names an id that the signed tag has, in a document with another payload',
    after((text) => {
      const named = text.replace('<SoftwareIdentity', '<SoftwareIdentity Id="signed"')
      return named.replace('URI=""', 'URI="#signed"')
    }),
  ],
  [
    'reference-without-uri',
    'a reference without URI',
    swap('<ds:Reference URI="">', '<ds:Reference>'),
  ],
  ['reference-twice', 'the reference twice', swap(/(<ds:Reference [^]*<\/ds:Reference>)/, '$1$1')],
  [
    'transform-enveloped-missing',
    'no transform of the enveloped signature',
    swap(/<ds:Transform Algorithm="[^"]*enveloped-signature"\/>/, ''),
  ],
  [
    'transform-xpath',
    'an XPath transform that leaves the payload out',
    swap(
      '</ds:Transforms>',
      '<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xpath-19991116"/></ds:Transforms>',
    ),
  ],
  [
    'transform-order',
    'the two transforms exchanged',
    {
      signature: (signature) =>
        mapElements(signature, 'ds:Transforms', (transforms) => ({
          ...transforms,
          children: (transforms.children ?? []).toReversed(),
        })),
    },
  ],
  ...(
    [
      [
        'c14n-1-0',
        'Canonical XML 1.0',
        { canonicalization: 'http://www.w3.org/TR/2001/REC-xml-c14n-20010315' },
      ],
      [
        'c14n-exclusive',
        'exclusive canonicalisation',
        { canonicalization: 'http://www.w3.org/2001/10/xml-exc-c14n#' },
      ],
      [
        'c14n-with-comments',
        'Canonical XML 1.1 with comments',
        { canonicalization: 'http://www.w3.org/2006/12/xml-c14n11#WithComments' },
      ],
      [
        'method-sha256',
        'ECDSA with SHA-256',
        { signature: 'http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256' },
      ],
      [
        'method-rsa',
        'RSA with SHA-384',
        { signature: 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha384' },
      ],
      [
        'method-hmac',
        'HMAC with SHA-384',
        { signature: 'http://www.w3.org/2001/04/xmldsig-more#hmac-sha384' },
      ],
      [
        'digest-sha256',
        'a digest of SHA-256',
        { digest: 'http://www.w3.org/2001/04/xmlenc#sha256' },
      ],
      [
        'digest-xmlenc-sha384',
        'the digest under a name that nobody defined',
        { digest: 'http://www.w3.org/2001/04/xmlenc#sha384' },
      ],
    ] as const
  ).map(([id, title, algorithms]): Row => [`algorithm-${id}`, title, { signing: { algorithms } }]),
  [
    'value-der',
    'the signature value in DER',
    {
      signing: {
        sign: (message, key) => seededEntropy.sign(message, key, 'der'),
      },
    },
  ],
  [
    'value-with-spaces',
    'a line end in the signature value',
    swap(/(<ds:SignatureValue>.{64})/, '$1\n'),
  ],
  [
    'key-value-beside-certificates',
    'a key beside the certificates',
    swap('<ds:X509Data>', '<ds:KeyName>mine</ds:KeyName><ds:X509Data>'),
  ],
  ['no-key-info', 'no key', swap(/<ds:KeyInfo>[^]*<\/ds:KeyInfo>/, '')],
  [
    'certificates-in-two-lists',
    'the certificates in two lists',
    swap(
      '</ds:X509Certificate><ds:X509Certificate>',
      '</ds:X509Certificate></ds:X509Data><ds:X509Data><ds:X509Certificate>',
    ),
  ],
  [
    'certificate-cut',
    'a certificate that ends early',
    swap(/[^\n]{20}\n<\/ds:X509Certificate>/, '</ds:X509Certificate>'),
  ],
]

/** The signature element of a stranger over the same tag with one value exchanged. */
function strangeSignature(): string {
  const text = rimText(VBIOS_TEMPLATE, { signing: { pki: STRANGER_RIMS } })
  return /<ds:Signature [^]*<\/ds:Signature>/.exec(text)?.[0] ?? ''
}

/** Every element of that name, changed. */
function mapElements(
  element: XmlElement,
  name: string,
  change: (element: XmlElement) => XmlElement,
): XmlElement {
  const own = element.name === name ? change(element) : element
  return {
    ...own,
    children: (own.children ?? []).map((child) =>
      typeof child === 'string' ? child : mapElements(child, name, change),
    ),
  }
}

/** Changed behind the signer's back, in a form that is good. */
const CHANGED: readonly Row[] = [
  ['golden-value', 'another golden value', swap(`"${HASH}"`, `"${EVIL}"`)],
  [
    'value-added',
    'one more alternative',
    swap('alternatives="1" ns2', `alternatives="2" ns2:Hash1="${EVIL}" ns2`),
  ],
  [
    'deactivated',
    'a measurement that is no longer compared',
    swap('active="True"', 'active="False"'),
  ],
  ['activated', 'a measurement that is now compared', swap('active="False"', 'active="True"')],
  ['shortened', 'the last resource left out', swap(LAST_RESOURCE, '')],
  [
    'version',
    'another version',
    swap('colloquialVersion="96.00.9F.00.01"', 'colloquialVersion="96.00.9F.00.02"'),
  ],
  ['tag-id', 'another tag id', swap(/tagId="..../, 'tagId="0000')],
  [
    'space-in-payload',
    'one space more between two resources',
    swap('\n        <ns0:Resource', '\n         <ns0:Resource'),
  ],
  ['hex-upper-case', 'a golden value in upper case', swap(`"${HASH}"`, `"${HASH.toUpperCase()}"`)],
  [
    'namespace-added',
    'a namespace that nobody uses',
    swap('<ns0:Payload ', '<ns0:Payload xmlns:ns7="urn:unused" '),
  ],
  [
    'prefix-renamed',
    'another prefix for the same namespace',
    after((text) => text.replaceAll('ns0:', 'nsx:').replace('xmlns:ns0', 'xmlns:nsx')),
  ],
  ['default-namespace-used', 'the same element without its prefix', swap('<ns0:Entity', '<Entity')],
  [
    'digest',
    'another digest in the signature',
    swap(/<ds:DigestValue>..../, '<ds:DigestValue>AAAA'),
  ],
]

/** Where the signature value is none of the first certificate's key over what stands there. */
const INVALID: readonly Row[] = [
  ['bit-of-r', 'a bit of r flipped', value((raw) => flipped(raw, 0))],
  ['bit-of-s', 'a bit of s flipped', value((raw) => flipped(raw, -1))],
  ['zero', 'r and s zero', value(() => new Uint8Array(96))],
  ['swapped', 'r and s exchanged', value((raw) => join(raw.subarray(48), raw.subarray(0, 48)))],
  [
    'by-stranger',
    'signed by a key that nobody certified',
    {
      signing: {
        pki: { chain: RIMS.chain, signer: { ...RIMS.signer, key: keyOf('nobody').privateKey } },
      },
    },
  ],
  [
    'by-ca',
    'signed by the second certificate’s key',
    { signing: { pki: { chain: RIMS.chain, signer: RIMS.l3 } } },
  ],
  [
    'certificates-reversed',
    'the root first and the signer last',
    { signing: { pki: { chain: RIMS.chain.toReversed(), signer: RIMS.signer } } },
  ],
  [
    'namespaces-of-ancestors-missing',
    'signed without the namespaces that the signature inherits, as exclusive canonicalisation would',
    {
      signing: {
        sign: (message, key, encoding) => {
          const text = Buffer.from(message).toString('utf8')
          const bare = text.replace(/ xmlns="[^"]*"/, '').replaceAll(/ xmlns:ns\d="[^"]*"/g, '')
          if (bare === text) throw new TypeError('nothing is inherited')
          return seededEntropy.sign(Buffer.from(bare), key, encoding)
        },
      },
    },
  ],
  [
    'digest-of-changed-document',
    'the digest made to fit another golden value, the signature kept',
    {
      resources: { 3: { active: true, alternatives: [fromHex(EVIL)] } },
      signature: (made) =>
        mapElements(made, 'ds:SignatureValue', (one) => ({
          ...one,
          children: [/<ds:SignatureValue>([^<]*)/.exec(GOOD)?.[1] ?? ''],
        })),
    },
  ],
]

function value(change: (raw: Uint8Array) => Uint8Array): RimChange {
  return {
    signing: {
      sign: (message, key, encoding) => change(seededEntropy.sign(message, key, encoding)),
    },
  }
}

export function rimFormCases(): Vector[] {
  return [
    ...XML.map(([id, title, change]) =>
      malformed(`rim-xml-${id}`, 'rim_malformed', title, { collateral: vbiosFile(change) }),
    ),
    ...SIGNATURES.map(([id, title, change]) =>
      malformed(`rim-signature-${id}`, 'rim_signature_malformed', title, {
        collateral: vbiosFile(change),
      }),
    ),
    ...CHANGED.map(([id, title, change]) =>
      rejected(`rim-changed-${id}`, 'rim_digest_mismatch', title, {
        collateral: vbiosFile(change),
      }),
    ),
    ...INVALID.map(([id, title, change]) =>
      rejected(`rim-signed-${id}`, 'rim_signature_invalid', title, {
        collateral: vbiosFile(change),
      }),
    ),
  ]
}
