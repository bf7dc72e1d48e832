/**
 * The whole corpus, in the order of its ids.
 *
 * @module
 */
import { acceptedCases } from './cases/accepted.ts'
import { deviceChainCases } from './cases/device-chain.ts'
import { machineCases } from './cases/machine.ts'
import { nrasCases } from './cases/nras.ts'
import { reportCases } from './cases/reports.ts'
import { revocationCases } from './cases/revocation.ts'
import { rimFormCases } from './cases/rim-form.ts'
import { rimTrustCases } from './cases/rim-trust.ts'
import type { Vector } from './vector.ts'

/** Every vector once. The same in every run, to the byte. */
export function makeCorpus(): Vector[] {
  const vectors = [
    ...acceptedCases(),
    ...reportCases(),
    ...deviceChainCases(),
    ...machineCases(),
    ...rimFormCases(),
    ...rimTrustCases(),
    ...revocationCases(),
    ...nrasCases(),
  ].toSorted((a, b) => (a.id < b.id ? -1 : 1))
  const ids = new Set(vectors.map(({ id }) => id))
  if (ids.size !== vectors.length) throw new TypeError('two vectors of one id')
  return vectors
}

/** What stands in the two files of a vector. */
export function filesOf({ id, input, expected }: Vector): ReadonlyMap<string, string> {
  return new Map([
    [`${id}/input.json`, `${JSON.stringify(input)}\n`],
    [`${id}/expected.json`, `${JSON.stringify(expected, null, 2)}\n`],
  ])
}
