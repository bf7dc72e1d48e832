import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { pass } from '../../attestation/appraiser/check.ts'
import { GPU_RUNGS, gpuRung, readGpuFacts } from '../../attestation/appraiser/gpu/gpu-ladder.ts'
import type { GpuEvidence } from '../../attestation/appraiser/gpu/parse-gpu-evidence.ts'
import { OID_DICE_COMPOSITE_ID } from '../../attestation/appraiser/gpu/read-dice-extension.ts'
import { verifyGpuEvidence } from '../../attestation/appraiser/gpu/verify-gpu-evidence.ts'
import type { GpuListOptions } from '../../attestation/appraiser/gpu/verify-gpu-evidence.ts'
import { buildSpdmReport } from '../../attestation/simulator/nvidia/build-spdm-report.ts'
import {
  collectSimulatedGpuEvidence,
  simulatedReportTemplate,
  toGpuEvidence,
} from '../../attestation/simulator/nvidia/collect-simulated-gpu-evidence.ts'
import { createNvidiaPki } from '../../attestation/simulator/nvidia/create-nvidia-pki.ts'
import type { SimulatedGpu } from '../../attestation/simulator/nvidia/create-nvidia-pki.ts'
import { buildCertificate, toPem } from '../../attestation/simulator/x509/build-certificate.ts'
import type { CertificateTemplate } from '../../attestation/simulator/x509/build-certificate.ts'
import {
  octetString,
  oid,
  raw,
  sequence,
  set,
  smallInteger,
  toDer,
} from '../../attestation/simulator/x509/der.ts'
import { AT, failures, realOptions, summary } from './gpu.helpers.ts'

const now = new Date(AT * 1000)
const pki = createNvidiaPki({ now, gpus: 3 })
const nonce = Uint8Array.from(randomBytes(32))
const list = collectSimulatedGpuEvidence(pki, nonce)
const [first, second, third] = list as [GpuEvidence, GpuEvidence, GpuEvidence]
const gpu = pki.gpus[0] as SimulatedGpu

function judge(value: unknown, changes: Partial<GpuListOptions> = {}) {
  return verifyGpuEvidence(
    value,
    realOptions(nonce, {
      rootSha256: [pki.rootSha256],
      allowSimulated: true,
      expectedCount: 3,
      ...changes,
    }),
  )
}

function reportOf(item: GpuEvidence): Uint8Array {
  return Uint8Array.from(Buffer.from(item.evidence, 'base64'))
}

function signed(changes: Partial<Parameters<typeof buildSpdmReport>[0]>): GpuEvidence {
  return toGpuEvidence(gpu, buildSpdmReport({ ...simulatedReportTemplate(gpu, nonce), ...changes }))
}

function replaceOpaque(type: number, content: Uint8Array) {
  return simulatedReportTemplate(gpu, nonce).opaque.map((field) =>
    field[0] === type ? ([type, content] as const) : field,
  )
}

