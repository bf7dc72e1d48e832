/** RIMs that are rightly signed and still not what they should be: their content, their certificates, their time. */
import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { createRimCache } from '../../attestation/appraiser/gpu/rim/rim-cache.ts'
import {
  MAX_ALTERNATIVES,
  MAX_GOLDEN_MEASUREMENTS,
} from '../../attestation/appraiser/gpu/rim/read-software-identity.ts'
import { verifyRim } from '../../attestation/appraiser/gpu/rim/verify-rim.ts'
import type { RimOptions } from '../../attestation/appraiser/gpu/rim/verify-rim.ts'
import { createCertificateMemo } from '../../attestation/appraiser/x509/certificate-memo.ts'
import type { CryptoPort } from '../../attestation/crypto/port.ts'
import { nobleCrypto } from '../../attestation/crypto/noble.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { systemEntropy } from '../../attestation/simulator/entropy.ts'
import {
  buildRim,
  describeRim,
  signatureOf,
  writeRim,
} from '../../attestation/simulator/nvidia/build-rim.ts'
import { createRimPki } from '../../attestation/simulator/nvidia/create-rim-pki.ts'
import type { RimPki } from '../../attestation/simulator/nvidia/create-rim-pki.ts'
import {
  driverRimTemplate,
  SIMULATED_GPU_FIRMWARE,
  SIMULATED_SWITCH_FIRMWARE,
  switchRimTemplate,
  vbiosRimTemplate,
} from '../../attestation/simulator/nvidia/simulated-firmware.ts'
import type { XmlElement } from '../../attestation/simulator/nvidia/xml-element.ts'
import { issueCertificate } from '../../attestation/simulator/x509/issue-certificate.ts'
import type {
  IssuedCertificate,
  IssueRequest,
} from '../../attestation/simulator/x509/issue-certificate.ts'
import { goodRim, rimOutcome } from './rim.helpers.ts'

const AT = 1795392000
const DAY = 86_400
const now = new Date(AT * 1000)
const pki = createRimPki({ now })
const TEMPLATE = vbiosRimTemplate(SIMULATED_GPU_FIRMWARE)
const options: RimOptions = {
  crypto: nodeCrypto,
  at: AT,
  rootSha256: [pki.rootSha256],
  allowSimulated: true,
}
const GOOD = buildRim(TEMPLATE, { pki })

const outcome = (file: Uint8Array, changes: Partial<RimOptions> = {}): string =>
  rimOutcome(verifyRim(file, { ...options, ...changes }))

/** The tag with every element of one name changed, rightly signed. Insists on a change. */
function signed(
  name: string,
  edit: (element: XmlElement, index: number) => XmlElement,
): Uint8Array {
  const tag = describeRim(TEMPLATE)
  let seen = 0
  const walk = (element: XmlElement): XmlElement => {
    const children = element.children?.map((child) =>
      typeof child === 'string' ? child : walk(child),
    )
    const whole = children === undefined ? element : { ...element, children }
    return whole.name === name ? edit(whole, seen++) : whole
  }
  const changed = walk(tag)
  if (JSON.stringify(changed) === JSON.stringify(tag)) throw new Error(`nothing changed: ${name}`)
  return writeRim(changed, signatureOf(changed, { pki }))
}

const attributesOf = (element: XmlElement) => element.attributes ?? []

/** Sets one attribute of the named element, or of the third measurement. */
function setting(name: string, attribute: string, value: string | null): Uint8Array {
  return signed(name, (element, index) => {
    if (name === 'ns0:Resource' && index !== 3) return element
    const others = attributesOf(element).filter(([key]) => key !== attribute)
    return { ...element, attributes: value === null ? others : [...others, [attribute, value]] }
  })
}

