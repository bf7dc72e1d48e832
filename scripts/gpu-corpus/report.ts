/**
 * Reports of the corpus, with every field open to a case.
 *
 * @module
 */
import { buildSpdmReport } from '../../attestation/simulator/nvidia/build-spdm-report.ts'
import type { SpdmReportTemplate } from '../../attestation/simulator/nvidia/build-spdm-report.ts'
import {
  simulatedReportTemplate,
  simulatedSwitchTemplate,
} from '../../attestation/simulator/nvidia/collect-simulated-gpu-evidence.ts'
import type { Fabric } from '../../attestation/simulator/nvidia/collect-simulated-gpu-evidence.ts'
import type {
  SimulatedGpu,
  SimulatedSwitch,
} from '../../attestation/simulator/nvidia/create-nvidia-pki.ts'
import {
  SIMULATED_GPU_FIRMWARE,
  SIMULATED_SXM_FIRMWARE,
} from '../../attestation/simulator/nvidia/simulated-firmware.ts'
import type { GpuFirmware } from '../../attestation/simulator/nvidia/simulated-firmware.ts'
import type { GpuEvidence } from '../../attestation/appraiser/gpu/parse-gpu-evidence.ts'
import { seededEntropy } from './entropy.ts'
import { base64, gpuOf, NONCE, PKI } from './world.ts'

export type OpaqueFields = SpdmReportTemplate['opaque']

export interface ReportChange {
  readonly nonce?: Uint8Array
  readonly firmware?: GpuFirmware
  readonly fabric?: Fabric | null
  /** Changes the fields before they are signed. */
  readonly fields?: (fields: OpaqueFields) => OpaqueFields
  /** By RIM index, in place of what is measured. */
  readonly measurements?: Readonly<Record<number, Uint8Array>>
  readonly template?: Partial<SpdmReportTemplate>
  /** Changes the bytes after they were signed. */
  readonly after?: (report: Uint8Array) => Uint8Array
}

/** Offsets in the report of a GPU. */
export const REPORT = {
  requestVersion: 0,
  requestCode: 1,
  signatureRequested: 2,
  blocksRequested: 3,
  nonce: 4,
  slot: 36,
  responseVersion: 37,
  responseCode: 38,
  blocks: 41,
  recordLength: 42,
  record: 45,
  block: 55,
} as const

/** One field exchanged, dropped where it is null, appended where it was not there. */
export function withField(type: number, content: Uint8Array | null) {
  return (fields: OpaqueFields): OpaqueFields => {
    const kept = fields.flatMap((field) => {
      if (field[0] !== type) return [field]
      return content === null ? [] : [[type, content] as const]
    })
    const there = fields.some(([one]) => one === type)
    return there || content === null ? kept : [...kept, [type, content]]
  }
}

function apply(template: SpdmReportTemplate, change: ReportChange): Uint8Array {
  const measurements = template.measurements.map(
    (value, index) => change.measurements?.[index] ?? value,
  )
  const opaque = change.fields?.(template.opaque) ?? template.opaque
  const report = buildSpdmReport({ ...template, measurements, opaque, ...change.template })
  return change.after?.(report) ?? report
}

export function gpuReport(gpu: SimulatedGpu, change: ReportChange = {}): Uint8Array {
  const { firmware = SIMULATED_GPU_FIRMWARE, fabric = null, nonce = NONCE } = change
  const options = { firmware, fabric, entropy: seededEntropy }
  return apply(simulatedReportTemplate(gpu, nonce, options), change)
}

export function switchReport(device: SimulatedSwitch, change: ReportChange = {}): Uint8Array {
  const { fabric, nonce = NONCE } = change
  const options = { fabric: fabric ?? PKI, entropy: seededEntropy }
  return apply(simulatedSwitchTemplate(device, nonce, options), change)
}

/** An element of the list. */
export function element(report: Uint8Array, chainPem: string, arch = 'HOPPER'): GpuEvidence {
  return { arch, certificate: base64(Buffer.from(chainPem)), evidence: base64(report) }
}

const memo = new Map<string, GpuEvidence>()

function remembered(name: string, make: () => GpuEvidence): GpuEvidence {
  const found = memo.get(name) ?? make()
  memo.set(name, found)
  return found
}

/** A GPU alone in its machine, with nothing wrong. */
export function goodGpu(index = 0): GpuEvidence {
  const gpu = gpuOf(index)
  return remembered(`gpu ${index}`, () => element(gpuReport(gpu), gpu.chainPem))
}

/** The same GPU, its report changed. */
export function changedGpu(change: ReportChange, gpu = gpuOf(0)): GpuEvidence {
  return element(gpuReport(gpu, change), gpu.chainPem)
}

/** One GPU of the machine with switches. */
export function fabricGpu(gpu: SimulatedGpu, change: ReportChange = {}): GpuEvidence {
  const standard = { firmware: SIMULATED_SXM_FIRMWARE, fabric: PKI }
  return element(gpuReport(gpu, { ...standard, ...change }), gpu.chainPem)
}

export function fabricSwitch(device: SimulatedSwitch, change: ReportChange = {}): GpuEvidence {
  return element(switchReport(device, change), device.chainPem, 'LS10')
}

/** Eight GPUs and four switches with nothing wrong, as they are listed. */
export function fabricList(): { gpus: GpuEvidence[]; switches: GpuEvidence[] } {
  return {
    gpus: PKI.gpus.map((gpu, index) => remembered(`fabric gpu ${index}`, () => fabricGpu(gpu))),
    switches: PKI.switches.map((device, index) =>
      remembered(`fabric switch ${index}`, () => fabricSwitch(device)),
    ),
  }
}
