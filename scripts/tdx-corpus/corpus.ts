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
import { inOrderOfIds } from '../corpus/vector.ts'
import type { Vector } from '../corpus/vector.ts'

/** Every vector once. The same in every run, to the byte. */
export function makeCorpus(): Vector[] {
  return inOrderOfIds([
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
  ])
}
