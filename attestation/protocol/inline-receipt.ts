/**
 * The receipt inside the answer it is about, for who asked for it (docs/protocol.md §9.1): in a stream as comments
 * (WHATWG HTML §9.2.6) before the terminator, with a buffered answer as a header.
 *
 * In comments it is base64url, so that no reader that splits lines at other characters than SSE does finds another line in it, and
 * cut into pieces, so that no line is longer than what intermediaries read at once.
 *
 * @module
 */
import { decodeBase64Url } from './base64.ts'
import { fromUtf8 } from './utf8.ts'

/** What a client says in `X-Countersign-Inline`. */
export const INLINE_WANTED = 'receipt'
/** How each line of it begins; `i/n`, a space and the i-th of n pieces follow. */
export const INLINE_PREFIX = ': countersign-receipt '
/** Characters of one piece. */
export const INLINE_PIECE_LENGTH = 4096
/** Bytes of a receipt that goes into a stream; a longer one has to be fetched. */
export const MAX_INLINE_RECEIPT_BYTES = 64 * 1024
/** Pieces of the longest. */
export const MAX_INLINE_PIECES = Math.ceil((MAX_INLINE_RECEIPT_BYTES * 4) / 3 / INLINE_PIECE_LENGTH)
/** The header of a buffered answer: the receipt's text, where that is printable ASCII. */
export const INLINE_HEADER = 'X-Countersign-Receipt'
/**
 * Characters in it, so that all headers of an answer stay within 4 KiB: nginx reads no more of an upstream's by default, and
 * answers 502. A longer receipt has to be fetched.
 */
export const MAX_INLINE_HEADER_LENGTH = 3 * 1024

/** @param text base64url without padding. @returns the receipt's text, or null where `text` is no other one's one spelling */
export function decodeInlineReceipt(text: string): string | null {
  if (text.length > MAX_INLINE_PIECES * INLINE_PIECE_LENGTH) return null
  const bytes = decodeBase64Url(text)
  return bytes === null || bytes.length === 0 ? null : fromUtf8(bytes)
}
