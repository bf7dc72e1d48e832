/**
 * For applications: a `fetch` that verifies every answer of a Countersign service.
 *
 * @module
 */
export { answerDigest } from './answer-digest.ts'
export { VerificationError } from './verification-error.ts'
export { verified } from './verified.ts'

export type { Check } from '../../attestation/appraiser/check.ts'
export type { CheckCode } from '../../attestation/appraiser/codes.ts'
export type { AppraisalPolicy } from '../../attestation/appraiser/policy.ts'
export type { ContentStatus } from '../../attestation/protocol/content.ts'
export type { Sha256Digest } from '../../attestation/protocol/hex.ts'
export type { ReceiptLevel } from '../../attestation/appraiser/receipt/verify-receipt.ts'
export type { AnswerDigest, HeldAnswer } from './answer-digest.ts'
export type { ClientVerdict } from './verification-error.ts'
export type { VerifiedOptions } from './create-client.ts'
