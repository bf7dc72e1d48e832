/**
 * What a signed report says of versions and mode, against what the policy accepts. Nothing here is read from unsigned text.
 *
 * @module
 */
import { failed } from './device-outcome.ts'
import type { Outcome } from './device-outcome.ts'
import type { DeviceRules } from './device-rules.ts'
import { gpuModeOf } from './gpu-mode.ts'
import type { GpuPolicy } from './gpu-policy.ts'
import type { SpdmReport } from './parse-spdm-report.ts'

const DECIMAL = /^\d{1,8}$/
const HEXADECIMAL = /^[0-9A-F]{1,2}$/

/** Part by part, so that 550.100 is above 550.90; parts that one of the two does not have count as 0. */
function isBelow(version: string, least: string, digits: RegExp, radix: number): boolean {
  const [parts, floor] = [version.split('.'), least.split('.')]
  // What cannot be compared is not known to be high enough.
  if (!parts.every((part) => digits.test(part))) return true
  for (let i = 0; i < Math.max(parts.length, floor.length); i++) {
    const difference = parseInt(parts[i] ?? '0', radix) - parseInt(floor[i] ?? '0', radix)
    if (difference !== 0) return difference < 0
  }
  return false
}

/** Decimal parts, e.g. `550.54.14`. */
export function isDriverBelow(driver: string, least: string): boolean {
  return isBelow(driver, least, DECIMAL, 10)
}

/** Hexadecimal parts in upper case, e.g. `96.00.9F.00.01`. */
export function isBiosBelow(bios: string, least: string): boolean {
  return isBelow(bios, least, HEXADECIMAL, 16)
}

function driverFault(driver: string, { drivers, minDriver }: GpuPolicy): Outcome | null {
  if (drivers !== null && !drivers.includes(driver)) {
    return failed('gpu_driver_not_accepted', `driver ${driver}`)
  }
  return minDriver !== null && isDriverBelow(driver, minDriver)
    ? failed('gpu_driver_too_old', `driver ${driver}, at least ${minDriver} is needed`)
    : null
}

function biosFault(
  bios: string,
  accepted: readonly string[] | null,
  least: string | null,
): Outcome | null {
  if (accepted !== null && !accepted.includes(bios)) {
    return failed('gpu_vbios_not_accepted', `VBIOS ${bios}`)
  }
  return least !== null && isBiosBelow(bios, least)
    ? failed('gpu_vbios_too_old', `VBIOS ${bios}, at least ${least} is needed`)
    : null
}

/** @param report of a device of `rules.kind`, so that the versions of this kind are stated */
export function judgeVersions(report: SpdmReport, rules: DeviceRules, policy: GpuPolicy): Outcome {
  const bios = report.vbiosVersion ?? ''
  switch (rules.kind) {
    case 'gpu': {
      const driver = report.driverVersion ?? ''
      const fault = driverFault(driver, policy) ?? biosFault(bios, policy.vbioses, policy.minVbios)
      return fault ?? { status: 'pass', detail: `driver ${driver}, VBIOS ${bios}` }
    }
    case 'switch':
      return (
        biosFault(bios, policy.switchBioses, policy.minSwitchBios) ?? {
          status: 'pass',
          detail: `BIOS ${bios}`,
        }
      )
  }
}

function describeStatus(status: boolean | null): string {
  return status === null ? 'not stated' : status ? 'on' : 'off'
}

/** @param report of a GPU */
export function judgeMode(report: SpdmReport, policy: GpuPolicy): Outcome {
  const mode = gpuModeOf(report)
  const detail =
    `mode ${mode ?? `unknown (feature flag ${report.featureFlag ?? 'not stated'})`}, ` +
    `protected PCIe ${describeStatus(report.protectedPcie)}, NVDEC0 ${describeStatus(report.nvdec0)}`
  // A report whose two statements of the mode differ comes from no firmware that is known.
  if (mode === null) return failed('gpu_mode_invalid', detail)
  return policy.modes.includes(mode)
    ? { status: 'pass', detail }
    : failed('gpu_mode_not_accepted', detail)
}