describe('attacks on GPU evidence', () => {
  test('three honest GPUs pass, with RIM and OCSP left open', () => {
    const checks = judge(list)
    expect(failures(checks)).toEqual([])
    expect(checks.filter(({ status }) => status === 'skip').map(({ id }) => id)).toEqual(
      [0, 1, 2].flatMap((i) => [`gpu.${i}.rim_driver`, `gpu.${i}.rim_vbios`, `gpu.${i}.ocsp`]),
    )
    expect(checks.filter(({ status }) => status === 'pass')).toHaveLength(3 + 3 * 7)
  })

  test('refuses evidence made for another nonce', () => {
    const replayed = collectSimulatedGpuEvidence(pki, Uint8Array.from(randomBytes(32)))
    expect(failures(judge(replayed))).toEqual(
      [0, 1, 2].map((i) => `gpu.${i}.nonce gpu_nonce_mismatch`),
    )
  })

  test('refuses an expected nonce of the wrong length', () => {
    expect(failures(judge([first], { expectedNonce: new Uint8Array(), expectedCount: 1 }))).toEqual(
      ['gpu.0.nonce gpu_nonce_mismatch'],
    )
  })

  test('refuses a nonce written into an old report', () => {
    const old = reportOf(collectSimulatedGpuEvidence(pki, new Uint8Array(32))[0] as GpuEvidence)
    old.set(nonce, 4)
    expect(failures(judge([toGpuEvidence(gpu, old)], { expectedCount: 1 }))).toEqual([
      'gpu.0.signature gpu_signature_invalid',
    ])
  })

  test('refuses one GPU listed twice', () => {
    expect(failures(judge([first, second, first]))).toEqual(['gpu.unique gpu_duplicate'])
  })

  test('refuses one GPU listed twice with two freshly signed reports', () => {
    expect(failures(judge([first, second, signed({})]))).toEqual(['gpu.unique gpu_duplicate'])
  })

  test('refuses one GPU fewer than expected, and one more', () => {
    expect(failures(judge([first, second]))).toEqual(['gpu.count gpu_count_mismatch'])
    expect(failures(judge(list, { expectedCount: 2 }))).toEqual(['gpu.count gpu_count_mismatch'])
    expect(failures(judge([], { expectedCount: 1 }))).toEqual(['gpu.count gpu_count_mismatch'])
  })

  test('does not let an absent expectation pass as a count', () => {
    expect(summary(judge(list, { expectedCount: null }))['gpu.count']).toBe('skip not_provided')
  })

  test('refuses chains swapped between two devices', () => {
    const swapped = [
      { ...first, certificate: second.certificate },
      { ...second, certificate: first.certificate },
      third,
    ]
    expect(failures(judge(swapped))).toEqual([
      'gpu.0.signature gpu_signature_invalid',
      'gpu.1.signature gpu_signature_invalid',
    ])
  })

  test('refuses a leaf under the identity certificate of another device', () => {
    const mixed = [gpu.chain[0], ...(pki.gpus[1]?.chain.slice(1) ?? [])] as Uint8Array[]
    const forged = toGpuEvidence({ ...gpu, chainPem: mixed.map(toPem).join('') }, reportOf(first))
    expect(failures(judge([forged], { expectedCount: 1 }))).toEqual([
      'gpu.0.chain gpu_chain_invalid',
    ])
  })

  test('refuses a changed firmware identity, although the device signed it', () => {
    const changed = signed({ opaque: replaceOpaque(20, new Uint8Array(48)) })
    expect(failures(judge([changed], { expectedCount: 1 }))).toEqual([
      'gpu.0.fwid gpu_fwid_mismatch',
    ])
  })

  test('refuses a report without firmware identity', () => {
    const opaque = simulatedReportTemplate(gpu, nonce).opaque.filter(([type]) => type !== 20)
    expect(failures(judge([signed({ opaque })], { expectedCount: 1 }))).toEqual([
      'gpu.0.fwid gpu_fwid_missing',
    ])
  })

  test('refuses GPUs that report different drivers', () => {
    const opaque = replaceOpaque(3, Uint8Array.from(Buffer.from('535.86.09\0')))
    expect(failures(judge([signed({ opaque }), second, third]))).toEqual(['gpu.uniform gpu_mixed'])
  })

  test('refuses a signed report with fewer measurements than the architecture has', () => {
    const measurements = simulatedReportTemplate(gpu, nonce).measurements.slice(0, 31)
    expect(failures(judge([signed({ measurements })], { expectedCount: 1 }))).toEqual([
      'gpu.0.arch gpu_arch_mismatch',
    ])
  })

  test('refuses an architecture that it does not judge, whatever the evidence', () => {
    const checks = judge([{ ...first, arch: 'BLACKWELL' }], { expectedCount: 1 })
    expect(failures(checks)).toEqual(['gpu.0.structure gpu_arch_unsupported'])
    expect(checks.filter(({ id, status }) => id.startsWith('gpu.0.') && status === 'pass')).toEqual(
      [],
    )
  })

  test('refuses a report with one bit flipped, wherever it is', () => {
    const report = reportOf(first)
    for (let offset = 0; offset < report.length; offset += 41) {
      const flipped = Uint8Array.from(report)
      flipped[offset] = (flipped[offset] ?? 0) ^ (1 << (offset % 8))
      const checks = judge([toGpuEvidence(gpu, flipped)], { expectedCount: 1 })
      expect(failures(checks), `byte ${offset}`).not.toEqual([])
      expect(summary(checks)['gpu.0.signature'], `byte ${offset}`).not.toBe('pass')
    }
  })

  test('refuses a chain with one byte flipped, wherever it is', () => {
    for (const [place, certificate] of gpu.chain.entries()) {
      for (let offset = 0; offset < certificate.length; offset += 61) {
        const chain = gpu.chain.map((der) => Uint8Array.from(der))
        const target = chain[place] ?? new Uint8Array()
        target[offset] = (target[offset] ?? 0) ^ 0x01
        const forged = { ...gpu, chainPem: chain.map(toPem).join('') }
        const checks = judge([toGpuEvidence(forged, reportOf(first))], { expectedCount: 1 })
        expect(failures(checks), `certificate ${place}, byte ${offset}`).not.toEqual([])
        expect(summary(checks)['gpu.0.signature']).toBe('skip depends_on_failed')
      }
    }
  })

  test('refuses a chain without its first or its last certificate', () => {
    for (const chain of [gpu.chain.slice(1), gpu.chain.slice(0, 4)]) {
      const forged = toGpuEvidence({ ...gpu, chainPem: chain.map(toPem).join('') }, reportOf(first))
      expect(failures(judge([forged], { expectedCount: 1 }))).toEqual([
        'gpu.0.chain gpu_chain_length',
      ])
    }
  })

  test('refuses a chain that does not fit NVML’s buffer, as one with a repeated certificate', () => {
    const chainPem = [...gpu.chain.slice(0, 1), ...gpu.chain].map(toPem).join('')
    const forged = toGpuEvidence({ ...gpu, chainPem }, reportOf(first))
    expect(failures(judge([forged], { expectedCount: 1 }))).toEqual([
      'gpu.0.structure gpu_evidence_malformed',
    ])
  })

  test('refuses a device under another root, also one with the same names', () => {
    const other = createNvidiaPki({ now, gpus: 1 })
    const evidence = collectSimulatedGpuEvidence(other, nonce)
    expect(failures(judge(evidence, { expectedCount: 1 }))).toEqual([
      'gpu.0.chain gpu_chain_untrusted_root',
    ])
  })

  test('refuses a P-256 certificate in the chain', () => {
    const weak = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const leaf = buildCertificate(leafTemplate(weak.publicKey, gpu.key))
    const chainPem = [leaf, ...gpu.chain.slice(1)].map(toPem).join('')
    const forged = toGpuEvidence({ ...gpu, chainPem }, reportOf(first))
    expect(failures(judge([forged], { expectedCount: 1 }))).toEqual([
      'gpu.0.chain gpu_chain_algorithm',
    ])
  })

  test('refuses what is no list, and a list longer than any machine', () => {
    for (const value of [null, {}, 'x', Array(17).fill(first)]) {
      expect(failures(judge(value))).toEqual(['gpu.count gpu_list_malformed'])
    }
  })

  test('refuses a clock before the chain and a clock that is no number', () => {
    for (const at of [AT - 2 * 86_400, Number.NaN]) {
      expect(failures(judge([first], { at, expectedCount: 1 }))).toEqual([
        'gpu.0.chain gpu_chain_time',
      ])
    }
  })
})

