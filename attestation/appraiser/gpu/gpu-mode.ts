/**
 * In which mode a GPU says that it runs, from its signed report.
 *
 * @module
 */
import type { GpuMode } from './gpu-policy.ts'
import type { SpdmReport } from './parse-spdm-report.ts'

/** Opaque field 36 (NVIDIA attestation-sdk, feature flag): SPT, MPT, PPCIE. */
const FEATURES: ReadonlyMap<number, GpuMode> = new Map([
  [0, 'single-pass-through'],
  [1, 'multiple-pass-through'],
  [2, 'protected-pcie'],
])

/**
 * Drivers before 580 state no feature flag, and those before 550 no protected PCIe status either.
 *
 * @returns null where the flag is unknown or contradicts the protected PCIe status
 */
export function gpuModeOf({
  featureFlag,
  protectedPcie,
}: Pick<SpdmReport, 'featureFlag' | 'protectedPcie'>): GpuMode | null {
  if (featureFlag === null) return protectedPcie === true ? 'protected-pcie' : 'unstated'
  const mode = FEATURES.get(featureFlag) ?? null
  if (protectedPcie === null || mode === null) return mode
  return (mode === 'protected-pcie') === protectedPcie ? mode : null
}
