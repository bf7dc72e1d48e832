/**
 * Whether two encodings of a receipt are of one record, where somebody shows both: each may be genuine, and be of another answer.
 *
 * @module
 */
import type { CryptoPort } from '../../crypto/port.ts'
import { canonicalize } from '../../protocol/jcs.ts'
import { recordHash } from '../../protocol/record.ts'
import { fail, pass, skip } from '../check.ts'
import type { Check } from '../check.ts'
import { parseAnyReceipt } from './parse-any-receipt.ts'
import type { ParsedReceipt } from './read-record.ts'

const ID = 'receipt.encodings'
const PROVES = 'Both encodings of the receipt are of one record and show the same bodies.'

/** Hashes are recomputed: what a receipt states of itself is the matter of its own checks. */
function shownBy({ record, bodies, whole }: ParsedReceipt, crypto: CryptoPort): string {
  const hashes = bodies === null ? null : { ...bodies, whole }
  return canonicalize({ bodies: hashes, record_hash: recordHash(record, crypto) })
}

/**
 * Signatures are not looked at; each of the two has to be verified for itself.
 *
 * @param text of an ACI receipt or view
 * @param message a COSE_Sign1
 * @returns one check, `receipt.encodings`; skipped where one of them cannot be read. Never throws on any of them
 */
export function judgeEncodings(text: string, message: Uint8Array, crypto: CryptoPort): Check {
  const [aci, cose] = [parseAnyReceipt(text), parseAnyReceipt(message)]
  if (!aci.ok || !cose.ok) return skip(ID, 'depends_on_failed', PROVES)
  return shownBy(aci.receipt, crypto) === shownBy(cose.receipt, crypto)
    ? pass(ID, PROVES)
    : fail(ID, 'receipt_encodings_differ', PROVES)
}
