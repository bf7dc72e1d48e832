/**
 * Where a service gets the collateral that it staples: the vendors' services, or a simulator in their place.
 *
 * @module
 */
import type { DcapCollateral } from '../../protocol/dcap-collateral.ts'
import { createCollateralClient } from '../collateral-client.ts'
import type { CollateralService } from '../collateral-service.ts'
import { fetchGpuCollateral } from '../gpu/fetch-gpu-collateral.ts'
import type { FetchedGpuCollateral } from '../gpu/fetch-gpu-collateral.ts'
import { createGpuCollateralClient } from '../gpu/gpu-collateral-client.ts'
import type { NvidiaServices } from '../gpu/nvidia-services.ts'
import type { Transport } from '../http-request.ts'
import type { QuotedPlatform } from '../read-platform.ts'

export interface CollateralSource {
  /** @throws CollateralError */
  dcap(platform: QuotedPlatform): Promise<DcapCollateral>
  /** @param list evidence of the devices, as `verifyGpuEvidence` takes it */
  gpu(list: readonly unknown[]): Promise<FetchedGpuCollateral>
}

export interface NetworkSourceOptions {
  readonly intel: CollateralService
  readonly nvidia: Pick<NvidiaServices, 'rim' | 'ocsp'>
  readonly transport?: Transport
  readonly signal?: AbortSignal
}

/** Keeps nothing: whoever staples holds what was fetched, and must hear of every failure. */
export function openNetworkSource(options: NetworkSourceOptions): CollateralSource {
  const { intel, nvidia, transport = {}, signal } = options
  const shared = { transport, cache: null, ...(signal === undefined ? {} : { signal }) }
  const quotes = createCollateralClient({ ...shared, service: intel })
  const devices = createGpuCollateralClient({ ...shared, services: nvidia })
  return {
    async dcap(platform) {
      return (await quotes.get({ ...platform, channel: 'standard' })).collateral
    },
    gpu: (list) => fetchGpuCollateral(list, { client: devices }),
  }
}
