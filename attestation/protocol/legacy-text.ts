/**
 * The legacy text `sha256(request):sha256(response)` of the vllm-proxy family and of 0G, and its two signatures:
 * EIP-191 (`personal_sign`, version 0x45) over the text, and pure Ed25519 over its UTF-8 bytes.
 *
 * @module
 */
import type { CryptoPort } from '../crypto/port.ts'
import { digestHex, toHex } from './hex.ts'
import type { Sha256Digest } from './hex.ts'
import { toUtf8 } from './utf8.ts'

const TWO_PART = /^[0-9a-f]{64}:[0-9a-f]{64}$/

/** @param request digest of the body received  @param response digest of every byte sent, framing included */
export function legacyText(request: Sha256Digest, response: Sha256Digest): string {
  return `${digestHex(request)}:${digestHex(response)}`
}

/** The two hashes of a two-part text, as lower-case hex; null for any other layout. */
export function parseLegacyText(
  text: string,
): { readonly request: string; readonly response: string } | null {
  if (!TWO_PART.test(text)) return null
  return { request: text.slice(0, 64), response: text.slice(65) }
}

/** EIP-191: `\x19Ethereum Signed Message:\n` ‖ decimal byte length ‖ text. */
export function eip191Message(text: string): Uint8Array<ArrayBuffer> {
  const bytes = toUtf8(text)
  const prefix = toUtf8(`\x19Ethereum Signed Message:\n${bytes.length}`)
  const message = new Uint8Array(prefix.length + bytes.length)
  message.set(prefix)
  message.set(bytes, prefix.length)
  return message
}

/** Lower-case `0x` address of an uncompressed secp256k1 point (x ‖ y, 64 bytes). */
export function addressOf(point: Uint8Array, crypto: CryptoPort): string {
  return `0x${toHex(crypto.keccak256(point).subarray(12))}`
}

/** EIP-55 spelling of a lower-case `0x` address. */
export function checksumAddress(address: string, crypto: CryptoPort): string {
  const digits = address.slice(2).toLowerCase()
  const hash = toHex(crypto.keccak256(toUtf8(digits)))
  let out = '0x'
  for (let i = 0; i < digits.length; i++) {
    const digit = digits.charAt(i)
    out += Number.parseInt(hash.charAt(i), 16) >= 8 ? digit.toUpperCase() : digit
  }
  return out
}

/**
 * The lower-case address that signed `text`, from a `0x` signature r ‖ s ‖ v with v in {27, 28}.
 *
 * @returns null where the signature is malformed, not low-s (EIP-2: a second valid spelling of one signature), or
 *   recovers to no key
 */
export function recoverEip191(text: string, signature: string, crypto: CryptoPort): string | null {
  if (!/^0x[0-9a-f]{130}$/.test(signature)) return null
  const v = Number.parseInt(signature.slice(130), 16)
  if (v !== 27 && v !== 28) return null
  const s = BigInt(`0x${signature.slice(66, 130)}`)
  if (s > SECP256K1_HALF_ORDER) return null
  const compact = new Uint8Array(64)
  for (let i = 0; i < 64; i++) {
    compact[i] = Number.parseInt(signature.slice(2 + 2 * i, 4 + 2 * i), 16)
  }
  const digest = crypto.keccak256(eip191Message(text))
  const point = crypto.recoverSecp256k1(digest, compact, v - 27)
  return point === null ? null : addressOf(point, crypto)
}

/** SEC 2 §2.4.1: half of the group order n. */
const SECP256K1_HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0n
