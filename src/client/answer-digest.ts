/**
 * The content digest of an answer of which only an SDK's object is left.
 *
 * @module
 */
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { contentDigest } from '../../attestation/protocol/content.ts'
import type { ContentStatus } from '../../attestation/protocol/content.ts'
import { contentKindOf, contentOfEvents } from '../../attestation/protocol/content-kinds.ts'
import { fromHex } from '../../attestation/protocol/hex.ts'
import type { Sha256Digest } from '../../attestation/protocol/hex.ts'
import { OPENING_BYTES } from '../../attestation/protocol/salted-digest.ts'

/** The object an SDK made of an answer, or the events of a stream in order of arrival. */
export type HeldAnswer = {
  /** As the receipt has it: `/v1/chat/completions`. */
  readonly endpoint: string
} & (
  | { readonly answer: unknown; readonly events?: undefined }
  | { readonly events: Iterable<unknown>; readonly answer?: undefined }
)

export interface AnswerDigest {
  /** To compare with `content_digest` in the receipt's event `countersign.record`; null where `status` is `ambiguous` or `none`. */
  readonly digest: Sha256Digest | null
  /** `none`, too, for an endpoint whose answers are attested to by their bytes alone. */
  readonly status: ContentStatus
  /** Members of the answer that the digest does not speak for. One that the event's `content_uncovered` does not name was added on the way. */
  readonly uncovered: readonly string[]
}

/**
 * Equal to the receipt's `content_digest` if the answer says what the enclave saw (docs/protocol.md §6.1, §6.2). It shows nothing by
 * itself: whether the receipt is genuine is for `verifyReceipt` of `countersign/appraiser`.
 *
 * @param opening 64 hex digits, as `verdict.opening`, `X-Countersign-Opening` and the receipt's route give it
 * @throws TypeError for an opening that is none: a digest made with another would read as a forged answer
 */
export function answerDigest(
  { endpoint, answer, events }: HeldAnswer,
  opening: string,
): AnswerDigest {
  const salt = typeof opening === 'string' ? fromHex(opening) : null
  if (salt?.length !== OPENING_BYTES) throw new TypeError('an opening has 64 hex digits')
  const kind = contentKindOf(endpoint)
  if (kind === null) return { digest: null, status: 'none', uncovered: [] }
  const { content, status, uncovered } = contentOfEvents(kind, events ?? [answer], nodeCrypto)
  const digest = content === null ? null : contentDigest(content, salt, nodeCrypto)
  // A text that is not well-formed Unicode has no digest.
  return digest === null && content !== null
    ? { digest, status: 'none', uncovered: [] }
    : { digest, status, uncovered }
}
