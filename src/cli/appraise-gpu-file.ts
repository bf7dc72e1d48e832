/**
 * The part of `countersign verify` that judges a file with GPU evidence alone.
 *
 * @module
 */
import { appraiseGpu } from '../../attestation/appraiser/gpu/appraise-gpu.ts'
import type {
  AppraiseGpuOptions,
  GpuAppraisal,
} from '../../attestation/appraiser/gpu/appraise-gpu.ts'
import type { Hex32 } from '../../attestation/protocol/hex.ts'
import { Refusal } from './refusal.ts'

export interface GpuFileOptions {
  /** How many GPUs there must be. */
  readonly gpus?: string
}

function countOf(text: string | undefined): number | null {
  if (text === undefined) return null
  if (!/^\d{1,4}$/.test(text)) throw new Refusal('--gpus takes a whole number.')
  return Number(text)
}

type Appraisal = Omit<AppraiseGpuOptions, 'nonce' | 'gpus'> & { readonly nonce: Hex32 | null }

/** @throws Refusal without a nonce: a report proves nothing about a time that nobody chose a nonce for */
export function appraiseGpuFile(
  bytes: Uint8Array,
  appraisal: Appraisal,
  options: GpuFileOptions,
): GpuAppraisal {
  const { nonce, ...given } = appraisal
  if (nonce === null) {
    throw new Refusal(
      'GPU evidence is judged for the nonce that you had the GPUs sign: give it with --nonce. ' +
        'The one that the file states is text that nobody signed.',
    )
  }
  return appraiseGpu(bytes, { ...given, nonce, gpus: countOf(options.gpus) })
}
