/**
 * The GPU evidence of an attestation document: under the nonce that commits to its keyset, boot and round.
 *
 * @module
 */
import type { GpuCollateral } from '../../protocol/gpu-collateral.ts'
import type { CryptoPort } from '../../crypto/port.ts'
import type { Check } from '../check.ts'
import { isCheckedByGuest } from '../gpu/checked-by-guest.ts'
import type { MeasuredGuest } from '../gpu/checked-by-guest.ts'
import { chooseGpuCollateral } from '../gpu/choose-gpu-collateral.ts'
import type { GpuBinding } from '../gpu/gpu-ladder.ts'
import { judgeGpus } from '../gpu/judge-gpus.ts'
import type { GpuList } from '../gpu/judge-gpus.ts'
import type { GpuCache } from '../gpu/gpu-cache.ts'
import type { GpuDevice } from '../gpu/read-gpu-devices.ts'
import type { AppraisalPolicy } from '../policy.ts'
import type { AttestationDocument } from './parse-document.ts'

export interface DocumentGpuOptions extends MeasuredGuest {
  readonly crypto: CryptoPort
  readonly at: number
  readonly policy: AppraisalPolicy
  readonly gpuCollateral?: GpuCollateral | null
  /** See `createGpuCache`. */
  readonly gpuCache?: GpuCache
  /** The list of the document. */
  readonly list: GpuList
  /** GPUs that the attested configuration requires; null where it could not be read. */
  readonly required: number | null
  /** NVSwitches that it promises beside them; null where it could not be read. */
  readonly nvswitches: number | null
  /** 32 bytes; null where they could not be recomputed. */
  readonly nonce: Uint8Array | null
  /** The quote endorses the digest of exactly this evidence. */
  readonly digestInQuote: boolean
}

export interface DocumentGpuFindings {
  readonly checks: readonly Check[]
  readonly devices: readonly GpuDevice[]
  readonly binding: GpuBinding | null
  /** See `GpuFindings`. */
  readonly revocationDate: number | null
}

export function judgeDocumentGpus(
  document: Pick<AttestationDocument, 'gpu' | 'collateral'>,
  options: DocumentGpuOptions,
): DocumentGpuFindings {
  const { gpuCollateral = null, policy, required, nonce, digestInQuote } = options
  const chosen = chooseGpuCollateral(gpuCollateral, document.collateral ?? [])
  if (document.gpu === null || nonce === null) {
    return { checks: chosen.checks, devices: [], binding: null, revocationDate: null }
  }
  const findings = judgeGpus(
    options.list,
    {
      nonce,
      count: required === 0 ? null : required,
      switches: options.nvswitches,
      nonceCommits: true,
      digestInQuote,
      // Code that is known to verify its GPUs does so only where its configuration says that it must have some.
      checkedByMeasuredGuest:
        required !== null && required > 0 && isCheckedByGuest(options, policy.gpu),
    },
    { ...options, gpuCollateral: chosen.collateral },
  )
  return { ...findings, checks: [...chosen.checks, ...findings.checks] }
}
