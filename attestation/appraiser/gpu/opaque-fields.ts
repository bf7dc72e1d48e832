/**
 * The fields of the opaque data in a legacy NVIDIA report that the appraiser reads, as numbered by NVIDIA's
 * attestation-sdk (OpaqueFieldType), and how each is spelled.
 *
 * @module
 */

/** Field types. Types that are not listed are kept by the parser and given no meaning. */
export const OPAQUE_FIELD = Object.freeze({
  driverVersion: 3,
  vbiosVersion: 6,
  nvdec0Status: 11,
  fwid: 20,
  protectedPcieStatus: 21,
  featureFlag: 36,
})

/** Values of the one-byte status fields; far apart, so that no single bit flip turns one into the other. */
const STATUS_ON = 0xaa
const STATUS_OFF = 0x55

/** SHA-384 of the firmware that holds the attestation key. */
export const FWID_BYTES = 48

/** GPU VBIOS versions are eight packed bytes; NVSwitch ones are text. */
const PACKED_VBIOS_BYTES = 8

const MAX_TEXT_BYTES = 64
const PRINTABLE = /^[\x21-\x7e]+$/

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
