/**
 * `countersign appraise-gpu`: one input document on standard input, one verdict on standard output (docs/conformance.md).
 *
 * @module
 */
import {
  appraiseGpuInput,
  MAX_GPU_INPUT_BYTES,
} from '../../attestation/appraiser/gpu/appraise-gpu-input.ts'
import type { GpuAppraisal } from '../../attestation/appraiser/gpu/appraise-gpu.ts'
import { VERDICT_EXIT_CODES } from '../../attestation/appraiser/verdict.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { readInput, renderVerdict } from './judge-input.ts'

/** What is printed, as plain data. */
export function renderGpuAppraisal({ verdict, binding, devices }: GpuAppraisal): string {
  return renderVerdict(verdict, { rung: binding.rung, devices })
}

/** @returns the exit code of the verdict */
export async function appraiseGpuCommand(
  input: AsyncIterable<unknown> = process.stdin,
): Promise<number> {
  const appraisal = appraiseGpuInput(await readInput(input, MAX_GPU_INPUT_BYTES), nodeCrypto)
  process.stdout.write(renderGpuAppraisal(appraisal))
  return VERDICT_EXIT_CODES[appraisal.verdict.verdict]
}
