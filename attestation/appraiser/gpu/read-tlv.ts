/**
 * Type-length-value lists of NVIDIA's opaque data, with or without a value type between type and length, all numbers
 * 16-bit little-endian.
 *
 * @module
 */

const NUMBER_BYTES = 2

export type TlvResult =
  | { readonly ok: true; readonly fields: ReadonlyMap<number, Uint8Array> }
  | { readonly ok: false; readonly detail: string }

/** @returns 0 past the end: the caller has checked that the number is there */
export function number16At(bytes: Uint8Array, offset: number): number {
  return (bytes[offset] ?? 0) | ((bytes[offset + 1] ?? 0) << 8)
}

/**
 * Reads a list that fills `data` exactly. The fields alias `data`.
 * @param headNumbers numbers before each value: 2 (type, length) or 3 (type, value type, length)
 */
export function readTlv(data: Uint8Array, headNumbers: 2 | 3): TlvResult {
  const fields = new Map<number, Uint8Array>()
  const headBytes = headNumbers * NUMBER_BYTES
  let offset = 0
  while (offset < data.length) {
    if (data.length - offset < headBytes) {
      return { ok: false, detail: 'opaque data ends in a header' }
    }
    const type = number16At(data, offset)
    const size = number16At(data, offset + headBytes - NUMBER_BYTES)
    offset += headBytes
    if (size > data.length - offset) {
      return { ok: false, detail: `opaque field ${type} ends past the data` }
    }
    // With two fields of one type each reader picks another one: FWID and topology checks would disagree.
    if (fields.has(type)) return { ok: false, detail: `opaque field ${type} appears twice` }
    fields.set(type, data.subarray(offset, offset + size))
    offset += size
  }
  return { ok: true, fields }
}
