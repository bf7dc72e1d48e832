import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { DEFAULT_GPU_POLICY } from '../../attestation/appraiser/gpu/gpu-policy.ts'
import type { GpuPolicy } from '../../attestation/appraiser/gpu/gpu-policy.ts'
import { readGpuFacts } from '../../attestation/appraiser/gpu/gpu-ladder.ts'
import type { GpuEvidence } from '../../attestation/appraiser/gpu/parse-gpu-evidence.ts'
import { verifyGpuEvidence } from '../../attestation/appraiser/gpu/verify-gpu-evidence.ts'
import { buildSpdmReport } from '../../attestation/simulator/nvidia/build-spdm-report.ts'
import {
  collectSimulatedGpuEvidence,
  simulatedReportTemplate,
  simulatedSwitchTemplate,
  toGpuEvidence,
} from '../../attestation/simulator/nvidia/collect-simulated-gpu-evidence.ts'
import type { Fabric } from '../../attestation/simulator/nvidia/collect-simulated-gpu-evidence.ts'
import { createNvidiaPki } from '../../attestation/simulator/nvidia/create-nvidia-pki.ts'
import type {
  SimulatedGpu,
  SimulatedSwitch,
} from '../../attestation/simulator/nvidia/create-nvidia-pki.ts'
import { SIMULATED_SXM_FIRMWARE } from '../../attestation/simulator/nvidia/simulated-firmware.ts'
import { withField } from './gpu-device.helpers.ts'
import { AT, failures, PORTS, realOptions, summary } from './gpu.helpers.ts'

// Nine GPUs under one root: the ninth stands for one of another machine.
const pki = createNvidiaPki({ now: new Date(AT * 1000), gpus: 9, switches: 4 })
const nonce = Uint8Array.from(randomBytes(32))
const gpus = pki.gpus.slice(0, 8)
const stranger = pki.gpus[8] as SimulatedGpu
const { switches } = pki
const fabric: Fabric = { gpus, switches }
const gpu0 = gpus[0] as SimulatedGpu
const switch0 = switches[0] as SimulatedSwitch
const list = collectSimulatedGpuEvidence({ ...pki, gpus }, nonce)

function checksOf(given: readonly GpuEvidence[], policy: Partial<GpuPolicy> = {}, count = 8) {
  return verifyGpuEvidence(
    given,
    realOptions(nonce, {
      rootSha256: [pki.rootSha256],
      allowSimulated: true,
      expectedCount: count,
      policy: { ...DEFAULT_GPU_POLICY, ...policy },
    }),
  )
}

/** The machine with some of its devices replaced. */
function withDevices(changes: ReadonlyMap<number, GpuEvidence>): GpuEvidence[] {
  return list.map((item, index) => changes.get(index) ?? item)
}

function gpuReport(
  gpu: SimulatedGpu,
  within: Fabric | null,
  fields: readonly (readonly [number, Uint8Array | null])[] = [],
): GpuEvidence {
  const template = simulatedReportTemplate(gpu, nonce, {
    firmware: SIMULATED_SXM_FIRMWARE,
    fabric: within,
  })
  const opaque = fields.reduce((all, [type, to]) => withField(all, type, to), template.opaque)
  return toGpuEvidence(gpu, buildSpdmReport({ ...template, opaque }))
}

function switchReport(
  device: SimulatedSwitch,
  within: Fabric,
  fields: readonly (readonly [number, Uint8Array | null])[] = [],
): GpuEvidence {
  const template = simulatedSwitchTemplate(device, nonce, { fabric: within })
  const opaque = fields.reduce((all, [type, to]) => withField(all, type, to), template.opaque)
  return toGpuEvidence(device, buildSpdmReport({ ...template, opaque }))
}

const mismatch = ['gpu.topology gpu_topology_mismatch']

