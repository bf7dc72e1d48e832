/**
 * Base64 (RFC 4648 §4, padded) and base64url (§5, without padding), strictly: no white space, no non-zero bits behind the last
 * byte. Own code because the verifier runs without Node's Buffer, and because `atob` and forge's decoder take several
 * spellings of one value.
 *
 * @module
 */
const DIGITS_AND_LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'
const NOT_A_DIGIT = 0xff

function valuesOf(alphabet: string): Uint8Array {
  const values = new Uint8Array(128).fill(NOT_A_DIGIT)
  for (let i = 0; i < alphabet.length; i++) values[alphabet.charCodeAt(i)] = i
  return values
}

const BASE64 = valuesOf(`${DIGITS_AND_LETTERS}+/`)
const BASE64URL = valuesOf(`${DIGITS_AND_LETTERS}-_`)

/** @param digits how many characters of `text` are digits */
function decode(text: string, digits: number, values: Uint8Array): Uint8Array | null {
  const out = new Uint8Array(Math.floor((digits * 3) / 4))
  let bits = 0
  let pending = 0
  let length = 0
  for (let i = 0; i < digits; i++) {
    const digit = values[text.charCodeAt(i)] ?? NOT_A_DIGIT
    if (digit === NOT_A_DIGIT) return null
    bits = ((bits << 6) | digit) & 0xffff
    pending += 6
    if (pending >= 8) {
      pending -= 8
      out[length++] = (bits >> pending) & 0xff
    }
  }
  return (bits & ((1 << pending) - 1)) === 0 ? out : null
}

/** @returns the bytes, or null where `text` is not the one base64 spelling of them */
export function decodeBase64(text: string): Uint8Array | null {
  if (text.length % 4 !== 0) return null
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0
  return decode(text, text.length - padding, BASE64)
}

/** @returns the bytes, or null where `text` is not the one unpadded base64url spelling of them (RFC 7515 §2) */
export function decodeBase64Url(text: string): Uint8Array | null {
  return text.length % 4 === 1 ? null : decode(text, text.length, BASE64URL)
}

/** The one padded base64 spelling of the bytes. */
export function encodeBase64(bytes: Uint8Array): string {
  const digit = (value: number): string => `${DIGITS_AND_LETTERS}+/`.charAt(value & 0x3f)
  let out = ''
  for (let i = 0; i < bytes.length; i += 3) {
    const [a = 0, b = 0, c = 0] = bytes.subarray(i, i + 3)
    const left = bytes.length - i
    out += digit(a >> 2) + digit((a << 4) | (b >> 4))
    out += left > 1 ? digit((b << 2) | (c >> 6)) : '='
    out += left > 2 ? digit(c) : '='
  }
  return out
}
