import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeBase64 } from '../../attestation/protocol/base64.ts'
import { oidOf, readDer, timeOf, unsignedOf } from '../../attestation/appraiser/x509/der.ts'
import type { DerNode } from '../../attestation/appraiser/x509/der.ts'
import {
  MAX_CERTIFICATE_BYTES,
  parseCertificate,
} from '../../attestation/appraiser/x509/parse-certificate.ts'
import { parsePemChain } from '../../attestation/appraiser/x509/parse-pem-chain.ts'
import { toHex } from '../../attestation/protocol/hex.ts'
import {
  certificate,
  fixtureBytes,
  fixtureText,
  haveFixtures,
  hex,
  issueChain,
} from './x509.helpers.ts'
import { pemOf } from './x509.helpers.ts'

function node(text: string): DerNode {
  const read = readDer(hex(text), 1024)
  if (!read.ok) throw new Error(read.detail)
  return read.node
}

describe('strict DER', () => {
  test.each([
    ['a long-form length where the short one fits', '308103020101'],
    ['an indefinite length', '30800201010000'],
    ['an integer padded with zeros', '02020001'],
    ['a negative integer padded with ones', '0202ff80'],
    ['an empty integer', '0200'],
    ['TRUE as 01', '010101'],
    ['a boolean of two bytes', '0102ffff'],
    ['NULL with content', '050100'],
    ['a bit string with more than 7 unused bits', '03020800'],
    ['a bit string with unused bits that are not zero', '03020401'],
    ['an empty bit string with unused bits', '030103'],
    ['an object identifier with a padded arc', '0604550480 13'],
    ['an object identifier cut inside an arc', '060255 84'],
    ['an empty object identifier', '0600'],
    ['a set out of order', '3106020102020101'],
    ['a constructed octet string', '2403040141'],
    ['a primitive sequence', '1003020101'],
    ['a tag number above 30', '1f00'],
    ['a context tag number above 30', '9f00'],
    ['bytes after the end', '05000500'],
    ['content longer than the input', '300502010'],
    ['a header alone', '30'],
    ['nothing', ''],
  ])('refuses %s', (_, text) => {
    expect(readDer(hex(text.replaceAll(' ', '')), 1024).ok).toBe(false)
  })

  test('accepts what DER writes for the same values', () => {
    for (const text of ['3003020101', '020101', '0101ff', '0500', '03020410', '3106020101020102']) {
      expect(readDer(hex(text), 1024)).toMatchObject({ ok: true })
    }
  })

  test('bounds depth and size', () => {
    const nested = (depth: number): string =>
      depth === 0
        ? ''
        : ((inner: string) => `30${toHex(Uint8Array.of(inner.length / 2))}${inner}`)(
            nested(depth - 1),
          )
    expect(readDer(hex(nested(24)), 1024).ok).toBe(true)
    expect(readDer(hex(nested(25)), 1024).ok).toBe(false)
    expect(readDer(hex('3003020101'), 4)).toMatchObject({
      ok: false,
      detail: 'longer than 4 bytes',
    })
  })

  test('reads object identifiers of all three arcs, numbers and times', () => {
    expect(oidOf(node('0603550413'))).toBe('2.5.4.19')
    expect(oidOf(node('06092a864886f84d010d01'))).toBe('1.2.840.113741.1.13.1')
    expect(oidOf(node('060100'))).toBe('0.0')
    // ITU-T X.667 arc: 128 bits, more than a JavaScript number holds.
    expect(oidOf(node('06146983ffffffffffffffffffffffffffffffffff7f'.slice(0, 44)))).toMatch(
      /^2\.25\.\d{30,}$/,
    )
    expect(unsignedOf(node('020200ff'), 1)).toEqual(Uint8Array.of(0xff))
    expect(unsignedOf(node('02020100'), 1)).toBeNull()
    expect(unsignedOf(node('0201ff'), 4)).toBeNull()
    const time = (tag: string, text: string): number | null =>
      timeOf(node(`${tag}${toHex(Uint8Array.of(text.length))}${Buffer.from(text).toString('hex')}`))
    expect(time('17', '491231235959Z')).toBe(Date.UTC(2049, 11, 31, 23, 59, 59) / 1000)
    expect(time('17', '500101000000Z')).toBe(Date.UTC(1950, 0, 1) / 1000)
    expect(time('18', '99991231235959Z')).toBe(253402300799)
    for (const bad of [
      '260231000000Z',
      '2602280000Z',
      '260228000000+0100',
      '261301000000Z',
      '260101240000Z',
    ]) {
      expect(time('17', bad)).toBeNull()
    }
    expect(time('18', '00010101000000Z')).toBeNull()
  })

  test('random bytes never throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(typeof readDer(bytes, 1024).ok).toBe('boolean')
        expect(parseCertificate(bytes).ok).toBe(false)
      }),
      { numRuns: 2000 },
    )
  })
})

