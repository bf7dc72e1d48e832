/**
 * From the outcomes of a chain's certificates to what one check says.
 *
 * @module
 */
import { counted } from '../../counted.ts'
import type { OcspCode } from './codes.ts'
import { instantText } from './instant-text.ts'
import type { RevocationOutcome } from './judge-revocation.ts'

export type RevocationVerdict =
  /** `madeAt`: Unix seconds, of the newest answer that counted. */
  | { readonly status: 'pass'; readonly detail: string; readonly madeAt: number }
  | { readonly status: 'fail'; readonly code: OcspCode; readonly detail: string }
  | {
      readonly status: 'skip'
      readonly code: 'collateral_not_given'
      readonly detail: string
    }

type Finding = Exclude<RevocationVerdict, { readonly status: 'pass' }>

/** @returns null for what stands in no way */
function findingOf(outcome: RevocationOutcome, name: string): Finding | null {
  switch (outcome.status) {
    case 'good':
      return null
    case 'hold':
      return outcome.allowed
        ? null
        : {
            status: 'fail',
            code: 'ocsp_hold',
            detail: `${name}: since ${instantText(outcome.since)}`,
          }
    case 'revoked': {
      const detail = `${name}: ${outcome.reason}, since ${instantText(outcome.since)}`
      return { status: 'fail', code: 'ocsp_revoked', detail }
    }
    case 'unknown':
      return { status: 'fail', code: 'ocsp_unknown', detail: `${name}: ${outcome.detail}` }
    case 'fault':
      return { status: 'fail', code: outcome.code, detail: `${name}: ${outcome.detail}` }
    case 'absent':
      return { status: 'skip', code: 'collateral_not_given', detail: `${name}: no OCSP response` }
  }
}

/** A revoked certificate outweighs whatever else is wrong, and what was not given comes last. */
function weight(finding: Finding): number {
  if (finding.status === 'skip') return 3
  switch (finding.code) {
    case 'ocsp_revoked':
      return 0
    case 'ocsp_hold':
      return 1
    default:
      return 2
  }
}

/**
 * @param outcomes of {@link judgeRevocation}; none of them is not a pass
 * @param first index of the first of them in the chain that a person knows: 1 for a GPU
 */
export function revocationVerdict(
  outcomes: readonly RevocationOutcome[],
  first: number,
): RevocationVerdict {
  if (outcomes.length === 0) {
    return { status: 'skip', code: 'collateral_not_given', detail: 'no certificate was judged' }
  }
  const named = outcomes.map((outcome, index) => ({
    outcome,
    name: `certificate ${first + index}`,
  }))
  const [worst] = named
    .map(({ outcome, name }) => findingOf(outcome, name))
    .filter((finding) => finding !== null)
    .toSorted((a, b) => weight(a) - weight(b))
  if (worst !== undefined) return worst
  const held = named.filter(({ outcome }) => outcome.status === 'hold').map(({ name }) => name)
  const detail = counted(outcomes.length, 'certificate')
  const dates = outcomes.map((outcome) => ('madeAt' in outcome ? outcome.madeAt : -Infinity))
  return {
    status: 'pass',
    madeAt: Math.max(...dates),
    detail: held.length === 0 ? detail : `${detail}, on hold and allowed: ${held.join(', ')}`,
  }
}
