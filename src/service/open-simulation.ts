/**
 * A simulated confidential VM in this process: guest agent on a unix socket, GPUs, roots that exist for one run.
 *
 * The service uses it through the same client as the real one. Its evidence is worth nothing and says so.
 *
 * @module
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connectGuestAgent } from '../../attestation/attester/dstack/guest-agent.ts'
import { openGuest } from '../../attestation/attester/dstack/open-guest.ts'
import type {
  CpuEvidenceSource,
  GpuEvidenceSource,
} from '../../attestation/attester/evidence-source.ts'
import type { CollateralSource } from '../../attestation/collateral/staple/collateral-source.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { toHex } from '../../attestation/protocol/hex.ts'
import { isAtLeast } from '../../attestation/simulator/dstack/agent-releases.ts'
import type { AgentReleaseName } from '../../attestation/simulator/dstack/agent-releases.ts'
import { createSimulatedGuest } from '../../attestation/simulator/dstack/create-simulated-guest.ts'
import type { SimulatedGuest } from '../../attestation/simulator/dstack/create-simulated-guest.ts'
import { startGuestAgent } from '../../attestation/simulator/dstack/start-guest-agent.ts'
import type { AgentFaults } from '../../attestation/simulator/dstack/start-guest-agent.ts'
import type { IntelPki } from '../../attestation/simulator/intel/create-intel-pki.ts'
import { collectSimulatedGpuEvidence } from '../../attestation/simulator/nvidia/collect-simulated-gpu-evidence.ts'
import { createGpuCollateral } from '../../attestation/simulator/nvidia/create-gpu-collateral.ts'
import { createNvidiaPki } from '../../attestation/simulator/nvidia/create-nvidia-pki.ts'
import { createRimPki } from '../../attestation/simulator/nvidia/create-rim-pki.ts'
import { createEphemeralAddressKey } from '../../enclave/keys/address-key.ts'
import type { AddressKey } from '../../enclave/keys/address-key.ts'
import { deriveAddressKey } from './open-address-key.ts'
import type { Gpus } from './open-gpus.ts'

/** What a verifier must be told, beside being told to accept simulations. Lower-case hex of SHA-256 over DER. */
export interface SimulatedRoots {
  readonly sgx: string
  readonly nvidia: string
  readonly rim: string
  /** Compressed secp256k1 point of the KMS root, hex; null without a KMS. */
  readonly kms: string | null
}

export interface Simulation {
  readonly cpu: CpuEvidenceSource
  readonly gpu: GpuEvidenceSource
  readonly gpus: number
  /** What the vendors of the simulated machine would give. */
  readonly collateral: CollateralSource
  readonly address: AddressKey
  readonly roots: SimulatedRoots
  /** The machine behind the socket, with its PKI. */
  readonly guest: SimulatedGuest
  readonly socketPath: string
  close(): Promise<void>
}

export interface SimulationOptions {
  readonly composeText: string
  readonly gpus: number
  readonly addressKey: 'derived' | 'ephemeral'
  readonly faults?: AgentFaults
  readonly now?: Date
  /** Of dstack; default: the newest. */
  readonly release?: AgentReleaseName
}

/** GPUs for a guest that is simulated elsewhere. */
export function openSimulatedGpus(required: number): Gpus {
  const close = () => Promise.resolve()
  if (required === 0) return { source: null, close }
  const pki = createNvidiaPki({ now: new Date(), gpus: required })
  return {
    source: { collect: (nonce) => Promise.resolve(collectSimulatedGpuEvidence(pki, nonce)) },
    close,
  }
}

/** Vendors of one simulated machine, and the GPUs whose evidence they would judge. */
export interface SimulatedVendors {
  readonly gpu: GpuEvidenceSource
  readonly collateral: CollateralSource
  readonly roots: Pick<SimulatedRoots, 'sgx' | 'nvidia' | 'rim'>
}

export function openSimulatedVendors(intel: IntelPki, gpus: number, now?: Date): SimulatedVendors {
  const begin = now ?? new Date()
  const pki = createNvidiaPki({ now: begin, gpus })
  const rims = createRimPki({ now: begin })
  return {
    gpu: { collect: (nonce) => Promise.resolve(collectSimulatedGpuEvidence(pki, nonce)) },
    collateral: {
      dcap: () => Promise.resolve(intel.collateral),
      gpu: () => {
        const at = Math.floor((now ?? new Date()).getTime() / 1000)
        return Promise.resolve({ collateral: createGpuCollateral(pki, rims, at), missing: [] })
      },
    },
    roots: {
      sgx: toHex(intel.rootSha256),
      nvidia: toHex(pki.rootSha256),
      rim: toHex(rims.rootSha256),
    },
  }
}

export async function openSimulation(options: SimulationOptions): Promise<Simulation> {
  const now = options.now ?? new Date()
  const guest = createSimulatedGuest({
    composeText: options.composeText,
    now,
    gpus: options.gpus,
    ...(options.release === undefined ? {} : { release: options.release }),
  })
  const vendors = openSimulatedVendors(guest.pki, options.gpus, options.now)
  const folder = await mkdtemp(join(tmpdir(), 'countersign-sim-'))
  const tappd = !isAtLeast(guest.release, '0.4.2')
  const socketPath = join(folder, tappd ? 'tappd.sock' : 'dstack.sock')
  const running = await startGuestAgent(guest, {
    socketPath,
    ...(options.faults === undefined ? {} : { faults: options.faults }),
  })
  const agent = connectGuestAgent(socketPath)
  const opened = await openGuest(agent)
  return {
    cpu: opened.cpu,
    gpu: vendors.gpu,
    gpus: options.gpus,
    collateral: vendors.collateral,
    address:
      options.addressKey === 'derived'
        ? await deriveAddressKey(agent, opened.system)
        : createEphemeralAddressKey(nodeCrypto),
    roots: {
      ...vendors.roots,
      // An ephemeral address key stands under no KMS, so there is none to pin.
      kms:
        options.addressKey !== 'derived' || guest.keys.kmsRootPublicKey === null
          ? null
          : toHex(guest.keys.kmsRootPublicKey),
    },
    guest,
    socketPath,
    async close() {
      await running.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
