/**
 * The self-appraisal gate: the service runs the appraiser on its own document before it serves, and again and again.
 *
 * It protects the node. A user's verdict comes from the user's own policy. What the policy `node` refuses is hard: no request
 * is served. What `node` lets pass and `relying-party` does not is soft: it is served, with a warning.
 *
 * @module
 */
import { appraiseDocument } from '../../attestation/appraiser/appraise-document.ts'
import type { Check } from '../../attestation/appraiser/check.ts'
import { createGpuCache } from '../../attestation/appraiser/gpu/gpu-cache.ts'
import { POLICIES } from '../../attestation/appraiser/policies.ts'
import type { AppraisalPolicy, Platform } from '../../attestation/appraiser/policy.ts'
import { createCollateralCache } from '../../attestation/appraiser/quote/collateral-cache.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import type { Hex32 } from '../../attestation/protocol/hex.ts'
import { toUtf8 } from '../../attestation/protocol/utf8.ts'
import type { DocumentWarning } from '../../enclave/attestation/attestor.ts'
import { gpuCountCause } from './gpu-count-cause.ts'

/** Seconds by which the clock may be behind the newest date that a vendor signed. */
export const CLOCK_SKEW_S = 300
/** Warnings of one judgement. */
export const MAX_GATE_WARNINGS = 32
const MAX_DETAIL = 160

/** Hard causes that are no code of a check. */
export const GATE_CAUSES = Object.freeze({
  clock_set_back: 'the clock is behind a date that a vendor signed and this process has verified',
  gpu_count_vm_config: 'the machine is configured with another number of GPUs than is required',
  gpu_count_compose: 'the measured compose text requires another number of GPUs than this process',
})

export interface GateRoots {
  readonly sgx: string
  readonly nvidia: string
  readonly rim?: string
}

export interface GateMoment {
  /** What the gate asked with; null: the document is judged as one without a nonce. */
  readonly nonce: Hex32 | null
  /** Unix seconds: the newest date that a vendor signed and this process has verified; null: none yet. */
  readonly clockFloor: number | null
}

export interface GateFindings {
  /** Stable code of the hard cause; null where the service may serve. */
  readonly cause: string | null
  readonly warnings: readonly DocumentWarning[]
}

export type Gate = (document: string, moment?: GateMoment) => GateFindings

const ACCEPTED: ReadonlySet<string> = new Set(['accepted', 'accepted-as-of'])
/** Says what another check says already, that nobody asked, or what each verifier has to bring itself. */
const EMPTY_SKIPS: ReadonlySet<string> = new Set([
  'depends_on_failed',
  'not_provided',
  'image_references_not_given',
])

function within(
  chosen: AppraisalPolicy,
  roots: GateRoots | 'any' | null,
  platform: Platform,
): AppraisalPolicy {
  const policy: AppraisalPolicy = { ...chosen, platform }
  if (roots === null) return policy
  if (roots === 'any') return { ...policy, allowSimulated: true, simulatedRoots: 'any' }
  return {
    ...policy,
    allowSimulated: true,
    sgxRoots: [roots.sgx],
    nvidiaRoots: [roots.nvidia],
    gpu: { ...policy.gpu, ...(roots.rim === undefined ? {} : { rimRoots: [roots.rim] }) },
  }
}

/** What a machine's own evidence is held against, hard. */
export function nodePolicy(
  roots: GateRoots | 'any' | null,
  platform: Platform = 'dstack',
): AppraisalPolicy {
  return within(POLICIES.node, roots, platform)
}

/** One warning for each code, however many devices it is about. */
function warningsOf(checks: readonly Check[]): DocumentWarning[] {
  const byCode = new Map<string, string[]>()
  for (const { id, status, code } of checks) {
    const open = status === 'skip' && /^(?:quote|gpu|switch)\./.test(id) && !EMPTY_SKIPS.has(code)
    if (status !== 'fail' && !open) continue
    byCode.set(code, [...(byCode.get(code) ?? []), id])
  }
  return [...byCode]
    .slice(0, MAX_GATE_WARNINGS)
    .map(([code, ids]) => ({ code, detail: ids.join(', ').slice(0, MAX_DETAIL) }))
}

/**
 * @param roots of a simulation, which the gate then accepts, `any` where its agent does not tell; null on a real machine
 * @param platform that the service was told it runs on: evidence of the other kind is refused here as by every verifier
 */
export function createGate(
  roots: GateRoots | 'any' | null,
  now: () => number = () => Math.floor(Date.now() / 1000),
  platform: Platform = 'dstack',
): Gate {
  const hard = nodePolicy(roots, platform)
  const soft = within(POLICIES['relying-party'], roots, platform)
  const cache = createCollateralCache()
  const gpuCache = createGpuCache()
  return (document, { nonce, clockFloor } = { nonce: null, clockFloor: null }) => {
    const bytes = toUtf8(document)
    const at = now()
    const judge = (policy: AppraisalPolicy) =>
      appraiseDocument(bytes, { crypto: nodeCrypto, at, nonce, policy, cache, gpuCache }).verdict
    // First of all: everything else is judged by the clock. Written so that a clock that is no number refuses too.
    if (clockFloor !== null && !(at >= clockFloor - CLOCK_SKEW_S)) {
      return { cause: 'clock_set_back', warnings: [] }
    }
    const verdict = judge(hard)
    if (!ACCEPTED.has(verdict.verdict)) {
      const failed = verdict.checks.find((check) => check.status === 'fail')
      return { cause: failed?.code ?? verdict.verdict, warnings: [] }
    }
    const cause = gpuCountCause(bytes)
    if (cause !== null) return { cause, warnings: [] }
    return { cause: null, warnings: warningsOf(judge(soft).checks) }
  }
}
