/**
 * GPU collateral as the command line asks for it.
 *
 * @module
 */
import {
  MAX_GPU_COLLATERAL_BYTES,
  parseGpuCollateral,
} from '../../attestation/protocol/gpu-collateral.ts'
import type { GpuCollateral } from '../../attestation/protocol/gpu-collateral.ts'
import { readBounded } from './read-bounded.ts'
import { Refusal } from './refusal.ts'

export interface GpuCollateralOptions {
  /** A file with one set. */
  readonly gpuCollateral?: string
}

/** @returns null where none was named: stapled collateral then counts, where there is any */
export async function readGpuCollateralFile({
  gpuCollateral: path,
}: GpuCollateralOptions): Promise<GpuCollateral | null> {
  if (path === undefined) return null
  const parsed = parseGpuCollateral(await readBounded(path, MAX_GPU_COLLATERAL_BYTES))
  if (!parsed.ok) throw new Refusal(`${path}: ${parsed.detail}.`)
  return parsed.collateral
}
