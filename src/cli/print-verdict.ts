/**
 * Prints checks for a person.
 *
 * @module
 */
import type { Check } from '../../attestation/appraiser/check.ts'

const MARKS = { pass: 'pass', fail: 'FAIL', skip: 'skip', info: 'info' } as const

/** One line a check: status, id, and why where it did not pass. */
export function formatChecks(checks: readonly Check[]): string {
  const width = Math.max(0, ...checks.map((check) => check.id.length))
  return checks
    .map(({ id, status, code, detail }) => {
      const why = [code === 'ok' ? '' : code, detail].filter((part) => part !== '').join(': ')
      return `  ${MARKS[status]}  ${id.padEnd(width)}  ${why}`.trimEnd()
    })
    .join('\n')
}
