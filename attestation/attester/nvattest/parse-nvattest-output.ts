/**
 * The document that `nvattest collect-evidence --format json` prints (NVIDIA/attestation-sdk 1.2, 2026-06-25):
 * `{"result_code":0,"result_message":"…","evidences":[{"arch","nonce","evidence","certificate"}]}`; evidences is null
 * where the result is not 0.
 *
 * @module
 */
import { isJsonObject, parseJson } from '../../protocol/json.ts'
import { isHex32 } from '../../protocol/hex.ts'
import type { Hex32 } from '../../protocol/hex.ts'
import type { GpuEvidence } from '../evidence-source.ts'

/** More than eight GPUs and four switches. */
export const MAX_NVATTEST_DEVICES = 16

export interface NvattestEvidence extends GpuEvidence {
  /** What nvattest says it asked for; the signed one is in the report. */
  readonly nonce: Hex32
}

export type NvattestOutput =
  | { readonly kind: 'evidence'; readonly evidence: readonly NvattestEvidence[] }
  | { readonly kind: 'failed'; readonly resultCode: number }
  | { readonly kind: 'malformed'; readonly detail: string }

function malformed(detail: string): NvattestOutput {
  return { kind: 'malformed', detail }
}

/** Members beyond the four are left behind, signed by nobody: a newer nvattest may say more than an older one. */
function readEvidence(value: unknown): NvattestEvidence | null {
  if (!isJsonObject(value)) return null
  const { arch, nonce, evidence, certificate } = value as Readonly<Record<string, unknown>>
  if (typeof arch !== 'string' || !isHex32(nonce)) return null
  if (typeof evidence !== 'string' || typeof certificate !== 'string') return null
  return { arch, nonce, evidence, certificate }
}

/** @param bytes what was printed, whole; lines before or after the document make it malformed */
export function parseNvattestOutput(bytes: Uint8Array): NvattestOutput {
  const parsed = parseJson(bytes)
  if (!parsed.ok) return malformed(parsed.fault)
  if (!isJsonObject(parsed.value)) return malformed('not an object')
  const { result_code: resultCode, evidences } = parsed.value as Readonly<Record<string, unknown>>
  if (typeof resultCode !== 'number' || !Number.isInteger(resultCode)) {
    return malformed('no result_code')
  }
  if (resultCode !== 0) return { kind: 'failed', resultCode }
  if (!Array.isArray(evidences) || evidences.length > MAX_NVATTEST_DEVICES) {
    return malformed(`evidences is not a list of at most ${MAX_NVATTEST_DEVICES}`)
  }
  const evidence: NvattestEvidence[] = []
  for (const value of evidences as readonly unknown[]) {
    const one = readEvidence(value)
    if (one === null) return malformed(`element ${evidence.length} lacks a member`)
    evidence.push(one)
  }
  return { kind: 'evidence', evidence }
}