describe('signed content that is refused', () => {
  test.each<[string, string, string | null]>([
    ['SoftwareIdentity', 'tagId', 'x'],
    ['SoftwareIdentity', 'tagId', null],
    ['SoftwareIdentity', 'patch', 'true'],
    ['SoftwareIdentity', 'corpus', 'true'],
    ['SoftwareIdentity', 'supplemental', 'true'],
    ['SoftwareIdentity', 'other', 'x'],
    ['ns0:Entity', 'name', 'Intel Corporation'],
    ['ns0:Entity', 'role', 'aggregator'],
    ['ns0:Entity', 'regid', 'x'],
    ['ns0:Meta', 'colloquialVersion', null],
    ['ns0:Meta', 'colloquialVersion', '../x'],
    ['ns0:Meta', 'PayloadType', 'indirect'],
    ['ns0:Meta', 'ns1:FirmwareManufacturerId', '5704'],
    ['ns0:Meta', 'ns1:PlatformManufacturerId', '343'],
    ['ns0:Meta', 'ns1:PayloadType', 'direct'],
    ['ns0:Meta', 'entitlementKey', 'x'],
    ['ns0:Payload', 'name', 'x'],
    ['ns0:Resource', 'type', 'Firmware'],
    ['ns0:Resource', 'index', '2'],
    ['ns0:Resource', 'index', '03'],
    ['ns0:Resource', 'index', '-3'],
    ['ns0:Resource', 'active', 'true'],
    ['ns0:Resource', 'active', null],
    ['ns0:Resource', 'alternatives', '0'],
    ['ns0:Resource', 'alternatives', '2'],
    ['ns0:Resource', 'alternatives', String(MAX_ALTERNATIVES + 1)],
    ['ns0:Resource', 'size', '32'],
    ['ns0:Resource', 'ns2:Hash0', null],
    ['ns0:Resource', 'ns2:Hash0', '00'.repeat(32)],
    ['ns0:Resource', 'ns2:Hash0', 'zz'.repeat(48)],
    ['ns0:Resource', 'ns2:Hash1', '00'.repeat(48)],
    ['ns0:Resource', 'Hash1', '00'.repeat(48)],
    ['ns0:Resource', 'minSvn', '1'],
  ])('%s with %s=%s', (name, attribute, value) => {
    expect(outcome(setting(name, attribute, value))).toBe('rim_malformed')
  })

  const WHERE = { namespaces: [['a', 'urn:a']] } as const
  test.each<[string, Uint8Array]>([
    [
      'a measurement left out',
      signed('ns0:Payload', (e) => ({ ...e, children: e.children?.toSpliced(5, 1) ?? [] })),
    ],
    [
      'a measurement twice',
      signed('ns0:Payload', (e) => ({
        ...e,
        children: e.children?.toSpliced(5, 0, e.children[5] ?? '') ?? [],
      })),
    ],
    ['no measurement', signed('ns0:Payload', (e) => ({ ...e, children: [] }))],
    [
      'an element in the payload that is no Resource',
      signed('ns0:Payload', (e) => ({
        ...e,
        children: [...(e.children ?? []), { name: 'ns0:File' }],
      })),
    ],
    [
      'a Resource of another namespace',
      signed('ns0:Resource', (e, i) => (i === 3 ? { ...e, ...WHERE, name: 'a:Resource' } : e)),
    ],
    [
      'an element in a measurement',
      signed('ns0:Resource', (e, i) => (i === 3 ? { ...e, children: [{ name: 'ns0:File' }] } : e)),
    ],
    ['a root of another name', signed('SoftwareIdentity', (e) => ({ ...e, name: 'ns0:Software' }))],
    [
      'a root of another namespace',
      signed('SoftwareIdentity', (e) => ({
        ...e,
        namespaces: [['', 'urn:a'], ...(e.namespaces ?? []).slice(1)],
      })),
    ],
    [
      'no Meta',
      signed('SoftwareIdentity', (e) => ({
        ...e,
        children: (e.children ?? []).filter((c) => typeof c === 'string' || c.name !== 'ns0:Meta'),
      })),
    ],
    [
      'two payloads',
      signed('SoftwareIdentity', (e) => ({
        ...e,
        children: (e.children ?? []).flatMap((c) =>
          typeof c !== 'string' && c.name === 'ns0:Payload' ? [c, c] : [c],
        ),
      })),
    ],
    [
      'a Link beside them',
      signed('SoftwareIdentity', (e) => ({
        ...e,
        children: [...(e.children ?? []), { name: 'ns0:Link' }],
      })),
    ],
    ['something in Meta', signed('ns0:Meta', (e) => ({ ...e, children: ['x'] }))],
  ])('%s', (_name, file) => {
    expect(outcome(file)).toBe('rim_malformed')
  })

  test('more measurements than a report can have', () => {
    const resources = Array.from({ length: MAX_GOLDEN_MEASUREMENTS + 1 }, () => ({
      active: false,
      alternatives: [new Uint8Array(48)],
    }))
    const files = [resources.slice(1), resources].map((r) =>
      outcome(buildRim({ ...TEMPLATE, resources: r }, { pki })),
    )
    expect(files).toEqual(['ok', 'rim_malformed'])
  })

  test('as many alternatives as the limit, and upper-case hashes, are read', () => {
    const alternatives = Array.from({ length: MAX_ALTERNATIVES }, (_, i) =>
      new Uint8Array(48).fill(i + 0xa0),
    )
    const file = buildRim({ ...TEMPLATE, resources: [{ active: true, alternatives }] }, { pki })
    expect(goodRim(file, options).measurements.get(0)).toEqual({ active: true, alternatives })
    const upper = goodRim(setting('ns0:Resource', 'ns2:Hash0', 'AB'.repeat(48)), options)
    expect(upper.measurements.get(3)?.alternatives).toEqual([new Uint8Array(48).fill(0xab)])
  })
})

