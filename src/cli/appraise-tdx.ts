/**
 * `countersign appraise-tdx`: one input document on standard input, one verdict on standard output (docs/conformance.md).
 *
 * @module
 */
import {
  appraiseTdx,
  MAX_TDX_INPUT_BYTES,
} from '../../attestation/appraiser/report/appraise-tdx.ts'
import type { TdxAppraisal } from '../../attestation/appraiser/report/appraise-tdx.ts'
import { VERDICT_EXIT_CODES } from '../../attestation/appraiser/verdict.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { readInput, renderVerdict } from './judge-input.ts'

/** What is printed, as plain data. */
export function renderAppraisal({ verdict, tcb }: TdxAppraisal): string {
  return renderVerdict(verdict, { tcb })
}

/** @returns the exit code of the verdict */
export async function appraiseTdxCommand(
  input: AsyncIterable<unknown> = process.stdin,
): Promise<number> {
  const appraisal = appraiseTdx(await readInput(input, MAX_TDX_INPUT_BYTES), nodeCrypto)
  process.stdout.write(renderAppraisal(appraisal))
  return VERDICT_EXIT_CODES[appraisal.verdict.verdict]
}
