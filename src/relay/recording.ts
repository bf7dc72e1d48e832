/**
 * Between the relay, which moves bytes, and the enclave, which signs what it was told.
 *
 * The relay knows only these interfaces, so that a benchmark can put one in their place that reads and signs nothing.
 *
 * @module
 */
import type { Outcome } from '../../attestation/protocol/record.ts'
import type { Ownership } from '../../enclave/receipts/receipt-store.ts'
import type { ServiceErrorCode } from '../errors.ts'
import type { AnswerWishes } from './answer-wishes.ts'
import type { Gathered } from './large/gather.ts'
import type { RelayRoute } from './relay-routes.ts'

export interface RequestFacts {
  readonly model: string | null
  /** Bytes to send upstream: those received, but for a recorded rewrite. */
  readonly forward: Buffer
}

export type ReadResult =
  | { readonly ok: true; readonly facts: RequestFacts }
  | { readonly ok: false; readonly code: ServiceErrorCode }
  /** A fault of ours lost the body before anybody hashed it: no receipt can say what the request was. */
  | { readonly ok: false; readonly code: 'internal_error'; readonly lost: true }

export interface Settlement {
  readonly outcome: Outcome
  readonly status: number
  readonly backend: string | null
  /** Something was sent upstream. */
  readonly forwarded: boolean
  readonly whole: boolean
  /** Comments of our own went into the stream. */
  readonly keptAlive?: boolean
}

/** One admitted request. */
export interface Recording {
  readonly receiptId: string
  /** Bytes of the response body so far. */
  readonly responseBytes: number
  /** Names and values in turn, for `writeHead`. */
  readonly headers: readonly string[]
  /**
   * A promise, which does not reject, where the body is large.
   * @param contentType as the client stated it
   */
  readRequest(body: Gathered, contentType: string): ReadResult | Promise<ReadResult>
  /** Digests the request's members and lets go of the parsed body; called once it is on its way, so that nothing waits. */
  digestRequest(): void
  /** The request body did not arrive whole, or was too large: only its hash as far as it came is recorded. */
  cutRequest(body: Gathered): void
  /**
   * Takes a piece of a stream that came from upstream. True: write it to the client now, it belongs to the bytes under the
   * receipt. False: it could end the answer in a client's eyes; hold it, and call {@link sent} when it is written.
   */
  pass(chunk: Buffer): boolean
  /** Nothing more is to be awaited of a stream whose pieces are held. */
  readonly terminated: boolean
  /** A piece that was held is being written. */
  sent(chunk: Buffer): void
  /**
   * The whole buffered answer. A promise must be awaited before {@link complete} is asked for; where it rejects nobody knows
   * what the answer says.
   *
   * @param decoded it without Content-Encoding, where it has one; null where that failed
   * @returns its bytes: those of a large one lie elsewhere now
   */
  buffered(body: Gathered, decoded?: Buffer | null): Promise<Buffer> | Buffer
  /** The answer ended as its API says an answer ends. */
  readonly complete: boolean
  /** Called once. A promise must be awaited before the last byte leaves. */
  settle(settlement: Settlement): Promise<void> | null
  /** The receipt goes into the answer. */
  readonly inline: boolean
  /** It, once it is settled; null where none was asked for. */
  readonly inlineReceipt: string | null
  /** What a buffered answer carries on request, once it is settled: names and values in turn. */
  wishedHeaders(status: number): readonly string[]
}

export interface AdmittedRequest {
  readonly ownership: Ownership
  readonly challenge: string | null
  readonly route: RelayRoute
  readonly method: string
  /** Null: nothing is asked for beside the answer. */
  readonly wishes: AnswerWishes | null
}

export interface Recorder {
  admit(request: AdmittedRequest): Recording
}
