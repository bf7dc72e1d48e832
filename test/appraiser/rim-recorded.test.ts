/** NVIDIA's own RIM files and reports, with the outcomes of the fixtures' manifest. */
import { createHash, X509Certificate } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { DEFAULT_GPU_POLICY } from '../../attestation/appraiser/gpu/gpu-policy.ts'
import { compareMeasurements } from '../../attestation/appraiser/gpu/rim/compare-measurements.ts'
import { expectedRims } from '../../attestation/appraiser/gpu/rim/expected-rims.ts'
import {
  NVIDIA_RIM_ROOT_PEM,
  NVIDIA_RIM_ROOT_SHA256,
} from '../../attestation/appraiser/gpu/rim/nvidia-rim-root.ts'
import { verifyRim } from '../../attestation/appraiser/gpu/rim/verify-rim.ts'
import { toHex } from '../../attestation/protocol/hex.ts'
import { fixtureJson, haveFixtures, PORTS, recordedReport } from './gpu.helpers.ts'
import { comparison, goodRim, nvidiaRimOptions, parsedReport, rimOutcome } from './rim.helpers.ts'
import { fixtureBytes } from './x509.helpers.ts'

/** 2024-06-01: signers of 2023 are valid. */
const IN_2024 = 1717200000
/** 2026-11-23: those have expired, the driver RIM of 550.144.03 and the switch RIM have not. */
const IN_2026 = 1795392000
const DRIVER_550 = 'NV_GPU_DRIVER_GH100_550.144.03.xml'
const VBIOS_5E = '1010_0200_882_96005E0001_PROD.swidtag'
const VBIOS_74 = '1010_0205_862_9600740020_PROD.swidtag'
const SWITCH = 'switchVBIOSRim_NV_SWITCH_BIOS_5612_0002_890_9610550001.xml'

const rimFile = (name: string): Uint8Array => fixtureBytes(`nvidia/rim/${name}`)

test('the embedded root is the certificate whose fingerprint is pinned', () => {
  const { raw, fingerprint256 } = new X509Certificate(NVIDIA_RIM_ROOT_PEM)
  expect(new Uint8Array(createHash('sha256').update(raw).digest())).toEqual(NVIDIA_RIM_ROOT_SHA256)
  // The default policy spells it once more, as text.
  expect(DEFAULT_GPU_POLICY.rimRoots).toEqual([toHex(NVIDIA_RIM_ROOT_SHA256)])
  expect(fingerprint256.replaceAll(':', '')).toBe(
    '12977B5115ACB0381179279FFFEB5A8C4D264971EBB32298023A465FA41DF5D1',
  )
})

describe.skipIf(!haveFixtures).each(PORTS)('recorded RIMs with the %s port', (_port, crypto) => {
  test.each([
    [VBIOS_5E, 'ok', 'rim_chain_time'],
    [VBIOS_74, 'ok', 'rim_chain_time'],
    ['g520_0200_885_960074000D_PROD.swidtag', 'ok', 'rim_chain_time'],
    ['g520_0202_885_9600740018_PROD.swidtag', 'ok', 'rim_chain_time'],
    [DRIVER_550, 'rim_chain_time', 'ok'],
    [SWITCH, 'rim_chain_time', 'ok'],
    ['NV_GPU_VBIOS_1010_0200_882_96005E0001_measurement_mismatch.xml', 'ok', 'rim_chain_time'],
    ['incorrect_signature_driver_rim.xml', 'rim_signature_invalid', 'rim_signature_invalid'],
    [
      'NV_GPU_DRIVER_GH100_535.86.09_measurement_mismatch.xml',
      'rim_digest_mismatch',
      'rim_digest_mismatch',
    ],
    // Signed by a debug signer, whose chain has another length and another root.
    ['incorrect_cert_chain_driver_rim.xml', 'rim_chain_length', 'rim_chain_length'],
  ])('%s is %s in 2024 and %s in 2026', (name, in2024, in2026) => {
    const at = (when: number) => verifyRim(rimFile(name), nvidiaRimOptions(when, { crypto }))
    expect([rimOutcome(at(IN_2024)), rimOutcome(at(IN_2026))]).toEqual([in2024, in2026])
  })

  test('says what they are for', () => {
    const options = (at: number) => nvidiaRimOptions(at, { crypto })
    const rims = [
      goodRim(rimFile(VBIOS_5E), options(IN_2024)),
      goodRim(rimFile(DRIVER_550), options(IN_2026)),
      goodRim(rimFile(SWITCH), options(IN_2026)),
    ]
    const active = rims.map(({ measurements }) =>
      [...measurements].filter(([, { active }]) => active).map(([index]) => index),
    )
    const range = (from: number, to: number) =>
      Array.from({ length: to - from + 1 }, (_, i) => from + i)
    expect(rims.map(({ kind, version }) => `${kind} ${version}`)).toEqual([
      'vbios 96.00.5E.00.01',
      'driver 550.144.03',
      'switch_bios 96.10.55.00.01',
    ])
    expect(rims.map(({ measurements }) => measurements.size)).toEqual([64, 64, 64])
    expect(active).toEqual([[...range(0, 6), ...range(8, 12)], [7, ...range(21, 40)], range(0, 30)])
    expect(rims[0]?.id).toBe(
      '560b6686b372407d02dea1bd3bcedf3865fff39a281705348b27edd21e5f32c6541642eb5db0a494a24884d60b009cfe',
    )
    expect(rims[1]?.chain.map(({ subjectCommonName }) => subjectCommonName)).toEqual([
      'HCC RIM L4 Signer',
      'NVIDIA Reference Value L3 GH100 002',
      'NVIDIA Reference Value GH100 CA',
      'NVIDIA CoRIM signing Root CA',
    ])
    // The signer's window: 2024-12-30 to 2026-12-30.
    expect([rims[1]?.notBefore, rims[1]?.notAfter]).toEqual([1735577810, 1798649810])
  })
})

