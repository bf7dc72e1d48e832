/**
 * Prints GPUs and switches for a person, and how far their evidence reaches.
 *
 * @module
 */
import type { GpuBinding } from '../../attestation/appraiser/gpu/gpu-ladder.ts'
import type { GpuDevice } from '../../attestation/appraiser/gpu/read-gpu-devices.ts'
import { printable } from './printable.ts'

const NAMES = { gpu: 'GPU', switch: 'NVSwitch' } as const
/** What a device does not say, or says and nobody vouches for. */
const UNKNOWN = '-'

function cells({ kind, index, model, driver, vbios, mode, rung }: GpuDevice): string[] {
  return [
    `${NAMES[kind]} ${index}`,
    ...[model, driver, vbios, mode].map((text) => printable(text ?? UNKNOWN)),
    rung,
  ]
}

const HEAD = ['', 'model', 'driver', 'VBIOS', 'mode', 'rung']

/** One row a device under a head, columns aligned. */
export function formatDevices(devices: readonly GpuDevice[]): string {
  const rows = [HEAD, ...devices.map(cells)]
  const widths = HEAD.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows
    .map((row) => `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`)
    .map((line) => line.trimEnd())
    .join('\n')
}

/** The rung of the whole machine, with what it proves and what not. */
export function formatBinding({ rung, proves, doesNotProve }: GpuBinding): string {
  return `GPU evidence, rung reached: ${rung}\n  ${proves}\n  Not proved: ${doesNotProve}`
}
