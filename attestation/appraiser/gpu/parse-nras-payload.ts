/**
 * The request body of NVIDIA's Remote Attestation Service (`POST /v3/attest/gpu`, `/v4/attest/gpu`), which the
 * vllm-proxy family publishes as `nvidia_payload`: one nonce and one architecture for a list of devices.
 *
 * @module
 */
import { fromHex } from '../../protocol/hex.ts'
import { isJsonObject } from '../../protocol/json.ts'
import type { JsonObject } from '../../protocol/json.ts'
import { MAX_GPUS } from './parse-gpu-evidence.ts'
import type { GpuEvidence } from './parse-gpu-evidence.ts'
import { NONCE_BYTES } from './parse-spdm-report.ts'

const MEMBERS: readonly string[] = ['nonce', 'arch', 'evidence_list', 'claims_version']
/** Proxies repeat `arch` in each item; the service itself asks for the other two only. */
const ITEM_MEMBERS: readonly string[] = ['certificate', 'evidence', 'arch']

export type NrasPayloadResult =
  | {
      readonly ok: true
      /** 32 bytes, as the payload claims it; the reports have to show it too. */
      readonly nonce: Uint8Array
      /** In the shape of Countersign's own list. */
      readonly evidence: readonly GpuEvidence[]
    }
  | { readonly ok: false; readonly code: 'gpu_list_malformed'; readonly detail: string }

function malformed(detail: string): NrasPayloadResult {
  return { ok: false, code: 'gpu_list_malformed', detail }
}

function hasOnly(value: JsonObject, members: readonly string[]): boolean {
  return Object.keys(value).every((name) => members.includes(name))
}

/**
 * Reads a payload into the list that `verifyGpuEvidence` takes. Never throws; what stands in the strings is judged
 * there.
 * @param value parsed JSON
 */
export function parseNrasPayload(value: unknown): NrasPayloadResult {
  if (!isJsonObject(value) || !hasOnly(value, MEMBERS)) {
    return malformed('not an attestation service request')
  }
  const { nonce, arch, evidence_list: list } = value as Readonly<Record<string, unknown>>
  const nonceBytes = typeof nonce === 'string' ? fromHex(nonce.toLowerCase()) : null
  if (nonceBytes?.length !== NONCE_BYTES) return malformed('nonce is not hex of 32 bytes')
  if (typeof arch !== 'string') return malformed('arch is not a string')
  if (!Array.isArray(list) || list.length > MAX_GPUS) {
    return malformed(`evidence_list is not a list of at most ${MAX_GPUS}`)
  }
  const evidence: GpuEvidence[] = []
  for (const [index, item] of list.entries()) {
    if (!isJsonObject(item) || !hasOnly(item, ITEM_MEMBERS)) {
      return malformed(`item ${index} is not certificate and evidence`)
    }
    const { certificate, evidence: report, arch: own } = item as Readonly<Record<string, unknown>>
    if (typeof certificate !== 'string' || typeof report !== 'string') {
      return malformed(`item ${index} lacks certificate or evidence`)
    }
    // Two answers to one question: the service judges by the outer one, a careless reader by the inner one.
    if (own !== undefined && own !== arch) return malformed(`item ${index} names another arch`)
    evidence.push({ arch, certificate, evidence: report })
  }
  return { ok: true, nonce: nonceBytes, evidence }
}
