/**
 * Holds the kind of machine that evidence comes from against the one that the policy names. A verifier is told the platform and
 * never guesses it: each binds its quotes in another way, and one that took either could be handed a quote that was made for
 * something else.
 *
 * @module
 */
import { fail, pass } from './check.ts'
import type { Check } from './check.ts'
import type { AppraisalPolicy, Platform } from './policy.ts'

export const PLATFORM_CHECK = 'evidence.platform'
const PROVES = 'The evidence is of the kind of machine that the policy names.'

export function platformCheck(found: Platform, policy: Pick<AppraisalPolicy, 'platform'>): Check {
  return found === policy.platform
    ? pass(PLATFORM_CHECK, PROVES, found)
    : fail(
        PLATFORM_CHECK,
        'evidence_platform_not_accepted',
        PROVES,
        `the evidence is of ${found}, the policy names ${policy.platform}`,
      )
}
