/**
 * GPU collateral as the command line asks for it: from a file, from the folder that `--fetch-collateral` keeps, or from NVIDIA.
 *
 * @module
 */
import { isSimulatedList, readGpuList } from '../../attestation/appraiser/gpu/judge-gpus.ts'
import type { AppraisalPolicy } from '../../attestation/appraiser/policy.ts'
import { openGpuDiskCache } from '../../attestation/collateral/cache/gpu-cache.ts'
import { fetchGpuCollateral } from '../../attestation/collateral/gpu/fetch-gpu-collateral.ts'
import type { MissingCollateral } from '../../attestation/collateral/gpu/fetch-gpu-collateral.ts'
import { createGpuCollateralClient } from '../../attestation/collateral/gpu/gpu-collateral-client.ts'
import type { GpuCollateralClient } from '../../attestation/collateral/gpu/gpu-collateral-client.ts'
import {
  NVIDIA_SERVICES,
  parseServiceUrl,
} from '../../attestation/collateral/gpu/nvidia-services.ts'
import {
  MAX_GPU_COLLATERAL_BYTES,
  parseGpuCollateral,
} from '../../attestation/protocol/gpu-collateral.ts'
import type { GpuCollateral } from '../../attestation/protocol/gpu-collateral.ts'
import { fromHex } from '../../attestation/protocol/hex.ts'
import type { FileLayout } from './appraise-report-file.ts'
import { defaultCacheFolder, isFolder, transportOf } from './obtain-collateral.ts'
import { printable } from './printable.ts'
import { readBounded } from './read-bounded.ts'
import { readGpuEvidence } from './read-gpu-evidence.ts'
import { Refusal } from './refusal.ts'

/** Whom to ask, and how. */
export interface GpuServiceOptions {
  /** Services to ask in place of NVIDIA's. */
  readonly rimUrl?: string
  readonly ocspUrl?: string
  readonly proxy?: string
  readonly tlsCa?: string
}

export interface GpuCollateralOptions extends GpuServiceOptions {
  /** A file with one set, or the folder of a cache. */
  readonly gpuCollateral?: string
  /** Intel's. */
  readonly collateral?: string
  readonly fetchCollateral?: boolean
}

function serviceOf(text: string | undefined, flag: string, fallback: string): string {
  const service = text === undefined ? fallback : parseServiceUrl(text)
  if (service === null) throw new Refusal(`--${flag} takes the https URL of a service.`)
  return service
}

/** @param folder of the cache; null: nothing kept counts, nothing is kept */
export async function openGpuClient(
  options: GpuServiceOptions,
  folder: string | null,
): Promise<GpuCollateralClient> {
  return createGpuCollateralClient({
    services: {
      rim: serviceOf(options.rimUrl, 'rim-url', NVIDIA_SERVICES.rim),
      ocsp: serviceOf(options.ocspUrl, 'ocsp-url', NVIDIA_SERVICES.ocsp),
    },
    cache: folder === null ? null : openGpuDiskCache(folder),
    transport: await transportOf(options),
  })
}

async function readFile(path: string): Promise<GpuCollateral> {
  const parsed = parseGpuCollateral(await readBounded(path, MAX_GPU_COLLATERAL_BYTES))
  if (!parsed.ok) {
    throw new Refusal(
      `${path}: ${parsed.detail}. --gpu-collateral takes what \`countersign collateral gpu\` prints.`,
    )
  }
  return parsed.collateral
}

export function tellMissing(missing: readonly MissingCollateral[]): void {
  for (const { what, error } of missing) {
    // The client knows of one OCSP response only that it is one.
    const which = error.message.startsWith(what) ? error.message : `${what}: ${error.message}`
    process.stderr.write(`${printable(`${error.code}: ${which}`)}\n`)
  }
}

/**
 * What `client` has for the devices of the evidence; what it has not is told, and what that means is left to the appraisal.
 *
 * @returns null where it has nothing: stapled collateral then counts
 */
async function gather(
  list: readonly unknown[],
  client: GpuCollateralClient,
  policy: AppraisalPolicy,
  tell: boolean,
): Promise<GpuCollateral | null> {
  const { collateral, missing } = await fetchGpuCollateral(list, {
    client,
    rimRoots: policy.gpu.rimRoots.map((root) => fromHex(root)).filter((root) => root !== null),
    allowSimulated: policy.allowSimulated,
  })
  if (tell) tellMissing(missing)
  return collateral.rims.length + collateral.ocsp.length === 0 ? null : collateral
}

/** NVIDIA has nothing to say of a simulation, and need not know of it; a service that was named may. */
function isWorthAsking(list: readonly unknown[], { rimUrl, ocspUrl }: GpuServiceOptions): boolean {
  return rimUrl !== undefined || ocspUrl !== undefined || !isSimulatedList(readGpuList(list))
}

/**
 * @param bytes of what is verified, unwrapped
 * @returns null where none was named, or there are no devices to get any for: stapled collateral then counts, if there is any
 */
export async function obtainGpuCollateral(
  bytes: Uint8Array,
  layout: FileLayout,
  options: GpuCollateralOptions,
  policy: AppraisalPolicy,
): Promise<GpuCollateral | null> {
  const { gpuCollateral: path, fetchCollateral = false, collateral: intel } = options
  if (path !== undefined && !(await isFolder(path))) {
    if (!fetchCollateral) return readFile(path)
    throw new Refusal(
      '--fetch-collateral keeps what it gets in a folder; --gpu-collateral names a file.',
    )
  }
  const list = readGpuEvidence(bytes, layout)
  if (list === null || list.length === 0) return null
  // A folder that was named for Intel's collateral holds NVIDIA's too.
  const folder = path ?? (intel !== undefined && (await isFolder(intel)) ? intel : undefined)
  if (fetchCollateral) {
    if (!isWorthAsking(list, options)) return null
    return gather(list, await openGpuClient(options, folder ?? defaultCacheFolder()), policy, true)
  }
  if (folder === undefined) return null
  const kept = createGpuCollateralClient({
    cache: openGpuDiskCache(folder),
    offline: true,
  })
  return gather(list, kept, policy, path !== undefined)
}