describe('a board of eight GPUs and four switches', () => {
  test.each(PORTS)(
    'passes with the %s crypto port, in any order',
    (_name, crypto) => {
      for (const given of [list, list.toReversed()]) {
        const checks = verifyGpuEvidence(
          given,
          realOptions(nonce, {
            crypto,
            rootSha256: [pki.rootSha256],
            allowSimulated: true,
            expectedCount: 8,
            policy: { ...DEFAULT_GPU_POLICY, switches: 4 },
          }),
        )
        expect(failures(checks)).toEqual([])
        expect(summary(checks)).toMatchObject({
          'gpu.count': 'pass',
          'switch.count': 'pass',
          'gpu.unique': 'pass',
          'gpu.uniform': 'pass',
          'gpu.topology': 'pass',
          'gpu.7.structure': 'pass',
          'gpu.7.mode': 'pass',
          'switch.3.signature': 'pass',
          'switch.3.serials': 'pass',
        })
        expect(checks.some(({ id }) => id.startsWith('gpu.8.'))).toBe(false)
        expect(checks.some(({ id }) => id.startsWith('switch.4.'))).toBe(false)
        expect(readGpuFacts(checks)).toEqual({
          present: true,
          vendorSigned: true,
          freshForRound: true,
        })
      }
    },
    20_000,
  )

  test('switches state neither firmware identity nor mode, and have one file of reference values', () => {
    const ids = checksOf(list)
      .map(({ id }) => id)
      .filter((id) => id.startsWith('switch.0.'))
    expect(ids).toEqual(
      ['structure', 'nonce', 'chain', 'arch', 'serials', 'device_key', 'signature', 'versions']
        .concat(['rim_vbios', 'measurements', 'ocsp', 'rim_ocsp'])
        .map((step) => `switch.0.${step}`),
    )
  })

  test('is refused without its switches', () => {
    expect(failures(checksOf(list.slice(0, 8)))).toEqual(['gpu.topology gpu_switches_missing'])
    expect(failures(checksOf(list.slice(0, 8), { switches: 4 }))).toEqual([
      'switch.count switch_count_mismatch',
      'gpu.topology gpu_switches_missing',
    ])
  })

  test('is refused without one of its switches, also where nobody says how many there are', () => {
    expect(failures(checksOf(list.slice(0, 11)))).toEqual(mismatch)
  })

  test('is refused without one of its GPUs, also where nobody says how many there are', () => {
    expect(failures(checksOf(list.slice(1), {}, 7))).toEqual(mismatch)
  })

  test('is refused where two GPUs in protected PCIe mode show no switch', () => {
    expect(failures(checksOf(list.slice(0, 2), {}, 2))).toEqual([
      'gpu.topology gpu_switches_missing',
    ])
  })

  test('is refused with a GPU of another machine that claims its links', () => {
    const substituted = new Map([[3, gpuReport(stranger, fabric)]])
    expect(failures(checksOf(withDevices(substituted)))).toEqual(mismatch)
  })

  test('is refused with a GPU of another machine that the switches do not name', () => {
    const elsewhere = { gpus: [...gpus.slice(1), stranger], switches }
    const given = [
      ...list.slice(0, 8),
      ...switches.map((device) => switchReport(device, elsewhere)),
    ]
    expect(failures(checksOf(given))).toEqual(mismatch)
  })

  test('is refused where a GPU is linked to another switch, or to none', () => {
    const other = { pdi: Uint8Array.from(randomBytes(8)) }
    for (const within of [
      { gpus, switches: [...switches.slice(1), other] },
      { gpus, switches: [...switches, other] },
      { gpus, switches: switches.slice(1) },
    ]) {
      expect(failures(checksOf(withDevices(new Map([[0, gpuReport(gpu0, within)]]))))).toEqual(
        mismatch,
      )
    }
    const unlinked = gpuReport(gpu0, fabric, [[22, new Uint8Array(144)]])
    expect(failures(checksOf(withDevices(new Map([[0, unlinked]]))))).toEqual(mismatch)
    const silent = gpuReport(gpu0, fabric, [[22, null]])
    expect(failures(checksOf(withDevices(new Map([[0, silent]]))))).toEqual(mismatch)
  })

  test('is refused where a switch names one GPU twice and so hides that it has seven', () => {
    const [, second, ...rest] = gpus
    const doubled = { gpus: [second, second, ...rest] as SimulatedGpu[], switches }
    const given = withDevices(new Map([[8, switchReport(switch0, doubled)]]))
    expect(failures(checksOf(given))).toEqual(mismatch)
  })

  test('is refused where a switch reports the identifier of another', () => {
    const [, second] = switches
    const given = withDevices(
      new Map([[8, switchReport(switch0, fabric, [[22, second?.pdi ?? null]])]]),
    )
    expect(failures(checksOf(given))).toEqual(mismatch)
  })

  test('is refused where one switch is listed in place of another', () => {
    const given = withDevices(new Map([[9, switchReport(switch0, fabric)]]))
    expect(failures(checksOf(given))).toEqual(['gpu.unique gpu_duplicate', ...mismatch])
  })

  test('is refused with a switch that is listed as a GPU, and a GPU as a switch', () => {
    const disguised = list.map((item, index) => (index === 8 ? { ...item, arch: 'HOPPER' } : item))
    const found = failures(checksOf(disguised))
    expect(found).toContain('gpu.count gpu_count_mismatch')
    expect(found).toContain('gpu.8.arch gpu_arch_mismatch')
    const demoted = list.map((item, index) => (index === 0 ? { ...item, arch: 'LS10' } : item))
    expect(failures(checksOf(demoted))).toContain('switch.0.arch gpu_arch_mismatch')
  })

  test('is refused where one of its devices answers another nonce', () => {
    const stale = collectSimulatedGpuEvidence({ ...pki, gpus }, Uint8Array.from(randomBytes(32)))
    const given = withDevices(new Map([[11, stale[11] as GpuEvidence]]))
    const checks = checksOf(given)
    expect(failures(checks)).toEqual(['switch.3.nonce gpu_nonce_mismatch'])
    expect(readGpuFacts(checks)).toMatchObject({ freshForRound: false })
  })

  test('is not called a board where one of its devices is not authentic', () => {
    const report = Buffer.from(list[9]?.evidence ?? '', 'base64')
    report[report.length - 1] = (report.at(-1) ?? 0) ^ 1
    const forged = { ...(list[9] as GpuEvidence), evidence: report.toString('base64') }
    const checks = checksOf(withDevices(new Map([[9, forged]])))
    expect(failures(checks)).toEqual(['switch.1.signature gpu_signature_invalid'])
    expect(summary(checks)).toMatchObject({
      'gpu.unique': 'skip depends_on_failed',
      'gpu.topology': 'skip depends_on_failed',
    })
  })

  test('is refused where one GPU left protected PCIe mode', () => {
    const given = withDevices(new Map([[0, gpuReport(gpu0, null)]]))
    expect(failures(checksOf(given))).toEqual(['gpu.uniform gpu_mixed', ...mismatch])
  })
})

