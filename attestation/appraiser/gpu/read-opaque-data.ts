/**
 * The legacy opaque data of a report (fields: `opaque-fields.ts`). A field that is absent is null; one that is present and
 * not in its form makes the report malformed, since two readers could take it for two things.
 *
 * @module
 */
import {
  FWID_BYTES,
  OPAQUE_FIELD,
  OPAQUE_SIZES,
  readCounters,
  readLinkedGpus,
  readLinkedSwitches,
  readNumber16,
  readOwnPdi,
  readStatus,
  readText,
  readVbiosVersion,
} from './opaque-fields.ts'
import { readTlv } from './read-tlv.ts'

/** The one version of the legacy format that names itself (drivers from 580 on); before that the field is absent. */
const LEGACY_VERSION = 1

export interface OpaqueData {
  /** Opaque fields by type, unknown ones included. */
  readonly opaque: ReadonlyMap<number, Uint8Array>
  /** e.g. `550.90.07`; null on switches. */
  readonly driverVersion: string | null
  /** e.g. `96.00.9F.00.01`, upper case. */
  readonly vbiosVersion: string | null
  /** 48 bytes; null in reports of the 535 driver era and of switches. */
  readonly fwid: Uint8Array | null
  /** Which board it is, e.g. `1010`, `0200` and `882`: together they name the VBIOS reference values. Null on switches. */
  readonly project: string | null
  readonly projectSku: string | null
  readonly chipSku: string | null
  /** 0 single pass-through, 1 multiple pass-through, 2 protected PCIe; null before driver 580. */
  readonly featureFlag: number | null
  readonly protectedPcie: boolean | null
  readonly nvdec0: boolean | null
  readonly measurementCounts: readonly number[] | null
  /** Hex, 8 bytes, of the switch itself; null on GPUs. */
  readonly pdi: string | null
  /** Hex, 8 bytes each: the different switches at this GPU's links; null outside protected PCIe mode and on switches. */
  readonly linkedSwitches: readonly string[] | null
  /** Hex, 8 bytes each: the GPUs below this switch, repeated where it repeats one; null on GPUs. */
  readonly linkedGpus: readonly string[] | null
  /** Switches only; what the number means is not published. */
  readonly lockStatus: number | null
}

export type OpaqueDataResult =
  | { readonly ok: true; readonly data: OpaqueData }
  | {
      readonly ok: false
      readonly code: 'gpu_report_malformed' | 'gpu_report_unsupported'
      readonly detail: string
    }

/** @returns undefined where the field is there and not in its form */
function read<T>(
  fields: ReadonlyMap<number, Uint8Array>,
  type: number,
  reader: (field: Uint8Array) => T | null,
): T | null | undefined {
  const field = fields.get(type)
  if (field === undefined) return null
  return reader(field) ?? undefined
}

function refuse(detail: string): OpaqueDataResult {
  return { ok: false, code: 'gpu_report_malformed', detail }
}

/** @param bytes the opaque data, which its fields must fill exactly */
export function readOpaqueData(bytes: Uint8Array): OpaqueDataResult {
  const list = readTlv(bytes, 2)
  if (!list.ok) return refuse(list.detail)
  const { fields } = list
  for (const [type, size] of OPAQUE_SIZES) {
    const field = fields.get(type)
    if (field !== undefined && field.length !== size) {
      return refuse(`opaque field ${type} has ${field.length} bytes, not ${size}`)
    }
  }
  const version = read(fields, OPAQUE_FIELD.opaqueDataVersion, readNumber16) ?? LEGACY_VERSION
  if (version !== LEGACY_VERSION) {
    const detail = `legacy opaque data of version ${version}`
    return { ok: false, code: 'gpu_report_unsupported', detail }
  }
  const measurementCounts = read(fields, OPAQUE_FIELD.measurementCounts, readCounters)
  if (measurementCounts === undefined) return refuse('measurement counters are not 32-bit numbers')

  const driverVersion = read(fields, OPAQUE_FIELD.driverVersion, readText)
  const vbiosVersion = read(fields, OPAQUE_FIELD.vbiosVersion, readVbiosVersion)
  const project = read(fields, OPAQUE_FIELD.project, readText)
  const projectSku = read(fields, OPAQUE_FIELD.projectSku, readText)
  const chipSku = read(fields, OPAQUE_FIELD.chipSku, readText)
  const chipSkuMod = read(fields, OPAQUE_FIELD.chipSkuMod, readText)
  if (driverVersion === undefined) return refuse('driver version is not printable text')
  if (vbiosVersion === undefined) return refuse('VBIOS version has no known form')
  if (project === undefined) return refuse('project is not printable text')
  if (projectSku === undefined) return refuse('project SKU is not printable text')
  if (chipSku === undefined || chipSkuMod === undefined) {
    return refuse('chip SKU is not printable text')
  }
  const fwid = read(fields, OPAQUE_FIELD.fwid, (f) => (f.length === FWID_BYTES ? f : null))
  const featureFlag = read(fields, OPAQUE_FIELD.featureFlag, readNumber16)
  const protectedPcie = read(fields, OPAQUE_FIELD.protectedPcieStatus, readStatus)
  const nvdec0 = read(fields, OPAQUE_FIELD.nvdec0Status, readStatus)
  const lockStatus = read(fields, OPAQUE_FIELD.lockSwitchStatus, readNumber16)
  if (protectedPcie === undefined) return refuse('protected PCIe status is neither on nor off')
  if (nvdec0 === undefined) return refuse('NVDEC0 status is neither on nor off')
  const pdi = read(fields, OPAQUE_FIELD.switchPdi, readOwnPdi)
  const linkedSwitches = read(fields, OPAQUE_FIELD.switchPdi, readLinkedSwitches)
  const linkedGpus = read(fields, OPAQUE_FIELD.switchGpuPdis, readLinkedGpus)
  if (pdi === undefined && linkedSwitches === undefined) {
    return refuse('field 22 is neither one identifier nor one for each link')
  }
  return {
    ok: true,
    data: {
      opaque: fields,
      driverVersion,
      vbiosVersion,
      // Those below were checked above by size.
      fwid: fwid ?? null,
      project,
      projectSku,
      chipSku,
      featureFlag: featureFlag ?? null,
      protectedPcie,
      nvdec0,
      measurementCounts,
      pdi: pdi ?? null,
      linkedSwitches: linkedSwitches ?? null,
      linkedGpus: linkedGpus ?? null,
      lockStatus: lockStatus ?? null,
    },
  }
}
