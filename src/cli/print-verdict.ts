/**
 * Prints checks for a person.
 *
 * @module
 */
import type { Check } from '../../attestation/appraiser/check.ts'

const MARKS = { pass: 'pass', fail: 'FAIL', skip: 'skip', info: 'info' } as const

/** Longer details are cut: some quote the evidence. */
const MAX_SHOWN = 240

/**
 * A text as a terminal may show it. Details quote names and warnings of the party being judged: an escape sequence in one
 * could clear the screen and print a verdict of its own.
 */
export function printable(text: string): string {
  const shown = text.replace(
    /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
  return shown.length > MAX_SHOWN ? `${shown.slice(0, MAX_SHOWN)}…` : shown
}

/** One line a check: status, id, and why where it did not pass. */
export function formatChecks(checks: readonly Check[]): string {
  const width = Math.max(0, ...checks.map((check) => check.id.length))
  return checks
    .map(({ id, status, code, detail }) => {
      const why = [code === 'ok' ? '' : code, detail].filter((part) => part !== '').join(': ')
      return `  ${MARKS[status]}  ${printable(id).padEnd(width)}  ${printable(why)}`.trimEnd()
    })
    .join('\n')
}
