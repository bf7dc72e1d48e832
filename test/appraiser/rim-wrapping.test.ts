/**
 * What somebody without a key of NVIDIA's can make of a genuine RIM. Every row starts from one good file; those that must
 * verify are other spellings of the same tree.
 */
import { createHmac } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import {
  MAX_XML_ATTRIBUTES,
  MAX_XML_BYTES,
  MAX_XML_DEPTH,
  MAX_XML_ELEMENTS,
  MAX_XML_PREFIXES,
  MAX_XML_VALUE,
} from '../../attestation/appraiser/gpu/rim/parse-xml.ts'
import { verifyRim } from '../../attestation/appraiser/gpu/rim/verify-rim.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { buildRim, RIM_ALGORITHMS } from '../../attestation/simulator/nvidia/build-rim.ts'
import { createRimPki } from '../../attestation/simulator/nvidia/create-rim-pki.ts'
import {
  SIMULATED_GPU_FIRMWARE,
  vbiosRimTemplate,
} from '../../attestation/simulator/nvidia/simulated-firmware.ts'
import { PORTS } from './gpu.helpers.ts'
import { goodRim, rimOutcome } from './rim.helpers.ts'

const AT = 1795392000
const now = new Date(AT * 1000)
const pki = createRimPki({ now })
const stranger = createRimPki({ now })
const template = vbiosRimTemplate(SIMULATED_GPU_FIRMWARE)
const GOOD = Buffer.from(buildRim(template, { pki })).toString('utf8')
const options = {
  crypto: nodeCrypto,
  at: AT,
  rootSha256: [pki.rootSha256],
  allowSimulated: true,
}

const utf8 = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'utf8'))
const outcome = (file: string | Uint8Array): string =>
  rimOutcome(verifyRim(typeof file === 'string' ? utf8(file) : file, options))

/** Replaces the first find, and insists that there is one: an attack that changes nothing would prove nothing. */
function change(find: string | RegExp, replacement: string, text: string = GOOD): string {
  const changed = text.replace(find, replacement)
  if (changed === text) throw new Error(`nothing to change: ${find}`)
  return changed
}

function cut(start: string, end: string): string {
  const from = GOOD.indexOf(start)
  return GOOD.slice(from, GOOD.indexOf(end, from) + end.length)
}

