/**
 * What the attester of a real machine collects through NVML and nvattest, from simulated devices: for each, a freshly signed
 * report over the asked nonce. A machine with switches is in protected-PCIe mode, and its reports name each other.
 *
 * @module
 */
import type { GpuEvidence } from '../../appraiser/gpu/parse-gpu-evidence.ts'
import { systemEntropy } from '../entropy.ts'
import type { Entropy } from '../entropy.ts'
import { buildSpdmReport } from './build-spdm-report.ts'
import type { SpdmReportTemplate } from './build-spdm-report.ts'
import type {
  NvidiaPki,
  SimulatedDevice,
  SimulatedGpu,
  SimulatedSwitch,
} from './create-nvidia-pki.ts'
import {
  GPU_BLOCKS,
  gpuMeasurements,
  SIMULATED_GPU_FIRMWARE,
  SIMULATED_SWITCH_FIRMWARE,
  SIMULATED_SXM_FIRMWARE,
  SWITCH_BLOCKS,
  switchMeasurements,
} from './simulated-firmware.ts'
import type { GpuFirmware, SwitchFirmware } from './simulated-firmware.ts'

/** The devices that hang together by NVLink. */
export interface Fabric {
  readonly gpus: readonly Pick<SimulatedDevice, 'pdi'>[]
  readonly switches: readonly Pick<SimulatedDevice, 'pdi'>[]
}

export interface GpuReportOptions {
  /** Default: a single H100 PCIe of the 580 branch. */
  readonly firmware?: GpuFirmware
  /** Protected-PCIe mode among these; default null, single pass-through. */
  readonly fabric?: Fabric | null
  readonly entropy?: Entropy
}

export interface SwitchReportOptions {
  readonly firmware?: SwitchFirmware
  readonly fabric: Fabric
  readonly entropy?: Entropy
}

type OpaqueField = SpdmReportTemplate['opaque'][number]

const NONCE_BYTES = 32
const STATUS_ON = 0xaa
const STATUS_OFF = 0x55
const SINGLE_PASS_THROUGH = 0
const PROTECTED_PCIE = 2
/** Reports state version and mode of their opaque data from this driver branch on. */
const FIRST_BRANCH_WITH_MODE = 580
const PDI_BYTES = 8
const LINKS_PER_GPU = 18
const PORTS_PER_SWITCH = 64
const NO_PORT = 0xff

function text(value: string, size = value.length + 1): Uint8Array {
  const field = new Uint8Array(size)
  field.set(Buffer.from(value, 'ascii'))
  return field
}

function hex(digits: string): Uint8Array {
  return Uint8Array.from(Buffer.from(digits, 'hex'))
}

/** How often each block was measured since reset, little-endian. */
function counters(measurements: readonly Uint8Array[]): Uint8Array {
  const field = new Uint8Array(4 * measurements.length)
  for (const [index, value] of measurements.entries()) {
    if (value.some((byte) => byte !== 0)) field[4 * index] = 1
  }
  return field
}

/** `96.00.9F.00.01` is `009f009601000000`: the last byte, and the first four, each from the end. */
export function packVbiosVersion(version: string): Uint8Array {
  const digits = hex(version.replaceAll('.', ''))
  return Uint8Array.of(...digits.subarray(0, 4).toReversed(), ...digits.subarray(4), 0, 0, 0)
}

/** Of each link the switch at its other end, byte-reversed as GPUs state it. */
function switchesOfLinks({ switches }: Fabric): Uint8Array {
  const field = new Uint8Array(LINKS_PER_GPU * PDI_BYTES)
  for (let link = 0; link < LINKS_PER_GPU; link++) {
    const pdi = switches[link % switches.length]?.pdi
    if (pdi !== undefined) field.set(pdi.toReversed(), link * PDI_BYTES)
  }
  return field
}

/** Eight device numbers as they are, then which port leads to which of them. */
function gpusOfPorts({ gpus }: Fabric): Uint8Array {
  const ports = new Uint8Array(PORTS_PER_SWITCH).fill(NO_PORT)
  for (const index of gpus.keys()) ports[4 * index] = index
  return Buffer.concat([...gpus.map(({ pdi }) => pdi), ports])
}

