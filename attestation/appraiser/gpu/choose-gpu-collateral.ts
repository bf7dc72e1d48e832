/**
 * Which GPU collateral a document is judged by: the caller's own, else the one that is stapled to it.
 *
 * @module
 */
import { NVIDIA_ENTRY_TYPE, readGpuCollateral } from '../../protocol/gpu-collateral.ts'
import type { GpuCollateral } from '../../protocol/gpu-collateral.ts'
import { isJsonObject } from '../../protocol/json.ts'
import type { JsonValue } from '../../protocol/json.ts'
import { fail, pass } from '../check.ts'
import type { Check } from '../check.ts'

const PROVES = 'The GPU collateral can be read in one way only.'

/**
 * @param own of the caller; null: none
 * @param stapled entries of the document's list, of any type
 * @returns `gpu.collateral` where there is any. Malformed collateral fails: left out in silence it would be a way to be
 *   judged without it
 */
export function chooseGpuCollateral(
  own: GpuCollateral | null,
  stapled: readonly JsonValue[],
): { readonly checks: readonly Check[]; readonly collateral: GpuCollateral | null } {
  const id = 'gpu.collateral'
  if (own !== null) return { checks: [pass(id, PROVES, 'given by the caller')], collateral: own }
  const entries = stapled.filter(
    (entry) => isJsonObject(entry) && entry['type'] === NVIDIA_ENTRY_TYPE,
  )
  if (entries.length === 0) return { checks: [], collateral: null }
  const [entry] = entries
  const read =
    entries.length === 1 && isJsonObject(entry) && Object.keys(entry).length === 2
      ? readGpuCollateral(entry['value'])
      : { ok: false as const, detail: 'not exactly one entry with a type and a value' }
  return read.ok
    ? { checks: [pass(id, PROVES, 'stapled')], collateral: read.collateral }
    : { checks: [fail(id, 'gpu_collateral_malformed', PROVES, read.detail)], collateral: null }
}
