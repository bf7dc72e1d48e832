/**
 * The whole corpus, in the order of its ids.
 *
 * @module
 */
import { acceptedCases } from './cases/accepted.ts'
import { collateralChainCases } from './cases/collateral-chains.ts'
import { eventLogCases } from './cases/event-log.ts'
import { pckChainCases } from './cases/pck-chain.ts'
import { revocationCases } from './cases/revocation.ts'
import { signatureCases } from './cases/signatures.ts'
import { signedTextCases } from './cases/signed-texts.ts'
import { softwareCases } from './cases/software.ts'
import { structureCases } from './cases/structure.ts'
import { tcbCases } from './cases/tcb.ts'
import { tdCases } from './cases/td.ts'
import type { Vector } from './vector.ts'

/** Every vector once. The same in every run, to the byte. */
export function makeCorpus(): Vector[] {
  const vectors = [
    ...acceptedCases(),
    ...structureCases(),
    ...signatureCases(),
    ...pckChainCases(),
    ...collateralChainCases(),
    ...revocationCases(),
    ...signedTextCases(),
    ...tcbCases(),
    ...tdCases(),
    ...eventLogCases(),
    ...softwareCases(),
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
