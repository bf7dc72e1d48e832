/**
 * Base64 (RFC 4648 §4), strictly: padded, no white space, no non-zero bits behind the last byte. Own code because the
 * verifier runs without Node's Buffer, and because `atob` and forge's decoder take several spellings of one value.
 *
 * @module
 */
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const NOT_A_DIGIT = 0xff
const VALUES = new Uint8Array(128).fill(NOT_A_DIGIT)
for (let i = 0; i < ALPHABET.length; i++) VALUES[ALPHABET.charCodeAt(i)] = i

/** @returns the bytes, or null where `text` is not the one base64 spelling of them */
export function decodeBase64(text: string): Uint8Array | null {
  if (text.length % 4 !== 0) return null
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0
  const digits = text.length - padding
  const out = new Uint8Array((text.length / 4) * 3 - padding)
  let bits = 0
  let pending = 0
  let length = 0
  for (let i = 0; i < digits; i++) {
    const digit = VALUES[text.charCodeAt(i)] ?? NOT_A_DIGIT
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
