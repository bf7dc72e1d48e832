/**
 * Strict DER (ITU-T X.690 §10, §11) over node-forge's ASN.1 reader, which by itself takes BER.
 *
 * Two encodings of one value let two readers see two values under one signature, so everything that DER forbids is
 * refused: the text must survive `toDer(fromDer(x))` byte for byte, which catches indefinite and long-form lengths and
 * most padded integers, and the walk below catches what forge writes back as it came (booleans, bit strings, sets,
 * object identifiers, NULL, constructed strings, tags above 30).
 *
 * @module
 */
import asn1 from 'node-forge/lib/asn1.js'
import { fromUtf8 } from '../../protocol/utf8.ts'

/** Nesting allowed in any DER value. Certificates with the extensions of Intel and NVIDIA stay below 12. */
export const MAX_DER_DEPTH = 24

const MAX_OID_BYTES = 64
/** Below it, another seven bits still fit a number exactly. */
const MAX_FAST_ARC = 2 ** 45

/** Identifier octets of X.690 §8.1.2 as they stand in the encoding. */
export const TAG = Object.freeze({
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  enumerated: 0x0a,
  utf8String: 0x0c,
  printableString: 0x13,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
})

const UNIVERSAL_SEQUENCE = 0x10
const UNIVERSAL_SET = 0x11

/** One tag-length-value. All arrays are slices of the input. */
export interface DerNode {
  /** Identifier octet, e.g. 0x30 for SEQUENCE, 0xa3 for a constructed [3]. */
  readonly tag: number
  /** The whole encoding, header included. */
  readonly bytes: Uint8Array
  /** The encoding without its header. */
  readonly content: Uint8Array
  /** Empty for primitive encodings. */
  readonly children: readonly DerNode[]
}

export type DerResult =
  { readonly ok: true; readonly node: DerNode } | { readonly ok: false; readonly detail: string }

const STRING_CHUNK = 8192

function toBinaryString(bytes: Uint8Array): string {
  let out = ''
  for (let i = 0; i < bytes.length; i += STRING_CHUNK) {
    // Spreading would walk the array with an iterator, at ten times the cost.
    out += Reflect.apply(String.fromCharCode, null, bytes.subarray(i, i + STRING_CHUNK))
  }
  return out
}

interface ForgeNode {
  readonly constructed: boolean
  readonly value: string | readonly ForgeNode[]
}

/** Header and content size of the encoding at `offset`, whose length octets are known to be minimal. */
function readHeader(der: Uint8Array, offset: number): { header: number; size: number } {
  const first = der[offset + 1] ?? 0
  if (first < 0x80) return { header: 2, size: first }
  let size = 0
  for (let i = 0; i < first - 0x80; i++) size = size * 256 + (der[offset + 2 + i] ?? 0)
  return { header: 2 + first - 0x80, size }
}

function locate(node: ForgeNode, der: Uint8Array, offset: number): DerNode {
  const { header, size } = readHeader(der, offset)
  const children: DerNode[] = []
  let next = offset + header
  if (typeof node.value !== 'string') {
    for (const child of node.value) {
      const located = locate(child, der, next)
      children.push(located)
      next += located.bytes.length
    }
  }
  return {
    tag: der[offset] ?? 0,
    bytes: der.subarray(offset, offset + header + size),
    content: der.subarray(offset + header, offset + header + size),
    children,
  }
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0)
    if (difference !== 0) return difference
  }
  return a.length - b.length
}

function isMinimalInteger(content: Uint8Array): boolean {
  const [first, second] = content
  if (first === undefined) return false
  if (second === undefined) return true
  return !((first === 0x00 && second < 0x80) || (first === 0xff && second >= 0x80))
}

function isMinimalOid(content: Uint8Array): boolean {
  if (content.length === 0 || content.length > MAX_OID_BYTES) return false
  let starts = true
  for (const byte of content) {
    if (starts && byte === 0x80) return false
    starts = byte < 0x80
  }
  return starts
}

function isBitString(content: Uint8Array): boolean {
  const unused = content[0]
  if (unused === undefined || unused > 7) return false
  if (content.length === 1) return unused === 0
  return ((content[content.length - 1] ?? 0) & ((1 << unused) - 1)) === 0
}

/** @returns what DER forbids about `node` or anything below it, or null */
function derFault(node: DerNode): string | null {
  const number = node.tag & 0x1f
  if (number === 0x1f) return 'a tag number above 30'
  const constructed = (node.tag & 0x20) !== 0
  if ((node.tag & 0xc0) === 0) {
    // X.690 §10.2: string types are primitive in DER. Constructed ones could hide segments from a reader.
    const mustConstruct = number === UNIVERSAL_SEQUENCE || number === UNIVERSAL_SET
    if (constructed !== mustConstruct) return `universal tag ${number} in the wrong form`
  }
  const { content } = node
  switch (node.tag) {
    case TAG.boolean:
      if (content.length !== 1 || (content[0] !== 0x00 && content[0] !== 0xff)) {
        return 'a BOOLEAN that is neither 00 nor FF'
      }
      break
    case TAG.integer:
    case TAG.enumerated:
      if (!isMinimalInteger(content)) return 'an INTEGER that is empty or padded'
      break
    case TAG.bitString:
      if (!isBitString(content)) return 'a BIT STRING with bad unused bits'
      break
    case TAG.null:
      if (content.length !== 0) return 'a NULL with content'
      break
    case TAG.oid:
      if (!isMinimalOid(content)) return 'an OBJECT IDENTIFIER that is not minimal'
      break
    case TAG.set:
      for (let i = 1; i < node.children.length; i++) {
        const [a, b] = [node.children[i - 1], node.children[i]]
        if (a !== undefined && b !== undefined && compareBytes(a.bytes, b.bytes) > 0) {
          return 'a SET that is not in order'
        }
      }
      break
    default:
      break
  }
  for (const child of node.children) {
    const fault = derFault(child)
    if (fault !== null) return fault
  }
  return null
}

