/**
 * Prints checks for a person.
 *
 * @module
 */
import type { Check } from '../../attestation/appraiser/check.ts'
import { mergeDevices } from './merge-devices.ts'
import { printable } from './printable.ts'

const MARKS = { pass: 'pass', fail: 'FAIL', skip: 'skip', info: 'info' } as const

/** Longer details are cut: some quote the evidence. */
const MAX_SHOWN = 240

function shorten(text: string): string {
  const shown = printable(text)
  return shown.length > MAX_SHOWN ? `${shown.slice(0, MAX_SHOWN)}…` : shown
}

/** One line a check: status, id, and why where it did not pass. Devices that say the same share a line. */
export function formatChecks(given: readonly Check[]): string {
  const checks = mergeDevices(given)
  const width = Math.max(0, ...checks.map((check) => check.id.length))
  return checks
    .map(({ id, status, code, detail }) => {
      const why = [code === 'ok' ? '' : code, detail].filter((part) => part !== '').join(': ')
      return `  ${MARKS[status]}  ${shorten(id).padEnd(width)}  ${shorten(why)}`.trimEnd()
    })
    .join('\n')
}

/** By the first part of an id: where the collateral comes from that its checks need. */
const SOURCES = [
  [/^quote\./, 'Intel’s collateral (--fetch-collateral, or --collateral FILE)'],
  [
    /^(?:gpu|switch)\./,
    'NVIDIA’s RIMs and OCSP responses (--fetch-collateral, or --gpu-collateral FILE)',
  ],
] as const

/** What to give so that checks are made which were not for want of collateral; null where none was wanting. */
export function adviceOn(checks: readonly Check[]): string | null {
  const open = checks.filter(({ code }) => code === 'collateral_not_given')
  const wanted = SOURCES.filter(([pattern]) => open.some(({ id }) => pattern.test(id)))
  return wanted.length === 0
    ? null
    : `Not checked for want of ${wanted.map(([, source]) => source).join(' and ')}.`
}