const SIGNATURE = cut('<ds:Signature ', '</ds:Signature>')
const SIGNED_INFO = cut('<ds:SignedInfo>', '</ds:SignedInfo>')
const REFERENCE = cut('<ds:Reference ', '</ds:Reference>')
const PAYLOAD = cut('<ns0:Payload ', '</ns0:Payload>')
const KEY_INFO = cut('<ds:KeyInfo>', '</ds:KeyInfo>')
const ROOT_TAG = /^<SoftwareIdentity [^>]*>/.exec(GOOD)?.[0] ?? ''
const EVIL_PAYLOAD = PAYLOAD.replaceAll(/Hash(\d)="[0-9a-f]{8}/g, 'Hash$1="deadbeef')
const UNSIGNED = GOOD.replace(SIGNATURE, '')
const DSIG = 'http://www.w3.org/2000/09/xmldsig#'

describe.each(PORTS)('with the %s port', (_port, crypto) => {
  test('the file itself verifies', () => {
    expect(rimOutcome(verifyRim(utf8(GOOD), { ...options, crypto }))).toBe('ok')
  })
})

describe('other spellings of the signed tree read as the same RIM', () => {
  const good = goodRim(utf8(GOOD), options)
  test.each<[string, string]>([
    ['an XML declaration', `<?xml version="1.0" encoding="UTF-8"?>\n${GOOD}`],
    ['no line end', GOOD.trimEnd()],
    ['single quotes', change('index="5"', "index='5'")],
    ['white space in a tag', change('index="5"', 'index\n =\t"5"')],
    [
      'another order of attributes',
      change('type="Measurement" index="5"', 'index="5" type="Measurement"'),
    ],
    [
      'start and end tag for an empty element',
      change(/(<ns0:Entity [^>]*)\/>/, '$1></ns0:Entity>'),
    ],
    ['a character reference', change('index="5"', 'index="&#53;"')],
    ['a hexadecimal one', change('edition="GPU"', 'edition="&#x47;PU"')],
    [
      'a declaration that repeats one in scope',
      change(
        '<ns0:Payload ',
        '<ns0:Payload xmlns:ns0="http://standards.iso.org/iso/19770/-2/2015/schema.xsd" ',
      ),
    ],
    ['white space in the key information', change('<ds:X509Data>', '\n <ds:X509Data>')],
    ['certificates on one line', GOOD.replaceAll(/(?<=[A-Za-z0-9+/=])\n(?=[A-Za-z0-9+/=<])/g, '')],
  ])('%s', (_name, text) => {
    expect(goodRim(utf8(text), options).measurements).toEqual(good.measurements)
  })
})

describe('signature wrapping', () => {
  test.each<[string, string, string]>([
    ['no signature', UNSIGNED, 'rim_signature_malformed'],
    ['a changed golden value', change(PAYLOAD, EVIL_PAYLOAD), 'rim_digest_mismatch'],
    ['the signature twice', change(SIGNATURE, SIGNATURE + SIGNATURE), 'rim_signature_malformed'],
    [
      'an empty signature behind the good one',
      change(SIGNATURE, `${SIGNATURE}<ds:Signature xmlns:ds="${DSIG}"/>`),
      'rim_signature_malformed',
    ],
    [
      'the signature in front',
      change('<ns0:Entity', `${SIGNATURE}<ns0:Entity`, UNSIGNED),
      'rim_signature_malformed',
    ],
    [
      'the signature in the payload',
      change('</ns0:Payload>', `${SIGNATURE}</ns0:Payload>`, UNSIGNED),
      'rim_signature_malformed',
    ],
    [
      'a second signature in the payload',
      change('</ns0:Payload>', `${SIGNATURE}</ns0:Payload>`),
      'rim_malformed',
    ],
    [
      'a signature in another namespace',
      GOOD.replace(`xmlns:ds="${DSIG}"`, 'xmlns:ds="urn:other"'),
      'rim_signature_malformed',
    ],
    [
      'a signature without its prefix',
      GOOD.replaceAll('ds:', '').replace(`xmlns:ds`, 'xmlns'),
      'rim_signature_invalid',
    ],
    [
      'text behind the signature',
      change('</ds:Signature>', '</ds:Signature>x'),
      'rim_signature_malformed',
    ],
    [
      'white space behind the signature, which is signed too',
      change('</ds:Signature>', '</ds:Signature> '),
      'rim_digest_mismatch',
    ],
    ['a payload beside the signed one', change(PAYLOAD, EVIL_PAYLOAD + PAYLOAD), 'rim_malformed'],
    [
      'the signed document inside an Object',
      change(
        SIGNATURE,
        SIGNATURE.replace(
          '</ds:Signature>',
          `<ds:Object>${GOOD.trimEnd()}</ds:Object></ds:Signature>`,
        ),
      ).replace(PAYLOAD, EVIL_PAYLOAD),
      'rim_signature_malformed',
    ],
    [
      'the signed document inside another root',
      `${ROOT_TAG}${GOOD.trimEnd()}${EVIL_PAYLOAD}</SoftwareIdentity>`,
      'rim_signature_malformed',
    ],
    ['another root around all', `<a>${GOOD.trimEnd()}</a>`, 'rim_signature_malformed'],
    [
      'another root with the signature as its last child',
      `<a>${GOOD.replace(SIGNATURE, '').trimEnd()}${SIGNATURE}</a>`,
      'rim_malformed',
    ],
    [
      'an empty Object',
      change('<ds:KeyInfo>', '<ds:Object/><ds:KeyInfo>'),
      'rim_signature_malformed',
    ],
    ['a reference to an identifier', change('URI=""', 'URI="#a"'), 'rim_signature_malformed'],
    [
      'a reference to an XPointer',
      change('URI=""', 'URI="#xpointer(/)"'),
      'rim_signature_malformed',
    ],
    [
      'a reference elsewhere',
      change('URI=""', 'URI="http://a.invalid/"'),
      'rim_signature_malformed',
    ],
    ['a reference without a URI', change(' URI=""', ''), 'rim_signature_malformed'],
    ['a reference with an Id', change('URI=""', 'URI="" Id="a"'), 'rim_signature_malformed'],
    [
      'a reference with a type',
      change('URI=""', `URI="" Type="${DSIG}Object"`),
      'rim_signature_malformed',
    ],
    ['the reference twice', change(REFERENCE, REFERENCE + REFERENCE), 'rim_signature_malformed'],
    ['no reference', change(REFERENCE, ''), 'rim_signature_malformed'],
    [
      'the reference behind SignedInfo',
      change(REFERENCE, '').replace('</ds:SignedInfo>', `</ds:SignedInfo>${REFERENCE}`),
      'rim_signature_malformed',
    ],
    ['SignedInfo twice', change(SIGNED_INFO, SIGNED_INFO + SIGNED_INFO), 'rim_signature_malformed'],
    [
      'the signature value twice',
      change(/<ds:SignatureValue>[^<]*<\/ds:SignatureValue>/, '$&$&'),
      'rim_signature_malformed',
    ],
    [
      'an Id on the root',
      change('<SoftwareIdentity ', '<SoftwareIdentity Id="a" '),
      'rim_malformed',
    ],
    [
      'one Id on two elements',
      change('<ns0:Entity ', '<ns0:Entity Id="a" ').replace('<ns0:Meta ', '<ns0:Meta Id="a" '),
      'rim_malformed',
    ],
    [
      'an Id on the signature',
      change('<ds:Signature ', '<ds:Signature Id="a" '),
      'rim_signature_malformed',
    ],
    [
      'an Id on SignedInfo',
      change('<ds:SignedInfo', '<ds:SignedInfo Id="a"'),
      'rim_signature_malformed',
    ],
  ])('%s', (_name, text, code) => {
    expect(outcome(text)).toBe(code)
  })
})

describe('names and namespaces', () => {
  test.each<[string, string, string]>([
    [
      'an unsigned declaration on the root',
      change('<SoftwareIdentity ', '<SoftwareIdentity xmlns:a="urn:a" '),
      'rim_digest_mismatch',
    ],
    [
      'an unsigned declaration on a measurement',
      change('<ns0:Resource ', '<ns0:Resource xmlns:a="urn:a" '),
      'rim_digest_mismatch',
    ],
    [
      'an unsigned declaration on SignedInfo',
      change('<ds:SignedInfo', '<ds:SignedInfo xmlns:a="urn:a"'),
      'rim_signature_invalid',
    ],
    [
      'a prefix that is bound anew',
      change('<ns0:Resource ', '<ns0:Resource xmlns:ns0="urn:a" '),
      'rim_malformed',
    ],
    [
      'another prefix for the same namespace',
      GOOD.replaceAll('ns0:', 'b:').replace('xmlns:ns0', 'xmlns:b'),
      'rim_digest_mismatch',
    ],
    [
      'two prefixes that change places',
      change('xmlns:ns0=', 'xmlns:tmp=')
        .replace('xmlns:ns2=', 'xmlns:ns0=')
        .replace('xmlns:tmp=', 'xmlns:ns2='),
      'rim_malformed',
    ],
    [
      'a default namespace taken away',
      change('<ns0:Payload ', '<ns0:Payload xmlns="" '),
      'rim_digest_mismatch',
    ],
    ['hashes in no namespace', GOOD.replaceAll('ns2:Hash', 'Hash'), 'rim_malformed'],
    [
      'an attribute of a measurement in a namespace',
      change('active="True"', 'ns0:active="True"'),
      'rim_malformed',
    ],
    ['a prefix that is not declared', change('active="True"', 'a:active="True"'), 'rim_malformed'],
    [
      'an element with a prefix that is not declared',
      change('<ns0:Entity', '<a:Entity'),
      'rim_malformed',
    ],
    [
      'an attribute twice',
      change('active="True"', 'active="True" active="False"'),
      'rim_malformed',
    ],
    [
      'an attribute twice by two prefixes',
      change('ns2:Hash0="', 'SHA384:Hash0="00" ns2:Hash0="'),
      'rim_malformed',
    ],
    ['a declaration twice', change('xmlns:ns0=', 'xmlns:ns0="urn:a" xmlns:ns0='), 'rim_malformed'],
    [
      'a namespace name that has to be escaped, which not all tools do',
      change('<ns0:Payload ', '<ns0:Payload xmlns:a="urn:a&amp;b" '),
      'rim_malformed',
    ],
    [
      'a relative namespace name',
      change('<ns0:Payload ', '<ns0:Payload xmlns:a="b" '),
      'rim_malformed',
    ],
    ['a prefix undeclared', change('<ns0:Payload ', '<ns0:Payload xmlns:ns2="" '), 'rim_malformed'],
    [
      'the prefix xml declared',
      change('<ns0:Payload ', '<ns0:Payload xmlns:xml="http://www.w3.org/XML/1998/namespace" '),
      'rim_malformed',
    ],
    [
      'the prefix xmlns declared',
      change('<ns0:Payload ', '<ns0:Payload xmlns:xmlns="urn:a" '),
      'rim_malformed',
    ],
    [
      'the xml namespace under another prefix',
      change('<ns0:Payload ', '<ns0:Payload xmlns:a="http://www.w3.org/XML/1998/namespace" '),
      'rim_malformed',
    ],
    [
      'an xml: attribute that the signed part would inherit',
      change('<SoftwareIdentity ', '<SoftwareIdentity xml:base="http://a.invalid/" '),
      'rim_malformed',
    ],
    [
      'XInclude',
      change(
        '<ns0:Entity',
        '<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="a"/><ns0:Entity',
      ),
      'rim_malformed',
    ],
  ])('%s', (_name, text, code) => {
    expect(outcome(text)).toBe(code)
  })
})

describe('what canonical XML leaves out or normalises', () => {
  const first = 'colloquialVersion="'
  test.each<[string, string | Uint8Array, string]>([
    ['a comment', change('<ns0:Entity', '<!-- a --><ns0:Entity'), 'rim_malformed'],
    [
      'a comment inside the digest value',
      change('<ds:DigestValue>', '<ds:DigestValue><!-- a -->'),
      'rim_malformed',
    ],
    [
      'a comment inside a certificate',
      change('<ds:X509Certificate>', '<ds:X509Certificate>MII<!-- a -->'),
      'rim_malformed',
    ],
    ['a processing instruction', change('<ns0:Entity', '<?a b?><ns0:Entity'), 'rim_malformed'],
    ['one before the root', `<?xml-stylesheet href="a"?>${GOOD}`, 'rim_malformed'],
    ['one after the root', `${GOOD}<?a b?>`, 'rim_malformed'],
    [
      'a CDATA section',
      change('\n    <ns0:Entity', '<![CDATA[\n    ]]><ns0:Entity'),
      'rim_malformed',
    ],
    ['a document type', `<!DOCTYPE SoftwareIdentity>${GOOD}`, 'rim_malformed'],
    [
      'a document type that makes an attribute an identifier',
      `<!DOCTYPE a [<!ATTLIST a b ID #IMPLIED>]>${GOOD}`,
      'rim_malformed',
    ],
    [
      'an entity of its own',
      change(first, `${first}&a;`, `<!DOCTYPE a [<!ENTITY a "">]>${GOOD}`),
      'rim_malformed',
    ],
    [
      'an external entity',
      `<!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/passwd">]>${GOOD}`,
      'rim_malformed',
    ],
    ['an entity that nobody declares', change(first, `${first}&nbsp;`), 'rim_malformed'],
    ['a reference without an end', change(first, `${first}&amp`), 'rim_malformed'],
    ['an ampersand', change(first, `${first}&`), 'rim_malformed'],
    ['a reference to NUL', change(first, `${first}&#0;`), 'rim_malformed'],
    ['a reference to half a character', change(first, `${first}&#xD800;`), 'rim_malformed'],
    ['a reference beyond Unicode', change(first, `${first}&#x110000;`), 'rim_malformed'],
    [
      'an ampersand spelled twice over is read once',
      change('name="Measurement_5"', 'name="&#38;amp;"'),
      'rim_malformed',
    ],
    ['a byte order mark', `\uFEFF${GOOD}`, 'rim_malformed'],
    ['UTF-16', Uint8Array.from(Buffer.from(`\uFEFF${GOOD}`, 'utf16le')), 'rim_malformed'],
    [
      'another encoding by declaration',
      `<?xml version="1.0" encoding="ISO-8859-1"?>${GOOD}`,
      'rim_malformed',
    ],
    ['XML 1.1', `<?xml version="1.1"?>${GOOD}`, 'rim_malformed'],
    ['a declaration behind a line end', `\n<?xml version="1.0"?>${GOOD}`, 'rim_malformed'],
    ['bytes that are not UTF-8', Uint8Array.from([...utf8(GOOD), 0xff]), 'rim_malformed'],
    ['an overlong slash', Uint8Array.from([...utf8(GOOD), 0xc0, 0xaf]), 'rim_malformed'],
    ['NUL', `${GOOD}\0`, 'rim_malformed'],
    ['a control character', change('tagCreator', 'tag\u0001Creator'), 'rim_malformed'],
    ['a noncharacter', change('tagCreator', 'tag\uFFFECreator'), 'rim_malformed'],
    ['carriage returns', GOOD.replaceAll('\n', '\r\n'), 'rim_malformed'],
    [
      'a carriage return by reference',
      change('\n    <ns0:Entity', '&#13;\n    <ns0:Entity'),
      'rim_signature_malformed',
    ],
    [
      'a line end in an attribute',
      change('role="softwareCreator tagCreator"', 'role="softwareCreator\ntagCreator"'),
      'rim_malformed',
    ],
    [
      'a tab in an attribute',
      change('role="softwareCreator tagCreator"', 'role="softwareCreator\ttagCreator"'),
      'rim_malformed',
    ],
    [
      'one by reference',
      change('role="softwareCreator tagCreator"', 'role="softwareCreator&#9;tagCreator"'),
      'rim_malformed',
    ],
    [
      'text between measurements',
      change('\n        <ns0:Resource', 'x<ns0:Resource'),
      'rim_malformed',
    ],
    [
      'text in a measurement',
      change(/(<ns0:Resource [^>]*)\/>/, '$1>x</ns0:Resource>'),
      'rim_malformed',
    ],
    [
      'white space in a measurement',
      change(/(<ns0:Resource [^>]*)\/>/, '$1> </ns0:Resource>'),
      'rim_malformed',
    ],
    [
      'more white space between measurements',
      change('\n        <ns0:Resource', '\n\n        <ns0:Resource'),
      'rim_digest_mismatch',
    ],
    ['"]]>" in text', change('\n    <ns0:Entity', ']]><ns0:Entity'), 'rim_malformed'],
    ['text behind the root', `${GOOD}x`, 'rim_malformed'],
    ['a second root', `${GOOD}<a/>`, 'rim_malformed'],
    ['nothing', '', 'rim_malformed'],
    ['text alone', 'x', 'rim_malformed'],
    ['an element that does not end', GOOD.trimEnd().slice(0, -1), 'rim_malformed'],
    ['an end tag of another element', change('</ns0:Payload>', '</ns0:Load>'), 'rim_malformed'],
    ['an end tag alone', '</a>', 'rim_malformed'],
    ['an attribute without quotes', change('index="5"', 'index=5'), 'rim_malformed'],
    ['an attribute with "<"', change('index="5"', 'index="<"'), 'rim_malformed'],
    [
      'two attributes without space',
      change('index="5" active', 'index="5"active'),
      'rim_malformed',
    ],
  ])('%s', (_name, file, code) => {
    expect(outcome(file)).toBe(code)
  })
})

describe('size and shape', () => {
  const deep = (depth: number) => '<a>'.repeat(depth) + '</a>'.repeat(depth)
  test.each<[string, string, string]>([
    ['longer than the limit', GOOD + ' '.repeat(MAX_XML_BYTES), 'rim_malformed'],
    ['as deep as the limit', deep(MAX_XML_DEPTH), 'rim_signature_malformed'],
    ['one deeper', deep(MAX_XML_DEPTH + 1), 'rim_malformed'],
    [
      'as many elements as the limit',
      `<a>${'<b/>'.repeat(MAX_XML_ELEMENTS - 1)}</a>`,
      'rim_signature_malformed',
    ],
    ['one more', `<a>${'<b/>'.repeat(MAX_XML_ELEMENTS)}</a>`, 'rim_malformed'],
    [
      'one attribute too many',
      `<a${Array.from({ length: MAX_XML_ATTRIBUTES + 1 }, (_, i) => ` b${i}=""`).join('')}/>`,
      'rim_malformed',
    ],
    [
      'one prefix too many',
      `<a${Array.from({ length: MAX_XML_PREFIXES + 1 }, (_, i) => ` xmlns:b${i}="urn:b"`).join('')}/>`,
      'rim_malformed',
    ],
    ['an attribute value too long', `<a b="${'x'.repeat(MAX_XML_VALUE + 1)}"/>`, 'rim_malformed'],
  ])('%s', (_name, text, code) => {
    expect(outcome(text)).toBe(code)
  })

  test('the limits are what stops them, not something else', () => {
    const detail = (text: string) => {
      const result = verifyRim(utf8(text), options)
      return result.ok ? '' : result.detail
    }
    expect(detail(deep(MAX_XML_DEPTH + 1))).toBe(`deeper than ${MAX_XML_DEPTH} elements`)
    expect(detail(`<a>${'<b/>'.repeat(MAX_XML_ELEMENTS)}</a>`)).toBe(
      `more than ${MAX_XML_ELEMENTS} elements`,
    )
    expect(detail(`<a b="${'x'.repeat(MAX_XML_VALUE + 1)}"/>`)).toContain('characters')
  })
})

describe('algorithms and values of the signature', () => {
  const URIS: readonly (readonly [keyof typeof RIM_ALGORITHMS, string])[] = [
    ['signature', 'http://www.w3.org/2001/04/xmldsig-more#hmac-sha384'],
    ['signature', 'http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256'],
    ['signature', 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha384'],
    ['signature', ''],
    ['signature', `${RIM_ALGORITHMS.signature} `],
    ['signature', RIM_ALGORITHMS.signature.toUpperCase()],
    ['digest', 'http://www.w3.org/2001/04/xmlenc#sha256'],
    ['digest', 'http://www.w3.org/2000/09/xmldsig#sha1'],
    ['canonicalization', 'http://www.w3.org/TR/2001/REC-xml-c14n-20010315'],
    ['canonicalization', 'http://www.w3.org/2006/12/xml-c14n11#WithComments'],
    ['canonicalization', 'http://www.w3.org/2001/10/xml-exc-c14n#'],
    ['enveloped', 'http://www.w3.org/TR/1999/REC-xpath-19991116'],
    ['enveloped', 'http://www.w3.org/TR/1999/REC-xslt-19991116'],
    ['enveloped', 'http://www.w3.org/2002/06/xmldsig-filter2'],
  ]
  test.each(URIS)('%s "%s", rightly signed, is refused by its name', (which, uri) => {
    const file = buildRim(template, { pki, algorithms: { [which]: uri } })
    expect(outcome(file)).toBe('rim_signature_malformed')
  })

  test('an HMAC under the public key in the place of the signature is refused', () => {
    const point = pki.chain[0] ?? new Uint8Array()
    const hmac = createHmac('sha384', point).update(SIGNED_INFO).digest()
    const value = Buffer.concat([hmac, hmac]).toString('base64')
    const swapped = change(/(<ds:SignatureValue>)[^<]*/, `$1${value}`)
    expect(outcome(swapped)).toBe('rim_signature_invalid')
    const named = change(RIM_ALGORITHMS.signature, URIS[0]?.[1] ?? '', swapped)
    expect(outcome(named)).toBe('rim_signature_malformed')
  })

  const bytes = /<ds:SignatureValue>([^<]*)/.exec(GOOD)?.[1] ?? ''
  test.each<[string, string, string]>([
    [
      'the transforms the other way round',
      change(/(<ds:Transform [^>]*>)(<ds:Transform [^>]*>)/, '$2$1'),
      'rim_signature_malformed',
    ],
    ['one transform', change(/<ds:Transform [^>]*>/, ''), 'rim_signature_malformed'],
    ['a third transform', change(/<ds:Transform [^>]*>/, '$&$&'), 'rim_signature_malformed'],
    [
      'a parameter of a transform',
      change(/(<ds:Transform [^>]*)\/>/, '$1><a/></ds:Transform>'),
      'rim_signature_malformed',
    ],
    [
      'an HMAC output length',
      change(
        /(<ds:SignatureMethod [^>]*)\/>/,
        '$1><ds:HMACOutputLength>1</ds:HMACOutputLength></ds:SignatureMethod>',
      ),
      'rim_signature_malformed',
    ],
    [
      'white space in the digest value',
      change('<ds:DigestValue>', '<ds:DigestValue> '),
      'rim_signature_malformed',
    ],
    ['an empty digest value', change(/(<ds:DigestValue>)[^<]*/, '$1'), 'rim_signature_malformed'],
    [
      'another digest value',
      change(/(<ds:DigestValue>)[^<]*/, `$1${'A'.repeat(64)}`),
      'rim_digest_mismatch',
    ],
    [
      'white space in the signature value',
      change('<ds:SignatureValue>', '<ds:SignatureValue>\n'),
      'rim_signature_malformed',
    ],
    ['a signature value cut short', change(bytes, bytes.slice(0, -4)), 'rim_signature_malformed'],
    ['a signature value of zeros', change(bytes, 'A'.repeat(128)), 'rim_signature_invalid'],
    [
      'an element in the signature value',
      change('<ds:SignatureValue>', '<ds:SignatureValue><a/>'),
      'rim_signature_malformed',
    ],
    ['no key information', change(KEY_INFO, ''), 'rim_signature_malformed'],
    ['the key information twice', change(KEY_INFO, KEY_INFO + KEY_INFO), 'rim_signature_malformed'],
    [
      'a key by name',
      change('<ds:X509Data>', '<ds:KeyName>a</ds:KeyName><ds:X509Data>'),
      'rim_signature_malformed',
    ],
    [
      'a key by value beside the certificates',
      change('<ds:X509Data>', '<ds:KeyValue/><ds:X509Data>'),
      'rim_signature_malformed',
    ],
    [
      'two lists of certificates',
      change('</ds:X509Data>', '</ds:X509Data><ds:X509Data/>'),
      'rim_signature_malformed',
    ],
    [
      'an empty list',
      change(/<ds:X509Data>.*<\/ds:X509Data>/s, '<ds:X509Data/>'),
      'rim_signature_malformed',
    ],
    [
      'a subject name among the certificates',
      change('<ds:X509Data>', '<ds:X509Data><ds:X509SubjectName>a</ds:X509SubjectName>'),
      'rim_signature_malformed',
    ],
    [
      'spaces in a certificate',
      change('<ds:X509Certificate>', '<ds:X509Certificate> '),
      'rim_signature_malformed',
    ],
    [
      'a certificate that is none',
      change(
        '<ds:X509Certificate>',
        '<ds:X509Certificate>AAAA</ds:X509Certificate><ds:X509Certificate>',
      ),
      'rim_signature_malformed',
    ],
    [
      'a certificate with an attribute',
      change('<ds:X509Certificate>', '<ds:X509Certificate a="">'),
      'rim_signature_malformed',
    ],
    [
      'nine certificates',
      change(/<ds:X509Certificate>[^<]*<\/ds:X509Certificate>/, '$&'.repeat(9)),
      'rim_signature_malformed',
    ],
  ])('%s', (_name, text, code) => {
    expect(outcome(text)).toBe(code)
  })

  test('a file re-signed by a stranger is refused, under his root and under the good chain', () => {
    expect(outcome(buildRim(template, { pki: stranger }))).toBe('rim_chain_untrusted_root')
    const mixed = { chain: pki.chain, signer: stranger.signer }
    expect(outcome(buildRim(template, { pki: mixed }))).toBe('rim_signature_invalid')
  })

  test('a simulated file is refused where simulation is not allowed, its root given or not', () => {
    const strict = { ...options, allowSimulated: false }
    expect(rimOutcome(verifyRim(utf8(GOOD), strict))).toBe('rim_simulated')
    expect(rimOutcome(verifyRim(utf8(GOOD), { ...strict, rootSha256: [] }))).toBe(
      'rim_chain_untrusted_root',
    )
  })
})
