/**
 * The fields of the opaque data in a legacy NVIDIA report, as numbered by NVIDIA's attestation-sdk (`GpuOpaqueDataType`,
 * `SwitchOpaqueDataType`, version 2.0.0 of 2026-10), and how each is spelled. GPUs and switches share the numbers; what a
 * number holds is told apart by its size.
 *
 * @module
 */
import { toHex } from '../../protocol/hex.ts'

/** Field types. Types that are not listed are kept by the parser and given no meaning. */
export const OPAQUE_FIELD = Object.freeze({
  certIssuerName: 1,
  certAuthorityKeyIdentifier: 2,
  driverVersion: 3,
  gpuInfo: 4,
  sku: 5,
  vbiosVersion: 6,
  manufacturerId: 7,
  tamperDetection: 8,
  smc: 9,
  vpr: 10,
  nvdec0Status: 11,
  measurementCounts: 12,
  cprInfo: 13,
  boardId: 14,
  chipSku: 15,
  chipSkuMod: 16,
  project: 17,
  projectSku: 18,
  projectSkuMod: 19,
  fwid: 20,
  protectedPcieStatus: 21,
  switchPdi: 22,
  floorsweptPorts: 23,
  positionId: 24,
  lockSwitchStatus: 25,
  switchGpuPdis: 26,
  gpuLinkConnections: 32,
  sysEnableStatus: 33,
  opaqueDataVersion: 34,
  chipInfo: 35,
  featureFlag: 36,
  fspUcodeSvn: 37,
  nvleStatus: 38,
  invalid: 255,
})

/** Values of the one-byte status fields; far apart, so that no single bit flip turns one into the other. */
const STATUS_ON = 0xaa
const STATUS_OFF = 0x55

/** SHA-384 of the firmware that holds the attestation key. */
export const FWID_BYTES = 48

/** Per-device identifier, also in the serial number of the device identity certificate. */
export const PDI_BYTES = 8
/** One entry for each NVLink of a Hopper GPU. */
const GPU_LINKS = 18
/** GPUs below one NVSwitch of a Hopper base board. */
const SWITCH_GPUS = 8
/** The identifiers of {@link SWITCH_GPUS} GPUs, then as many bytes of port map. */
const SWITCH_GPU_PDIS_BYTES = 2 * SWITCH_GPUS * PDI_BYTES

/** GPU VBIOS versions are eight packed bytes; NVSwitch ones are text. */
const PACKED_VBIOS_BYTES = 8
const COUNTER_BYTES = 4
/** The number of blocks in a report is one byte. */
const MAX_BLOCKS = 255

const MAX_TEXT_BYTES = 64
const PRINTABLE = /^[\x21-\x7e]+$/
const ZERO_PDI = '00'.repeat(PDI_BYTES)

/**
 * Sizes in bytes of the fields that every recorded report (drivers 535 to 590, LS10) holds in one size. Fields that have a
 * reader below are bounded there; of the rest no size is known.
 */
export const OPAQUE_SIZES: ReadonlyMap<number, number> = new Map([
  [OPAQUE_FIELD.gpuInfo, 8],
  [OPAQUE_FIELD.nvdec0Status, 1],
  [OPAQUE_FIELD.cprInfo, 4],
  [OPAQUE_FIELD.boardId, 4],
  [OPAQUE_FIELD.projectSkuMod, 2],
  [OPAQUE_FIELD.fwid, FWID_BYTES],
  [OPAQUE_FIELD.protectedPcieStatus, 1],
  [OPAQUE_FIELD.floorsweptPorts, 2],
  [OPAQUE_FIELD.positionId, 2],
  [OPAQUE_FIELD.lockSwitchStatus, 2],
  [OPAQUE_FIELD.switchGpuPdis, SWITCH_GPU_PDIS_BYTES],
  [OPAQUE_FIELD.opaqueDataVersion, 2],
  [OPAQUE_FIELD.featureFlag, 2],
  [OPAQUE_FIELD.fspUcodeSvn, 2],
])

