/**
 * What a measurement does to a register.
 *
 * @module
 */
import type { CryptoPort } from '../../crypto/port.ts'

/** @returns SHA-384(register ‖ digest), 48 bytes (Intel TDX module ABI, TDG.MR.RTMR.EXTEND) */
export function extendRegister(
  register: Uint8Array,
  digest: Uint8Array,
  crypto: CryptoPort,
): Uint8Array {
  const input = new Uint8Array(register.length + digest.length)
  input.set(register)
  input.set(digest, register.length)
  return crypto.sha384(input)
}
