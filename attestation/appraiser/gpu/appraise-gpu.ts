/**
 * Appraises GPU evidence that stands alone: that so many genuine GPUs, all different, with firmware that NVIDIA published
 * and certificates that it did not revoke, signed a nonce of the caller's.
 *
 * Nothing in it names the machine that holds the GPUs: that takes the quote of an attestation document or a report.
 *
 * @module
 */
import type { CryptoPort } from '../../crypto/port.ts'
import type { GpuCollateral } from '../../protocol/gpu-collateral.ts'
import { hex32Bytes, isHex32 } from '../../protocol/hex.ts'
import type { Hex32 } from '../../protocol/hex.ts'
import { fail, pass, skip } from '../check.ts'
import type { Check } from '../check.ts'
import { counted } from '../counted.ts'
import { snapshot } from '../plain-data.ts'
import type { AppraisalPolicy } from '../policy.ts'
import { requireOptions } from '../required-options.ts'
import { simulationCheck } from '../simulation-check.ts'
import { decideVerdict } from '../verdict.ts'
import type { Verdict } from '../verdict.ts'
import { bindingOf } from './gpu-ladder.ts'
import type { GpuBinding } from './gpu-ladder.ts'
import { CORE_GPU_CHECKS, isSimulatedList, judgeGpus, readGpuList } from './judge-gpus.ts'
import { parseGpuFile, readGpuFile } from './parse-gpu-file.ts'
import type { GpuFileResult } from './parse-gpu-file.ts'
import type { GpuCache } from './gpu-cache.ts'
import type { GpuDevice } from './read-gpu-devices.ts'

export interface AppraiseGpuOptions {
  readonly crypto: CryptoPort
  /** Unix seconds at which everything must hold. */
  readonly at: number
  /** `at` is not the present; the verdict then says so. Default: false. */
  readonly asOf?: boolean
  /** What the caller had the devices sign. Never one that came with the evidence. */
  readonly nonce: Hex32
  /** How many GPUs there must be; null: as many as are listed. Default: null. */
  readonly gpus?: number | null
  readonly policy: AppraisalPolicy
  /** RIMs and OCSP responses. Default: none. */
  readonly collateral?: GpuCollateral | null
  /** See `createGpuCache`. */
  readonly gpuCache?: GpuCache
}

export interface GpuAppraisal {
  readonly verdict: Verdict
  readonly devices: readonly GpuDevice[]
  /** How far the evidence reaches. Without a quote never above `vendor-signed`: the caller's nonce commits to no keyset. */
  readonly binding: GpuBinding
}

const PROVES = {
  structure: 'The evidence can be read in one way only.',
  stated: 'The file is of the round that was asked for, by its own words.',
} as const

const FIRMWARE_STEP = /^(?:gpu|switch)\.\d+\.(?:rim_driver|rim_vbios|measurements)$/

/** What acceptance means; it must not claim what only checks that were done without would have shown. */
function meaningOf(checks: readonly Check[]): string {
  const compared = checks
    .filter(({ id }) => FIRMWARE_STEP.test(id))
    .every(({ status }) => status === 'pass')
  const who = compared
    ? 'genuine GPUs with firmware that NVIDIA published signed this nonce'
    : 'genuine GPUs signed this nonce, with firmware that was not compared with what NVIDIA published'
  return `${who}; nothing here says which machine they are in`
}

/** Of evidence that could not be read. */
export const NO_BINDING: GpuBinding = bindingOf(
  {
    present: false,
    vendorSigned: false,
    freshForRound: false,
    digestInQuote: false,
    checkedByMeasuredGuest: false,
  },
  false,
)

/** The reports decide; this says early, and for a file whose reports nobody reads, that it is the wrong one. */
function statedCheck(stated: readonly string[], nonce: Hex32): Check {
  const id = 'gpu.stated_nonce'
  if (stated.length === 0) return skip(id, 'not_provided', PROVES.stated, 'the file states none')
  return stated.every((each) => each === nonce)
    ? pass(id, PROVES.stated)
    : fail(id, 'gpu_stated_nonce_mismatch', PROVES.stated)
}

function readEvidence(evidence: Uint8Array | readonly unknown[]): GpuFileResult {
  if (evidence instanceof Uint8Array) return parseGpuFile(evidence)
  // Copied once: an accessor could show one device to one check and another to the next.
  const copied = snapshot(evidence, 'the list')
  return copied.ok
    ? readGpuFile(copied.value)
    : { ok: false, code: 'gpu_file_malformed', detail: copied.detail }
}

function requireCount(count: unknown): number | null {
  if (count === null || (Number.isSafeInteger(count) && Number(count) >= 0)) {
    return count === null ? null : Number(count)
  }
  throw new TypeError('gpus: the number of GPUs is not a whole number')
}

/** A caller without types may give the bytes of a file, which hold no lists. */
function requireCollateral(collateral: GpuCollateral | null): void {
  if (collateral === null || (Array.isArray(collateral.rims) && Array.isArray(collateral.ocsp))) {
    return
  }
  throw new TypeError('collateral: not what parseGpuCollateral gives')
}

/**
 * Appraises evidence. Never throws on any bytes.
 *
 * @param evidence bytes of a file (see `parseGpuFile` for its kinds), or the list itself
 * @throws TypeError for a nonce, a number of GPUs or a time that is none, collateral without its lists, or a policy that
 *   `parsePolicy` refuses
 */
export function appraiseGpu(
  evidence: Uint8Array | readonly unknown[],
  given: AppraiseGpuOptions,
): GpuAppraisal {
  const options = requireOptions(given)
  const { asOf = false, nonce, policy, collateral = null } = options
  if (!isHex32(nonce)) throw new TypeError('nonce: not 64 lower-case hex digits')
  requireCollateral(collateral)
  const count = requireCount(options.gpus ?? null)
  const read = readEvidence(evidence)
  if (!read.ok) {
    const checks = [fail('gpu.file', read.code, PROVES.structure, read.detail)]
    const none = { required: [], asOf, simulated: false, acceptUnchecked: [] }
    return { verdict: decideVerdict(checks, none), devices: [], binding: NO_BINDING }
  }
  const list = readGpuList(read.list)
  const findings = judgeGpus(
    list,
    {
      nonce: hex32Bytes(nonce),
      count,
      switches: null,
      nonceCommits: false,
      digestInQuote: false,
      checkedByMeasuredGuest: false,
    },
    { ...options, gpuCollateral: collateral },
  )
  const checks = [
    pass('gpu.file', PROVES.structure, counted(read.list.length, 'device')),
    statedCheck(read.statedNonces, nonce),
    simulationCheck(list.chains, policy.allowSimulated),
    ...findings.checks,
  ]
  const verdict = decideVerdict(checks, {
    required: [
      ...['gpu.file', 'evidence.simulation', ...CORE_GPU_CHECKS],
      ...(count === null ? [] : ['gpu.count']),
      ...policy.require,
    ],
    asOf,
    simulated: isSimulatedList(list),
    acceptUnchecked: policy.acceptUnchecked,
    meaning: meaningOf(checks),
  })
  return { verdict, devices: findings.devices, binding: findings.binding }
}
