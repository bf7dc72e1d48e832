/**
 * Hashes of the Merkle tree of RFC 6962 §2.1. The first byte keeps a node from being passed off as a leaf.
 *
 * @module
 */
import type { CryptoPort } from '../crypto/port.ts'

export const HASH_BYTES = 32

/** H(0x00 ‖ leaf) */
export function leafHash(leaf: Uint8Array, crypto: CryptoPort): Uint8Array {
  const input = new Uint8Array(1 + leaf.length)
  input.set(leaf, 1)
  return crypto.sha256(input)
}

/** H(0x01 ‖ left ‖ right), of two hashes of 32 bytes. */
export function nodeHash(left: Uint8Array, right: Uint8Array, crypto: CryptoPort): Uint8Array {
  const input = new Uint8Array(1 + 2 * HASH_BYTES)
  input[0] = 0x01
  input.set(left, 1)
  input.set(right, 1 + HASH_BYTES)
  return crypto.sha256(input)
}
