/**
 * Times and sizes of what a service staples to its own evidence.
 *
 * @module
 */

/** Milliseconds for one fetch of everything of a kind; what is not there by then counts as unreachable. */
export const FETCH_MS = 60_000
/** Milliseconds until the first attempt after a failure; doubled with each further one. */
export const FIRST_RETRY_MS = 15_000
/** Milliseconds that the time between two attempts grows to. */
export const MAX_RETRY_MS = 900_000
/** Milliseconds between two fetches that succeed, at least, however short the life of what came. */
export const MIN_REFRESH_MS = 60_000
/** The same at most. Intel signs anew every day, and a relying party may ask for collateral that is recent. */
export const MAX_REFRESH_MS = 21_600_000
/** Bytes of the JSON of one entry: a document may have four times as many in all. */
export const MAX_ENTRY_BYTES = 1024 * 1024
/** Characters of a warning's detail. */
export const MAX_WARNING_DETAIL = 160
/** Warnings about collateral that are told at once. */
export const MAX_WARNINGS = 16

/** Times as one value, so that a test need not wait as long as a service does. Milliseconds. */
export interface StapleTiming {
  readonly fetchMs: number
  readonly firstRetryMs: number
  readonly maxRetryMs: number
  readonly minRefreshMs: number
  readonly maxRefreshMs: number
}

export const DEFAULT_STAPLE_TIMING: StapleTiming = Object.freeze({
  fetchMs: FETCH_MS,
  firstRetryMs: FIRST_RETRY_MS,
  maxRetryMs: MAX_RETRY_MS,
  minRefreshMs: MIN_REFRESH_MS,
  maxRefreshMs: MAX_REFRESH_MS,
})
