/**
 * What a service says about the collateral that it staples. Warnings stand in its document, outside of what the quote covers.
 *
 * @module
 */

/** Every code and what it says. */
export const STAPLE_WARNINGS = Object.freeze({
  staple_pending: 'no collateral has been fetched yet',
  staple_unreachable: 'the last attempt to fetch it failed; what was fetched before is served',
  staple_refused: 'what a service gave does not verify; what was fetched before is served',
  staple_rolled_back: 'a service gave what is older than what it gave before; the newer is served',
  staple_stale: 'the time of what is served is over, and nothing newer could be had',
})

export type StapleWarningCode = keyof typeof STAPLE_WARNINGS

export interface StapleWarning {
  readonly code: StapleWarningCode
  /** Names the document and the fault; never a text that a service sent. */
  readonly detail: string
}
