/**
 * Appraises GPU evidence that is given as one JSON document with everything that the verdict depends on: the form in which
 * vectors for verifiers are written (docs/conformance.md).
 *
 * @module
 */
import type { CryptoPort } from '../../crypto/port.ts'
import { MAX_GPU_COLLATERAL_BYTES, readGpuCollateral } from '../../protocol/gpu-collateral.ts'
import type { GpuCollateral } from '../../protocol/gpu-collateral.ts'
import type { Hex32 } from '../../protocol/hex.ts'
import { parseJson } from '../../protocol/json.ts'
import type { JsonValue } from '../../protocol/json.ts'
import { toUtf8 } from '../../protocol/utf8.ts'
import { fail } from '../check.ts'
import { parsePolicy } from '../policy.ts'
import type { AppraisalPolicy } from '../policy.ts'
import { hex32Of, integerOf, objectOf, Unreadable } from '../read-members.ts'
import { decideVerdict } from '../verdict.ts'
import { appraiseGpu, NO_BINDING } from './appraise-gpu.ts'
import type { GpuAppraisal } from './appraise-gpu.ts'
import { MAX_GPU_FILE_BYTES } from './parse-gpu-file.ts'

/** Bytes of the document: evidence, collateral and a policy with full lists. */
export const MAX_GPU_INPUT_BYTES = MAX_GPU_FILE_BYTES + MAX_GPU_COLLATERAL_BYTES + 1024 * 1024

interface GpuInput {
  /** JSON text of the evidence. */
  readonly evidence: Uint8Array
  readonly nonce: Hex32
  /** Unix seconds. */
  readonly at: number
  readonly gpus: number | null
  readonly collateral: GpuCollateral | null
  readonly policy: AppraisalPolicy
}

const PROVES_STRUCTURE = 'The input can be read in one way only.'

function nullOr<T>(value: JsonValue | undefined, read: (value: JsonValue) => T): T | null {
  return value === undefined || value === null ? null : read(value)
}

function collateralOf(value: JsonValue): GpuCollateral {
  const result = readGpuCollateral(value)
  if (!result.ok) throw new Unreadable(result.detail)
  return result.collateral
}

function policyOf(value: JsonValue | undefined): AppraisalPolicy {
  const result = parsePolicy(value ?? {})
  if (!result.ok) throw new Unreadable(result.detail)
  return result.policy
}

const REQUIRED = ['evidence', 'nonce', 'at'] as const
const OPTIONAL = ['gpus', 'collateral', 'policy'] as const

/** @throws Unreadable */
function readInput(bytes: Uint8Array): GpuInput {
  if (bytes.length > MAX_GPU_INPUT_BYTES) throw new Unreadable(`over ${MAX_GPU_INPUT_BYTES} bytes`)
  const parsed = parseJson(bytes)
  if (!parsed.ok) throw new Unreadable(`not strict JSON: ${parsed.fault}`)
  const input = objectOf(parsed.value, 'the input', REQUIRED, OPTIONAL)
  return {
    evidence: toUtf8(JSON.stringify(input['evidence'])),
    nonce: hex32Of(input['nonce'], 'nonce'),
    at: integerOf(input['at'], 'at'),
    gpus: nullOr(input['gpus'], (value) => integerOf(value, 'gpus')),
    collateral: nullOr(input['collateral'], collateralOf),
    policy: policyOf(input['policy']),
  }
}

/**
 * Never throws on any bytes.
 *
 * @param bytes the input document of docs/conformance.md
 */
export function appraiseGpuInput(bytes: Uint8Array, crypto: CryptoPort): GpuAppraisal {
  let input: GpuInput
  try {
    input = readInput(bytes)
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error
    const checks = [fail('input.structure', 'report_malformed', PROVES_STRUCTURE, error.message)]
    const none = { required: [], asOf: true, simulated: false, acceptUnchecked: [] }
    return { verdict: decideVerdict(checks, none), devices: [], binding: NO_BINDING }
  }
  const { evidence, ...moment } = input
  return appraiseGpu(evidence, { ...moment, crypto, asOf: true })
}
