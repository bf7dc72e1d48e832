/**
 * The stapler that the configuration asks for: on a real machine with the vendors' services or those that stand in their
 * place, in a simulation with the simulator.
 *
 * @module
 */
import { NVIDIA_DEVICE_ROOT_SHA256 } from '../../attestation/appraiser/gpu/nvidia-device-root.ts'
import { NVIDIA_RIM_ROOT_SHA256 } from '../../attestation/appraiser/gpu/rim/nvidia-rim-root.ts'
import { INTEL_SGX_ROOT_SHA256 } from '../../attestation/appraiser/quote/intel-sgx-root.ts'
import { INTEL_PCS, parsePccsUrl } from '../../attestation/collateral/collateral-service.ts'
import { NVIDIA_SERVICES } from '../../attestation/collateral/gpu/nvidia-services.ts'
import type { Transport } from '../../attestation/collateral/http-request.ts'
import { openNetworkSource } from '../../attestation/collateral/staple/collateral-source.ts'
import { createStapler } from '../../attestation/collateral/staple/create-stapler.ts'
import type { Stapler } from '../../attestation/collateral/staple/create-stapler.ts'
import { fromHex } from '../../attestation/protocol/hex.ts'
import type { Config } from '../config/config.ts'
import type { Simulation } from './open-simulation.ts'

const now = (): number => Math.floor(Date.now() / 1000)

/** @returns null where the configuration switches it off */
export function openStapler(
  { collateral }: Pick<Config, 'collateral'>,
  transport: Pick<Transport, 'tlsCa'> = {},
): Stapler | null {
  if (!collateral.staple) return null
  const pccs = collateral.intel === null ? INTEL_PCS : parsePccsUrl(collateral.intel)
  if (pccs === null) throw new TypeError('the schema takes no other URL')
  const { proxy } = collateral
  return createStapler({
    source: openNetworkSource({
      intel: pccs,
      nvidia: {
        rim: collateral.rim ?? NVIDIA_SERVICES.rim,
        ocsp: collateral.ocsp ?? NVIDIA_SERVICES.ocsp,
      },
      transport: {
        ...transport,
        proxy: proxy === null || proxy === 'environment' ? proxy : new URL(proxy),
      },
    }),
    roots: {
      sgx: [INTEL_SGX_ROOT_SHA256],
      nvidia: [NVIDIA_DEVICE_ROOT_SHA256],
      rim: [NVIDIA_RIM_ROOT_SHA256],
      allowSimulated: false,
    },
    now,
  })
}

/** The same for a simulation, whose vendors are in this process. */
export function openSimulatedStapler(
  { collateral: source, roots }: Pick<Simulation, 'collateral' | 'roots'>,
  { collateral }: Pick<Config, 'collateral'>,
): Stapler | null {
  if (!collateral.staple) return null
  const bytes = (root: string): Uint8Array[] => [fromHex(root) ?? new Uint8Array()]
  return createStapler({
    source,
    roots: {
      sgx: bytes(roots.sgx),
      nvidia: bytes(roots.nvidia),
      rim: bytes(roots.rim),
      allowSimulated: true,
    },
    now,
  })
}
