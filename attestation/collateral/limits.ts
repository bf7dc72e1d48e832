/**
 * Sizes, time-outs and retries of the collateral client. None is left to axios, which has no time-out and no size limit of
 * its own.
 *
 * @module
 */

/** Milliseconds for one attempt at one document: name, connection, TLS, headers and body together. */
export const ATTEMPT_MS = 10_000
/** Milliseconds for one document, attempts and pauses included. */
export const DOCUMENT_MS = 45_000
/** Attempts at one document. */
export const MAX_ATTEMPTS = 3
/** Milliseconds before the second attempt; doubled before each further one, and up to half of it added by chance. */
export const FIRST_PAUSE_MS = 500
/** A longer Retry-After ends the attempts: whoever waits for a verdict should hear of it. */
export const MAX_RETRY_AFTER_MS = 20_000

/** Bytes of TCB info or QE identity. Intel's have up to 6 kB. */
export const MAX_SIGNED_JSON_BYTES = 256 * 1024
/** Bytes of response headers: two URL-encoded certificates take 2.5 kB. */
export const MAX_RESPONSE_HEADER_BYTES = 32 * 1024
/** Characters of one issuer chain, still URL-encoded. */
export const MAX_CHAIN_HEADER_LENGTH = 16 * 1024

/** Timing as one value, so that a test need not wait as long as a person would. */
export interface FetchTiming {
  readonly attemptMs: number
  readonly documentMs: number
  readonly attempts: number
  readonly firstPauseMs: number
  readonly maxRetryAfterMs: number
}

export const DEFAULT_TIMING: FetchTiming = Object.freeze({
  attemptMs: ATTEMPT_MS,
  documentMs: DOCUMENT_MS,
  attempts: MAX_ATTEMPTS,
  firstPauseMs: FIRST_PAUSE_MS,
  maxRetryAfterMs: MAX_RETRY_AFTER_MS,
})

/** Seconds before the first nextUpdate from which a kept set is fetched anew. Intel reissues daily. */
export const REFRESH_MARGIN_S = 3600
/** Platforms, times CA, times channel, that a cache keeps. */
export const MAX_CACHE_ENTRIES = 256
/** Bytes of one cache file: two lists in hex, the rest is small. */
export const MAX_CACHE_FILE_BYTES = 3 * 1024 * 1024
/** Milliseconds after which a half-written file is taken for left behind. */
export const ABANDONED_FILE_MS = 3_600_000
