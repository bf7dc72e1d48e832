/**
 * The name of a fault, for logs.
 *
 * @module
 */

/** What of an error may be logged: its class and code, never its message, which may hold what was sent. */
export function faultName(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  const cause = error.cause instanceof Error ? ` < ${faultName(error.cause)}` : ''
  return 'code' in error && typeof error.code === 'string'
    ? `${error.name}:${error.code}${cause}`
    : `${error.name}${cause}`
}
