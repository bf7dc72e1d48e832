/**
 * Where a TDX quote carries its report data: version 4 at 568, version 5 at 574 because of its six-byte body header
 * (Intel TDX DCAP Quoting Library API, appendix "Quote Format"). Only to see that the agent quoted what was asked;
 * judging a quote is the appraiser's work.
 *
 * @module
 */

/** Bytes of report data in every TDX report. */
export const REPORT_DATA_BYTES = 64

const HEADER_BYTES = 48
const BODY_HEADER_BYTES = 6
const OFFSET_IN_BODY = 520
const TEE_TYPE_TDX = 0x81

/** @returns a copy of the 64 bytes, or null where this is no TDX quote of version 4 or 5 */
export function readReportData(quote: Uint8Array): Uint8Array | null {
  if (quote.length < HEADER_BYTES) return null
  const view = new DataView(quote.buffer, quote.byteOffset, quote.byteLength)
  const version = view.getUint16(0, true)
  if ((version !== 4 && version !== 5) || view.getUint32(4, true) !== TEE_TYPE_TDX) return null
  const start = HEADER_BYTES + (version === 5 ? BODY_HEADER_BYTES : 0) + OFFSET_IN_BODY
  const end = start + REPORT_DATA_BYTES
  return quote.length < end ? null : quote.slice(start, end)
}
