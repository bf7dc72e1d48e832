/**
 * Parser and canonical form, against libxml2 (`xmllint --c14n11`) and xmlsec1 where they are installed: other people's
 * code from other people's reading of the specification.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { canonicalizeXml } from '../../attestation/appraiser/gpu/rim/canonicalize-xml.ts'
import { parseXml } from '../../attestation/appraiser/gpu/rim/parse-xml.ts'
import type { XmlElement } from '../../attestation/appraiser/gpu/rim/parse-xml.ts'
import { readSignature } from '../../attestation/appraiser/gpu/rim/read-signature.ts'
import { verifyRim } from '../../attestation/appraiser/gpu/rim/verify-rim.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { buildRim } from '../../attestation/simulator/nvidia/build-rim.ts'
import { createRimPki } from '../../attestation/simulator/nvidia/create-rim-pki.ts'
import {
  SIMULATED_GPU_FIRMWARE,
  vbiosRimTemplate,
} from '../../attestation/simulator/nvidia/simulated-firmware.ts'
import { haveFixtures } from './gpu.helpers.ts'
import { nvidiaRimOptions } from './rim.helpers.ts'
import { at, documents, plan, render } from './rim-xml.helpers.ts'
import { fixtureBytes } from './x509.helpers.ts'

/** Another process for each, so fewer than the properties have. */
const COMPARED_DOCUMENTS = 60

function available(name: string): boolean {
  if (spawnSync(name, ['--version']).status === 0) return true
  console.warn(`SKIPPED: ${name} is not on this machine, canonical XML is not compared with it`)
  return false
}

const utf8 = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'utf8'))

function rootOf(text: string): XmlElement {
  const parsed = parseXml(utf8(text))
  if (!parsed.ok) throw new Error(`${parsed.detail}: ${text}`)
  return parsed.root
}

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'countersign-xml-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function fileOf(bytes: Uint8Array): string {
  const path = join(folder, 'document.xml')
  writeFileSync(path, bytes)
  return path
}

