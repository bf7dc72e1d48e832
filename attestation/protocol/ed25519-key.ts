/**
 * Which 32 bytes may be an Ed25519 public key (RFC 8032 §5.1.3).
 *
 * Under a key of small order one signature fits many messages, and libraries differ in whether they take such a key or one
 * whose y is not reduced: OpenSSL does, noble does not. Refused here, before either is asked.
 *
 * @module
 */
import { toHex } from './hex.ts'

export const ED25519_KEY_BYTES = 32

/** 2^255 − 19, little-endian without its 0x7f. */
const P_LOW = 0xed

/** y of every point whose order divides 8, little-endian, without the sign bit. */
const SMALL_ORDER_Y: readonly string[] = Object.freeze([
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
])

/** Whether y is at least 2^255 − 19. */
function isUnreduced(y: Uint8Array): boolean {
  return y[31] === 0x7f && y.subarray(1, 31).every((byte) => byte === 0xff) && (y[0] ?? 0) >= P_LOW
}

/** Whether the bytes have the size of a key, are reduced, and are no point of small order. They may still be no point. */
export function isSoundEd25519Key(publicKey: Uint8Array): boolean {
  if (publicKey.length !== ED25519_KEY_BYTES) return false
  const y = Uint8Array.from(publicKey)
  y[31] = (y[31] ?? 0) & 0x7f
  return !isUnreduced(y) && !SMALL_ORDER_Y.includes(toHex(y))
}
