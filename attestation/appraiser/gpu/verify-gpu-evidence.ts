/**
 * Judges the GPU evidence of one machine: each device by itself, then that they are as many as expected, all different,
 * and all in one mode.
 *
 * What passing does not prove: that the GPUs are attached to the machine that was quoted. Hopper reports name no
 * enclave; see `gpu-ladder.ts` for what each further fact adds.
 *
 * @module
 */
import { toHex } from '../../protocol/hex.ts'
import { fail, pass, skip } from '../check.ts'
import type { Check } from '../check.ts'
import { MAX_GPUS } from './parse-gpu-evidence.ts'
import { verifyGpuDevice } from './verify-gpu-device.ts'
import type { GpuDeviceVerdict, GpuOptions } from './verify-gpu-device.ts'

export interface GpuListOptions extends GpuOptions {
  /** How many GPUs the measured configuration asks for; null where the policy does not say. */
  readonly expectedCount: number | null
}

const COUNT_PROVES = 'There is evidence of exactly as many GPUs as expected.'
const UNIQUE_PROVES = 'Every element of the list comes from another physical GPU.'
const UNIFORM_PROVES = 'All GPUs report one driver and one mode, as those of one machine do.'

function judgeCount(count: number, expected: number | null): Check {
  const id = 'gpu.count'
  if (expected === null) {
    return skip(id, 'not_provided', COUNT_PROVES, `${count} listed, no number was expected`)
  }
  const detail = `${count} of ${expected}`
  return count === expected
    ? pass(id, COUNT_PROVES, detail)
    : fail(id, 'gpu_count_mismatch', COUNT_PROVES, detail)
}

/**
 * One GPU listed twice, with its old and its new firmware or twice the same, must not count as two. Leaf keys change with
 * the firmware, device identities do not, so both are compared, by key and by serial number.
 */
function judgeUnique(devices: readonly GpuDeviceVerdict[]): Check {
  const id = 'gpu.unique'
  const owner = new Map<string, number>()
  for (const [index, { evidence }] of devices.entries()) {
    const certificates = evidence?.chain.slice(0, 2) ?? []
    for (const [place, { serial, spki }] of certificates.entries()) {
      for (const name of [`serial ${place} ${toHex(serial)}`, `key ${place} ${toHex(spki)}`]) {
        const other = owner.get(name)
        if (other !== undefined) {
          const detail = `elements ${other} and ${index} are one device`
          return fail(id, 'gpu_duplicate', UNIQUE_PROVES, detail)
        }
        owner.set(name, index)
      }
    }
  }
  // Names in certificates that nobody vouches for can be made different at will.
  const unproven = devices.findIndex(({ authentic }) => !authentic)
  return unproven === -1
    ? pass(id, UNIQUE_PROVES)
    : skip(id, 'depends_on_failed', UNIQUE_PROVES, `gpu.${unproven} is not authentic`)
}

function judgeUniform(devices: readonly GpuDeviceVerdict[]): Check {
  const id = 'gpu.uniform'
  const unproven = devices.findIndex(({ authentic }) => !authentic)
  if (unproven !== -1) {
    return skip(id, 'depends_on_failed', UNIFORM_PROVES, `gpu.${unproven} is not authentic`)
  }
  const modes = devices.map(({ evidence }) =>
    JSON.stringify([
      evidence?.arch,
      evidence?.report.driverVersion,
      evidence?.report.featureFlag,
      evidence?.report.protectedPcie,
    ]),
  )
  const odd = modes.findIndex((mode) => mode !== modes[0])
  return odd === -1
    ? pass(id, UNIFORM_PROVES)
    : fail(id, 'gpu_mixed', UNIFORM_PROVES, `gpu.${odd} differs from gpu.0`)
}

/**
 * @param list the served list (parsed JSON): at most 16 elements, each a `GpuEvidence`
 * @param options the expected nonce must be recomputed by the caller, never taken from the evidence
 * @returns `gpu.count`, `gpu.unique`, `gpu.uniform`, then the checks of every device (see {@link verifyGpuDevice});
 *   `gpu.count` alone with `gpu_list_malformed` where `list` is no list. Never throws
 */
export function verifyGpuEvidence(list: unknown, options: GpuListOptions): Check[] {
  if (!Array.isArray(list) || list.length > MAX_GPUS) {
    const detail = `not a list of at most ${MAX_GPUS}`
    return [fail('gpu.count', 'gpu_list_malformed', COUNT_PROVES, detail)]
  }
  const elements: readonly unknown[] = list
  const devices = Array.from(elements, (value, index) =>
    verifyGpuDevice(value, `gpu.${index}`, options),
  )
  return [
    judgeCount(elements.length, options.expectedCount),
    judgeUnique(devices),
    judgeUniform(devices),
    ...devices.flatMap(({ checks }) => checks),
  ]
}
