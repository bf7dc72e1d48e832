/**
 * The successor of the legacy opaque data, which drivers of CUDA 13.5 and later emit (NVIDIA, "GPU opaque data", 2.0.0;
 * attestation-sdk 2.0.0 of 2026-10):
 *
 * ```
 * 0  6  "NVDAOD"           8  1  major version        10  2  reserved
 * 6  2  profile, 0         9  1  minor version        12  …  entries: type, value type, length, value
 * ```
 *
 * It is read only as far as a person needs to know which device and driver sent it: its measurements are compared by rules
 * (security version numbers in the RIMs) that this version does not have.
 *
 * @module
 */
import { OPAQUE_FIELD, readText } from './opaque-fields.ts'
import { number16At, readTlv } from './read-tlv.ts'

const MAGIC = [0x4e, 0x56, 0x44, 0x41, 0x4f, 0x44] as const
const PROFILE_OFFSET = 6
const MAJOR_OFFSET = 8
const HEAD_BYTES = 12

/** Stated, not verified. */
export interface Nvdaod {
  /** e.g. `2.0`. */
  readonly format: string
  /** Board as RIMs name it: project, project SKU and chip SKU, e.g. `G520_0210_884`. */
  readonly model: string
  /** e.g. `620.12`. */
  readonly driverVersion: string
}

export type NvdaodResult =
  { readonly ok: true; readonly nvdaod: Nvdaod } | { readonly ok: false; readonly detail: string }

export function isNvdaod(opaque: Uint8Array): boolean {
  return MAGIC.every((byte, index) => opaque[index] === byte)
}

/** @param opaque that {@link isNvdaod} took */
export function parseNvdaod(opaque: Uint8Array): NvdaodResult {
  if (opaque.length < HEAD_BYTES) return { ok: false, detail: 'NVDAOD data ends in its header' }
  if (number16At(opaque, PROFILE_OFFSET) !== 0) {
    return { ok: false, detail: 'NVDAOD data of an unknown profile' }
  }
  const list = readTlv(opaque.subarray(HEAD_BYTES), 3)
  if (!list.ok) return list
  const text = (type: number): string | null => {
    const field = list.fields.get(type)
    return field === undefined ? null : readText(field)
  }
  const { project, projectSku, chipSku } = OPAQUE_FIELD
  const board = [project, projectSku, chipSku].map(text)
  const driverVersion = text(OPAQUE_FIELD.driverVersion)
  if (board.includes(null) || driverVersion === null) {
    return { ok: false, detail: 'NVDAOD data without readable board or driver version' }
  }
  const format = `${opaque[MAJOR_OFFSET] ?? 0}.${opaque[MAJOR_OFFSET + 1] ?? 0}`
  return { ok: true, nvdaod: { format, model: board.join('_'), driverVersion } }
}
