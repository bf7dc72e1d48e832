/**
 * What simulated devices run, and so what they measure and what their RIM files say: the one source of both.
 *
 * Measurement indexes count from 0, as RIM files do. The active sets are those of the published files for GH100 and LS10.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import type { RimResource, RimTemplate } from './build-rim.ts'

export interface GpuFirmware {
  /** e.g. `580.159.03` */
  readonly driver: string
  /** Five bytes of upper-case hex, e.g. `96.00.9F.00.01`. */
  readonly vbios: string
  readonly project: string
  readonly projectSku: string
  readonly chipSku: string
}

export interface SwitchFirmware {
  readonly vbios: string
}

/** An H100 PCIe of the 580 branch, alone in its machine. */
export const SIMULATED_GPU_FIRMWARE: GpuFirmware = Object.freeze({
  driver: '580.159.03',
  vbios: '96.00.9F.00.01',
  project: '1010',
  projectSku: '0200',
  chipSku: '882',
})

/** One of the eight H100 SXM of a machine with NVSwitches. */
export const SIMULATED_SXM_FIRMWARE: GpuFirmware = Object.freeze({
  driver: '590.12',
  vbios: '96.00.A5.00.01',
  project: 'G520',
  projectSku: '0200',
  chipSku: '885',
})

export const SIMULATED_SWITCH_FIRMWARE: SwitchFirmware = Object.freeze({ vbios: '96.10.73.00.01' })

export const GPU_BLOCKS = 64
export const SWITCH_BLOCKS = 31
const DIGEST_BYTES = 48

const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i)

const VBIOS_ACTIVE: ReadonlySet<number> = new Set([...range(0, 6), ...range(8, 12)])
const DRIVER_ACTIVE: ReadonlySet<number> = new Set([7, ...range(21, 40)])
/** Hopper measures nothing there, and the files say so. */
const EMPTY: ReadonlySet<number> = new Set([0, 8, 10, 23, 24, 28])
/** Index and number of values of which any one is good. */
const ALTERNATIVES: ReadonlyMap<number, number> = new Map([
  [12, 4],
  [22, 2],
  [31, 3],
])
/** Differs by what the video decoder was used for; compared only where the report says that it is on. */
export const NVDEC_INDEX = 35

type Part = 'driver' | 'vbios' | 'switch'

function digest(part: Part, version: string, index: number, alternative: number): Uint8Array {
  const text = `countersign simulated ${part} ${version}, measurement ${index}, value ${alternative}`
  return Uint8Array.from(createHash('sha384').update(text).digest())
}

function golden(part: Part, version: string, index: number): Uint8Array[] {
  if (part !== 'switch' && EMPTY.has(index)) return [new Uint8Array(DIGEST_BYTES)]
  const count = part === 'switch' ? 1 : (ALTERNATIVES.get(index) ?? 1)
  return Array.from({ length: count }, (_, i) => digest(part, version, index, i))
}

function resources(part: Part, version: string, active: ReadonlySet<number>): RimResource[] {
  return Array.from({ length: GPU_BLOCKS }, (_, index) =>
    active.has(index)
      ? { active: true, alternatives: golden(part, version, index) }
      : { active: false, alternatives: [new Uint8Array(DIGEST_BYTES)] },
  )
}

export function driverRimTemplate({ driver }: GpuFirmware): RimTemplate {
  return {
    product: 'GH100',
    version: driver,
    resources: resources('driver', driver, DRIVER_ACTIVE),
  }
}

export function vbiosRimTemplate({ vbios }: GpuFirmware): RimTemplate {
  return { product: 'GH100', version: vbios, resources: resources('vbios', vbios, VBIOS_ACTIVE) }
}

export function switchRimTemplate({ vbios }: SwitchFirmware): RimTemplate {
  const active = new Set(range(0, SWITCH_BLOCKS - 1))
  return { product: 'LS10', version: vbios, resources: resources('switch', vbios, active) }
}

const noDots = (version: string): string => version.replaceAll('.', '').toUpperCase()

/** Ids under which NVIDIA's RIM service would serve the files. */
export function rimIdsOf(firmware: GpuFirmware): {
  readonly driver: string
  readonly vbios: string
} {
  const { driver, vbios, project, projectSku, chipSku } = firmware
  return {
    driver: `NV_GPU_DRIVER_GH100_${driver}`,
    vbios: `NV_GPU_VBIOS_${project}_${projectSku}_${chipSku}_${noDots(vbios)}`.toUpperCase(),
  }
}

/** The three numbers are the same for every LS10; its report does not state them. */
export function switchRimIdOf({ vbios }: SwitchFirmware): string {
  return `NV_SWITCH_BIOS_5612_0002_890_${noDots(vbios)}`
}

/**
 * What a GPU measures that runs this firmware with its video decoders off: where several values are good it shows the last.
 */
export function gpuMeasurements({ driver, vbios }: GpuFirmware): Uint8Array[] {
  return range(0, GPU_BLOCKS - 1).map((index) => {
    if (index === NVDEC_INDEX) return digest('driver', `${driver}, decoders off`, index, 0)
    const values = VBIOS_ACTIVE.has(index)
      ? golden('vbios', vbios, index)
      : DRIVER_ACTIVE.has(index)
        ? golden('driver', driver, index)
        : []
    return values.at(-1) ?? new Uint8Array(DIGEST_BYTES)
  })
}

export function switchMeasurements({ vbios }: SwitchFirmware): Uint8Array[] {
  return range(0, SWITCH_BLOCKS - 1).map((index) => digest('switch', vbios, index, 0))
}