describe('kind and version', () => {
  test.each([
    ['driver 580.159.03', driverRimTemplate(SIMULATED_GPU_FIRMWARE)],
    ['driver 590.12', driverRimTemplate({ ...SIMULATED_GPU_FIRMWARE, driver: '590.12' })],
    ['vbios 96.00.9F.00.01', TEMPLATE],
    ['vbios 96.00.9F.00.01', { ...TEMPLATE, version: '96.00.9f.00.01' }],
    ['switch_bios 96.10.73.00.01', switchRimTemplate(SIMULATED_SWITCH_FIRMWARE)],
  ])('%s', (text, template) => {
    const { kind, version } = goodRim(buildRim(template, { pki }), options)
    expect(`${kind} ${version}`).toBe(text)
  })

  test.each([
    ['another product', setting('ns0:Meta', 'product', 'GB100')],
    ['another edition', setting('ns0:Meta', 'edition', 'NIC')],
    ['a version of no known form', setting('ns0:Meta', 'colloquialVersion', '1')],
    [
      'a switch with a driver version',
      buildRim({ ...TEMPLATE, product: 'LS10', version: '580.159.03' }, { pki }),
    ],
  ])('%s is unsupported, once it is known to be genuine', (_name, file) => {
    expect(outcome(file)).toBe('rim_unsupported')
    const other = createRimPki({ now })
    expect(outcome(file, { rootSha256: [other.rootSha256] })).toBe('rim_chain_untrusted_root')
  })
})

type Level = 'signer' | 'l3' | 'ca'

/** A chain in which one certificate is issued anew, with those below it. */
function chainWith(level: Level, changes: Partial<IssueRequest>): RimPki {
  const authority = { keyUsage: ['keyCertSign', 'crlSign'] as const }
  const issue = (at: Level, issuer: IssuedCertificate, rest: Partial<IssueRequest>) =>
    issueCertificate({
      name: { commonName: `SIMULATED ${at}` },
      issuer,
      entropy: systemEntropy,
      notBefore: new Date((AT - DAY) * 1000),
      notAfter: new Date((AT + DAY) * 1000),
      ...rest,
      ...(at === level ? changes : {}),
    })
  const ca = issue('ca', pki.root, { ca: { pathLength: null }, ...authority })
  const l3 = issue('l3', ca, { ca: { pathLength: 0 }, ...authority })
  const signer = issue('signer', l3, { keyUsage: ['digitalSignature'] })
  return { ...pki, ca, l3, signer, chain: [signer, l3, ca, pki.root].map(({ der }) => der) }
}

