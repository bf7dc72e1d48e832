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

const CODE = /^\w{1,64}$/

/** The innermost code: what is behind it, as NVML, the guest agent or the system call it. */
export function faultCode(error: unknown): string {
  let found = 'attestation_unavailable'
  for (let at = error, depth = 0; at instanceof Error && depth < 8; at = at.cause, depth++) {
    if ('code' in at && typeof at.code === 'string' && CODE.test(at.code)) found = at.code
  }
  return found
}
