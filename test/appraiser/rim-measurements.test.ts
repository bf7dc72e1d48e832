/** What a device measured against what RIMs say, with reports and RIMs made for the purpose. */
import { describe, expect, test } from 'vitest'
import type { SpdmReport } from '../../attestation/appraiser/gpu/parse-spdm-report.ts'
import {
  compareMeasurements,
  rimFault,
} from '../../attestation/appraiser/gpu/rim/compare-measurements.ts'
import { expectedRims } from '../../attestation/appraiser/gpu/rim/expected-rims.ts'
import type { Rim } from '../../attestation/appraiser/gpu/rim/verify-rim.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { buildRim } from '../../attestation/simulator/nvidia/build-rim.ts'
import type { RimTemplate } from '../../attestation/simulator/nvidia/build-rim.ts'
import { buildSpdmReport } from '../../attestation/simulator/nvidia/build-spdm-report.ts'
import { createRimPki } from '../../attestation/simulator/nvidia/create-rim-pki.ts'
import {
  driverRimTemplate,
  gpuMeasurements,
  NVDEC_INDEX,
  rimIdsOf,
  SIMULATED_GPU_FIRMWARE,
  SIMULATED_SWITCH_FIRMWARE,
  switchMeasurements,
  switchRimIdOf,
  switchRimTemplate,
  vbiosRimTemplate,
} from '../../attestation/simulator/nvidia/simulated-firmware.ts'
import { comparison, goodRim, parsedReport } from './rim.helpers.ts'

const AT = 1795392000
const pki = createRimPki({ now: new Date(AT * 1000) })
const FIRMWARE = SIMULATED_GPU_FIRMWARE
const OFF = 0x55
const ON = 0xaa

const rim = (template: RimTemplate): Rim =>
  goodRim(buildRim(template, { pki }), {
    crypto: nodeCrypto,
    at: AT,
    rootSha256: [pki.rootSha256],
    allowSimulated: true,
  })

type Field = readonly [type: number, content: Uint8Array]
const text = (type: number, value: string): Field => [type, Buffer.from(`${value}\0`)]
const BOARD: readonly Field[] = [text(15, '882'), text(17, '1010'), text(18, '0200')]
const VBIOS: Field = [6, Uint8Array.of(0x00, 0x9f, 0x00, 0x96, 0x01, 0, 0, 0)]

function report(
  measurements: readonly Uint8Array[] = gpuMeasurements(FIRMWARE),
  opaque: readonly Field[] = [VBIOS, text(3, FIRMWARE.driver), ...BOARD, [11, Uint8Array.of(OFF)]],
): SpdmReport {
  const nonce = new Uint8Array(32)
  const parts = { requestNonce: nonce, responderNonce: nonce, measurements, opaque }
  return parsedReport(buildSpdmReport({ ...parts, key: pki.signer.key }))
}

const DRIVER = rim(driverRimTemplate(FIRMWARE))
const BIOS = rim(vbiosRimTemplate(FIRMWARE))
const SWITCH = rim(switchRimTemplate(SIMULATED_SWITCH_FIRMWARE))
const GOOD = report()
const SWITCH_REPORT = report(switchMeasurements(SIMULATED_SWITCH_FIRMWARE), [
  [6, Buffer.from(SIMULATED_SWITCH_FIRMWARE.vbios)],
])

/** The good measurements with one of them changed in its last bit. */
function changedAt(...indexes: readonly number[]): SpdmReport {
  return report(
    gpuMeasurements(FIRMWARE).map((value, index) =>
      indexes.includes(index) ? value.with(47, (value[47] ?? 0) ^ 1) : value,
    ),
  )
}

