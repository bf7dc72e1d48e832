/**
 * Writes a receipt into the answer it is about: see `attestation/protocol/inline-receipt.ts`.
 *
 * @module
 */
import {
  INLINE_HEADER,
  INLINE_PIECE_LENGTH,
  INLINE_PREFIX,
  MAX_INLINE_HEADER_LENGTH,
  MAX_INLINE_RECEIPT_BYTES,
} from '../../attestation/protocol/inline-receipt.ts'

/** Comments to be put between two events. @returns nothing for a receipt that is too long */
export function inlineComments(receipt: string): Buffer {
  const bytes = Buffer.from(receipt)
  if (bytes.length > MAX_INLINE_RECEIPT_BYTES) return Buffer.alloc(0)
  const text = bytes.toString('base64url')
  const count = Math.ceil(text.length / INLINE_PIECE_LENGTH)
  const lines = Array.from({ length: count }, (_, i) => {
    const piece = text.slice(i * INLINE_PIECE_LENGTH, (i + 1) * INLINE_PIECE_LENGTH)
    return `${INLINE_PREFIX}${i + 1}/${count} ${piece}\n`
  })
  return Buffer.from(`${lines.join('')}\n`)
}

/** Name and value for `writeHead`. @returns nothing for a receipt that is too long, or holds what a header must not */
export function inlineHeader(receipt: string): readonly string[] {
  const fits = receipt.length <= MAX_INLINE_HEADER_LENGTH && /^[\x20-\x7e]*$/.test(receipt)
  return fits ? [INLINE_HEADER, receipt] : []
}
