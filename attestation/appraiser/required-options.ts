/**
 * Options of the public verbs that a caller without types can get wrong in a way that would open the verifier.
 *
 * @module
 */
import { requirePolicy } from './policy.ts'
import type { AppraisalPolicy } from './policy.ts'

/**
 * @returns unix seconds
 * @throws TypeError for anything that is not a finite number: null or NaN is before no end and after no beginning
 */
export function requireTime(at: unknown): number {
  if (typeof at !== 'number' || !Number.isFinite(at)) {
    throw new TypeError('at: the time is not a finite number of unix seconds')
  }
  return at
}

/**
 * The options with a time that is one and a policy that was read.
 *
 * @throws TypeError
 */
export function requireOptions<T extends { readonly at: number; readonly policy: AppraisalPolicy }>(
  options: T,
): T {
  const once = { ...options }
  return { ...once, at: requireTime(once.at), policy: requirePolicy(once.policy) }
}
