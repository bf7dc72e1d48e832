/**
 * What the event loop and a worker thread say to each other about large bodies.
 *
 * @module
 */
import type { Sha256Digest } from '../../../attestation/protocol/hex.ts'
import type { RewriteName } from '../../../attestation/protocol/record.ts'
import type { RequestMember } from '../../../attestation/protocol/request-members.ts'
import type { AttestedContent } from '../../../enclave/receipts/attest-content.ts'
import type { ServiceErrorCode } from '../../errors.ts'
import type { ChatFacts } from '../chat-observer.ts'
import type { RequestRules } from '../read-request.ts'

export interface RequestJob {
  readonly kind: 'request'
  /** Handed over. */
  readonly pieces: readonly Uint8Array[]
  readonly contentType: string
  readonly endpoint: string
  readonly rules: RequestRules
  /** The receipt's opening. */
  readonly salt: Uint8Array
}

export interface AnswerJob {
  readonly kind: 'answer'
  /** As sent; handed over. */
  readonly pieces: readonly Uint8Array[]
  /** Without Content-Encoding, where there was one; null where that failed. */
  readonly decoded: Uint8Array | null | undefined
  readonly endpoint: string
  readonly choices: number
  readonly salt: Uint8Array
}

/** Of what arrived of a body that did not arrive whole. */
export interface HashJob {
  readonly kind: 'hash'
  readonly pieces: readonly Uint8Array[]
}

export type BodyJob = RequestJob | AnswerJob | HashJob

/** A `RequestReading` without what stays in the thread. */
export interface ReadingAnswer {
  readonly part: 'reading'
  readonly job: number
  readonly last: false
  readonly requestHash: Sha256Digest
  readonly model: string | null
  readonly verdict:
    | {
        readonly ok: true
        readonly choices: number
        /** Handed back. */
        readonly forward: Uint8Array
        readonly forwardedHash: Sha256Digest
        readonly rewrites: readonly RewriteName[]
      }
    | { readonly ok: false; readonly code: ServiceErrorCode }
}

/** Follows the reading, when the request is on its way. */
export interface MembersAnswer {
  readonly part: 'members'
  readonly job: number
  readonly last: true
  readonly members: readonly RequestMember[] | null
}

export interface AnswerAnswer {
  readonly part: 'answer'
  readonly job: number
  readonly last: true
  readonly responseHash: Sha256Digest
  readonly complete: boolean
  /** But for the content, of which the digest is enough. */
  readonly facts: Omit<ChatFacts, 'content'>
  readonly content: AttestedContent
  /** Handed back. */
  readonly body: Uint8Array
}

export interface HashAnswer {
  readonly part: 'hash'
  readonly job: number
  readonly last: true
  readonly hash: Sha256Digest
}

export type BodyAnswer = ReadingAnswer | MembersAnswer | AnswerAnswer | HashAnswer

const PARTS = new Set<unknown>(['reading', 'members', 'answer', 'hash'])

/** Both ends are this package's own; this tells an answer from a message of anybody else's making. */
export function isBodyAnswer(value: unknown): value is BodyAnswer {
  return (
    typeof value === 'object' &&
    value !== null &&
    'part' in value &&
    PARTS.has(value.part) &&
    'job' in value &&
    typeof value.job === 'number'
  )
}
