/**
 * How fetching collateral can fail.
 *
 * @module
 */

/** Every code and what it says. `docs/errors.md` is generated from it. */
export const COLLATERAL_ERRORS = Object.freeze({
  collateral_unreachable: 'no connection, or it broke before the answer was whole',
  collateral_untrusted_tls: "the server's certificate is not accepted",
  collateral_timeout: 'no whole answer in time, attempts included',
  collateral_not_found: 'the service knows no such platform or document (HTTP 404 or 410)',
  collateral_busy: 'HTTP 429 or 503 to the last attempt, or a Retry-After beyond what is waited',
  collateral_refused: 'any other status that is not 200',
  collateral_redirect: 'the service points elsewhere; nobody else is asked',
  collateral_too_large: 'the answer or its headers are longer than the limit of that document',
  collateral_malformed:
    'wrong content type, a missing or unreadable header, not the promised shape, or of another platform',
})

export type CollateralErrorCode = keyof typeof COLLATERAL_ERRORS

/**
 * The message names the document and the fault; never a text that the server sent.
 *
 * @example
 * ```ts
 * if (error instanceof CollateralError && error.code === 'collateral_not_found') askAnotherService()
 * ```
 */
export class CollateralError extends Error {
  override readonly name = 'CollateralError'
  readonly code: CollateralErrorCode

  constructor(code: CollateralErrorCode, message: string) {
    super(message)
    this.code = code
  }
}
