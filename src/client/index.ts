/**
 * For applications: a `fetch` that verifies every answer of a Countersign service.
 *
 * @module
 */
export { contentOfChunks, contentOfCompletion } from '../../attestation/protocol/chat-content.ts'
export { contentDigest } from '../../attestation/protocol/content.ts'
export {
  contentKindOf,
  contentOfBody,
  contentOfEvents,
} from '../../attestation/protocol/content-kinds.ts'
export { VerificationError } from './verification-error.ts'
export { verified } from './verified.ts'

export type { Check } from '../../attestation/appraiser/check.ts'
export type { CheckCode } from '../../attestation/appraiser/codes.ts'
export type { AppraisalPolicy } from '../../attestation/appraiser/policy.ts'
export type { ReceiptLevel } from '../../attestation/appraiser/receipt/verify-receipt.ts'
export type { ClientVerdict } from './verification-error.ts'
export type { VerifiedOptions } from './create-client.ts'
