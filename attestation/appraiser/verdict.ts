/**
 * From checks to one verdict, one exit code and one sentence.
 *
 * @module
 */
import type { Check } from './check.ts'
import { CHECK_CODES } from './codes.ts'
import type { CheckCode, CodeFamily } from './codes.ts'

export type VerdictName = 'accepted' | 'accepted-as-of' | 'rejected' | 'unsupported' | 'malformed'

export interface Verdict {
  readonly verdict: VerdictName
  readonly checks: readonly Check[]
  /** For a person. */
  readonly sentence: string
}

/** Exit code of a command that ends with this verdict; 1 is for our own faults. */
export const VERDICT_EXIT_CODES: Readonly<Record<VerdictName, number>> = Object.freeze({
  accepted: 0,
  'accepted-as-of': 0,
  rejected: 10,
  unsupported: 20,
  malformed: 30,
})

export interface VerdictOptions {
  /** Ids that must pass; `*` stands for one part of an id. */
  readonly required: readonly string[]
  /** The checks were made for a moment that is not the present. */
  readonly asOf: boolean
  readonly simulated: boolean
  /** Checks that were not made and are done without; see the policy's member of that name. */
  readonly acceptUnchecked: readonly string[]
  /** What acceptance means, as the end of the sentence; default: that of an attestation document. */
  readonly meaning?: string
}

const DOCUMENT_MEANING = 'the keys belong to the measured service that the evidence describes'

/** `*` in a pattern stands for exactly one part of a dotted id. */
export function matchesCheckId(pattern: string, id: string): boolean {
  const wanted = pattern.split('.')
  const parts = id.split('.')
  return (
    wanted.length === parts.length &&
    wanted.every((want, index) => want === '*' || want === parts[index])
  )
}

/** Why the requirements are not met: of the first pattern that no check satisfies, or that a check which is no pass falls under. */
function unmet(checks: readonly Check[], required: readonly string[]): string | null {
  for (const pattern of required) {
    const found = checks.filter(({ id }) => matchesCheckId(pattern, id))
    // No check of that id is as bad as a failed one: otherwise dropping evidence would be a way to pass.
    if (found.length === 0) {
      return `${pattern} is required, and the evidence holds nothing to check for it`
    }
    const open = found.find(({ status }) => status !== 'pass')
    if (open !== undefined) return `${open.id} is required and did not pass`
  }
  return null
}

/** Why a check that real evidence needs was not made. Other skipped checks were not needed, or follow a failed one. */
const GAPS: ReadonlySet<CheckCode> = new Set<CheckCode>([
  'not_yet_checked',
  'collateral_not_given',
  'image_references_not_given',
  'gpu_evidence_not_given',
  'ratls_issuers_not_given',
  'tapp_starts_unmeasured',
])

function familyOf(check: Check): CodeFamily {
  return CHECK_CODES[check.code].family
}

function describe(check: Check): string {
  return `${check.id}: ${CHECK_CODES[check.code].meaning}`
}

/**
 * Decides. Bad evidence outweighs what could not be read, which outweighs what is not known: the worst that was found
 * is what is said.
 */
export function decideVerdict(checks: readonly Check[], options: VerdictOptions): Verdict {
  const failed = checks.filter(({ status }) => status === 'fail')
  const worst =
    failed.find((check) => !['malformed', 'unsupported'].includes(familyOf(check))) ??
    failed.find((check) => familyOf(check) === 'malformed') ??
    failed[0]
  if (worst !== undefined) {
    const family = familyOf(worst)
    const verdict = family === 'malformed' || family === 'unsupported' ? family : 'rejected'
    const heads = { malformed: 'Malformed', unsupported: 'Unsupported', rejected: 'Rejected' }
    return { verdict, checks, sentence: `${heads[verdict]}: ${describe(worst)}.` }
  }
  const open = unmet(checks, options.required)
  if (open !== null) {
    return { verdict: 'rejected', checks, sentence: `Rejected: ${open}.` }
  }
  const gaps = checks.filter(({ status, code }) => status === 'skip' && GAPS.has(code))
  const missing = options.simulated
    ? []
    : gaps.filter(({ id }) => !options.acceptUnchecked.some((name) => matchesCheckId(name, id)))
  const [first] = missing
  if (first !== undefined) {
    const which =
      missing.length === 1
        ? `the check ${first.id} was not made (${first.detail}), and the policy does not do without it`
        : `checks were not made that the policy does not do without: ${missing.map(({ id }) => id).join(', ')}`
    const sentence = `Unsupported: nothing speaks against the evidence, but ${which}.`
    return { verdict: 'unsupported', checks, sentence }
  }
  const verdict = options.asOf ? 'accepted-as-of' : 'accepted'
  const when = options.asOf ? ' as of the time given' : ''
  const sentence = options.simulated
    ? `Accepted${when} as a SIMULATION: no hardware vouches for any of it.`
    : `Accepted${when}${withoutGaps(gaps)}: ${options.meaning ?? DOCUMENT_MEANING}.`
  return { verdict, checks, sentence }
}

function withoutGaps(gaps: readonly Check[]): string {
  return gaps.length === 0 ? '' : `, without the checks ${gaps.map(({ id }) => id).join(', ')}`
}
