/**
 * A simulated machine of TAPP in this process: TAPP on a unix socket, GPUs, roots that exist for one run.
 *
 * The service uses it through the same client as the real one. Its evidence is worth nothing and says so.
 *
 * @module
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type {
  CpuEvidenceSource,
  GpuEvidenceSource,
} from '../../attestation/attester/evidence-source.ts'
import { openTapp } from '../../attestation/attester/tapp/open-tapp.ts'
import { openTappGuest } from '../../attestation/attester/tapp/open-tapp-guest.ts'
import type { CollateralSource } from '../../attestation/collateral/staple/collateral-source.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { createSimulatedTapp } from '../../attestation/simulator/tapp/create-simulated-tapp.ts'
import type { SimulatedTapp } from '../../attestation/simulator/tapp/create-simulated-tapp.ts'
import { startTappService } from '../../attestation/simulator/tapp/start-tapp-service.ts'
import type { TappFaults } from '../../attestation/simulator/tapp/start-tapp-service.ts'
import { createSecp256k1Signer } from '../../enclave/keys/secp256k1-signer.ts'
import { openSimulatedVendors } from './open-simulation.ts'
import type { SimulatedRoots } from './open-simulation.ts'

export interface TappSimulation {
  readonly cpu: CpuEvidenceSource
  readonly gpu: GpuEvidenceSource
  /** What the vendors of the simulated machine would give. */
  readonly collateral: CollateralSource
  readonly roots: SimulatedRoots
  /** The machine behind the socket, with its PKI. */
  readonly guest: SimulatedTapp
  readonly socketPath: string
  close(): Promise<void>
}

export interface TappSimulationOptions {
  readonly appId: string
  readonly composeText: string
  readonly gpus: number
  readonly faults?: TappFaults
  /** Milliseconds for one answer. */
  readonly deadlineMs?: number
  readonly now?: Date
}

/** @throws TappError */
export async function openTappSimulation(options: TappSimulationOptions): Promise<TappSimulation> {
  const { appId, composeText, now, faults = {} } = options
  const guest = createSimulatedTapp({ appId, composeText, now: now ?? new Date() })
  const vendors = openSimulatedVendors(guest.pki, Math.max(options.gpus, 1), now)
  const folder = await mkdtemp(join(tmpdir(), 'countersign-sim-'))
  const socketPath = join(folder, 'tapp.sock')
  const service = await startTappService(guest, { socketPath, faults })
  const tapp = openTapp({
    socketPath,
    appId,
    crypto: nodeCrypto,
    pointOf: (secret) => createSecp256k1Signer(secret).point,
    ...(options.deadlineMs === undefined ? {} : { deadlineMs: options.deadlineMs }),
  })
  const close = async (): Promise<void> => {
    tapp.close()
    service.close()
    await rm(folder, { recursive: true, force: true })
  }
  try {
    const { cpu } = await openTappGuest(tapp, (secret, digest) =>
      createSecp256k1Signer(secret).sign(digest),
    )
    return {
      cpu,
      gpu: vendors.gpu,
      collateral: vendors.collateral,
      roots: { ...vendors.roots, kms: null },
      guest,
      socketPath,
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}
