/**
 * A receipt in any of its encodings.
 *
 * @module
 */
import { MAX_COSE_RECEIPT_BYTES } from '../../protocol/cose-receipt.ts'
import { requireBytes } from '../required-options.ts'
import { parseCoseReceipt } from './parse-cose-receipt.ts'
import { parseReceipt } from './parse-receipt.ts'
import type { ReceiptResult } from './read-record.ts'

/**
 * Text is an ACI receipt, bytes are a COSE_Sign1: which one is meant is never guessed from what they hold.
 *
 * @throws TypeError for anything else
 */
export function parseAnyReceipt(receipt: string | Uint8Array): ReceiptResult {
  return typeof receipt === 'string'
    ? parseReceipt(receipt)
    : parseCoseReceipt(requireBytes(receipt, 'receipt', MAX_COSE_RECEIPT_BYTES))
}
