/**
 * What is known of one relayed request when it is over: when things happened, how much there was, how it ended. Nothing of
 * what was said, and nothing that tells one user from another.
 *
 * It is on the hot path, so it does nothing for a piece of a stream: it notes times as the exchange passes through its
 * phases, and hands itself over once.
 *
 * @module
 */
import { performance } from 'node:perf_hooks'
import type { Outcome } from '../../attestation/protocol/record.ts'
import type { ServiceErrorCode } from '../errors.ts'

/** Seconds are of wall time. Null where the request did not come that far. */
export interface RequestSummary {
  readonly receiptId: string
  /** The canonical endpoint, one of the route table. */
  readonly route: string
  readonly outcome: Outcome
  /** The error of our own that was answered. */
  readonly code: ServiceErrorCode | null
  readonly status: number
  readonly streamed: boolean
  readonly upstream: string | null
  readonly requestBytes: number
  readonly responseBytes: number
  /** From the request's headers to the end of its settlement. */
  readonly seconds: number
  /** From the request's headers to the upstream's response headers. */
  readonly firstByteSeconds: number | null
  /** In the line for a connection to the upstream. */
  readonly queuedSeconds: number
  /**
   * What the relay itself added: from the last byte of the request to its dispatch, the line left out, and from the
   * upstream's last byte to the moment when the client's last byte was handed to the socket.
   */
  readonly overheadSeconds: number | null
  /** Making the record, signing it and storing it. */
  readonly signingSeconds: number
  /** The store took the receipt. */
  readonly stored: boolean
}

export interface AccountSink {
  /** The answer is a stream, and it has begun; `over` follows with `streamed`. */
  streamBegan(): void
  /** Called once for each admitted request, after its last byte was written. */
  over(summary: RequestSummary): void
}

export interface Settled {
  readonly receiptId: string
  readonly outcome: Outcome
  readonly status: number
  readonly upstream: string | null
  readonly responseBytes: number
}

export class Account {
  readonly #route: string
  readonly #sink: AccountSink
  readonly #arrived = performance.now()
  #requestBytes = 0
  #read: number | null = null
  #queued: number | null = null
  #dispatched: number | null = null
  #answered: number | null = null
  #streamed = false
  #ended: number | null = null
  #settling = 0
  #code: ServiceErrorCode | null = null

  constructor(route: string, sink: AccountSink) {
    this.#route = route
    this.#sink = sink
  }

  /** The request body is here, as far as it came. */
  read(bytes: number): void {
    this.#requestBytes = bytes
    this.#read = performance.now()
  }

  /** The request waits for a connection. */
  queued(): void {
    this.#queued = performance.now()
  }

  /** It goes to an upstream; only the first of its addresses counts. */
  dispatched(): void {
    this.#dispatched ??= performance.now()
  }

  /** The upstream's response headers are here. */
  answered(streamed: boolean): void {
    this.#answered = performance.now()
    this.#streamed = streamed
    if (streamed) this.#sink.streamBegan()
  }

  /** Nothing more comes from upstream, or nothing more of it is wanted. */
  ended(): void {
    this.#ended ??= performance.now()
  }

  /** An error of our own is answered. */
  failed(code: ServiceErrorCode): void {
    this.#code = code
  }

  /** The outcome is known and is being recorded. */
  settling(): void {
    this.ended()
    this.#settling = performance.now()
  }

  /** @param written called between the settlement and the handing over: writes the answer's last bytes */
  settled(facts: Settled, stored: boolean, written: () => void): void {
    const settledAt = performance.now()
    written()
    const now = performance.now()
    const ended = this.#ended ?? now
    const sentAt = this.#dispatched
    const leftAt = this.#queued ?? sentAt
    const queued = this.#queued === null ? 0 : (sentAt ?? ended) - this.#queued
    const before = this.#read === null || leftAt === null ? null : leftAt - this.#read
    this.#sink.over({
      receiptId: facts.receiptId,
      route: this.#route,
      outcome: facts.outcome,
      code: this.#code,
      status: facts.status,
      streamed: this.#streamed,
      upstream: facts.upstream,
      requestBytes: this.#requestBytes,
      responseBytes: facts.responseBytes,
      seconds: (now - this.#arrived) / 1000,
      firstByteSeconds: this.#answered === null ? null : (this.#answered - this.#arrived) / 1000,
      queuedSeconds: queued / 1000,
      overheadSeconds: before === null || sentAt === null ? null : (before + (now - ended)) / 1000,
      signingSeconds: (settledAt - this.#settling) / 1000,
      stored,
    })
  }
}