describe.skipIf(!haveFixtures)('recorded reports against recorded RIMs', () => {
  const report535 = haveFixtures ? parsedReport(recordedReport('h100-535.86.09.txt')) : null
  const report550 = haveFixtures ? parsedReport(recordedReport('h100-550.90.07.report.hex')) : null
  const report580 = haveFixtures ? parsedReport(recordedReport('h100-580.report.hex')) : null
  const reportSwitch = haveFixtures ? switchReport() : null

  function switchReport() {
    const [element] = fixtureJson('nvidia/evidence/nvswitch-ls10.json') as { evidence: string }[]
    return parsedReport(Uint8Array.from(Buffer.from(element?.evidence ?? '', 'base64')))
  }

  const old = (name: string) => goodRim(rimFile(name), nvidiaRimOptions(IN_2024))
  const current = (name: string) => goodRim(rimFile(name), nvidiaRimOptions(IN_2026))

  test('ids are those under which the files were published', () => {
    if (report535 === null || report580 === null || reportSwitch === null) throw new Error('none')
    expect(expectedRims(report535, 'HOPPER')).toEqual({
      driver: 'NV_GPU_DRIVER_GH100_535.86.09',
      vbios: 'NV_GPU_VBIOS_1010_0200_882_96005E0001',
    })
    expect(expectedRims(report580, 'HOPPER')).toEqual({
      driver: 'NV_GPU_DRIVER_GH100_580.159.03',
      vbios: 'NV_GPU_VBIOS_1010_0205_862_9600740020',
    })
    expect(expectedRims(reportSwitch, 'LS10')).toEqual({
      driver: null,
      vbios: 'NV_SWITCH_BIOS_5612_0002_890_9610550001',
    })
  })

  test('driver 535.86.09: all 12 VBIOS measurements match', () => {
    if (report535 === null) throw new Error('none')
    expect(comparison(report535, null, old(VBIOS_5E))).toBe('ok: 12 of 12 measurements match')
  })

  test('the genuinely signed RIM with another golden value at index 9 does not match', () => {
    if (report535 === null) throw new Error('none')
    const rim = old('NV_GPU_VBIOS_1010_0200_882_96005E0001_measurement_mismatch.xml')
    expect(comparison(report535, null, rim)).toBe(
      'rim_measurement_mismatch: 11 of 12 measurements match; index 9 differs',
    )
  })

  test('NVSwitch: all 31 measurements match', () => {
    if (reportSwitch === null) throw new Error('none')
    expect(comparison(reportSwitch, null, current(SWITCH))).toBe('ok: 31 of 31 measurements match')
  })

  test('driver 580.159.03 against an old edition of its VBIOS RIM: index 9 differs, and may be allowed', () => {
    if (report580 === null) throw new Error('none')
    const rim = old(VBIOS_74)
    expect(compareMeasurements(report580, null, rim)).toEqual({
      ok: false,
      code: 'rim_measurement_mismatch',
      detail: '11 of 12 measurements match; index 9 differs',
      differing: [9],
    })
    expect(compareMeasurements(report580, null, rim, { allowedMismatches: [9] })).toEqual({
      ok: true,
      compared: 12,
      detail: '11 of 12 measurements match; index 9 is allowed',
      differing: [9],
    })
  })

  test('the RIM of another driver fails by its version, before any measurement is looked at', () => {
    if (report550 === null) throw new Error('none')
    expect(compareMeasurements(report550, current(DRIVER_550), null)).toEqual({
      ok: false,
      code: 'rim_version_mismatch',
      detail: 'RIM for 550.144.03, report of 550.90.07',
      differing: [],
    })
  })

  test('a switch RIM is no RIM of a GPU, nor the other way round', () => {
    if (report580 === null || reportSwitch === null) throw new Error('none')
    expect(comparison(report580, null, current(SWITCH))).toContain('rim_kind_mismatch')
    expect(comparison(reportSwitch, null, old(VBIOS_74))).toContain('rim_kind_mismatch')
    expect(comparison(report580, old(VBIOS_74), null)).toContain('rim_kind_mismatch')
  })
})
