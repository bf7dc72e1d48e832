import { appraiseGpuInput } from '../../attestation/appraiser/gpu/appraise-gpu-input.ts'
import { appraiseNrasInput } from '../../attestation/appraiser/gpu/nras/appraise-nras-input.ts'
import type { CryptoPort } from '../../attestation/crypto/port.ts'
import { renderGpuAppraisal } from '../../src/cli/appraise-gpu.ts'
import { renderNrasAppraisal } from '../../src/cli/appraise-nras.ts'
import { openCorpus } from './corpus.helpers.ts'

export const { folder: CORPUS, changed, publishedIds, publishedVectors } = openCorpus('gpu')

/** Whether a vector is an answer of the remote attestation service, which another command judges. */
export function isNras(id: string): boolean {
  return /^(?:ok-)?nras-/.test(id)
}

/** `verdict code`, as the command prints them. */
export async function judge(id: string, input: Uint8Array, crypto: CryptoPort): Promise<string> {
  const text = isNras(id)
    ? renderNrasAppraisal(await appraiseNrasInput(input, crypto))
    : renderGpuAppraisal(appraiseGpuInput(input, crypto))
  const { verdict, code } = JSON.parse(text) as { readonly verdict: string; readonly code: string }
  return `${verdict} ${code}`
}
