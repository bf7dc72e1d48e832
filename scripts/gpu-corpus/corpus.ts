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
import { inOrderOfIds } from '../corpus/vector.ts'
import type { Vector } from '../corpus/vector.ts'

/** Every vector once. The same in every run, to the byte. */
export function makeCorpus(): Vector[] {
  return inOrderOfIds([
    ...acceptedCases(),
    ...reportCases(),
    ...deviceChainCases(),
    ...machineCases(),
    ...rimFormCases(),
    ...rimTrustCases(),
    ...revocationCases(),
    ...nrasCases(),
  ])
}
