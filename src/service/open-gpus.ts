/**
 * The source of GPU evidence that the configuration names: the driver's library, or NVIDIA's `nvattest` where its path is
 * given.
 *
 * @module
 */
import type { GpuEvidenceSource } from '../../attestation/attester/evidence-source.ts'
import { openNvattest } from '../../attestation/attester/nvattest/open-nvattest.ts'
import { openNvml } from '../../attestation/attester/nvml/open-nvml.ts'
import type { Config } from '../config/config.ts'

export interface Gpus {
  /** Null where none is required. */
  readonly source: GpuEvidenceSource | null
  close(): Promise<void>
}

/** One list of both, GPUs first: switches of a machine in protected-PCIe mode are judged together with its GPUs. */
function joined(gpus: GpuEvidenceSource, switches: GpuEvidenceSource): GpuEvidenceSource {
  return {
    async collect(nonce) {
      const first = await gpus.collect(nonce)
      return [...first, ...(await switches.collect(nonce))]
    },
  }
}

/** Starts nothing: a driver that is still starting must not keep the service from starting. */
export function openGpus({ required, nvattest, nvswitches }: NonNullable<Config['gpu']>): Gpus {
  const none = () => Promise.resolve()
  if (required === 0) return { source: null, close: none }
  if (nvattest !== undefined) {
    const gpus = openNvattest({ device: 'gpu', required, path: nvattest })
    if (nvswitches === 0) return { source: gpus, close: none }
    const switches = openNvattest({ device: 'nvswitch', required: nvswitches, path: nvattest })
    return { source: joined(gpus, switches), close: none }
  }
  const source = openNvml({ required })
  return { source, close: () => source.close() }
}
