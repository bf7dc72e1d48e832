/**
 * One vector: evidence, and the verdict and code that a verifier must give for it. Verdict and code stand in the table of cases as
 * they follow from NVIDIA's formats, the RFCs and docs/errors.md; nothing here runs the appraiser.
 *
 * @module
 */
import type { GpuEvidence } from '../../attestation/appraiser/gpu/parse-gpu-evidence.ts'
import type { GpuCollateral } from '../../attestation/protocol/gpu-collateral.ts'
import { vectorsOf } from '../corpus/vector.ts'
import type { VectorCode } from '../corpus/vector.ts'
import { goodGpu } from './report.ts'
import { AT, NONCE, PKI, RIMS, sha256Hex, toHex } from './world.ts'

export interface Evidence {
  /** Elements of the list; absent: one good GPU. */
  readonly list?: readonly (GpuEvidence | object)[]
  /** In place of the list, whatever it is. */
  readonly file?: unknown
  readonly nonce?: Uint8Array
  readonly at?: number
  /** How many GPUs are expected; absent: not said. */
  readonly gpus?: number
  readonly collateral?: GpuCollateral | null
  /** Members of the policy's part of GPUs. */
  readonly gpuPolicy?: object
  /** Members beside those that every vector needs. */
  readonly policy?: object
  /** Members of the input that replace or join the others. */
  readonly raw?: object
}

export function policyOf({ policy, gpuPolicy }: Pick<Evidence, 'policy' | 'gpuPolicy'>): object {
  return {
    allowSimulated: true,
    nvidiaRoots: [toHex(PKI.rootSha256)],
    gpu: { rimRoots: [sha256Hex(RIMS.root.der)], ...gpuPolicy },
    ...policy,
  }
}

/** What `appraise-gpu` reads: docs/conformance.md. */
export function inputOf(evidence: Evidence): object {
  return {
    evidence: evidence.file === undefined ? (evidence.list ?? [goodGpu()]) : evidence.file,
    nonce: toHex(evidence.nonce ?? NONCE),
    at: evidence.at ?? AT,
    ...(evidence.gpus === undefined ? {} : { gpus: evidence.gpus }),
    ...(evidence.collateral === undefined ? {} : { collateral: evidence.collateral }),
    policy: policyOf(evidence),
    ...evidence.raw,
  }
}

export const { accepted, rejected, malformed, unsupported } = vectorsOf(inputOf)

/** A row of a table of cases. */
export type Case = readonly [id: string, code: VectorCode, title: string, evidence: Evidence]

export type { Vector, VectorCode, VectorVerdict } from '../corpus/vector.ts'