const at = (seconds: number): Date => new Date(seconds * 1000)
const onP256 = {
  ...systemEntropy,
  keyPair: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
}

describe('certificates', () => {
  test('the chain that the rows below change is good', () => {
    const file = buildRim(TEMPLATE, { pki: chainWith('signer', {}) })
    expect(outcome(file)).toBe('ok')
    expect(goodRim(file, options)).toMatchObject({ notBefore: AT - DAY, notAfter: AT + DAY })
  })

  test.each<[string, Level, Partial<IssueRequest>, string]>([
    ['signer that has expired', 'signer', { notAfter: at(AT - 1) }, 'rim_chain_time'],
    ['signer of tomorrow', 'signer', { notBefore: at(AT + 1) }, 'rim_chain_time'],
    ['third level that has expired', 'l3', { notAfter: at(AT - 1) }, 'rim_chain_time'],
    ['authority that has expired', 'ca', { notAfter: at(AT - 1) }, 'rim_chain_time'],
    ['signer that is a CA', 'signer', { ca: { pathLength: null } }, 'rim_chain_invalid'],
    ['signer for certificates', 'signer', { keyUsage: ['keyCertSign'] }, 'rim_chain_invalid'],
    ['third level that is no CA', 'l3', { keyUsage: ['digitalSignature'] }, 'rim_chain_invalid'],
    ['third level for CRLs alone', 'l3', { keyUsage: ['crlSign'] }, 'rim_chain_invalid'],
    ['authority of path length 0', 'ca', { ca: { pathLength: 0 } }, 'rim_chain_invalid'],
    [
      'an unknown critical extension',
      'l3',
      { extensions: [{ oid: '1.2.3.4', critical: true, value: Uint8Array.of(5, 0) }] },
      'rim_chain_invalid',
    ],
    ['third level issued by the root', 'l3', { issuer: pki.root }, 'rim_chain_invalid'],
    [
      'third level signed by a stranger of the same name',
      'l3',
      { issuer: { ...createRimPki({ now }).ca, name: { commonName: 'SIMULATED ca' } } },
      'rim_chain_invalid',
    ],
    [
      'third level on P-256',
      'l3',
      { entropy: { ...onP256, sign: systemEntropy.sign } },
      'rim_chain_algorithm',
    ],
  ])('%s', (_name, level, changes, code) => {
    expect(outcome(buildRim(TEMPLATE, { pki: chainWith(level, changes) }))).toBe(code)
  })

  const chain = pki.chain
  const [signer = GOOD, l3 = GOOD, ca = GOOD, root = GOOD] = chain
  test.each<[string, readonly Uint8Array[], string]>([
    ['no root', [signer, l3, ca], 'rim_chain_length'],
    ['the signer alone', [signer], 'rim_chain_length'],
    ['a fifth certificate', [...chain, root], 'rim_chain_length'],
    ['one left out and one twice', [signer, l3, l3, root], 'rim_chain_invalid'],
    ['another order', [signer, ca, l3, root], 'rim_chain_invalid'],
    ['the signer at the end', [l3, ca, root, signer], 'rim_signature_invalid'],
    [
      'a foreign root',
      [signer, l3, ca, createRimPki({ now }).root.der],
      'rim_chain_untrusted_root',
    ],
  ])('%s', (_name, certificates, code) => {
    expect(outcome(buildRim(TEMPLATE, { pki: { ...pki, chain: certificates } }))).toBe(code)
  })

  test('a signer that has expired counts for the grace that the caller gives, not a second longer', () => {
    const file = buildRim(TEMPLATE, { pki: chainWith('signer', { notAfter: at(AT - 100) }) })
    expect(outcome(file, { graceS: 99 })).toBe('rim_chain_time')
    expect(outcome(file, { graceS: 100 })).toBe('ok')
    const early = buildRim(TEMPLATE, { pki: chainWith('signer', { notBefore: at(AT + 1) }) })
    expect(outcome(early, { graceS: 1000 })).toBe('rim_chain_time')
  })

  test.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])(
    'a clock of %s refuses',
    (when) => {
      expect(outcome(GOOD, { at: when })).toBe('rim_chain_time')
      expect(outcome(GOOD, { at: when, graceS: Number.NaN })).toBe('rim_chain_time')
    },
  )
})

