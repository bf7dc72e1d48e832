import { describe, expect, test } from 'vitest'
import type { Check } from '../../attestation/appraiser/check.ts'
import { gpuRung, readGpuFacts } from '../../attestation/appraiser/gpu/gpu-ladder.ts'
import { DEFAULT_GPU_POLICY } from '../../attestation/appraiser/gpu/gpu-policy.ts'
import type { GpuPolicy } from '../../attestation/appraiser/gpu/gpu-policy.ts'
import { parseNrasPayload } from '../../attestation/appraiser/gpu/parse-nras-payload.ts'
import { parseSpdmReport } from '../../attestation/appraiser/gpu/parse-spdm-report.ts'
import { verifyGpuEvidence } from '../../attestation/appraiser/gpu/verify-gpu-evidence.ts'
import {
  NVIDIA_DEVICE_ROOT_PEM,
  NVIDIA_DEVICE_ROOT_SHA256,
} from '../../attestation/appraiser/gpu/nvidia-device-root.ts'
import { parseQuote } from '../../attestation/appraiser/quote/parse-quote.ts'
import { parsePemChain } from '../../attestation/appraiser/x509/parse-pem-chain.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import type { GpuCollateral } from '../../attestation/protocol/gpu-collateral.ts'
import { toHex } from '../../attestation/protocol/hex.ts'
import {
  element,
  failures,
  fixtureJson,
  fixtureText,
  GOOD_DEVICE,
  GOOD_SWITCH,
  haveFixtures,
  hexBytes,
  PORTS,
  realOptions,
  recordedList,
  recordedReport,
  summary,
} from './gpu.helpers.ts'

/** 2025-05-01: the signers of the recorded RIMs of GPUs expired later that year. */
const EARLIER = 1746057600
const NONCE_550 = '931d8dd0add203ac3d8b4fbde75e115278eefcdceac5b87671a748f32364dfcb'
const NONCE_580 = '5bb22e377702d4e1e8215a903ba094826b9ac7f731dee1fe8102958bf2840aca'

/** Names of the opaque fields in NVIDIA's expected parse. */
const OPAQUE_NAMES = {
  VBIOS_VERSION: 6,
  BOARD_ID: 14,
  CHIP_SKU: 15,
  CHIP_SKU_MOD: 16,
  PROJECT: 17,
  PROJECT_SKU: 18,
  PROJECT_SKU_MOD: 19,
  DRIVER_VERSION: 3,
  GPU_INFO: 4,
  MSRSCNT: 12,
  CPRINFO: 13,
  NVDEC0_STATUS: 11,
  FWID: 20,
  PROTECTED_PCIE_STATUS: 21,
}

function detailOf(checks: readonly Check[], id: string): string | undefined {
  return checks.find((check) => check.id === id)?.detail
}

function parsed(report: Uint8Array) {
  const result = parseSpdmReport(report)
  if (!result.ok) throw new Error(result.detail)
  return result.report
}

test('the embedded device root is the one whose fingerprint is pinned', () => {
  const parsedRoot = parsePemChain(NVIDIA_DEVICE_ROOT_PEM, 1)
  if (!parsedRoot.ok) throw new Error(parsedRoot.detail)
  const der = parsedRoot.certificates[0]?.der ?? new Uint8Array()
  // Written out a second time, from NVIDIA's own verifier, so that a slip of the constant is seen.
  const published = '102bf659d5419614c9d8e6aecebc80454eb26b1df6a769ac720b9a690b167b48'
  expect(toHex(nodeCrypto.sha256(der))).toBe(published)
  expect(toHex(NVIDIA_DEVICE_ROOT_SHA256)).toBe(published)
})

