/**
 * Checks that build on each other. One whose ground did not pass is skipped, never passed on its own: a signature under a
 * key that nobody vouches for proves nothing.
 *
 * @module
 */
import { fail, info, pass, skip } from '../check.ts'
import type { Check } from '../check.ts'
import type { CheckCode } from '../codes.ts'
import type { Fault } from './evaluate-tcb.ts'

/** Null: good, with nothing to add. A note is a pass with a detail, or, with a code, information that is no pass. */
export type Judgement = Fault | { readonly note: string; readonly code?: CheckCode } | null

export interface StepList {
  readonly checks: readonly Check[]
  passed(id: string): boolean
  /** Runs `judge` where all of `needs` passed. */
  step(id: string, proves: string, needs: readonly string[], judge: () => Judgement): void
  /** A check that is not made for want of something. */
  skipped(id: string, proves: string, code: CheckCode, detail: string): void
}

export function createStepList(): StepList {
  const checks: Check[] = []
  const passes = new Set<string>()
  return {
    checks,
    passed: (id) => passes.has(id),
    step: (id, proves, needs, judge) => {
      const missing = needs.find((need) => !passes.has(need))
      if (missing !== undefined) {
        checks.push(skip(id, 'depends_on_failed', proves, `after ${missing}`))
        return
      }
      const judgement = judge()
      if (judgement !== null && 'detail' in judgement) {
        checks.push(fail(id, judgement.code, proves, judgement.detail))
        return
      }
      if (judgement?.code !== undefined) {
        checks.push(info(id, judgement.code, proves, judgement.note))
        return
      }
      passes.add(id)
      checks.push(pass(id, proves, judgement?.note ?? ''))
    },
    skipped: (id, proves, code, detail) => {
      checks.push(skip(id, code, proves, detail))
    },
  }
}
