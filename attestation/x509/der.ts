/**
 * Small DER writers over node-forge's ASN.1, which speaks binary strings; bytes go in and out here only.
 *
 * @module
 */
import forge from 'node-forge'

const { asn1 } = forge

/** A node of node-forge's ASN.1 tree. */
export type Node = forge.asn1.Asn1

/** Bytes as the one-character-per-byte string that node-forge works on. */
function toBinary(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
}

function primitive(type: forge.asn1.Type, content: string): Node {
  return asn1.create(asn1.Class.UNIVERSAL, type, false, content)
}

export function sequence(...children: readonly Node[]): Node {
  return asn1.create(asn1.Class.UNIVERSAL, asn1.Type.SEQUENCE, true, [...children])
}

export function set(...children: readonly Node[]): Node {
  return asn1.create(asn1.Class.UNIVERSAL, asn1.Type.SET, true, [...children])
}

/** Context-specific constructed `[tag]` around its children (EXPLICIT when it holds exactly one). */
export function tagged(tag: number, ...children: readonly Node[]): Node {
  return asn1.create(asn1.Class.CONTEXT_SPECIFIC, tag, true, [...children])
}

/** Context-specific primitive `[tag] IMPLICIT` with raw content. */
export function taggedBytes(tag: number, content: Uint8Array): Node {
  return asn1.create(asn1.Class.CONTEXT_SPECIFIC, tag, false, toBinary(content))
}

/** @param magnitude big-endian, non-negative; brought to the shortest two's complement form (X.690 §8.3.2) */
export function unsigned(magnitude: Uint8Array): Node {
  let start = 0
  while (start < magnitude.length - 1 && magnitude[start] === 0) start++
  const digits = magnitude.subarray(start)
  const first = digits[0] ?? 0
  const padded = first >= 0x80 || digits.length === 0 ? [0, ...digits] : digits
  return primitive(asn1.Type.INTEGER, toBinary(Uint8Array.from(padded)))
}

/** @param value 0 to 2^32 − 1 */
export function smallInteger(value: number): Node {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, value)
  return unsigned(bytes)
}

export function enumerated(value: number): Node {
  return primitive(asn1.Type.ENUMERATED, toBinary(Uint8Array.of(value)))
}

export function boolean(value: boolean): Node {
  return primitive(asn1.Type.BOOLEAN, value ? '\xff' : '\x00')
}

/** @param dotted e.g. `2.5.29.19` */
export function oid(dotted: string): Node {
  return primitive(asn1.Type.OID, asn1.oidToDer(dotted).getBytes())
}

export function octetString(content: Uint8Array): Node {
  return primitive(asn1.Type.OCTETSTRING, toBinary(content))
}

/** @param unusedBits of the last byte, 0 to 7 */
export function bitString(content: Uint8Array, unusedBits = 0): Node {
  return primitive(asn1.Type.BITSTRING, String.fromCharCode(unusedBits) + toBinary(content))
}

export function utf8String(text: string): Node {
  return primitive(asn1.Type.UTF8, toBinary(Buffer.from(text, 'utf8')))
}

export function printableString(text: string): Node {
  return primitive(asn1.Type.PRINTABLESTRING, text)
}

const UTC_TIME_ENDS = Date.UTC(2050, 0, 1)

/** UTCTime to the year 2049, GeneralizedTime from 2050 on (RFC 5280 §4.1.2.5). */
export function time(at: Date): Node {
  return at.getTime() < UTC_TIME_ENDS
    ? primitive(asn1.Type.UTCTIME, asn1.dateToUtcTime(at))
    : primitive(asn1.Type.GENERALIZEDTIME, asn1.dateToGeneralizedTime(at))
}

/** Whatever the year, as OCSP wants it (RFC 6960 §4.2.2.1). */
export function generalizedTime(at: Date): Node {
  return primitive(asn1.Type.GENERALIZEDTIME, asn1.dateToGeneralizedTime(at))
}

/** DER that was written elsewhere, embedded as it is. */
export function raw(der: Uint8Array): Node {
  return asn1.fromDer(toBinary(der), true)
}

export function toDer(node: Node): Uint8Array {
  return Uint8Array.from(Buffer.from(asn1.toDer(node).getBytes(), 'latin1'))
}
