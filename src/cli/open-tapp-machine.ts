/**
 * The machine that `serve` runs on where TAPP started it, or one like it in this process.
 *
 * @module
 */
import { openTapp } from '../../attestation/attester/tapp/open-tapp.ts'
import type { Tapp } from '../../attestation/attester/tapp/open-tapp.ts'
import { openTappGuest } from '../../attestation/attester/tapp/open-tapp-guest.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { createEphemeralAddressKey } from '../../enclave/keys/address-key.ts'
import { createSecp256k1Signer } from '../../enclave/keys/secp256k1-signer.ts'
import type { Config } from '../config/config.ts'
import { ephemeralStoreKey } from '../service/derive-store-key.ts'
import { createGate } from '../service/gate.ts'
import { openGpus } from '../service/open-gpus.ts'
import { openSimulatedGpus } from '../service/open-simulation.ts'
import { openSimulatedStapler, openStapler } from '../service/open-stapler.ts'
import { openTappSimulation } from '../service/open-tapp-simulation.ts'
import type { MachineOptions, MachinePlace } from './find-machine.ts'
import { transportOf } from './obtain-collateral.ts'
import type { Machine } from './open-machine.ts'
import { simulatedTappCompose } from './simulated-compose.ts'
import { simulatedGpus } from './simulated-gpus.ts'

export type TappPlace = MachinePlace & { readonly tappAppId: string }

export function isTappPlace(place: MachinePlace): place is TappPlace {
  return place.tappAppId !== null
}

/** Nothing of this machine outlives a boot: its keys are random, and so is what a store is sealed under. */
const storeKey = () => Promise.resolve(ephemeralStoreKey())

/**
 * @param place with a configuration that `checkMachineConfig` let pass
 * @throws TappError
 */
export async function openTappMachine(
  place: TappPlace,
  config: Config,
  options: MachineOptions,
): Promise<Machine> {
  if (place.kind === 'own') return ownTappMachine(place.tappAppId, config, options)
  const real = place.kind === 'real'
  const { ca } = config.collateral
  const transport = ca === null ? {} : await transportOf({ tlsCa: ca })
  const tapp = connectTapp(place.socketPath, place.tappAppId)
  try {
    const { cpu } = await openTappGuest(tapp, (secret, digest) =>
      createSecp256k1Signer(secret).sign(digest),
    )
    const required = config.gpu?.required ?? 1
    const gpus =
      real && config.gpu !== undefined
        ? openGpus(config.gpu)
        : openSimulatedGpus(required === 0 ? 0 : simulatedGpus(options, required))
    return {
      parts: {
        cpu,
        gpu: required === 0 ? null : gpus.source,
        gpuRequired: required,
        address: createEphemeralAddressKey(nodeCrypto),
        tlsKey: null,
        simulated: !real,
        gate: createGate(real ? null : 'any', undefined, 'tapp'),
        stapler: real ? openStapler(config, transport) : null,
      },
      storeKey,
      roots: null,
      async close() {
        tapp.close()
        await gpus.close()
      },
    }
  } catch (error) {
    tapp.close()
    throw error
  }
}

/** Null for one that this process would have to make up. @throws TappError */
export async function readTappVersion(place: TappPlace): Promise<string | null> {
  if (place.kind === 'own') return null
  const tapp = connectTapp(place.socketPath, place.tappAppId)
  try {
    return await tapp.version()
  } finally {
    tapp.close()
  }
}

function connectTapp(socketPath: string, appId: string): Tapp {
  return openTapp({
    socketPath,
    appId,
    crypto: nodeCrypto,
    pointOf: (secret) => createSecp256k1Signer(secret).point,
  })
}

async function ownTappMachine(
  appId: string,
  config: Config,
  options: MachineOptions,
): Promise<Machine> {
  const gpus = config.gpu?.required ?? 1
  const simulation = await openTappSimulation({
    appId,
    composeText: await simulatedTappCompose(options.compose),
    gpus: simulatedGpus(options, gpus),
  })
  return {
    parts: {
      cpu: simulation.cpu,
      gpu: gpus === 0 ? null : simulation.gpu,
      gpuRequired: gpus,
      address: createEphemeralAddressKey(nodeCrypto),
      tlsKey: null,
      simulated: true,
      gate: createGate(simulation.roots, undefined, 'tapp'),
      stapler: openSimulatedStapler(simulation, config),
    },
    storeKey,
    roots: simulation.roots,
    close: () => simulation.close(),
  }
}
