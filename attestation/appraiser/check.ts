/**
 * What an appraisal is made of: checks as data. A failed check is never an exception, a skipped one is never a pass.
 *
 * @module
 */
import type { CheckCode } from './codes.ts'

export type CheckStatus = 'pass' | 'fail' | 'skip' | 'info'

export interface Check {
  /** Stable, dotted, e.g. `quote.signature`; a second device or receipt adds its index: `gpu.0.nonce`. */
  readonly id: string
  readonly status: CheckStatus
  /** `ok` on a pass; otherwise why it failed or was skipped. Listed in docs/errors.md. */
  readonly code: CheckCode
  /** One line for a person. Never holds a secret or content. */
  readonly detail: string
  /** One sentence: what holds when this check passes. */
  readonly proves: string
}

export function pass(id: string, proves: string, detail = ''): Check {
  return { id, status: 'pass', code: 'ok', detail, proves }
}

export function fail(id: string, code: CheckCode, proves: string, detail = ''): Check {
  return { id, status: 'fail', code, detail, proves }
}

export function skip(id: string, code: CheckCode, proves: string, detail = ''): Check {
  return { id, status: 'skip', code, detail, proves }
}

export function info(id: string, code: CheckCode, proves: string, detail = ''): Check {
  return { id, status: 'info', code, detail, proves }
}
