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

/** Starts nothing: a driver that is still starting must not keep the service from starting. */
export function openGpus({ required, nvattest }: NonNullable<Config['gpu']>): Gpus {
  const none = () => Promise.resolve()
  if (required === 0) return { source: null, close: none }
  if (nvattest !== undefined) {
    return { source: openNvattest({ device: 'gpu', required, path: nvattest }), close: none }
  }
  const source = openNvml({ required })
  return { source, close: () => source.close() }
}