describe('cache', () => {
  /** Counts signature checks: what the cache is for. */
  function counting(port: CryptoPort): { crypto: CryptoPort; count: () => number } {
    let count = 0
    const crypto: CryptoPort = {
      ...port,
      verifyEcdsa: (...input) => {
        count++
        return port.verifyEcdsa(...input)
      },
    }
    return { crypto, count: () => count }
  }

  test('a RIM is verified once, and its time is judged at every use', () => {
    const cache = createRimCache()
    const { crypto, count } = counting(nodeCrypto)
    const file = buildRim(TEMPLATE, { pki: chainWith('signer', {}) })
    const at = (when: number) => outcome(file, { cache, crypto, at: when })
    expect(at(AT)).toBe('ok')
    expect(count()).toBe(4)
    expect([at(AT + DAY), at(AT + DAY + 1), at(AT - DAY - 1), at(AT)]).toEqual([
      'ok',
      'rim_chain_time',
      'rim_chain_time',
      'ok',
    ])
    expect(count()).toBe(4)
  })

  test('one that was expired when it was first seen is good at an earlier time', () => {
    const cache = createRimCache()
    const file = buildRim(TEMPLATE, { pki: chainWith('signer', {}) })
    expect(outcome(file, { cache, at: AT + 2 * DAY })).toBe('rim_chain_time')
    expect(outcome(file, { cache })).toBe('ok')
  })

  test('neither other roots, nor a stricter view of simulation, nor another port get what was not verified for them', () => {
    const cache = createRimCache()
    expect(outcome(GOOD, { cache })).toBe('ok')
    expect(outcome(GOOD, { cache, allowSimulated: false })).toBe('rim_simulated')
    expect(outcome(GOOD, { cache, rootSha256: [] })).toBe('rim_chain_untrusted_root')
    const { crypto, count } = counting(nobleCrypto)
    expect(outcome(GOOD, { cache, crypto })).toBe('ok')
    expect(count()).toBe(4)
  })

  test('another byte is another entry, and a bad file is none', () => {
    const cache = createRimCache()
    expect(outcome(GOOD, { cache })).toBe('ok')
    const changed = Uint8Array.from(GOOD)
    changed[GOOD.length - 40] = 0x41
    expect(outcome(changed, { cache })).not.toBe('ok')
    expect(cache.entries.size).toBe(1)
  })

  test('holds as many as it says, and forgets the one that was used longest ago', () => {
    const cache = createRimCache(2)
    const files = ['500.01', '500.02', '500.03'].map((driver) =>
      buildRim(driverRimTemplate({ ...SIMULATED_GPU_FIRMWARE, driver }), { pki }),
    )
    const { crypto, count } = counting(nodeCrypto)
    const use = (index: number) => outcome(files[index] ?? GOOD, { cache, crypto })
    use(0)
    use(1)
    use(0)
    use(2)
    expect([cache.entries.size, count()]).toEqual([2, 12])
    use(0)
    expect(count()).toBe(12)
    use(1)
    expect(count()).toBe(16)
  })

  test('has room for something', () => {
    for (const entries of [0, -1, 1.5, Number.NaN]) {
      expect(() => createRimCache(entries)).toThrow(RangeError)
    }
  })

  test('certificates that two RIMs share are verified once in one appraisal', () => {
    const { crypto, count } = counting(nodeCrypto)
    const memo = createCertificateMemo()
    expect(outcome(GOOD, { crypto, memo })).toBe('ok')
    const driver = buildRim(driverRimTemplate(SIMULATED_GPU_FIRMWARE), { pki })
    expect(outcome(driver, { crypto, memo })).toBe('ok')
    expect(count()).toBe(5)
  })
})
