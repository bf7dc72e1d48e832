/**
 * What the verified fetch says about one exchange, and the error that it becomes.
 *
 * @module
 */
import type { Check } from '../../attestation/appraiser/check.ts'
import type { CheckCode } from '../../attestation/appraiser/codes.ts'
import type { ReceiptLevel } from '../../attestation/appraiser/receipt/verify-receipt.ts'
import type { Sha256Digest } from '../../attestation/protocol/hex.ts'
import type { Channel } from '../channel/open-channels.ts'
import type { Outcome } from '../../attestation/protocol/record.ts'

export interface ClientVerdict {
  /** No check failed and the level asked for was reached. */
  readonly accepted: boolean
  /** What was shown, see `verifyReceipt`. */
  readonly level: ReceiptLevel
  /** Of the first check that failed, `ok` where none did. */
  readonly code: CheckCode
  readonly checks: readonly Check[]
  /** Null where the answer named none. */
  readonly receiptId: string | null
  readonly keysetDigest: Sha256Digest | null
  /** The service is a simulation; null where it is not known. */
  readonly simulated: boolean | null
  /** 64 hex digits, of an opening that belongs to the receipt; null where none came that does. */
  readonly opening: string | null
  /** From the receipt; null where it is not known. */
  readonly outcome: Outcome | null
  readonly url: string
  /** `bound`: the request went over a connection that ended on a TLS key of the keyset. Otherwise somebody may have read it. */
  readonly channel: Channel
}

/** An answer, or the service itself, did not verify. */
export class VerificationError extends Error {
  override readonly name = 'VerificationError'
  readonly code: CheckCode
  /** Not enumerable: an error that nobody catches is printed with its members, and this one has some hundred lines. */
  declare readonly verdict: ClientVerdict
  constructor(verdict: ClientVerdict) {
    const failed = verdict.checks.find(({ status }) => status === 'fail')
    const which = failed === undefined ? '' : ` (${failed.id})`
    super(`the answer is not verified: ${verdict.code}${which}`)
    this.code = verdict.code
    Object.defineProperty(this, 'verdict', { value: verdict })
  }
}

/** Code of the first check that failed. */
export function firstFailure(checks: readonly Check[]): CheckCode {
  return checks.find(({ status }) => status === 'fail')?.code ?? 'ok'
}
