/**
 * What one step of a device says, before it has an id.
 *
 * @module
 */
import { fail, pass, skip } from '../check.ts'
import type { Check } from '../check.ts'
import type { CheckCode } from '../codes.ts'

export type Outcome =
  | { readonly status: 'pass'; readonly detail?: string }
  | { readonly status: 'fail' | 'skip'; readonly code: CheckCode; readonly detail: string }

export const PASS: Outcome = Object.freeze({ status: 'pass' })

export function failed(code: CheckCode, detail: string): Outcome {
  return { status: 'fail', code, detail }
}

export function skipped(code: CheckCode, detail: string): Outcome {
  return { status: 'skip', code, detail }
}

export function toCheck(id: string, proves: string, outcome: Outcome): Check {
  switch (outcome.status) {
    case 'pass':
      return pass(id, proves, outcome.detail)
    case 'fail':
      return fail(id, outcome.code, proves, outcome.detail)
    case 'skip':
      return skip(id, outcome.code, proves, outcome.detail)
  }
}
