/**
 * One vector of a published corpus: evidence, and the verdict and code that a verifier must give for it.
 *
 * @module
 */
import type { CheckCode } from '../../attestation/appraiser/codes.ts'

export type VectorVerdict = 'accepted-as-of' | 'rejected' | 'unsupported' | 'malformed'
export type VectorCode = CheckCode | 'not_met'

export interface Expected {
  readonly verdict: VectorVerdict
  readonly code: VectorCode
  /** What was done to the evidence. */
  readonly title: string
}

export interface Vector {
  /** Also its folder. */
  readonly id: string
  /** An object, or the text of one that is none. */
  readonly input: object | string
  readonly expected: Expected
}

/** What makes a vector of one verdict from evidence, given how evidence becomes the input of a command. */
export function vectorsOf<Evidence>(inputOf: (evidence: Evidence) => object) {
  const vector =
    (verdict: VectorVerdict) =>
    (id: string, code: VectorCode, title: string, evidence: Evidence): Vector => ({
      id,
      input: inputOf(evidence),
      expected: { verdict, code, title },
    })
  return {
    rejected: vector('rejected'),
    malformed: vector('malformed'),
    unsupported: vector('unsupported'),
    accepted: (id: string, title: string, evidence: Evidence): Vector =>
      vector('accepted-as-of')(id, 'ok', title, evidence),
  }
}

/** @throws TypeError where two have one id */
export function inOrderOfIds(vectors: readonly Vector[]): Vector[] {
  const ids = new Set(vectors.map(({ id }) => id))
  if (ids.size !== vectors.length) throw new TypeError('two vectors of one id')
  return vectors.toSorted((a, b) => (a.id < b.id ? -1 : 1))
}

/** What stands in the two files of a vector. */
export function filesOf({ id, input, expected }: Vector): ReadonlyMap<string, string> {
  return new Map([
    [`${id}/input.json`, `${JSON.stringify(input)}\n`],
    [`${id}/expected.json`, `${JSON.stringify(expected, null, 2)}\n`],
  ])
}
