/**
 * What a policy demands of devices and an answer of NVIDIA's service does not say. An answer that stands alone is then refused:
 * one about somebody else's GPUs would meet a list of serial numbers that nobody looks at.
 *
 * @module
 */
import { GPU_MODES } from '../gpu-policy.ts'
import type { GpuPolicy } from '../gpu-policy.ts'
import type { NrasKind } from './parse-nras-answer.ts'

/** The claims tell protected PCIe mode from the others, and those not from each other. */
function isModeUnjudged({ modes }: GpuPolicy): boolean {
  const others = GPU_MODES.filter((mode) => mode !== 'protected-pcie')
  const accepted = others.filter((mode) => modes.includes(mode)).length
  return modes.length === 0 || (accepted > 0 && accepted < others.length)
}

/** @returns the member of the policy, or null where the claims answer for all of them */
export function unjudgedRestriction(policy: GpuPolicy, kind: NrasKind): string | null {
  switch (kind) {
    case 'gpu':
      // `ueid` is the serial number of the attestation certificate, which changes with the firmware.
      if (policy.gpuSerials !== null) return 'gpuSerials'
      if (policy.switches !== null) return 'switches'
      return isModeUnjudged(policy) ? 'modes' : null
    case 'switch':
      return policy.switchSerials === null ? null : 'switchSerials'
  }
}