describe('devices under a root of the test', () => {
  // Chains that are good in every respect, so that each test meets one check only.
  const ca = keyPair()
  const identityKeys = keyPair()
  const leafKeys = keyPair()
  const validity = { notBefore: new Date(AT * 1000 - 1000), notAfter: new Date('2090-01-01') }
  const model = 'GH100 A01 GSP BROM'
  const root = authority(1, 'root', ca)

  function authority(serial: number, commonName: string, keys: ReturnType<typeof keyPair>) {
    return buildCertificate({
      ...validity,
      subject: { commonName },
      issuer: { commonName: 'root' },
      serial: Uint8Array.of(serial),
      publicKey: keys.publicKey,
      issuerKey: ca.privateKey,
      ca: { pathLength: null },
      keyUsage: ['keyCertSign'],
    })
  }

  interface Device {
    readonly model?: string
    readonly keys?: ReturnType<typeof keyPair>
    readonly identity?: { serial: number; keys: ReturnType<typeof keyPair> }
    /** null: no extension at all. */
    readonly dice?: Uint8Array | null
    /** null: no extension at all. */
    readonly usage?: NonNullable<CertificateTemplate['keyUsage']> | null
    readonly isCa?: boolean
    readonly serial?: number
  }

  function device(changes: Device = {}): GpuEvidence {
    const { keys = leafKeys, usage = ['digitalSignature'] } = changes
    const identity = changes.identity ?? { serial: 2, keys: identityKeys }
    const value = changes.dice === undefined ? dice(identity.keys, gpu.fwid) : changes.dice
    const commonName = changes.model ?? model
    const chain = [
      buildCertificate({
        ...validity,
        subject: { commonName: 'leaf' },
        issuer: { commonName },
        serial: Uint8Array.of(changes.serial ?? 9),
        publicKey: keys.publicKey,
        issuerKey: identity.keys.privateKey,
        ...(usage === null ? {} : { keyUsage: usage }),
        ...(changes.isCa === true ? { ca: { pathLength: null } } : {}),
        extensions: value === null ? [] : [{ oid: OID_DICE_COMPOSITE_ID, critical: false, value }],
      }),
      authority(identity.serial, commonName, identity.keys),
      authority(3, 'root', ca),
      authority(4, 'root', ca),
      root,
    ]
    const report = { ...simulatedReportTemplate(gpu, nonce), key: keys.privateKey }
    const chainPem = chain.map(toPem).join('')
    return toGpuEvidence({ ...gpu, chainPem }, buildSpdmReport(report))
  }

  function refusals(...devices: GpuEvidence[]): string[] {
    const rootSha256 = [realOptions(nonce).crypto.sha256(root)]
    const expectedCount = devices.length
    return failures(judge(devices, { rootSha256, expectedCount, allowSimulated: false }))
  }

  test('accepts the devices that the following tests change', () => {
    const other = device({ keys: keyPair(), serial: 10, identity: { serial: 5, keys: keyPair() } })
    expect(refusals(device(), other)).toEqual([])
  })

  test.each([
    ['its keys of two firmware versions', { identity: { serial: 2, keys: identityKeys } }],
    ['a second certificate of its identity key', { identity: { serial: 5, keys: identityKeys } }],
    ['a second identity key of its number', { identity: { serial: 2, keys: keyPair() } }],
  ])('refuses one GPU listed under %s', (_name, changes) => {
    const again = device({ keys: keyPair(), serial: 10, ...changes })
    expect(refusals(again)).toEqual([])
    expect(refusals(device(), again)).toEqual(['gpu.unique gpu_duplicate'])
  })

  test('refuses a leaf without device identity extension', () => {
    expect(refusals(device({ dice: null }))).toEqual([
      'gpu.0.device_key gpu_device_key_mismatch',
      'gpu.0.fwid gpu_fwid_missing',
    ])
  })

  test('refuses a leaf that names another device key', () => {
    expect(refusals(device({ dice: dice(leafKeys, gpu.fwid) }))).toEqual([
      'gpu.0.device_key gpu_device_key_mismatch',
    ])
  })

  test('refuses a leaf that names another firmware', () => {
    expect(refusals(device({ dice: dice(identityKeys, new Uint8Array(48)) }))).toEqual([
      'gpu.0.fwid gpu_fwid_mismatch',
    ])
  })

  const key = raw(identityKeys.publicKey.export({ format: 'der', type: 'spki' }))
  const sha384 = oid('2.16.840.1.101.3.4.2.2')
  const digest = octetString(gpu.fwid)
  test.each([
    ['another version', sequence(smallInteger(2), key, sequence(sha384, digest))],
    ['no version', sequence(key, sequence(sha384, digest))],
    ['another hash', sequence(smallInteger(1), key, sequence(oid('1.2.3'), digest))],
    [
      'a digest of another size',
      sequence(smallInteger(1), key, sequence(sha384, octetString(new Uint8Array(32)))),
    ],
    ['no digest', sequence(smallInteger(1), key, sequence(sha384))],
    ['two digests', sequence(smallInteger(1), key, sequence(sha384, digest, digest))],
    ['a digest of another type', sequence(smallInteger(1), key, sequence(sha384, sha384))],
    ['a digest outside its sequence', sequence(smallInteger(1), key, digest)],
    ['a fourth part', sequence(smallInteger(1), key, sequence(sha384, digest), digest)],
    ['another outer type', set(smallInteger(1))],
  ])('refuses a device identity extension with %s', (_name, value) => {
    expect(refusals(device({ dice: toDer(value) }))).toEqual([
      'gpu.0.device_key gpu_device_key_mismatch',
      'gpu.0.fwid gpu_fwid_missing',
    ])
  })

  test('refuses a device identity extension with bytes behind it', () => {
    const value = Uint8Array.of(...dice(identityKeys, gpu.fwid), 0)
    expect(refusals(device({ dice: value }))).toContain('gpu.0.device_key gpu_device_key_mismatch')
  })

  test('refuses a device of another model', () => {
    expect(refusals(device({ model: 'LS_10 A01 FSP BROM' }))).toEqual([
      'gpu.0.arch gpu_arch_mismatch',
    ])
  })

  test.each([
    ['a certification key', { isCa: true, usage: ['keyCertSign', 'digitalSignature'] }],
    ['a key for another use', { usage: ['crlSign'] }],
    ['a key of no stated use', { usage: null }],
  ] satisfies [string, Device][])('refuses a report signed by %s', (_name, changes) => {
    expect(refusals(device(changes))).toEqual(['gpu.0.chain gpu_chain_invalid'])
  })
})

