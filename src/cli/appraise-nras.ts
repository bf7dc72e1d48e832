/**
 * `countersign appraise-nras`: one answer of NVIDIA's remote attestation service on standard input, one verdict on standard
 * output (docs/conformance.md).
 *
 * @module
 */
import {
  appraiseNrasInput,
  MAX_NRAS_INPUT_BYTES,
} from '../../attestation/appraiser/gpu/nras/appraise-nras-input.ts'
import type { NrasAnswerAppraisal } from '../../attestation/appraiser/gpu/nras/appraise-nras-answer.ts'
import { VERDICT_EXIT_CODES } from '../../attestation/appraiser/verdict.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { readInput, renderVerdict } from './judge-input.ts'

/** What is printed, as plain data. */
export function renderNrasAppraisal({ verdict, devices }: NrasAnswerAppraisal): string {
  return renderVerdict(verdict, { devices })
}

/** @returns the exit code of the verdict */
export async function appraiseNrasCommand(
  input: AsyncIterable<unknown> = process.stdin,
): Promise<number> {
  const bytes = await readInput(input, MAX_NRAS_INPUT_BYTES)
  const appraisal = await appraiseNrasInput(bytes, nodeCrypto)
  process.stdout.write(renderNrasAppraisal(appraisal))
  return VERDICT_EXIT_CODES[appraisal.verdict.verdict]
}