/** Fields in the order of real reports. */
function gpuFields(
  gpu: SimulatedGpu,
  firmware: GpuFirmware,
  fabric: Fabric | null,
  measurements: readonly Uint8Array[],
): OpaqueField[] {
  const statesMode = Number.parseInt(firmware.driver, 10) >= FIRST_BRANCH_WITH_MODE
  const mode = fabric === null ? SINGLE_PASS_THROUGH : PROTECTED_PCIE
  return [
    [6, packVbiosVersion(firmware.vbios)],
    [14, hex('b1030000')],
    [15, text(firmware.chipSku, 9)],
    [16, text('0', 5)],
    [17, text(firmware.project)],
    [18, text(firmware.projectSku)],
    [19, new Uint8Array(2)],
    [3, text(firmware.driver)],
    [4, hex('8001000000000000')],
    [12, counters(measurements)],
    [13, hex('00c00100')],
    [11, Uint8Array.of(STATUS_OFF)],
    [20, gpu.fwid],
    [21, Uint8Array.of(fabric === null ? STATUS_OFF : STATUS_ON)],
    ...(fabric === null ? [] : [[22, switchesOfLinks(fabric)] as const]),
    ...(statesMode
      ? ([
          [34, Uint8Array.of(1, 0)],
          [36, Uint8Array.of(mode, 0)],
        ] as const)
      : []),
  ]
}

function switchFields(
  device: SimulatedSwitch,
  { vbios }: SwitchFirmware,
  fabric: Fabric,
  measurements: readonly Uint8Array[],
): OpaqueField[] {
  return [
    [6, text(vbios, vbios.length)],
    [22, device.pdi],
    [12, counters(measurements)],
    [26, gpusOfPorts(fabric)],
    [23, hex('ec00')],
    [24, hex('0200')],
    [25, hex('0100')],
  ]
}

/** The report that a simulated GPU would sign, before it is signed; attacks start from it. */
export function simulatedReportTemplate(
  gpu: SimulatedGpu,
  nonce: Uint8Array,
  options: GpuReportOptions = {},
): SpdmReportTemplate {
  const { firmware = SIMULATED_GPU_FIRMWARE, fabric = null, entropy = systemEntropy } = options
  const measurements = gpuMeasurements(firmware)
  if (measurements.length !== GPU_BLOCKS) throw new TypeError('a GPU measures 64 blocks')
  return {
    requestNonce: nonce,
    responderNonce: entropy.bytes('responder nonce', NONCE_BYTES),
    measurements,
    opaque: gpuFields(gpu, firmware, fabric, measurements),
    key: gpu.key,
    sign: entropy.sign,
  }
}

/** The same of an NVSwitch. */
export function simulatedSwitchTemplate(
  device: SimulatedSwitch,
  nonce: Uint8Array,
  options: SwitchReportOptions,
): SpdmReportTemplate {
  const { firmware = SIMULATED_SWITCH_FIRMWARE, fabric, entropy = systemEntropy } = options
  const measurements = switchMeasurements(firmware)
  if (measurements.length !== SWITCH_BLOCKS) throw new TypeError('a switch measures 31 blocks')
  return {
    requestNonce: nonce,
    responderNonce: entropy.bytes('responder nonce', NONCE_BYTES),
    measurements,
    opaque: switchFields(device, firmware, fabric, measurements),
    key: device.key,
    sign: entropy.sign,
  }
}

/** One element of the served list. @param report its bytes */
export function toGpuEvidence(
  device: Pick<SimulatedGpu | SimulatedSwitch, 'chainPem' | 'kind'>,
  report: Uint8Array,
): GpuEvidence {
  return {
    arch: device.kind === 'gpu' ? 'HOPPER' : 'LS10',
    certificate: Buffer.from(device.chainPem, 'utf8').toString('base64'),
    evidence: Buffer.from(report).toString('base64'),
  }
}

/**
 * Collects evidence from every simulated device under one nonce: GPUs first, then switches.
 * @param nonce 32 bytes
 * @throws RangeError for any other length, as NVML refuses it
 */
export function collectSimulatedGpuEvidence(pki: NvidiaPki, nonce: Uint8Array): GpuEvidence[] {
  if (nonce.length !== NONCE_BYTES) throw new RangeError('a GPU nonce has 32 bytes')
  const { entropy, gpus, switches } = pki
  const fabric = switches.length === 0 ? null : { gpus, switches }
  const firmware = fabric === null ? SIMULATED_GPU_FIRMWARE : SIMULATED_SXM_FIRMWARE
  const reports = gpus.map((gpu) =>
    toGpuEvidence(
      gpu,
      buildSpdmReport(simulatedReportTemplate(gpu, nonce, { firmware, fabric, entropy })),
    ),
  )
  if (fabric === null) return reports
  const ofSwitches = switches.map((device) =>
    toGpuEvidence(
      device,
      buildSpdmReport(simulatedSwitchTemplate(device, nonce, { fabric, entropy })),
    ),
  )
  return [...reports, ...ofSwitches]
}
