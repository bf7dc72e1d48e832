/**
 * The few messages of TAPP that are spoken here, in protobuf's wire format (0g-tapp, `tapp_service.proto`, 0.4 to 0.9).
 *
 * Own code because the libraries compile code at run time, which is not for a process that holds keys. Known fields of the
 * wrong wire type, cut values and groups are refused; unknown fields are skipped, as protobuf demands.
 *
 * @module
 */

const VARINT = 0
const FIXED64 = 1
const BYTES = 2
const FIXED32 = 5
/** Bytes of the longest varint. */
const MAX_VARINT = 10

/** Fields by number; of a field that stands twice the last one counts, as protobuf demands. */
export type Fields = ReadonlyMap<number, Uint8Array | bigint>

export type Field = readonly [number: number, value: string | Uint8Array | boolean]

function varint(value: number): number[] {
  const out: number[] = []
  let rest = value
  while (rest > 0x7f) {
    out.push((rest & 0x7f) | 0x80)
    rest >>>= 7
  }
  return [...out, rest]
}

/** Fields of default value are left out, as protobuf's third version does. */
export function encodeFields(fields: readonly Field[]): Uint8Array {
  const parts = fields.map(([number, value]): Uint8Array => {
    if (typeof value === 'boolean') {
      return Uint8Array.from(value ? [...varint((number << 3) | VARINT), 1] : [])
    }
    const bytes = typeof value === 'string' ? Buffer.from(value, 'utf8') : value
    if (bytes.length === 0) return bytes
    return Buffer.concat([
      Uint8Array.from([...varint((number << 3) | BYTES), ...varint(bytes.length)]),
      bytes,
    ])
  })
  return Uint8Array.from(Buffer.concat(parts))
}

/** @returns null where the bytes are no message */
export function decodeFields(bytes: Uint8Array): Fields | null {
  const fields = new Map<number, Uint8Array | bigint>()
  let at = 0
  const readVarint = (): bigint | null => {
    let value = 0n
    for (let index = 0; index < MAX_VARINT; index++) {
      const byte = bytes[at++]
      if (byte === undefined) return null
      value |= BigInt(byte & 0x7f) << BigInt(7 * index)
      if (byte < 0x80) return value
    }
    return null
  }
  const take = (length: number): Uint8Array | null => {
    if (length > bytes.length - at) return null
    const taken = bytes.slice(at, at + length)
    at += length
    return taken
  }
  while (at < bytes.length) {
    const tag = readVarint()
    if (tag === null || tag > 0xffff_ffffn) return null
    const number = Number(tag >> 3n)
    if (number === 0) return null
    let value: Uint8Array | bigint | null
    switch (Number(tag & 7n)) {
      case VARINT:
        value = readVarint()
        break
      case FIXED64:
        value = take(8)
        break
      case BYTES: {
        const length = readVarint()
        value = length === null || length > BigInt(bytes.length) ? null : take(Number(length))
        break
      }
      case FIXED32:
        value = take(4)
        break
      default:
        return null
    }
    if (value === null) return null
    fields.set(number, value)
  }
  return fields
}

/** @returns empty where the field is absent, null where it is of another type */
export function bytesField(fields: Fields, number: number): Uint8Array | null {
  const value = fields.get(number) ?? new Uint8Array(0)
  return typeof value === 'bigint' ? null : value
}

/** @returns false where the field is absent, null where it is of another type */
export function flagField(fields: Fields, number: number): boolean | null {
  const value = fields.get(number) ?? 0n
  return typeof value === 'bigint' ? value !== 0n : null
}
