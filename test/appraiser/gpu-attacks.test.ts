import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { pass } from '../../attestation/appraiser/check.ts'
import { GPU_RUNGS, gpuRung, readGpuFacts } from '../../attestation/appraiser/gpu/gpu-ladder.ts'
import type { GpuEvidence } from '../../attestation/appraiser/gpu/parse-gpu-evidence.ts'
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
import { buildCertificate, toPem } from '../../attestation/x509/build-certificate.ts'
import type { CertificateTemplate } from '../../attestation/x509/build-certificate.ts'
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
    const open = ['rim_driver', 'rim_vbios', 'measurements', 'ocsp', 'rim_ocsp']
    expect(checks.filter(({ status }) => status !== 'pass')).toMatchObject(
      [0, 1, 2].flatMap((i) =>
        open.map((step) => ({ id: `gpu.${i}.${step}`, code: 'collateral_not_given' })),
      ),
    )
    expect(checks.filter(({ status }) => status === 'pass')).toHaveLength(3 + 3 * 10)
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

  test('refuses GPUs that report different VBIOSes or modes', () => {
    const vbios = replaceOpaque(6, Uint8Array.from(Buffer.from('009f009602000000', 'hex')))
    const mode = replaceOpaque(36, Uint8Array.of(1, 0))
    for (const opaque of [vbios, mode]) {
      expect(failures(judge([first, signed({ opaque }), third]))).toContain('gpu.uniform gpu_mixed')
    }
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
    expect(checks.find(({ id }) => id === 'gpu.0.structure')?.detail).toContain('is well-formed')
    const unknown = judge([{ ...first, arch: 'LR10' }], { expectedCount: 1 })
    expect(failures(unknown)).toEqual(['gpu.0.structure gpu_arch_unsupported'])
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