describe('one GPU in protected PCIe mode', () => {
  test('is left open by default, and refused where the policy wants its switches or another mode', () => {
    const one = list.slice(0, 1)
    const checks = checksOf(one, {}, 1)
    expect(failures(checks)).toEqual([])
    expect(summary(checks)['gpu.topology']).toBe('skip gpu_topology_unproven')
    expect(failures(checksOf(one, { switches: 4 }, 1))).toEqual([
      'switch.count switch_count_mismatch',
    ])
    expect(failures(checksOf(one, { modes: ['single-pass-through'] }, 1))).toEqual([
      'gpu.0.mode gpu_mode_not_accepted',
    ])
  })

  test('is refused with switches of a board that has seven more', () => {
    expect(failures(checksOf([...list.slice(0, 1), ...list.slice(8)], {}, 1))).toEqual(mismatch)
  })
})

test('switches alone are no machine', () => {
  const checks = checksOf(list.slice(8), {}, 0)
  expect(summary(checks)['gpu.topology']).toBe('skip gpu_topology_unproven')
  expect(readGpuFacts(checks).present).toBe(false)
})

test('the policy says which switches and which of their versions are accepted', () => {
  const serial = `50${Buffer.from(switch0.pdi).toString('hex')}`
  expect(failures(checksOf(list, { switchSerials: [serial] }))).toEqual([
    'switch.1.serials gpu_device_not_accepted',
    'switch.2.serials gpu_device_not_accepted',
    'switch.3.serials gpu_device_not_accepted',
  ])
  const versions = [0, 1, 2, 3].map((i) => `switch.${i}.versions`)
  expect(failures(checksOf(list, { switchBioses: [] }))).toEqual(
    versions.map((id) => `${id} gpu_vbios_not_accepted`),
  )
  expect(failures(checksOf(list, { minSwitchBios: '96.10.73.00.02' }))).toEqual(
    versions.map((id) => `${id} gpu_vbios_too_old`),
  )
  expect(failures(checksOf(list, { minSwitchBios: '96.10.73.00.01' }))).toEqual([])
})

test('more devices than any machine has are refused unread', () => {
  expect(failures(checksOf(Array<GpuEvidence>(17).fill(list[0] as GpuEvidence)))).toEqual([
    'gpu.count gpu_list_malformed',
  ])
})
