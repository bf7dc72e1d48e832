/**
 * The collateral that is stapled to a document, to judge another document of the same machine by: that of a keyset which has been
 * renewed since, archived with the collateral of its time.
 *
 * @module
 */
import { DCAP_ENTRY_TYPE, readCollateral } from '../../protocol/dcap-collateral.ts'
import type { DcapCollateral } from '../../protocol/dcap-collateral.ts'
import { NVIDIA_ENTRY_TYPE, readGpuCollateral } from '../../protocol/gpu-collateral.ts'
import type { GpuCollateral } from '../../protocol/gpu-collateral.ts'
import { isJsonObject } from '../../protocol/json.ts'
import type { JsonValue } from '../../protocol/json.ts'
import { parseDocument } from './parse-document.ts'

export interface StapledCollateral {
  readonly collateral: DcapCollateral | null
  readonly gpuCollateral: GpuCollateral | null
}

function valueOf(entries: readonly JsonValue[], type: string): JsonValue | undefined {
  const found = entries.filter((entry) => isJsonObject(entry) && entry['type'] === type)
  const [entry] = found
  return found.length === 1 && isJsonObject(entry) ? entry['value'] : undefined
}

/**
 * What vendors signed is worth the same from any hand, so nothing is judged here.
 *
 * @param bytes the exact text of a document, unwrapped
 * @returns null for what is not there or cannot be read. Never throws
 */
export function stapledCollateral(bytes: Uint8Array): StapledCollateral {
  const parsed = parseDocument(bytes)
  const entries = parsed.ok ? (parsed.document.collateral ?? []) : []
  const dcap = readCollateral(valueOf(entries, DCAP_ENTRY_TYPE))
  const gpu = readGpuCollateral(valueOf(entries, NVIDIA_ENTRY_TYPE))
  return {
    collateral: dcap.ok ? dcap.collateral : null,
    gpuCollateral: gpu.ok ? gpu.collateral : null,
  }
}
