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

/** Bytes of an answer of the RIM service: a SWID tag in base64 within JSON. NVIDIA's have 28 to 36 kB. */
export const MAX_RIM_ANSWER_BYTES = 128 * 1024
/**
 * Seconds that a fetched RIM is taken from the cache. NVIDIA signs RIMs anew under the same id, sometimes with other golden
 * values (nvtrust, 2024 to 2026), so none is kept for good; its C++ SDK keeps them as long by default.
 */
export const RIM_FRESH_S = 3600
/** Seconds after which a RIM is no longer taken from the cache where the service fails. */
export const RIM_KEPT_S = 86_400
/** Seconds that an OCSP response is taken from the cache, where its nextUpdate does not come first. */
export const OCSP_FRESH_S = 3600
/** RIMs and OCSP responses that a cache keeps. */
export const MAX_GPU_CACHE_ENTRIES = 512
/** Bytes of one file of the cache: a SWID tag in base64. */
export const MAX_GPU_CACHE_FILE_BYTES = 128 * 1024
/** Devices whose collateral is fetched at once: sixteen GPUs, and the switches of a machine. */
export const MAX_FETCH_DEVICES = 32
/** Requests for RIMs and OCSP responses that are under way at once. */
export const MAX_GPU_REQUESTS = 8

/** Seconds that a key set is used: as NVIDIA's SDK does. */
export const JWKS_FRESH_S = 900
/** Seconds between two questions for a key set because of keys that it does not name: a forged token must cost no more. */
export const JWKS_REFETCH_S = 60

/** Milliseconds for one attempt at the attestation service, which verifies up to 16 devices meanwhile. */
export const NRAS_ATTEMPT_MS = 30_000
/** Milliseconds for one answer of it, attempts and pauses included. */
export const NRAS_ANSWER_MS = 100_000
/** Characters of a service key. */
export const MAX_SERVICE_KEY_LENGTH = 4096
