/**
 * Compares the number of GPUs that the configuration requires with what the machine and the measured compose text say.
 *
 * NVML and the evidence are compared where they are collected and appraised. `vm_config` is written by the host and proves
 * nothing; a host that configured another number than the operator asked for is told so before a user is.
 *
 * @module
 */
import { parseDocument } from '../../attestation/appraiser/document/parse-document.ts'
import { readConfig } from '../../attestation/appraiser/document/read-config.ts'
import { isJsonObject, parseJsonText } from '../../attestation/protocol/json.ts'

const REQUIRE_GPU = /--require-gpu(?:=|[\s"',\]]+)(\d{1,2})(?!\d)/g

function membersOf(text: string): Readonly<Record<string, unknown>> {
  const parsed = parseJsonText(text)
  return parsed.ok && isJsonObject(parsed.value) ? parsed.value : {}
}

/** @returns the one number that `--require-gpu` is given in the compose text; null where there is none, or more than one */
export function statedGpuCount(appCompose: string): number | null {
  const file = membersOf(appCompose)['docker_compose_file']
  if (typeof file !== 'string') return null
  const counts = new Set([...file.matchAll(REQUIRE_GPU)].map(([, count]) => Number(count)))
  const [only] = counts
  return counts.size === 1 && only !== undefined ? only : null
}

/** @param bytes of a document that was accepted */
export function gpuCountCause(
  bytes: Uint8Array,
): 'gpu_count_vm_config' | 'gpu_count_compose' | null {
  const parsed = parseDocument(bytes)
  const config = parsed.ok ? readConfig(parsed.document.config) : 'document'
  if (!parsed.ok || typeof config === 'string') return null
  const { gpuRequired: required } = config
  const stated = statedGpuCount(parsed.document.appCompose)
  if (stated !== null && stated !== required) return 'gpu_count_compose'
  const configured = membersOf(parsed.document.vmConfig)['num_gpus']
  // A machine with GPUs may run a service that needs none.
  if (required === 0 || typeof configured !== 'number') return null
  return configured === required ? null : 'gpu_count_vm_config'
}