describe('comparison', () => {
  test('a GPU matches its two RIMs, a switch its one', () => {
    expect(comparison(GOOD, DRIVER, BIOS)).toBe('ok: 32 of 32 measurements match')
    expect(comparison(SWITCH_REPORT, null, SWITCH)).toBe('ok: 31 of 31 measurements match')
  })

  test.each([...DRIVER.measurements, ...BIOS.measurements].filter(([, { active }]) => active))(
    'a single bit at index %i is found and named',
    (index) => {
      // The last index of the two tables is compared only where the decoder is on.
      if (index === NVDEC_INDEX) return
      expect(compareMeasurements(changedAt(index), DRIVER, BIOS)).toEqual({
        ok: false,
        code: 'rim_measurement_mismatch',
        detail: `31 of 32 measurements match; index ${index} differs`,
        differing: [index],
      })
    },
  )

  test('indexes that no RIM claims are not constrained', () => {
    expect(comparison(changedAt(13, 20, 41, 63), DRIVER, BIOS)).toBe(
      'ok: 32 of 32 measurements match',
    )
  })

  test('every alternative is good, and no other value is', () => {
    const alternatives = BIOS.measurements.get(12)?.alternatives ?? []
    expect(alternatives).toHaveLength(4)
    for (const value of alternatives) {
      const shown = report(gpuMeasurements(FIRMWARE).with(12, value))
      expect(compareMeasurements(shown, DRIVER, BIOS).ok).toBe(true)
    }
    const foreign = BIOS.measurements.get(1)?.alternatives[0] ?? new Uint8Array(48)
    const shown = report(gpuMeasurements(FIRMWARE).with(12, foreign))
    expect(compareMeasurements(shown, DRIVER, BIOS).differing).toEqual([12])
  })

  test('a report that ends before an active index lacks it', () => {
    const short = report(gpuMeasurements(FIRMWARE).slice(0, 40))
    expect(compareMeasurements(short, DRIVER, BIOS)).toMatchObject({ ok: false, differing: [40] })
    const one = report(gpuMeasurements(FIRMWARE).slice(0, 1))
    const outcome = compareMeasurements(one, DRIVER, BIOS)
    expect(outcome.differing).toHaveLength(31)
    expect(outcome.detail).toMatch(/1 of 32 .* and 15 more differs$/)
  })

  describe('index 35, the video decoder', () => {
    const withDecoder = (state: readonly Field[]) =>
      report(gpuMeasurements(FIRMWARE), [VBIOS, text(3, FIRMWARE.driver), ...BOARD, ...state])
    test('is passed over where the signed report says that it is off', () => {
      expect(comparison(withDecoder([[11, Uint8Array.of(OFF)]]), DRIVER, BIOS)).toMatch(/^ok/)
    })
    test.each<[string, readonly Field[]]>([
      ['on', [[11, Uint8Array.of(ON)]]],
      ['not stated', []],
    ])('is compared where its state is %s', (_state, fields) => {
      expect(compareMeasurements(withDecoder(fields), DRIVER, BIOS)).toMatchObject({
        ok: false,
        code: 'rim_measurement_mismatch',
        differing: [NVDEC_INDEX],
      })
    })
  })

  test('two RIMs that claim one index are refused, even with the same value', () => {
    const { resources } = vbiosRimTemplate(FIRMWARE)
    const own = driverRimTemplate(FIRMWARE)
    const greedy = own.resources.map((resource, index) =>
      index === 3 || index === 12 ? (resources[index] ?? resource) : resource,
    )
    expect(compareMeasurements(GOOD, rim({ ...own, resources: greedy }), BIOS)).toEqual({
      ok: false,
      code: 'rim_index_overlap',
      detail: 'index 3, 12 in both RIMs',
      differing: [3, 12],
    })
  })

  test('nothing compared is no success', () => {
    expect(compareMeasurements(GOOD, null, null)).toMatchObject({ code: 'rim_nothing_compared' })
    const own = vbiosRimTemplate(FIRMWARE)
    const resources = own.resources.map((resource) => ({ ...resource, active: false }))
    expect(compareMeasurements(GOOD, null, rim({ ...own, resources }))).toMatchObject({
      ok: false,
      code: 'rim_nothing_compared',
    })
  })

  test('only the indexes that the caller names may differ', () => {
    const allow = (...allowedMismatches: number[]) =>
      comparison(changedAt(7, 9), DRIVER, BIOS, { allowedMismatches })
    expect(allow(7)).toBe('rim_measurement_mismatch: 30 of 32 measurements match; index 9 differs')
    expect(allow(7, 9)).toBe('ok: 30 of 32 measurements match; index 7, 9 is allowed')
  })
})

