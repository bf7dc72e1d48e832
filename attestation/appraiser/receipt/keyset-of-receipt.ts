/**
 * Which keyset a receipt is to be judged by.
 *
 * @module
 */
import type { Sha256Digest } from '../../protocol/hex.ts'
import { parseAnyReceipt } from './parse-any-receipt.ts'

/** The keyset that a receipt names; null where it cannot be read, which its own checks then say. */
export function keysetOfReceipt(receipt: string | Uint8Array): Sha256Digest | null {
  const parsed = parseAnyReceipt(receipt)
  return parsed.ok ? parsed.receipt.record.keyset_digest : null
}