describe.skipIf(!haveFixtures)('recorded NVIDIA evidence', () => {
  const chain550 = haveFixtures ? fixtureText('nvidia/evidence/h100-550.90.07.chain.pem') : ''
  const chain580 = haveFixtures ? fixtureText('nvidia/evidence/h100-580.chain.pem') : ''

  describe.each(PORTS)('with the %s crypto port', (_name, crypto) => {
    test('accepts an H100 with driver 550.90.07', () => {
      const list = [element(recordedReport('h100-550.90.07.report.hex'), chain550)]
      const checks = verifyGpuEvidence(list, realOptions(hexBytes(NONCE_550), { crypto }))
      expect(summary(checks)).toEqual(GOOD_DEVICE)
      expect(detailOf(checks, 'gpu.0.versions')).toBe('driver 550.90.07, VBIOS 96.00.9F.00.01')
      expect(detailOf(checks, 'gpu.0.mode')).toBe('mode unstated, protected PCIe off, NVDEC0 off')
      expect(detailOf(checks, 'gpu.0.serials')).toBe('41431d480fe5e87274')
    })

    test('accepts an H100 with driver 580.159.03', () => {
      const list = [element(recordedReport('h100-580.report.hex'), chain580)]
      const checks = verifyGpuEvidence(list, realOptions(hexBytes(NONCE_580), { crypto }))
      expect(summary(checks)).toEqual(GOOD_DEVICE)
    })

    test('accepts an H100 in protected PCIe mode and says so', () => {
      const { nonce, list } = recordedList('nvidia/evidence/h100-590.12-ppcie.json')
      const checks = verifyGpuEvidence(list, realOptions(nonce, { crypto }))
      expect(summary(checks)).toEqual({
        ...GOOD_DEVICE,
        'gpu.topology': 'skip gpu_topology_unproven',
      })
      expect(detailOf(checks, 'gpu.0.versions')).toBe('driver 590.12, VBIOS 96.00.A5.00.01')
      expect(detailOf(checks, 'gpu.0.mode')).toBe(
        'mode protected-pcie, protected PCIe on, NVDEC0 off',
      )
    })

    test('accepts the cryptography of a device on certificate hold and leaves OCSP as skipped', () => {
      const { nonce, list } = recordedList('nvidia/evidence/h100-570.86.10-cert-hold.json')
      const checks = verifyGpuEvidence(list, realOptions(nonce, { crypto }))
      expect(summary(checks)).toEqual(GOOD_DEVICE)
    })

    test('accepts an NVSwitch, and leaves open what it is linked to', () => {
      const { nonce, list } = recordedList('nvidia/evidence/nvswitch-ls10.json')
      const checks = verifyGpuEvidence(list, realOptions(nonce, { crypto, expectedCount: null }))
      expect(summary(checks)).toEqual({
        'gpu.count': 'skip not_provided',
        'switch.count': 'skip not_provided',
        'gpu.unique': 'pass',
        'gpu.uniform': 'pass',
        'gpu.topology': 'skip gpu_topology_unproven',
        ...GOOD_SWITCH,
      })
      expect(detailOf(checks, 'switch.0.versions')).toBe('BIOS 96.10.55.00.01')
      expect(detailOf(checks, 'switch.0.arch')).toBe('LS_10 A01 FSP BROM')
    })

    test('refuses the recorded report whose signature is invalid', () => {
      // Its own chain was not recorded; byte flips under the right chain are tested with simulated devices.
      const list = [element(recordedReport('h100-invalid-signature.txt'), chain550)]
      const checks = verifyGpuEvidence(list, realOptions(hexBytes(NONCE_550), { crypto }))
      expect(failures(checks)).toContain('gpu.0.signature gpu_signature_invalid')
      expect(summary(checks)).toMatchObject({
        'gpu.0.nonce': 'pass',
        'gpu.0.mode': 'skip depends_on_failed',
        'gpu.unique': 'skip depends_on_failed',
      })
    })

    test('refuses the report of a 535 driver for its missing firmware identity', () => {
      const report = recordedReport('h100-535.86.09.txt')
      // Its own chain was not recorded; the firmware identity is missing whatever the chain is.
      const checks = verifyGpuEvidence(
        [element(report, chain550)],
        realOptions(parsed(report).requestNonce, { crypto }),
      )
      expect(failures(checks)).toContain('gpu.0.fwid gpu_fwid_missing')
    })

    test('binds the GPU evidence of a deployed proxy to its TDX quote by the nonce', () => {
      const document = fixtureJson('0g/llm_attestation_report.json') as {
        signing_address: string
        request_nonce: string
        intel_quote: string
        nvidia_payload: string
      }
      const payload = parseNrasPayload(JSON.parse(document.nvidia_payload))
      if (!payload.ok) throw new Error(payload.detail)
      expect(toHex(payload.nonce)).toBe(document.request_nonce)
      const checks = verifyGpuEvidence(payload.evidence, realOptions(payload.nonce, { crypto }))
      expect(summary(checks)).toEqual(GOOD_DEVICE)
      expect(detailOf(checks, 'gpu.0.versions')).toBe('driver 570.172.08, VBIOS 96.00.CF.00.02')
      const facts = readGpuFacts(checks)
      // The proxy's report_data holds no digest of the GPU evidence, so it stops at `fresh`.
      expect(gpuRung({ ...facts, digestInQuote: false, checkedByMeasuredGuest: true })).toBe(
        'fresh',
      )

      const quote = parseQuote(hexBytes(document.intel_quote))
      if (!quote.ok) throw new Error(quote.detail)
      expect(toHex(quote.quote.reportData)).toBe(
        document.signing_address.slice(2).toLowerCase() + '00'.repeat(12) + toHex(payload.nonce),
      )
    })
  })

  describe.each(PORTS)(
    'with NVIDIA’s own reference values and the %s crypto port',
    (_n, crypto) => {
      const rim = (id: string, file: string) => ({
        rims: [{ id, rim: Buffer.from(fixtureText(`nvidia/rim/${file}`)).toString('base64') }],
        ocsp: [],
      })
      const judge580 = (collateral: GpuCollateral, policy: Partial<GpuPolicy> = {}) =>
        verifyGpuEvidence(
          [element(recordedReport('h100-580.report.hex'), chain580)],
          realOptions(hexBytes(NONCE_580), {
            crypto,
            at: EARLIER,
            collateral,
            policy: { ...DEFAULT_GPU_POLICY, ...policy },
          }),
        )

      test('every measurement of an NVSwitch is one of the published ones', () => {
        const { nonce, list } = recordedList('nvidia/evidence/nvswitch-ls10.json')
        const id = 'NV_SWITCH_BIOS_5612_0002_890_9610550001'
        const collateral = rim(id, `switchVBIOSRim_${id}.xml`)
        const checks = verifyGpuEvidence(
          list,
          realOptions(nonce, { crypto, expectedCount: 0, collateral }),
        )
        expect(failures(checks)).toEqual([])
        expect(summary(checks)).toMatchObject({
          'switch.0.rim_vbios': 'pass',
          'switch.0.measurements': 'pass',
          'switch.0.ocsp': 'skip collateral_not_given',
          'switch.0.rim_ocsp': 'skip collateral_not_given',
        })
        expect(detailOf(checks, 'switch.0.measurements')).toBe('31 of 31 measurements match')
      })

      test('a GPU whose VBIOS was published anew differs from the older file at index 9', () => {
        const id = 'NV_GPU_VBIOS_1010_0205_862_9600740020'
        const collateral = rim(id, '1010_0205_862_9600740020_PROD.swidtag')
        const checks = judge580(collateral)
        expect(failures(checks)).toEqual(['gpu.0.measurements rim_measurement_mismatch'])
        expect(detailOf(checks, 'gpu.0.measurements')).toBe(
          '11 of 12 measurements match; index 9 differs',
        )
        const allowed = judge580(collateral, { allowedMismatches: [9] })
        expect(failures(allowed)).toEqual([])
        // Half of the firmware is not all of it.
        expect(summary(allowed)['gpu.0.measurements']).toBe('skip collateral_not_given')
      })

      test('a genuine RIM of another driver or board does not count under the name of the right one', () => {
        const driver = rim('NV_GPU_DRIVER_GH100_580.159.03', 'NV_GPU_DRIVER_GH100_550.144.03.xml')
        expect(failures(judge580(driver))).toEqual(['gpu.0.rim_driver rim_version_mismatch'])
        const board = rim(
          'NV_GPU_VBIOS_1010_0205_862_9600740020',
          'g520_0200_885_960074000D_PROD.swidtag',
        )
        expect(failures(judge580(board))).toEqual(['gpu.0.rim_vbios rim_version_mismatch'])
      })
    },
  )

  test('refuses genuine devices that the policy does not name, and takes those that it does', () => {
    const list = [element(recordedReport('h100-550.90.07.report.hex'), chain550)]
    const under = (policy: Partial<GpuPolicy>) =>
      failures(
        verifyGpuEvidence(
          list,
          realOptions(hexBytes(NONCE_550), { policy: { ...DEFAULT_GPU_POLICY, ...policy } }),
        ),
      )
    expect(
      under({
        hardwareModels: ['GH100 A01 GSP BROM'],
        gpuSerials: ['41431d480fe5e87274'],
        drivers: ['550.90.07'],
        minDriver: '550.54.14',
        vbioses: ['96.00.9F.00.01'],
        minVbios: '96.00.9F',
        modes: ['unstated'],
      }),
    ).toEqual([])
    expect(under({ hardwareModels: ['GB100 A01 GSP BROM'] })).toEqual([
      'gpu.0.arch gpu_model_not_accepted',
    ])
    expect(under({ gpuSerials: ['41e23d711e1c4fbfac'] })).toEqual([
      'gpu.0.serials gpu_device_not_accepted',
    ])
    expect(under({ drivers: ['550.90.08'] })).toEqual(['gpu.0.versions gpu_driver_not_accepted'])
    expect(under({ minDriver: '550.100' })).toEqual(['gpu.0.versions gpu_driver_too_old'])
    expect(under({ vbioses: [] })).toEqual(['gpu.0.versions gpu_vbios_not_accepted'])
    expect(under({ minVbios: '96.00.A0' })).toEqual(['gpu.0.versions gpu_vbios_too_old'])
    expect(under({ modes: ['single-pass-through'] })).toEqual(['gpu.0.mode gpu_mode_not_accepted'])
    expect(under({ switches: 4 })).toEqual(['switch.count switch_count_mismatch'])
  })

  test('reads the report of driver 580 as NVIDIA’s own parser does', () => {
    const bytes = recordedReport('h100-580.report.hex')
    const report = parsed(bytes)
    const hex = (field: Uint8Array | undefined) => `0x${toHex(field ?? new Uint8Array())}`
    const at = (offset: number, length = 1) => hex(bytes.subarray(offset, offset + length))
    expect({
      SPDMVersion: at(0),
      RequestResponseCode: at(1),
      Param1: at(2),
      Param2: at(3),
      Nonce: hex(report.requestNonce),
      SlotIDParam: at(36),
    }).toEqual(fixtureJson('nvidia/evidence/h100-580.request.expected.json'))

    const blocks = report.measurements.map(({ index, value }) => {
      const block = {
        DMTFSpecMeasurementValueType: 1,
        DMTFSpecMeasurementValueSize: value.length,
        DMTFSpecMeasurementValue: hex(value),
      }
      return [index, block] as const
    })
    const fields = Object.entries(OPAQUE_NAMES).map(([name, type]) => {
      const value = type === 12 ? report.measurementCounts : hex(report.opaque.get(type))
      return [`OPAQUE_FIELD_ID_${name}`, value] as const
    })
    expect({
      SPDMVersion: at(37),
      RequestResponseCode: at(38),
      Param1: at(39),
      Param2: at(40),
      NumberOfBlocks: report.measurements.length,
      MeasurementRecordLength: 55 * report.measurements.length,
      Nonce: hex(report.responderNonce),
      OpaqueLength: [...report.opaque.values()].reduce((sum, { length }) => sum + 4 + length, 0),
      Signature: hex(report.signature),
      MeasurementRecord: {
        NumberOfBlocks: report.measurements.length,
        MeasurementBlocks: Object.fromEntries(blocks),
      },
      OpaqueData: { OpaqueDataField: Object.fromEntries(fields) },
    }).toEqual(fixtureJson('nvidia/evidence/h100-580.response.expected.json'))
    // NVIDIA's file is older than these two fields, which its report holds.
    expect([...report.opaque.keys()].filter((type) => type > 21)).toEqual([34, 36])
    expect(report).toMatchObject({
      driverVersion: '580.159.03',
      vbiosVersion: '96.00.74.00.20',
      project: '1010',
      projectSku: '0205',
      chipSku: '862',
      featureFlag: 0,
      protectedPcie: false,
      nvdec0: false,
      pdi: null,
      linkedSwitches: null,
      linkedGpus: null,
      lockStatus: null,
    })
  })

  test('reads the four switches at the links of a GPU in protected PCIe mode', () => {
    const { list } = recordedList('nvidia/evidence/h100-590.12-ppcie.json')
    const report = parsed(Uint8Array.from(Buffer.from(list[0]?.evidence ?? '', 'base64')))
    expect(report.linkedSwitches).toEqual([
      '3a53b743d811e977',
      '9ae3beba9e673275',
      '03dba23b3c11bd8a',
      '666e93e19dec7d2d',
    ])
    expect(report).toMatchObject({ pdi: null, linkedGpus: null, protectedPcie: true })
  })

  test('reads the report of an NVSwitch, and refuses it as that of a GPU', () => {
    const { nonce, list } = recordedList('nvidia/evidence/nvswitch-ls10.json')
    const [item] = list
    if (item === undefined) throw new Error('empty recording')
    const report = parsed(Uint8Array.from(Buffer.from(item.evidence, 'base64')))
    expect(report).toMatchObject({
      vbiosVersion: '96.10.55.00.01',
      driverVersion: null,
      fwid: null,
      featureFlag: null,
      protectedPcie: null,
      project: null,
      pdi: '203eb31ad9ed0008',
      linkedSwitches: null,
      lockStatus: 1,
    })
    // As the device signed it: seven GPUs, one of them twice.
    expect(report.linkedGpus).toHaveLength(8)
    expect(new Set(report.linkedGpus)).toHaveLength(7)
    expect(report.measurements).toHaveLength(31)
    const disguised = [{ ...item, arch: 'HOPPER' }]
    expect(failures(verifyGpuEvidence(disguised, realOptions(nonce)))).toEqual([
      'gpu.0.arch gpu_arch_mismatch',
      'gpu.0.serials gpu_serials_invalid',
      'gpu.0.fwid gpu_fwid_missing',
    ])
  })

  test('refuses a genuine report under the chain of another genuine device', () => {
    const list = [element(recordedReport('h100-580.report.hex'), chain550)]
    expect(failures(verifyGpuEvidence(list, realOptions(hexBytes(NONCE_580))))).toEqual([
      'gpu.0.fwid gpu_fwid_mismatch',
      'gpu.0.signature gpu_signature_invalid',
    ])
  })

  test('refuses two genuine devices with different drivers as those of one machine', () => {
    const first = recordedList('nvidia/evidence/h100-570.86.10-cert-hold.json')
    // Both were recorded under one nonce, which makes them look like one round.
    const list = [...first.list, element(recordedReport('h100-550.90.07.report.hex'), chain550)]
    const checks = verifyGpuEvidence(list, realOptions(first.nonce, { expectedCount: 2 }))
    expect(failures(checks)).toEqual(['gpu.uniform gpu_mixed'])
  })

  test('refuses a genuine chain where no root is accepted, or before it began', () => {
    const list = [element(recordedReport('h100-550.90.07.report.hex'), chain550)]
    const options = realOptions(hexBytes(NONCE_550))
    expect(failures(verifyGpuEvidence(list, { ...options, rootSha256: [] }))).toEqual([
      'gpu.0.chain gpu_chain_untrusted_root',
    ])
    const early = Date.UTC(2020, 0, 1) / 1000
    expect(failures(verifyGpuEvidence(list, { ...options, at: early }))).toEqual([
      'gpu.0.chain gpu_chain_time',
    ])
  })
})