describe('fit', () => {
  test('version and kind are read from what is signed', () => {
    const other = { ...FIRMWARE, driver: '580.159.04', vbios: '96.00.9F.00.02' }
    expect(rimFault(DRIVER, 'driver', GOOD)).toBeNull()
    expect(rimFault(BIOS, 'vbios', GOOD)).toBeNull()
    expect(rimFault(SWITCH, 'switch_bios', SWITCH_REPORT)).toBeNull()
    expect(rimFault(BIOS, 'driver', GOOD)?.code).toBe('rim_kind_mismatch')
    expect(rimFault(SWITCH, 'vbios', GOOD)?.code).toBe('rim_kind_mismatch')
    expect(rimFault(rim(driverRimTemplate(other)), 'driver', GOOD)).toEqual({
      code: 'rim_version_mismatch',
      detail: 'RIM for 580.159.04, report of 580.159.03',
    })
    expect(rimFault(rim(vbiosRimTemplate(other)), 'vbios', GOOD)?.code).toBe('rim_version_mismatch')
    const silent = report(gpuMeasurements(FIRMWARE), [])
    expect(rimFault(DRIVER, 'driver', silent)?.detail).toContain('unstated')
  })

  test('a comparison with a RIM that does not fit says so instead of comparing', () => {
    const own = { ...vbiosRimTemplate(FIRMWARE), version: '96.00.9F.00.02' }
    expect(comparison(GOOD, DRIVER, rim(own))).toMatch(/^rim_version_mismatch/)
    expect(comparison(GOOD, BIOS, DRIVER)).toMatch(/^rim_kind_mismatch/)
    expect(comparison(SWITCH_REPORT, null, BIOS)).toMatch(/^rim_kind_mismatch/)
  })
})

describe('ids', () => {
  test('are those of the simulated service, upper case', () => {
    expect(expectedRims(GOOD, 'HOPPER')).toEqual(rimIdsOf(FIRMWARE))
    expect(expectedRims(SWITCH_REPORT, 'LS10')).toEqual({
      driver: null,
      vbios: switchRimIdOf(SIMULATED_SWITCH_FIRMWARE),
    })
    const lower = report(gpuMeasurements(FIRMWARE), [
      VBIOS,
      text(3, '590.12'),
      text(15, '895'),
      text(17, 'g520'),
      text(18, '0280'),
    ])
    expect(expectedRims(lower, 'HOPPER')).toEqual({
      driver: 'NV_GPU_DRIVER_GH100_590.12',
      vbios: 'NV_GPU_VBIOS_G520_0280_895_96009F0001',
    })
  })

  const fields = (...changes: readonly Field[]): readonly Field[] => {
    const types = new Set(changes.map(([type]) => type))
    const kept = [VBIOS, text(3, FIRMWARE.driver), ...BOARD].filter(([type]) => !types.has(type))
    return [...kept, ...changes.filter(([, content]) => content.length > 0)]
  }
  test.each<[string, readonly Field[], string]>([
    ['no VBIOS version', fields([6, new Uint8Array()]), 'HOPPER'],
    ['a VBIOS version that leaves the path', fields(text(6, '../../../x')), 'LS10'],
    ['no driver version', fields([3, new Uint8Array()]), 'HOPPER'],
    ['a driver version that leaves the path', fields(text(3, '../x')), 'HOPPER'],
    ['no project', fields([17, new Uint8Array()]), 'HOPPER'],
    ['a SKU that leaves the path', fields(text(18, '../x')), 'HOPPER'],
    ['an architecture without a rule', fields(), 'BLACKWELL'],
    ['an architecture in other letters', fields(), 'hopper'],
  ])('%s gives a fault, not an id', (_name, opaque, arch) => {
    expect(expectedRims(report(gpuMeasurements(FIRMWARE), opaque), arch)).toHaveProperty('fault')
  })
})
