/**
 * Compares the 64 bytes that a quote was made over with those that a report's layout gives.
 *
 * @module
 */
import type { CryptoPort } from '../../crypto/port.ts'
import { toHex } from '../../protocol/hex.ts'
import { fail, pass, skip } from '../check.ts'
import type { Check } from '../check.ts'
import { onlyIfGenuine } from '../quote/only-if-genuine.ts'
import type { TdxEvidenceAppraisal } from './appraise-tdx-evidence.ts'

export const REPORT_DATA_BYTES = 64

/** Left-aligned in 64 bytes, zeros behind: how the guest agent pads. */
export function slotOf(...parts: readonly Uint8Array[]): Uint8Array {
  const slot = new Uint8Array(REPORT_DATA_BYTES)
  let offset = 0
  for (const part of parts) {
    slot.set(part, offset)
    offset += part.length
  }
  return slot
}

/** @param expected 64 bytes; null where they could not be put together */
export function verifyReportData(
  expected: Uint8Array | null,
  evidence: Pick<TdxEvidenceAppraisal, 'quote' | 'genuine'>,
  proves: string,
  crypto: CryptoPort,
): Check[] {
  const id = 'report.binding'
  const { quote, genuine } = evidence
  if (quote === null || expected === null) return [skip(id, 'depends_on_failed', proves)]
  const check = crypto.equal(quote.reportData, expected)
    ? pass(id, proves)
    : fail(id, 'report_data_mismatch', proves, `quoted ${toHex(quote.reportData)}`)
  return onlyIfGenuine([check], genuine)
}
