/**
 * NVML's numbers of GPU architectures as the names that NVIDIA's services and tools use in evidence.
 *
 * @module
 */

/** nvml.h, `NVML_DEVICE_ARCH_*`, from the first that could attest. H100, H200, H20 and GH200 are all HOPPER. */
const NAMES: Readonly<Record<number, string>> = { 9: 'HOPPER', 10: 'BLACKWELL' }

/** @returns null for an architecture that does not attest, or is newer than this table */
export function architectureName(number: number): string | null {
  return NAMES[number] ?? null
}
