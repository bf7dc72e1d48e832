/**
 * The names under which NVIDIA's RIM service publishes the manifests for a device, from its signed report. The rules are
 * those of NVIDIA's attestation-sdk (commit 73c032eb of 2026-06-25) and nvtrust.
 *
 * @module
 */
import { OPAQUE_FIELD, readText } from '../opaque-fields.ts'
import type { SpdmReport } from '../parse-spdm-report.ts'

/** Opaque fields that name the board, in the order of the id. */
const BOARD = [OPAQUE_FIELD.project, OPAQUE_FIELD.projectSku, OPAQUE_FIELD.chipSku] as const

/** NVSwitch reports name no board; NVIDIA's tools write this one. */
const SWITCH_BOARD = '5612_0002_890'

/** What may stand in a name that goes into a URL: nothing that could leave its path. */
const PART = /^[A-Z0-9]{1,16}$/
const VERSION = /^[0-9]{1,4}(?:\.[0-9]{1,4}){1,3}$/

export type ExpectedRims =
  | {
      /** Null for an NVSwitch, which has no driver of its own. */
      readonly driver: string | null
      readonly vbios: string
    }
  | { readonly fault: string }

function board(report: SpdmReport): string | null {
  const parts = BOARD.map((type) => {
    const field = report.opaque.get(type)
    return field === undefined ? '' : (readText(field)?.toUpperCase() ?? '')
  })
  return parts.every((part) => PART.test(part)) ? parts.join('_') : null
}

/**
 * @param arch as claimed beside the report: `HOPPER` or `LS10`
 * @returns upper-case ids, e.g. `NV_GPU_DRIVER_GH100_550.144.03` and `NV_GPU_VBIOS_1010_0200_882_96005E0001`; a fault in
 *   words where the report does not say enough
 */
export function expectedRims(report: SpdmReport, arch: string): ExpectedRims {
  const version = (report.vbiosVersion ?? '').replaceAll('.', '').toUpperCase()
  if (!PART.test(version)) return { fault: 'the report states no VBIOS version' }
  if (arch === 'LS10') return { driver: null, vbios: `NV_SWITCH_BIOS_${SWITCH_BOARD}_${version}` }
  if (arch !== 'HOPPER') return { fault: `no rule for the RIMs of ${arch}` }
  const driver = report.driverVersion ?? ''
  if (!VERSION.test(driver)) return { fault: 'the report states no driver version' }
  const name = board(report)
  if (name === null) return { fault: 'the report does not name project, SKU and chip SKU' }
  return {
    driver: `NV_GPU_DRIVER_GH100_${driver}`,
    vbios: `NV_GPU_VBIOS_${name}_${version}`,
  }
}
