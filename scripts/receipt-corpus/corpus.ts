/**
 * The whole corpus, in the order of its ids.
 *
 * @module
 */
import { inOrderOfIds } from '../corpus/vector.ts'
import type { Vector } from '../corpus/vector.ts'
import { acceptedCases } from './cases/accepted.ts'
import { contentCases } from './cases/content.ts'
import { coseCases } from './cases/cose.ts'
import { encodingCases } from './cases/encodings.ts'
import { exchangeCases } from './cases/exchange.ts'
import { formCases } from './cases/form.ts'
import { headsCases } from './cases/heads.ts'
import { logCases } from './cases/log.ts'
import { logProofCases } from './cases/log-proofs.ts'
import { recordCases } from './cases/record.ts'
import { reframedCases } from './cases/reframed.ts'
import { streamCases } from './cases/streams.ts'

/** Every vector once. The same in every run, to the byte. */
export function makeCorpus(): Vector[] {
  return inOrderOfIds([
    ...acceptedCases(),
    ...recordCases(),
    ...exchangeCases(),
    ...formCases(),
    ...coseCases(),
    ...encodingCases(),
    ...logCases(),
    ...logProofCases(),
    ...headsCases(),
    ...reframedCases(),
    ...contentCases(),
    ...streamCases(),
  ])
}
