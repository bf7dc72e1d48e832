/**
 * Lower-case hexadecimal, the only spelling of bytes in Countersign's documents, as branded types.
 *
 * @module
 */

declare const hexBrand: unique symbol

/** Lower-case hex of exactly 32 bytes. */
export type Hex32 = string & { readonly [hexBrand]: 32 }

/** `sha256:` followed by 64 lower-case hex digits. */
export type Sha256Digest = string & { readonly [hexBrand]: 'sha256' }

const HEX_32 = /^[0-9a-f]{64}$/
const SHA256_DIGEST = /^sha256:[0-9a-f]{64}$/
const DIGITS = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, '0'))

export function isHex32(value: unknown): value is Hex32 {
  return typeof value === 'string' && HEX_32.test(value)
}

export function isSha256Digest(value: unknown): value is Sha256Digest {
  return typeof value === 'string' && SHA256_DIGEST.test(value)
}

export function toHex(bytes: Uint8Array): string {
  let out = ''
  for (const byte of bytes) out += DIGITS[byte] ?? ''
  return out
}

const NOT_A_DIGIT = 0xff
/** Values of the lower-case hex digits by character code. */
const NIBBLES = new Uint8Array(128).fill(NOT_A_DIGIT)
for (let i = 0; i < 16; i++) NIBBLES[i.toString(16).charCodeAt(0)] = i

/** @returns the bytes, or null where `text` is not lower-case hex of an even length */
export function fromHex(text: string): Uint8Array | null {
  if (text.length % 2 !== 0) return null
  const out = new Uint8Array(text.length / 2)
  for (let i = 0; i < out.length; i++) {
    const high = NIBBLES[text.charCodeAt(2 * i)] ?? NOT_A_DIGIT
    const low = NIBBLES[text.charCodeAt(2 * i + 1)] ?? NOT_A_DIGIT
    if (high === NOT_A_DIGIT || low === NOT_A_DIGIT) return null
    out[i] = high * 16 + low
  }
  return out
}

/** The 32 bytes behind a value already known to be a {@link Hex32}. */
export function hex32Bytes(value: Hex32): Uint8Array {
  const bytes = fromHex(value)
  if (bytes === null) throw new TypeError('a Hex32 holds lower-case hex by construction')
  return bytes
}

/** @throws TypeError where `bytes` is not 32 bytes long: a bug of the caller */
export function toHex32(bytes: Uint8Array): Hex32 {
  if (bytes.length !== 32) throw new TypeError(`expected 32 bytes, got ${bytes.length}`)
  return toHex(bytes) as Hex32
}

/** Spells a SHA-256 value as `sha256:<hex>`. */
export function toSha256Digest(bytes: Uint8Array): Sha256Digest {
  return `sha256:${toHex32(bytes)}` as Sha256Digest
}

/** The same from 64 lower-case hex digits that a hash function gave. */
export function hexToSha256Digest(hex: string): Sha256Digest {
  if (hex.length !== 64) throw new TypeError(`expected 64 hex digits, got ${hex.length}`)
  return `sha256:${hex}` as Sha256Digest
}

/** The 64 hex digits of a digest. */
export function digestHex(digest: Sha256Digest): string {
  return digest.slice('sha256:'.length)
}
