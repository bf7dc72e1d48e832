/**
 * Compares what a device measured with what NVIDIA published. RIM index i is SPDM block i + 1.
 *
 * Every index that a RIM claims has to be in the report with one of its values, so there are never fewer measurements than
 * golden ones. Indexes that no RIM claims are not constrained: NVIDIA says nothing about them.
 *
 * @module
 */
import type { SpdmReport } from '../parse-spdm-report.ts'
import type { RimCode } from './codes.ts'
import type { RimKind } from './read-software-identity.ts'
import type { Rim } from './verify-rim.ts'

/** Measures NVDEC0, the video decoder: it means nothing where the device says that this is off. */
const NVDEC0_INDEX = 35
/** Indexes named in a detail; the outcome holds all of them. */
const MAX_NAMED = 16

/** Why a RIM is not the one for a device. */
export interface RimFault {
  readonly code: RimCode
  readonly detail: string
}

export type MeasurementOutcome =
  | {
      readonly ok: true
      /** Active golden measurements that were found in the report. */
      readonly compared: number
      readonly detail: string
      /** RIM indexes that differ and that the caller allowed, in ascending order. */
      readonly differing: readonly number[]
    }
  | {
      readonly ok: false
      readonly code: RimCode
      readonly detail: string
      /** RIM indexes that differ, are missing or overlap, in ascending order. */
      readonly differing: readonly number[]
    }

type Refusal = Extract<MeasurementOutcome, { ok: false }>

function refuse(code: RimCode, detail: string, differing: readonly number[] = []): Refusal {
  return { ok: false, code, detail, differing }
}

function named(indexes: readonly number[]): string {
  const more = indexes.length - MAX_NAMED
  return indexes.slice(0, MAX_NAMED).join(', ') + (more > 0 ? ` and ${more} more` : '')
}

/**
 * Whether `rim` is the manifest for the firmware that the report states. What a RIM is for is read from what is signed, not
 * from the name under which it was fetched.
 *
 * @param kind what is looked for
 * @returns `rim_kind_mismatch`, `rim_version_mismatch`, or null where it fits
 */
export function rimFault(rim: Rim, kind: RimKind, report: SpdmReport): RimFault | null {
  if (rim.kind !== kind) {
    return { code: 'rim_kind_mismatch', detail: `a ${rim.kind} RIM in the place of a ${kind} one` }
  }
  const version = kind === 'driver' ? report.driverVersion : report.vbiosVersion
  if (version?.toUpperCase() === rim.version) return null
  return {
    code: 'rim_version_mismatch',
    detail: `RIM for ${rim.version}, report of ${version ?? 'an unstated version'}`,
  }
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}

function activeIndexes({ measurements }: Rim): readonly number[] {
  return [...measurements].filter(([, { active }]) => active).map(([index]) => index)
}

/** Active indexes of `rim` whose measurement is missing or has none of its values. */
function differences(rim: Rim, report: SpdmReport): { compared: number; differing: number[] } {
  const measured = new Map(report.measurements.map(({ index, value }) => [index, value]))
  const differing: number[] = []
  let compared = 0
  for (const [index, { active, alternatives }] of rim.measurements) {
    if (!active || (index === NVDEC0_INDEX && report.nvdec0 === false)) continue
    compared++
    const value = measured.get(index + 1)
    const matches = value !== undefined && alternatives.some((golden) => isSame(golden, value))
    if (!matches) differing.push(index)
  }
  return { compared, differing }
}

export interface ComparisonOptions {
  /** RIM indexes that may differ. Each is firmware for which nobody vouches. Default: none. */
  readonly allowedMismatches?: readonly number[]
}

/**
 * @param report one whose signature was verified
 * @param driver the driver RIM; null for a switch, or where none is at hand: then only the other is compared, and it is for
 *   the caller to say so
 * @param vbios the VBIOS RIM of a GPU or the BIOS RIM of a switch, or null likewise
 */
export function compareMeasurements(
  report: SpdmReport,
  driver: Rim | null,
  vbios: Rim | null,
  { allowedMismatches = [] }: ComparisonOptions = {},
): MeasurementOutcome {
  // Only a switch has no driver. Asked of the report: a RIM must not choose what it is compared as.
  const biosKind = report.driverVersion === null ? 'switch_bios' : 'vbios'
  const unfit =
    (driver === null ? null : rimFault(driver, 'driver', report)) ??
    (vbios === null ? null : rimFault(vbios, biosKind, report))
  if (unfit !== null) return refuse(unfit.code, unfit.detail)
  if (driver !== null && vbios !== null) {
    // Were an index claimed by both, either could admit firmware that the other refuses.
    const overlap = activeIndexes(driver).filter((i) => vbios.measurements.get(i)?.active === true)
    if (overlap.length !== 0) {
      return refuse('rim_index_overlap', `index ${named(overlap)} in both RIMs`, overlap)
    }
  }
  const results = [driver, vbios].map((rim) => (rim === null ? null : differences(rim, report)))
  const compared = results.reduce((sum, result) => sum + (result?.compared ?? 0), 0)
  if (compared === 0) return refuse('rim_nothing_compared', 'no active measurement')
  const differing = results.flatMap((result) => result?.differing ?? []).sort((a, b) => a - b)
  const refused = differing.filter((index) => !allowedMismatches.includes(index))
  const count = `${compared - differing.length} of ${compared} measurements match`
  if (refused.length !== 0) {
    const detail = `${count}; index ${named(refused)} differs`
    return refuse('rim_measurement_mismatch', detail, refused)
  }
  const detail = differing.length === 0 ? count : `${count}; index ${named(differing)} is allowed`
  return { ok: true, compared, detail, differing }
}
