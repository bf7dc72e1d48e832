/**
 * The GPU evidence of one machine under a relying party's policy: what documents, reports and {@link appraiseGpu} share.
 *
 * @module
 */
import type { CryptoPort } from '../../crypto/port.ts'
import type { GpuCollateral } from '../../protocol/gpu-collateral.ts'
import { acceptedRoots } from '../accepted-roots.ts'
import type { Check } from '../check.ts'
import type { AppraisalPolicy } from '../policy.ts'
import type { Certificate } from '../x509/parse-certificate.ts'
import { bindingCheck, bindingOf, readGpuFacts } from './gpu-ladder.ts'
import type { GpuBinding, GpuFacts } from './gpu-ladder.ts'
import { parseGpuEvidence } from './parse-gpu-evidence.ts'
import { readGpuDevices } from './read-gpu-devices.ts'
import type { GpuDevice } from './read-gpu-devices.ts'
import { verifyGpuEvidence } from './verify-gpu-evidence.ts'

/** Checks that no evidence of GPUs can do without. */
export const CORE_GPU_CHECKS: readonly string[] = Object.freeze([
  'gpu.unique',
  'gpu.uniform',
  'gpu.*.structure',
  'gpu.*.nonce',
  'gpu.*.chain',
  'gpu.*.arch',
  'gpu.*.serials',
  'gpu.*.device_key',
  'gpu.*.fwid',
  'gpu.*.signature',
  'gpu.*.versions',
  'gpu.*.mode',
])

export interface GpuSource {
  readonly crypto: CryptoPort
  /** Unix seconds at which everything must hold. */
  readonly at: number
  readonly policy: AppraisalPolicy
  /** RIMs and OCSP responses; null: none is at hand. */
  readonly gpuCollateral: GpuCollateral | null
}

export interface GpuExpectation {
  /** 32 bytes, recomputed or chosen by whoever asks; never taken from the evidence. */
  readonly nonce: Uint8Array
  /** How many GPUs there must be; null: not said. */
  readonly count: number | null
  /** That the nonce commits to keyset, boot and round. A nonce of the caller's own is of no enclave. */
  readonly nonceCommits: boolean
  readonly digestInQuote: boolean
  readonly checkedByMeasuredGuest: boolean
}

export interface GpuFindings {
  /** Those of `verifyGpuEvidence`, then `gpu.rung`. */
  readonly checks: readonly Check[]
  readonly devices: readonly GpuDevice[]
  readonly binding: GpuBinding
}

/** The chains under which a list stands, as it gives them; empty for an element that cannot be read. */
export function readGpuChains(list: readonly unknown[]): readonly (readonly Certificate[])[] {
  return list.map((item) => {
    const parsed = parseGpuEvidence(item)
    return parsed.ok ? parsed.evidence.chain : []
  })
}

/**
 * Never throws on any list.
 *
 * @param chains of {@link readGpuChains}
 */
export function judgeGpus(
  list: readonly unknown[],
  chains: readonly (readonly Certificate[])[],
  expected: GpuExpectation,
  source: GpuSource,
): GpuFindings {
  const { crypto, at, policy } = source
  const checks = verifyGpuEvidence(list, {
    crypto,
    at,
    expectedNonce: expected.nonce,
    expectedCount: expected.count,
    rootSha256: acceptedRoots(policy.nvidiaRoots, chains, policy, crypto),
    allowSimulated: policy.allowSimulated,
    policy: policy.gpu,
    collateral: source.gpuCollateral,
  })
  const read = readGpuFacts(checks)
  const facts: GpuFacts = {
    ...read,
    freshForRound: read.freshForRound && expected.nonceCommits,
    digestInQuote: expected.digestInQuote,
    checkedByMeasuredGuest: expected.checkedByMeasuredGuest,
  }
  const binding = bindingOf(facts)
  return {
    checks: [...checks, bindingCheck(binding)],
    devices: readGpuDevices(list, checks, { ...facts, freshForRound: expected.nonceCommits }),
    binding,
  }
}
