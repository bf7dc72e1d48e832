/**
 * One tag-length-value in DER (ITU-T X.690 §8.1, §10.1), for the few structures that a verifier writes itself.
 *
 * @module
 */
import { TAG } from './der.ts'

/** A length below it stands in one octet (X.690 §8.1.3.4). */
const LONG_FORM = 0x80

function lengthOctets(length: number): readonly number[] {
  if (length < LONG_FORM) return [length]
  const octets: number[] = []
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) octets.unshift(rest % 256)
  return [LONG_FORM | octets.length, ...octets]
}

/**
 * @param tag identifier octet, e.g. 0x30 for SEQUENCE
 * @param parts content, in order; members of a constructed type are encodings themselves
 */
export function encodeDer(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0)
  const header = [tag, ...lengthOctets(length)]
  const out = new Uint8Array(header.length + length)
  out.set(header)
  let offset = header.length
  for (const part of parts) {
    out.set(part, offset)
    offset += part.length
  }
  return out
}

function base128(arc: number): readonly number[] {
  const octets = [arc % 128]
  for (let rest = Math.floor(arc / 128); rest > 0; rest = Math.floor(rest / 128)) {
    octets.unshift(0x80 | (rest % 128))
  }
  return octets
}

/** OBJECT IDENTIFIER (X.690 §8.19). @param dotted with arcs that fit a number exactly */
export function encodeOid(dotted: string): Uint8Array {
  const [first = 0, second = 0, ...arcs] = dotted.split('.').map(Number)
  return encodeDer(TAG.oid, Uint8Array.from([40 * first + second, ...arcs].flatMap(base128)))
}