describe('base64', () => {
  test('agrees with Node on every canonical text and refuses the other spellings', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        expect(decodeBase64(Buffer.from(bytes).toString('base64'))).toEqual(new Uint8Array(bytes))
      }),
    )
    for (const bad of [
      'A',
      'AA',
      'AAA',
      'A===',
      'AB==',
      'AAB=',
      'AA==AAAA',
      'AA A',
      'AA-_',
      'AAAé',
      '====',
    ]) {
      expect(decodeBase64(bad)).toBeNull()
    }
  })
})

describe('certificates', () => {
  const { ders } = issueChain([{}, {}])
  const [leaf, root] = ders as [Uint8Array, Uint8Array]

  test('refuses every truncation and any byte after the end', () => {
    for (let length = 0; length < leaf.length; length++) {
      expect(parseCertificate(leaf.subarray(0, length)).ok).toBe(false)
    }
    expect(parseCertificate(Uint8Array.of(...leaf, 0)).ok).toBe(false)
    expect(parseCertificate(new Uint8Array(MAX_CERTIFICATE_BYTES + 1)).ok).toBe(false)
  })

  test('a flipped byte is refused or leaves a certificate whose signed bytes or signature differ', () => {
    const original = certificate(leaf)
    for (let i = 0; i < leaf.length; i++) {
      const changed = new Uint8Array(leaf)
      changed[i] = (changed[i] ?? 0) ^ 0x01
      const parsed = parseCertificate(changed)
      if (!parsed.ok) continue
      const same =
        toHex(parsed.certificate.tbs) === toHex(original.tbs) &&
        toHex(parsed.certificate.signature) === toHex(original.signature)
      expect(same, `byte ${i}`).toBe(false)
    }
  })

  test('does not alias the input', () => {
    const input = new Uint8Array(root)
    const parsed = certificate(input)
    input.fill(0)
    expect(parsed.der).toEqual(root)
  })

  const basic = (text: string) => [{ oid: '2.5.29.19', critical: true, value: hex(text) }]
  const constraints = 'malformed basic constraints'
  const twice = [
    { oid: '1.2.3', critical: false, value: hex('0500') },
    { oid: '1.2.3', critical: true, value: hex('0500') },
  ]
  const many = Array.from({ length: 33 }, (_, i) => ({
    oid: `1.2.3.${i}`,
    critical: false,
    value: hex('0500'),
  }))
  const usage = [{ oid: '2.5.29.15', critical: false, value: hex('03020780') }]
  test.each([
    ['the same extension twice', 'malformed extensions', twice],
    ['a second key usage', 'malformed extensions', usage],
    ['more than 32 extensions', 'malformed extensions', many],
    ['basic constraints that are no sequence', constraints, basic('0500')],
    ['an encoded default of cA', constraints, basic('3003010100')],
    ['a path length without cA', constraints, basic('3003020100')],
    ['a negative path length', constraints, basic('30060101ff0201ff')],
  ])('refuses %s', (_, detail, extensions) => {
    const [built = new Uint8Array()] = issueChain([{ extensions }, {}]).ders
    expect(parseCertificate(built)).toEqual({ ok: false, detail })
  })

  const edits: readonly [string, string, string, string][] = [
    [
      'two signature algorithms',
      'two signature algorithms',
      '06082a8648ce3d040302',
      '06082a8648ce3d040303',
    ],
    ['an encoded default of critical', 'malformed extensions', '0101ff04', '01010004'],
    ['version 2', 'not v3', 'a003020102', 'a003020101'],
    ['a compressed key', 'not an uncompressed P-256 or P-384 key', '03420004', '03420002'],
    [
      'another curve',
      'not an uncompressed P-256 or P-384 key',
      '06082a8648ce3d030107',
      '06082a8648ce3d030101',
    ],
  ]
  test.each(edits)('refuses %s', (_, detail, from, to) => {
    const text = toHex(leaf)
    // The first occurrence lies in the signed part.
    expect(text).toContain(from)
    expect(parseCertificate(hex(text.replace(from, to)))).toEqual({ ok: false, detail })
  })

  test.runIf(haveFixtures('nvidia'))('reads NVIDIA certificates that never expire', () => {
    const chain = parsePemChain(fixtureText('nvidia/evidence/h100-580.chain.pem'), 5)
    expect(chain.ok && chain.certificates.map((each) => each.subjectCommonName)).toEqual([
      'GH100 A01 GSP FMC LF',
      'GH100 A01 GSP BROM',
      'NVIDIA GH100 Provisioner ICA 1',
      'NVIDIA GH100 Identity',
      'NVIDIA Device Identity CA',
    ])
    expect(chain.ok && chain.certificates[0]).toMatchObject({
      notBefore: Date.UTC(2020, 9, 17) / 1000,
      notAfter: 253402300799,
      isCa: false,
      keyUsage: { digitalSignature: true, keyCertSign: false, crlSign: false },
      signatureCurve: 'P-384',
      issuerCommonName: 'GH100 A01 GSP BROM',
    })
  })

  test.runIf(haveFixtures('tdx'))('reads an Intel PCK chain', () => {
    const quote = fixtureBytes('tdx/v4-td10.quote.bin')
    const text = Buffer.from(quote).toString('latin1')
    const chain = parsePemChain(text.slice(text.indexOf('-----BEGIN')), 3)
    expect(chain.ok && chain.certificates).toMatchObject([
      { subjectCommonName: 'Intel SGX PCK Certificate', isCa: false, pathLength: null },
      { subjectCommonName: 'Intel SGX PCK Platform CA', isCa: true, pathLength: 0 },
      { subjectCommonName: 'Intel SGX Root CA', isCa: true, pathLength: 1, notAfter: 2524607999 },
    ])
    expect(chain.ok && chain.certificates[0]?.extensions.has('1.2.840.113741.1.13.1')).toBe(true)
  })
})

