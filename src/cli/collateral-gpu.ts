/**
 * `countersign collateral gpu <file>`: NVIDIA's RIMs and OCSP responses for GPU evidence, as one file.
 *
 * @module
 */
import { unwrapDocument } from '../../attestation/appraiser/document/parse-document.ts'
import { fetchGpuCollateral } from '../../attestation/collateral/gpu/fetch-gpu-collateral.ts'
import { layoutOf } from './appraise-report-file.ts'
import { EXIT } from './exit-codes.ts'
import { defaultCacheFolder } from './obtain-collateral.ts'
import { openGpuClient, tellMissing } from './obtain-gpu-collateral.ts'
import type { GpuServiceOptions } from './obtain-gpu-collateral.ts'
import { printableJson } from './printable.ts'
import { readBounded } from './read-bounded.ts'
import { readGpuEvidence } from './read-gpu-evidence.ts'
import { Refusal } from './refusal.ts'

export interface CollateralGpuOptions extends GpuServiceOptions {
  readonly dir?: string
}

/**
 * Prints what could be had to standard output, and what could not to standard error.
 *
 * @param file GPU evidence, or a document or report that holds some
 * @returns the exit code: 0, or 1 where something is missing
 */
export async function collateralGpu(file: string, options: CollateralGpuOptions): Promise<number> {
  const client = await openGpuClient(options, options.dir ?? defaultCacheFolder())
  const bytes = unwrapDocument(await readBounded(file))
  const list = readGpuEvidence(bytes, layoutOf(bytes, {}))
  if (list === null) throw new Refusal(`${file} holds no GPU evidence.`, EXIT.malformed)
  const { collateral, missing } = await fetchGpuCollateral(list, { client })
  tellMissing(missing)
  // An empty file would later read as collateral that was given.
  if (missing.length > 0 && collateral.rims.length + collateral.ocsp.length === 0) {
    throw new Refusal('None of it could be had, so no file is printed.', EXIT.internal)
  }
  process.stdout.write(`${printableJson(collateral)}\n`)
  return missing.length === 0 ? EXIT.accepted : EXIT.internal
}
