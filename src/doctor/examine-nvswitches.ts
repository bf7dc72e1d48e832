/**
 * The NVSwitches of a machine whose GPUs are in protected-PCIe mode.
 *
 * @module
 */
import { counted } from '../../attestation/appraiser/counted.ts'
import type { GpuEvidence, GpuEvidenceSource } from '../../attestation/attester/evidence-source.ts'
import { isJsonObject, parseJsonText } from '../../attestation/protocol/json.ts'
import { finding, good, gpuFailure } from './doctor-row.ts'
import type { DoctorRow } from './doctor-row.ts'
import type { GuestTexts } from './guest-texts.ts'

const CHECK = 'gpu.nvswitches'
const EVIDENCE_CHECK = 'gpu.nvswitch_evidence'

export interface NvswitchInput {
  /** How many must attest. */
  readonly required: number
  readonly source: GpuEvidenceSource
}

export interface NvswitchSurroundings {
  readonly gpus: number
  /** As the driver says; null where it did not. */
  readonly protectedPcie: boolean | null
  readonly info: GuestTexts | null
  /** 32 random bytes. */
  readonly nonce: Uint8Array
}

export interface NvswitchFindings {
  readonly rows: readonly DoctorRow[]
  readonly evidence: readonly GpuEvidence[]
}

/** `num_nvswitches` of the machine; null where it is not told. */
function statedSwitches(info: GuestTexts | null): number | null {
  if (info === null || info.vmConfig === '') return null
  const vm = parseJsonText(info.vmConfig)
  const stated = vm.ok && isJsonObject(vm.value) ? vm.value['num_nvswitches'] : null
  return typeof stated === 'number' ? stated : null
}

/**
 * No rows where none are required and the mode of the GPUs asks for none.
 *
 * @param input null where none are required
 */
export async function examineNvswitches(
  input: NvswitchInput | null,
  { gpus, protectedPcie, info, nonce }: NvswitchSurroundings,
): Promise<NvswitchFindings> {
  if (input === null) {
    const seen = `none are required, and the ${gpus} GPUs are in protected-PCIe mode`
    // The links of one GPU lead to no other.
    const lacking = protectedPcie === true && gpus > 1
    return {
      rows: lacking ? [finding(CHECK, 'gpu_nvswitches_unrequired', seen)] : [],
      evidence: [],
    }
  }
  const { required, source } = input
  const stated = statedSwitches(info)
  const number =
    stated === null || stated === required
      ? good(CHECK, `${required} required${stated === null ? '' : ', as many as the machine has'}`)
      : finding(CHECK, 'gpu_nvswitches_vm_config', `${stated} where ${required} are configured`)
  try {
    const evidence = await source.collect(nonce)
    const seen = `of ${counted(evidence.length, 'NVSwitch', 'NVSwitches')}, under a fresh nonce`
    return { rows: [number, good(EVIDENCE_CHECK, seen)], evidence }
  } catch (error) {
    return { rows: [number, gpuFailure(EVIDENCE_CHECK, error)], evidence: [] }
  }
}