describe('PEM chains', () => {
  const { ders } = issueChain([{}, {}])
  const pem = pemOf(ders)

  test('tolerates line ends, white space around blocks and trailing NUL', () => {
    for (const text of [pem, `\n ${pem}\n\0\0`, pem.replaceAll('\n', '\r\n'), pem.trimEnd()]) {
      const parsed = parsePemChain(text, 2)
      expect(parsed.ok && parsed.certificates.map(({ der }) => der)).toEqual(ders)
    }
  })

  test.each([
    ['text before a block', `Bag Attributes\n${pem}`],
    ['text between blocks', pem.replace('-----\n-----', '-----\nkey\n-----')],
    ['text after the last block', `${pem}x`],
    ['text behind a NUL', `${pem}\0${pem}`],
    ['another kind of block', pem.replaceAll('CERTIFICATE', 'X509 CRL')],
    ['headers inside a block', pem.replace('-----\nM', '-----\nProc-Type: 4\n\nM')],
    ['a block that does not end', pem.slice(0, -30)],
    ['base64 that is not canonical', pem.replace(/\n(.{4})/, '\n$1=')],
    [
      'a block that holds no certificate',
      '-----BEGIN CERTIFICATE-----\nBQA=\n-----END CERTIFICATE-----\n',
    ],
    ['nothing', '\n\0'],
    ['more text than certificates can have', ' '.repeat(100_000)],
  ])('refuses %s', (_, text) => {
    expect(parsePemChain(text, 2)).toMatchObject({ ok: false })
  })

  test('refuses one certificate more than asked for', () => {
    expect(parsePemChain(pem, 1)).toMatchObject({ ok: false, detail: 'more than 1 certificate' })
  })
})