/**
 * Reads one DER value that fills `der` exactly. Never throws. The result aliases `der`.
 *
 * @param maxBytes longest input accepted
 */
export function readDer(der: Uint8Array, maxBytes: number): DerResult {
  if (der.length > maxBytes) return { ok: false, detail: `longer than ${maxBytes} bytes` }
  const text = toBinaryString(der)
  let parsed: ForgeNode
  try {
    parsed = asn1.fromDer(text, {
      strict: true,
      parseAllBytes: true,
      decodeBitStrings: false,
      maxDepth: MAX_DER_DEPTH,
    })
    if (asn1.toDer(parsed).getBytes() !== text) return { ok: false, detail: 'BER, not DER' }
  } catch {
    return { ok: false, detail: 'not ASN.1' }
  }
  const node = locate(parsed, der, 0)
  const fault = derFault(node)
  return fault === null ? { ok: true, node } : { ok: false, detail: fault }
}

/** Dotted form of an OBJECT IDENTIFIER, or null for another type. */
export function oidOf(node: DerNode | undefined): string | null {
  if (node?.tag !== TAG.oid) return null
  let dotted = ''
  let arc: number | bigint = 0
  for (const byte of node.content) {
    // Arcs have no bound; those that anybody uses fit a number, which is much faster.
    arc =
      typeof arc === 'number' && arc < MAX_FAST_ARC
        ? arc * 128 + (byte & 0x7f)
        : BigInt(arc) * 128n + BigInt(byte & 0x7f)
    if (byte >= 0x80) continue
    if (dotted === '') {
      // X.690 §8.19.4: the first octets hold 40 × first + second, where the first arc is 0, 1 or 2.
      const first = arc < 40 ? 0 : arc < 80 ? 1 : 2
      const second = typeof arc === 'number' ? arc - 40 * first : arc - 40n * BigInt(first)
      dotted = `${first}.${second}`
    } else {
      dotted += `.${arc}`
    }
    arc = 0
  }
  return dotted
}

/**
 * A non-negative INTEGER as fixed-width big-endian bytes.
 *
 * @returns null for another type, a negative number or one that does not fit `width` bytes
 */
export function unsignedOf(node: DerNode | undefined, width: number): Uint8Array | null {
  if (node?.tag !== TAG.integer || (node.content[0] ?? 0x80) >= 0x80) return null
  const digits = node.content[0] === 0x00 ? node.content.subarray(1) : node.content
  if (digits.length > width) return null
  const out = new Uint8Array(width)
  out.set(digits, width - digits.length)
  return out
}

/** The value of a non-negative INTEGER below 2^31, or null. */
export function smallIntegerOf(node: DerNode | undefined): number | null {
  const bytes = unsignedOf(node, 4)
  if (bytes === null || (bytes[0] ?? 0) >= 0x80) return null
  return bytes.reduce((sum, byte) => sum * 256 + byte, 0)
}

/** The bytes of a BIT STRING whose length is a whole number of bytes, or null. */
export function bitStringBytesOf(node: DerNode | undefined): Uint8Array | null {
  if (node?.tag !== TAG.bitString || node.content[0] !== 0) return null
  return node.content.subarray(1)
}

/** Text of a UTF8String, PrintableString or IA5String, or null. */
export function textOf(node: DerNode | undefined): string | null {
  if (node === undefined) return null
  if (node.tag === TAG.utf8String) return fromUtf8(node.content)
  if (node.tag !== TAG.printableString && node.tag !== TAG.ia5String) return null
  return node.content.every((byte) => byte < 0x80) ? fromUtf8(node.content) : null
}

const UTC_TIME = /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/
const GENERALIZED_TIME = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/

/** Unix seconds of a Time in the two forms that RFC 5280 §4.1.2.5 allows (Zulu, with seconds), or null. */
export function timeOf(node: DerNode | undefined): number | null {
  if (node?.tag !== TAG.utcTime && node?.tag !== TAG.generalizedTime) return null
  const text = fromUtf8(node.content)
  if (text === null) return null
  const match = (node.tag === TAG.utcTime ? UTC_TIME : GENERALIZED_TIME).exec(text)
  if (match === null) return null
  const [, yearText, month, day, hour, minute, second] = match
  const digits = Number(yearText)
  const year = node.tag === TAG.generalizedTime ? digits : digits + (digits >= 50 ? 1900 : 2000)
  // Date.UTC reads years below 100 as 19xx, and no certificate is older than the format.
  if (year < 1950) return null
  const iso = `${year}-${month}-${day}T${hour}:${minute}:${second}.000Z`
  const milliseconds = Date.parse(iso)
  // Date.parse rolls 31 February over into March in some engines: only what prints back as it came is a date.
  if (Number.isNaN(milliseconds) || new Date(milliseconds).toISOString() !== iso) return null
  return milliseconds / 1000
}
