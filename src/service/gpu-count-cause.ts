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
import { measuredGpus } from '../compose/measured-gpus.ts'

function configuredGpus(vmConfig: string): unknown {
  const parsed = parseJsonText(vmConfig)
  return parsed.ok && isJsonObject(parsed.value) ? parsed.value['num_gpus'] : undefined
}

/** @param bytes of a document that was accepted */
export function gpuCountCause(
  bytes: Uint8Array,
): 'gpu_count_vm_config' | 'gpu_count_compose' | null {
  const parsed = parseDocument(bytes)
  const config = parsed.ok ? readConfig(parsed.document.config) : 'document'
  if (!parsed.ok || typeof config === 'string') return null
  const { gpuRequired: required } = config
  const platform = parsed.document.tapp === null ? 'dstack' : 'tapp'
  if (measuredGpus(parsed.document.appCompose, platform).some((stated) => stated !== required)) {
    return 'gpu_count_compose'
  }
  const configured = configuredGpus(parsed.document.vmConfig)
  // A machine with GPUs may run a service that needs none.
  if (required === 0 || typeof configured !== 'number') return null
  return configured === required ? null : 'gpu_count_vm_config'
}
