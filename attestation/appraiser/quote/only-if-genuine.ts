/**
 * A match with registers or report data that nobody signed proves nothing, so it must not read as a pass.
 *
 * @module
 */
import { skip } from '../check.ts'
import type { Check } from '../check.ts'

/** Checks without which a quote is only bytes that somebody wrote. */
export const GENUINE_QUOTE: readonly string[] = Object.freeze([
  'quote.pck_chain',
  'quote.qe_report',
  'quote.qe_binding',
  'quote.signature',
])

/** Where one of these failed, somebody else than Intel's enclave on a certified platform may have made the quote. */
const FORGEABLE: readonly string[] = [
  'quote.crl',
  'quote.tcb_info',
  'quote.qe_identity',
  'quote.tdx_module',
]

/**
 * Whether the checks of a quote say that an accepted root vouches for it, to the bit, and nothing speaks against it. A
 * platform whose TCB Intel revoked vouches for nothing: its keys may be anybody's. That a policy refuses another state, or
 * collateral of that age, says nothing against the quote.
 */
export function isGenuine(checks: readonly Check[]): boolean {
  const passed = (id: string): boolean =>
    checks.some((check) => check.id === id && check.status === 'pass')
  return (
    GENUINE_QUOTE.every(passed) &&
    !checks.some(
      ({ id, status, code }) =>
        status === 'fail' && (FORGEABLE.includes(id) || code === 'tcb_revoked'),
    )
  )
}

/** Turns each pass that stands on a quote into a skip where the quote is not genuine; what failed stays failed. */
export function onlyIfGenuine(checks: readonly Check[], genuine: boolean): Check[] {
  if (genuine) return [...checks]
  return checks.map((check) =>
    check.status === 'pass'
      ? skip(check.id, 'depends_on_failed', check.proves, 'the quote is not genuine')
      : check,
  )
}
