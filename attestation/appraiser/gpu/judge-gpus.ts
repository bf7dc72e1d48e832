/**
 * The GPU evidence of one machine under a relying party's policy: what documents, reports and {@link appraiseGpu} share.
 *
 * @module
 */
import type { CryptoPort } from '../../crypto/port.ts'
import { decodeBase64 } from '../../protocol/base64.ts'
import type { GpuCollateral } from '../../protocol/gpu-collateral.ts'
import { toHex } from '../../protocol/hex.ts'
import { acceptedRoots } from '../accepted-roots.ts'
import type { Check } from '../check.ts'
import type { AppraisalPolicy } from '../policy.ts'
import { createCertificateMemo } from '../x509/certificate-memo.ts'
import type { CertificateMemo } from '../x509/certificate-memo.ts'
import type { Certificate } from '../x509/parse-certificate.ts'
import { isSimulatedRoot } from '../x509/verify-chain.ts'
import type { GpuCache } from './gpu-cache.ts'
import { bindingCheck, bindingOf, readGpuFacts } from './gpu-ladder.ts'
import type { GpuBinding, GpuFacts } from './gpu-ladder.ts'
import type { GpuPolicy } from './gpu-policy.ts'
import { MAX_GPUS, parseGpuEvidence } from './parse-gpu-evidence.ts'
import { readGpuDevices } from './read-gpu-devices.ts'
import type { GpuDevice } from './read-gpu-devices.ts'
import { readRimChain } from './rim/read-rim-chain.ts'
import { judgeGpuList } from './verify-gpu-evidence.ts'

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
  /** What earlier appraisals verified. See `createGpuCache`. */
  readonly gpuCache?: GpuCache
}

export interface GpuExpectation {
  /** 32 bytes, recomputed or chosen by whoever asks; never taken from the evidence. */
  readonly nonce: Uint8Array
  /** How many GPUs there must be; null: not said. */
  readonly count: number | null
  /** How many NVSwitches there must be, beside what the policy says; null: not said. */
  readonly switches: number | null
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
  /** Unix seconds: the newest date of NVIDIA's revocation answers that counted; null: none did. */
  readonly revocationDate: number | null
}

/** A list with the chains under which it stands, as it gives them; empty for an element that cannot be read. */
export interface GpuList {
  readonly elements: readonly unknown[]
  readonly chains: readonly (readonly Certificate[])[]
  readonly memo: CertificateMemo
}

export function readGpuList(elements: readonly unknown[]): GpuList {
  const memo = createCertificateMemo()
  const chains = elements.slice(0, MAX_GPUS).map((item) => {
    const parsed = parseGpuEvidence(item, memo)
    return parsed.ok ? parsed.evidence.chain : []
  })
  return { elements, chains, memo }
}

export function isSimulatedList({ chains }: GpuList): boolean {
  return chains.some((chain) => chain.some(isSimulatedRoot))
}

/** The RIM roots that the policy lists, and where it takes any simulation, the marked ones that the RIMs bring along. */
function withRimRoots({ policy, gpuCollateral, crypto }: GpuSource): GpuPolicy {
  const rims = gpuCollateral?.rims ?? []
  const chains =
    policy.simulatedRoots === 'any'
      ? rims.map(({ rim }) => readRimChain(decodeBase64(rim) ?? new Uint8Array()))
      : []
  const roots = acceptedRoots(policy.gpu.rimRoots, chains, policy, crypto)
  return { ...policy.gpu, rimRoots: roots.map((root) => toHex(root)) }
}

/** Never throws on any list. */
export function judgeGpus(list: GpuList, expected: GpuExpectation, source: GpuSource): GpuFindings {
  const { crypto, at, policy, gpuCollateral, gpuCache } = source
  // Firmware of a real device is never good by a simulated file: that verdict would not be called a simulation.
  const simulated = isSimulatedList(list)
  const allowSimulated = policy.allowSimulated && simulated
  const { checks, devices, revocationDate } = judgeGpuList(
    list.elements,
    {
      crypto,
      at,
      expectedNonce: expected.nonce,
      expectedCount: expected.count,
      expectedSwitches: expected.switches,
      rootSha256: acceptedRoots(policy.nvidiaRoots, list.chains, policy, crypto),
      allowSimulated,
      policy: allowSimulated ? withRimRoots(source) : policy.gpu,
      collateral: gpuCollateral,
      ...(gpuCache === undefined ? {} : { cache: gpuCache }),
    },
    list.memo,
  )
  const read = readGpuFacts(checks)
  const facts: GpuFacts = {
    ...read,
    freshForRound: read.freshForRound && expected.nonceCommits,
    digestInQuote: expected.digestInQuote,
    checkedByMeasuredGuest: expected.checkedByMeasuredGuest,
  }
  const binding = bindingOf(facts, simulated)
  return {
    checks: [...checks, bindingCheck(binding)],
    devices: readGpuDevices(devices, { ...facts, freshForRound: expected.nonceCommits }),
    binding,
    revocationDate,
  }
}