describe('GPU ladder', () => {
  const all = {
    present: true,
    vendorSigned: true,
    freshForRound: true,
    digestInQuote: true,
    checkedByMeasuredGuest: true,
  }

  test.each([
    ['present', 'none'],
    ['vendorSigned', 'none'],
    ['freshForRound', 'vendor-signed'],
    ['digestInQuote', 'fresh'],
    ['checkedByMeasuredGuest', 'digest-in-quote'],
  ] as const)('stops below the first missing fact: %s', (fact, rung) => {
    expect(gpuRung({ ...all, [fact]: false })).toBe(rung)
  })

  test('reaches the top only with every fact, and each rung says what it does not prove', () => {
    expect(gpuRung(all)).toBe('checked-by-guest')
    for (const rung of Object.values(GPU_RUNGS)) {
      expect(rung.proves).toMatch(/\.$/)
      expect(rung.doesNotProve).toMatch(/\.$/)
    }
  })

  test('reads the facts from the checks of honest evidence', () => {
    const facts = { present: true, vendorSigned: true, freshForRound: true }
    expect(readGpuFacts(judge(list))).toEqual(facts)
    expect(readGpuFacts(judge(list, { expectedCount: null }))).toEqual(facts)
  })

  test('counts nothing as signed or fresh that failed or was left out', () => {
    expect(readGpuFacts([])).toEqual({ present: false, vendorSigned: false, freshForRound: false })
    expect(readGpuFacts([pass('gpu.0.structure', '')])).toEqual({
      present: true,
      vendorSigned: false,
      freshForRound: false,
    })
    expect(readGpuFacts(judge([first, second]))).toMatchObject({ vendorSigned: false })
    expect(readGpuFacts(judge([], { expectedCount: 0 }))).toMatchObject({ vendorSigned: false })
    const opaque = replaceOpaque(3, Uint8Array.from(Buffer.from('535.86.09\0')))
    expect(readGpuFacts(judge([signed({ opaque }), second, third]))).toMatchObject({
      vendorSigned: false,
    })
    expect(readGpuFacts(judge([first, second, first]))).toMatchObject({ vendorSigned: false })
    const other = { expectedNonce: Uint8Array.from(randomBytes(32)) }
    expect(readGpuFacts(judge(list, other))).toEqual({
      present: true,
      vendorSigned: true,
      freshForRound: false,
    })
  })
})

function keyPair() {
  return generateKeyPairSync('ec', { namedCurve: 'P-384' })
}

function dice(deviceKeys: ReturnType<typeof keyPair>, fwid: Uint8Array): Uint8Array {
  const spki = deviceKeys.publicKey.export({ format: 'der', type: 'spki' })
  const firmware = sequence(oid('2.16.840.1.101.3.4.2.2'), octetString(fwid))
  return toDer(sequence(smallInteger(1), raw(spki), firmware))
}

function leafTemplate(
  publicKey: CertificateTemplate['publicKey'],
  issuerKey: CertificateTemplate['issuerKey'],
): CertificateTemplate {
  return {
    subject: { commonName: 'leaf' },
    issuer: { commonName: 'issuer' },
    serial: Uint8Array.of(7),
    notBefore: now,
    notAfter: new Date('2090-01-01'),
    publicKey,
    issuerKey,
    keyUsage: ['digitalSignature'],
  }
}
