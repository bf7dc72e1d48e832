/**
 * Salted digests of content, request members and body hashes.
 *
 * Without the salt a digest of a short answer is a dictionary entry: whoever holds the receipt could try likely texts.
 * The salt is the receipt's opening, 32 bytes that stand in no signed or public document and go to the user alone.
 *
 * @module
 */
import type { CryptoPort } from '../crypto/port.ts'
import { hexToSha256Digest } from './hex.ts'
import type { Sha256Digest } from './hex.ts'
import { toUtf8 } from './utf8.ts'

export type SaltedPurpose =
  'countersign.content.v1' | 'countersign.member.v1' | 'countersign.bodies.v1'

/** Length of the opening in bytes. */
export const OPENING_BYTES = 32

/**
 * SHA-256(purpose ‖ 0x00 ‖ salt ‖ canonical).
 *
 * @param salt 32 bytes
 * @param canonical JCS text
 */
export function saltedDigest(
  purpose: SaltedPurpose,
  salt: Uint8Array,
  canonical: string,
  crypto: CryptoPort,
): Sha256Digest {
  const head = HEADS[purpose]
  const prefix = new Uint8Array(head.length + salt.length)
  prefix.set(head)
  prefix.set(salt, head.length)
  return hexToSha256Digest(crypto.sha256Text(prefix, canonical))
}

/** purpose ‖ 0x00 */
const HEADS: Readonly<Record<SaltedPurpose, Uint8Array>> = {
  'countersign.content.v1': toUtf8('countersign.content.v1\0'),
  'countersign.member.v1': toUtf8('countersign.member.v1\0'),
  'countersign.bodies.v1': toUtf8('countersign.bodies.v1\0'),
}
