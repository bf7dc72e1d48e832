/**
 * What must hold among the devices of one machine: as many as expected, all different, all alike.
 *
 * @module
 */
import { toHex } from '../../protocol/hex.ts'
import { fail, pass, skip } from '../check.ts'
import type { Check } from '../check.ts'
import { pdiOf } from './judge-device-serials.ts'
import type { DeviceVerdict } from './verify-gpu-device.ts'

export const COUNT_PROVES = 'There is evidence of exactly as many GPUs as expected.'
const SWITCH_COUNT_PROVES = 'There is evidence of exactly as many NVSwitches as expected.'
const UNIQUE_PROVES = 'Every element of the list comes from another physical device.'
const UNIFORM_PROVES =
  'All GPUs report one driver, one VBIOS and one mode, as those of one machine do.'

/** The first device of which nothing may be used, as a skipped check. */
export function unprovenCheck(
  id: string,
  proves: string,
  devices: readonly DeviceVerdict[],
): Check | null {
  const unproven = devices.find(({ authentic }) => !authentic)
  return unproven === undefined
    ? null
    : skip(id, 'depends_on_failed', proves, `${unproven.name} is not authentic`)
}

export function judgeCount(count: number, expected: number | null): Check {
  const id = 'gpu.count'
  if (expected === null) {
    return skip(id, 'not_provided', COUNT_PROVES, `${count} listed, no number was expected`)
  }
  const detail = `${count} of ${expected}`
  return count === expected
    ? pass(id, COUNT_PROVES, detail)
    : fail(id, 'gpu_count_mismatch', COUNT_PROVES, detail)
}

/** None where no switch is listed and none expected. */
export function judgeSwitchCount(
  count: number,
  configured: number | null,
  asked: number | null,
): readonly Check[] {
  const id = 'switch.count'
  // Most machines have none, and nobody asked.
  if (count === 0 && asked === null && (configured ?? 0) === 0) return []
  const expected = [configured, asked].filter((number) => number !== null)
  if (expected.length === 0) {
    const detail = `${count} listed, no number was expected`
    return [skip(id, 'not_provided', SWITCH_COUNT_PROVES, detail)]
  }
  const other = expected.find((number) => number !== count)
  return [
    other === undefined
      ? pass(id, SWITCH_COUNT_PROVES, `${count} of ${count}`)
      : fail(id, 'switch_count_mismatch', SWITCH_COUNT_PROVES, `${count} of ${other}`),
  ]
}

/** By what one device is known, whatever its firmware. */
function namesOf({ evidence }: DeviceVerdict): readonly string[] {
  const chain = evidence?.chain ?? []
  const names = chain.slice(0, 2).flatMap(({ serial, spki }, place) => {
    return [`serial ${place} ${toHex(serial)}`, `key ${place} ${toHex(spki)}`]
  })
  const pdi = pdiOf(chain[1])
  return pdi === null ? names : [...names, `device ${pdi}`]
}

/**
 * One device listed twice, with its old and its new firmware or twice the same, must not count as two. Leaf keys change with
 * the firmware, device identities do not, so both are compared, by key, by serial number and by device identifier.
 */
export function judgeUnique(devices: readonly DeviceVerdict[]): Check {
  const id = 'gpu.unique'
  const owner = new Map<string, string>()
  for (const device of devices) {
    for (const name of namesOf(device)) {
      const other = owner.get(name)
      if (other !== undefined) {
        const detail = `${other} and ${device.name} are one device`
        return fail(id, 'gpu_duplicate', UNIQUE_PROVES, detail)
      }
      owner.set(name, device.name)
    }
  }
  // Names in certificates that nobody vouches for can be made different at will.
  return unprovenCheck(id, UNIQUE_PROVES, devices) ?? pass(id, UNIQUE_PROVES)
}

/** Members that all GPUs of a machine share, by the words for them. */
function traitsOf({ evidence }: DeviceVerdict): ReadonlyMap<string, unknown> {
  const report = evidence?.report
  return new Map<string, unknown>([
    ['architecture', evidence?.arch],
    ['driver', report?.driverVersion],
    ['VBIOS', report?.vbiosVersion],
    ['feature flag', report?.featureFlag],
    ['protected PCIe status', report?.protectedPcie],
  ])
}

export function judgeUniform(gpus: readonly DeviceVerdict[]): Check {
  const id = 'gpu.uniform'
  const unproven = unprovenCheck(id, UNIFORM_PROVES, gpus)
  if (unproven !== null) return unproven
  const [first, ...others] = gpus
  if (first === undefined) return pass(id, UNIFORM_PROVES)
  const expected = traitsOf(first)
  for (const gpu of others) {
    for (const [trait, value] of traitsOf(gpu)) {
      if (value === expected.get(trait)) continue
      const detail = `${gpu.name} differs from ${first.name} in its ${trait}`
      return fail(id, 'gpu_mixed', UNIFORM_PROVES, detail)
    }
  }
  return pass(id, UNIFORM_PROVES)
}
