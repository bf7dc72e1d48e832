/**
 * Checks that `--require` names.
 *
 * @module
 */
import { matchesCheckId } from '../../attestation/appraiser/verdict.ts'
import type { Verdict } from '../../attestation/appraiser/verdict.ts'
import { Refusal } from './refusal.ts'

/**
 * A misspelt id would reject everything for a reason that nobody finds.
 *
 * @throws Refusal where the verdict turns on one that there is not
 */
export function refuseUnknownChecks(
  options: { readonly require?: readonly string[] },
  verdict: Verdict,
): void {
  const unknown = options.require?.find(
    (pattern) => !verdict.checks.some(({ id }) => matchesCheckId(pattern, id)),
  )
  if (unknown !== undefined && verdict.sentence.includes(unknown)) {
    throw new Refusal(`--require ${unknown}: there is no such check.`)
  }
}