/** A printable ASCII text, padded at its end by any number of NUL bytes. @returns null where it is anything else */
export function readText(field: Uint8Array): string | null {
  if (field.length > MAX_TEXT_BYTES) return null
  const end = field.findLastIndex((byte) => byte !== 0) + 1
  const text = String.fromCharCode(...field.subarray(0, end))
  return PRINTABLE.test(text) ? text : null
}

/**
 * VBIOS version as NVML spells it, in upper case: the eight bytes reversed are hex `h`, and the version is
 * `h[8:16]` followed by `h[6:8]`, a dot after every byte: `009f009601000000` is `96.00.9F.00.01`.
 * @returns null where the field is neither packed nor text
 */
export function readVbiosVersion(field: Uint8Array): string | null {
  if (field.length !== PACKED_VBIOS_BYTES) return readText(field)?.toUpperCase() ?? null
  const reversed = field.toReversed()
  return [...reversed.subarray(4, 8), ...reversed.subarray(3, 4)]
    .map((byte) => byte.toString(16).padStart(2, '0').toUpperCase())
    .join('.')
}

/** @returns null where the field is not one of the two status values */
export function readStatus(field: Uint8Array): boolean | null {
  if (field.length !== 1) return null
  if (field[0] === STATUS_ON) return true
  return field[0] === STATUS_OFF ? false : null
}

/** An unsigned 16-bit little-endian number. */
export function readNumber16(field: Uint8Array): number | null {
  const [low, high] = field
  if (field.length !== 2 || low === undefined || high === undefined) return null
  return low | (high << 8)
}

/**
 * One unsigned 32-bit little-endian counter for each of the first measurements (64 of 64 on Hopper, 26 of 31 on LS10): how
 * often it was extended. Nothing is judged by them.
 */
export function readCounters(field: Uint8Array): readonly number[] | null {
  if (field.length % COUNTER_BYTES !== 0 || field.length > COUNTER_BYTES * MAX_BLOCKS) return null
  const view = new DataView(field.buffer, field.byteOffset, field.length)
  return Array.from({ length: field.length / COUNTER_BYTES }, (_, i) =>
    view.getUint32(COUNTER_BYTES * i, true),
  )
}

function pdisOf(bytes: Uint8Array): Uint8Array[] {
  return Array.from({ length: bytes.length / PDI_BYTES }, (_, i) =>
    bytes.subarray(PDI_BYTES * i, PDI_BYTES * (i + 1)),
  )
}

/** Field 22 of a switch: its own identifier. @returns null where it is none, as on GPUs, which list several there */
export function readOwnPdi(field: Uint8Array): string | null {
  return field.length === PDI_BYTES ? toHex(field) : null
}

/**
 * Field 22 of a GPU: for each of its links the identifier of the switch at the other end, byte by byte reversed; zero
 * where nothing is connected.
 * @returns hex of every different one, in the order of a certificate's serial number; null where the size is another
 */
export function readLinkedSwitches(field: Uint8Array): readonly string[] | null {
  if (field.length !== GPU_LINKS * PDI_BYTES) return null
  const linked = pdisOf(field).map((pdi) => toHex(pdi.toReversed()))
  return [...new Set(linked)].filter((pdi) => pdi !== ZERO_PDI)
}

/**
 * Field 26 of a switch: the identifiers of the GPUs below it, then a port map that is not read.
 * @returns hex of every entry that is not zero, repeated ones included; null where the size is another
 */
export function readLinkedGpus(field: Uint8Array): readonly string[] | null {
  if (field.length !== SWITCH_GPU_PDIS_BYTES) return null
  const linked = pdisOf(field.subarray(0, SWITCH_GPUS * PDI_BYTES)).map((pdi) => toHex(pdi))
  return linked.filter((pdi) => pdi !== ZERO_PDI)
}
