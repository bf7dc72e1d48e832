/**
 * What a receipt says of an answer's content: its digest, never the content.
 *
 * @module
 */
import type { CryptoPort } from '../../attestation/crypto/port.ts'
import { contentDigest } from '../../attestation/protocol/content.ts'
import type {
  ContentKind,
  ContentStatus,
  ContentSummary,
} from '../../attestation/protocol/content.ts'
import type { Sha256Digest } from '../../attestation/protocol/hex.ts'

export interface AttestedContent {
  readonly digest: Sha256Digest | null
  readonly kind: ContentKind | 'none'
  readonly status: ContentStatus
  readonly uncovered: readonly string[]
}

export const NO_CONTENT: AttestedContent = Object.freeze({
  digest: null,
  kind: 'none',
  status: 'none',
  uncovered: Object.freeze([]),
})

/** @param salt the receipt's opening */
export function attestContent(
  { content, status, uncovered }: ContentSummary,
  salt: Uint8Array,
  crypto: CryptoPort,
): AttestedContent {
  const digest = content === null ? null : contentDigest(content, salt, crypto)
  if (content === null || digest === null) {
    // A text that is no Unicode has no digest, so that nothing can be said of the content.
    return { ...NO_CONTENT, status: content === null ? status : 'none' }
  }
  return { digest, kind: content.kind, status, uncovered }
}