function libxml2(bytes: Uint8Array): string {
  const { status, stdout, stderr } = spawnSync('xmllint', ['--nonet', '--c14n11', fileOf(bytes)], {
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(stderr)
  return stdout
}

describe.skipIf(!available('xmllint'))('the canonical form is that of libxml2', () => {
  test('on generated documents', () => {
    fc.assert(
      fc.property(documents, (text) => {
        expect(canonicalizeXml(rootOf(text), null)).toBe(libxml2(utf8(text)))
      }),
      { numRuns: COMPARED_DOCUMENTS },
    )
  })

  test.each([
    [
      'namespaces that come and go',
      '<a xmlns="urn:a"><b xmlns=""><c xmlns="urn:a"/></b><b xmlns="urn:a"/></a>',
    ],
    [
      'a prefix that is bound anew',
      '<p:a xmlns:p="urn:a"><p:b xmlns:p="urn:b"><p:c xmlns:p="urn:a"/></p:b></p:a>',
    ],
    [
      'attributes by namespace, not by prefix',
      '<a xmlns:z="urn:a" xmlns:a="urn:z" a:x="1" z:x="2" x="3" b="4"/>',
    ],
    ['capitals before small letters', '<a b="" B="" _c="" xmlns:b="urn:b" xmlns:B="urn:a"/>'],
    [
      'every character that is written by reference',
      '<a b="&#9;&#10;&#13;&amp;&lt;&gt;&quot;&apos;">&#9;&#10;&#13;&amp;&lt;&gt;&quot;&apos;</a>',
    ],
    ['characters outside the first plane', '<a b="👩‍🚀&#x1F680;">東京 &#xE9;</a>'],
    ['white space outside the root', '\n<a/>\n\n'],
    ['a declaration of XML', '<?xml version="1.0" encoding="UTF-8"?>\n<a/>'],
  ])('on %s', (_name, text) => {
    expect(canonicalizeXml(rootOf(text), null)).toBe(libxml2(utf8(text)))
  })

  test
    .skipIf(!haveFixtures)
    .each([
      '1010_0200_882_96005E0001_PROD.swidtag',
      '1010_0205_862_9600740020_PROD.swidtag',
      'NV_GPU_DRIVER_GH100_535.86.09_measurement_mismatch.xml',
      'NV_GPU_DRIVER_GH100_550.144.03.xml',
      'NV_GPU_VBIOS_1010_0200_882_96005E0001_measurement_mismatch.xml',
      'g520_0200_885_960074000D_PROD.swidtag',
      'g520_0202_885_9600740018_PROD.swidtag',
      'incorrect_cert_chain_driver_rim.xml',
      'incorrect_signature_driver_rim.xml',
      'switchVBIOSRim_NV_SWITCH_BIOS_5612_0002_890_9610550001.xml',
    ])('on %s', (name) => {
    const bytes = fixtureBytes(`nvidia/rim/${name}`)
    expect(canonicalizeXml(rootOf(Buffer.from(bytes).toString('utf8')), null)).toBe(libxml2(bytes))
  })
})

describe.skipIf(!haveFixtures || !available('xmlsec1'))('xmlsec1 agrees on the signature', () => {
  // It takes any chain here, so what is compared is digest and signature under the first certificate.
  test.each([
    ['1010_0200_882_96005E0001_PROD.swidtag', true],
    ['1010_0205_862_9600740020_PROD.swidtag', true],
    ['NV_GPU_DRIVER_GH100_535.86.09_measurement_mismatch.xml', false],
    ['NV_GPU_DRIVER_GH100_550.144.03.xml', true],
    ['NV_GPU_VBIOS_1010_0200_882_96005E0001_measurement_mismatch.xml', true],
    ['g520_0200_885_960074000D_PROD.swidtag', true],
    ['g520_0202_885_9600740018_PROD.swidtag', true],
    ['incorrect_cert_chain_driver_rim.xml', true],
    ['incorrect_signature_driver_rim.xml', false],
    ['switchVBIOSRim_NV_SWITCH_BIOS_5612_0002_890_9610550001.xml', true],
  ])('of %s', (name, good) => {
    const bytes = fixtureBytes(`nvidia/rim/${name}`)
    const signature = rootOf(Buffer.from(bytes).toString('utf8')).children.at(-1)
    const read =
      signature === undefined || typeof signature === 'string' ? null : readSignature(signature)
    if (read?.ok !== true) throw new Error('no signature')
    const certificate = join(folder, 'signer.der')
    writeFileSync(certificate, Buffer.from(read.signature.certificates[0] ?? '', 'base64'))
    const args = ['--verify', '--pubkey-cert-der', certificate, fileOf(bytes)]
    expect(spawnSync('xmlsec1', args).status === 0).toBe(good)
    const ours = verifyRim(bytes, nvidiaRimOptions(1717200000))
    const faults = ['rim_digest_mismatch', 'rim_signature_invalid']
    expect(ours.ok || !faults.includes(ours.code)).toBe(good)
  })
})

describe('properties', () => {
  test('the canonical form is a document with the same canonical form', () => {
    fc.assert(
      fc.property(documents, (text) => {
        const once = canonicalizeXml(rootOf(text), null)
        expect(canonicalizeXml(rootOf(once), null)).toBe(once)
      }),
      { numRuns: 300 },
    )
  })

  test('what is read is in the canonical form: two trees with one form have the same names, values and text', () => {
    const view = ({ namespace, local, attributes, children }: XmlElement): unknown => [
      namespace,
      local,
      attributes.map((one) => [one.namespace, one.local, one.value].join(' ')).toSorted(),
      children.map((child) => (typeof child === 'string' ? child : view(child))),
    ]
    fc.assert(
      fc.property(documents, (text) => {
        const root = rootOf(text)
        expect(view(rootOf(canonicalizeXml(root, null)))).toEqual(view(root))
      }),
      { numRuns: 300 },
    )
  })

  test('leaving a child out gives the form of the document without it', () => {
    fc.assert(
      fc.property(plan, fc.nat(), (node, choice) => {
        const marked = { ...node, children: [...node.children, node] }
        const root = rootOf(render(marked, new Map()))
        const elements = root.children.filter((child) => typeof child !== 'string')
        const omitted = at(elements, choice)
        const left = { ...root, children: root.children.filter((child) => child !== omitted) }
        expect(canonicalizeXml(root, omitted)).toBe(canonicalizeXml(left, null))
      }),
      { numRuns: 200 },
    )
  })

  const pki = createRimPki({ now: new Date(1795392000_000) })
  const good = buildRim(vbiosRimTemplate(SIMULATED_GPU_FIRMWARE), { pki })
  const options = {
    crypto: nodeCrypto,
    at: 1795392000,
    rootSha256: [pki.rootSha256],
    allowSimulated: true,
  }

  test('bytes of a stranger are refused, never thrown over', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        expect(verifyRim(bytes, options).ok).toBe(false)
      }),
      { numRuns: 300 },
    )
  })

  test('a RIM that was cut and pasted is refused, or says what the good one says', () => {
    const verified = verifyRim(good, options)
    if (!verified.ok) throw new Error(verified.detail)
    const range = fc.tuple(fc.nat(good.length), fc.nat(60))
    const tokens = ['<', '>', '"', '&#10;', '<!--', '-->', ' xmlns:ns0="urn:a"', '\r', '\0', ' ']
    const piece = fc.oneof(
      range.map(([from, length]) => good.subarray(from, from + length)),
      fc.constantFrom(...tokens).map(utf8),
      fc.uint8Array({ maxLength: 4 }),
    )
    fc.assert(
      fc.property(range, piece, ([from, length], put) => {
        const bytes = Uint8Array.of(
          ...good.subarray(0, from),
          ...put,
          ...good.subarray(from + length),
        )
        const result = verifyRim(bytes, options)
        if (result.ok) expect(result.rim.measurements).toEqual(verified.rim.measurements)
      }),
      { numRuns: 300 },
    )
  })
})
