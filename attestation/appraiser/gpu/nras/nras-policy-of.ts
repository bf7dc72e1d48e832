/**
 * The GPU policy of a relying party as it applies to the word of NVIDIA's service: one policy for a device, whoever judged it.
 *
 * @module
 */
import type { GpuPolicy } from '../gpu-policy.ts'
import { DEFAULT_NRAS_POLICY } from './nras-policy.ts'
import type { NrasPolicy } from './nras-policy.ts'

/** The claims tell protected PCIe mode from the others, and those not from each other. */
function protectedPcieOf({ modes }: GpuPolicy): NrasPolicy['protectedPcie'] {
  if (!modes.includes('protected-pcie')) return 'refused'
  return modes.every((mode) => mode === 'protected-pcie') ? 'required' : 'any'
}

export function nrasPolicyOf(gpu: GpuPolicy): NrasPolicy {
  return {
    issuer: gpu.nrasIssuer,
    nrasRoots: gpu.nrasRoots,
    clockSkewS: gpu.nrasClockSkewS,
    maxTokenLifetimeS: gpu.nrasMaxTokenLifetimeS,
    claimsVersions: gpu.nrasClaimsVersions,
    // Only these are judged here, so these are meant where any is accepted.
    hardwareModels: gpu.hardwareModels ?? DEFAULT_NRAS_POLICY.hardwareModels,
    drivers: gpu.drivers,
    minDriver: gpu.minDriver,
    vbioses: gpu.vbioses,
    minVbios: gpu.minVbios,
    switchBioses: gpu.switchBioses,
    minSwitchBios: gpu.minSwitchBios,
    protectedPcie: protectedPcieOf(gpu),
  }
}
