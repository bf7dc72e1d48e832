/**
 * `countersign collateral gpu <file>`: NVIDIA's RIMs and OCSP responses for GPU evidence, as one file.
 *
 * @module
 */
import { MAX_GPU_FILE_BYTES, parseGpuFile } from '../../attestation/appraiser/gpu/parse-gpu-file.ts'
import { openGpuDiskCache } from '../../attestation/collateral/cache/gpu-cache.ts'
import { fetchGpuCollateral } from '../../attestation/collateral/gpu/fetch-gpu-collateral.ts'
import { createGpuCollateralClient } from '../../attestation/collateral/gpu/gpu-collateral-client.ts'
import {
  NVIDIA_SERVICES,
  parseServiceUrl,
} from '../../attestation/collateral/gpu/nvidia-services.ts'
import { EXIT } from './exit-codes.ts'
import { defaultCacheFolder, transportOf } from './obtain-collateral.ts'
import { printable, printableJson } from './printable.ts'
import { readBounded } from './read-bounded.ts'
import { Refusal } from './refusal.ts'

export interface CollateralGpuOptions {
  readonly dir?: string
  readonly rimUrl?: string
  readonly ocspUrl?: string
  readonly proxy?: string
  readonly tlsCa?: string
}

function serviceOf(text: string | undefined, flag: string, fallback: string): string {
  const service = text === undefined ? fallback : parseServiceUrl(text)
  if (service === null) throw new Refusal(`--${flag} takes the https URL of a service.`)
  return service
}

/**
 * Prints what could be had to standard output, and what could not to standard error.
 *
 * @returns the exit code: 0, or 1 where something is missing
 */
export async function collateralGpu(file: string, options: CollateralGpuOptions): Promise<number> {
  const services = {
    rim: serviceOf(options.rimUrl, 'rim-url', NVIDIA_SERVICES.rim),
    ocsp: serviceOf(options.ocspUrl, 'ocsp-url', NVIDIA_SERVICES.ocsp),
  }
  const read = parseGpuFile(await readBounded(file, MAX_GPU_FILE_BYTES))
  if (!read.ok) throw new Refusal(`${file}: ${read.detail}.`, EXIT.malformed)
  const client = createGpuCollateralClient({
    services,
    transport: await transportOf(options),
    cache: openGpuDiskCache(options.dir ?? defaultCacheFolder()),
  })
  const { collateral, missing } = await fetchGpuCollateral(read.list, { client })
  process.stdout.write(`${printableJson(collateral)}\n`)
  for (const { error } of missing) {
    process.stderr.write(`${printable(`${error.code}: ${error.message}`)}\n`)
  }
  return missing.length === 0 ? EXIT.accepted : EXIT.internal
}
