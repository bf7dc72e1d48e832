/**
 * The machine that `serve` and `keys` run on: a confidential VM by its guest agent, or a simulated one.
 *
 * @module
 */
import { connectGuestAgent } from '../../attestation/attester/dstack/guest-agent.ts'
import { GuestAgentError } from '../../attestation/attester/dstack/guest-agent-error.ts'
import { openGuest } from '../../attestation/attester/dstack/open-guest.ts'
import type { OpenedGuest } from '../../attestation/attester/dstack/open-guest.ts'
import type { Platform } from '../../attestation/attester/evidence-source.ts'
import { TappError } from '../../attestation/attester/tapp/tapp-error.ts'
import { chooseAddressKeySource } from '../../enclave/keys/key-providers.ts'
import type { AddressKeySource, Survival } from '../../enclave/keys/key-providers.ts'
import { SealedKeyError } from '../../enclave/keys/sealed/sealed-key-error.ts'
import { readSealedKey } from '../../enclave/keys/sealed/sealed-key-folder.ts'
import type { Config } from '../config/config.ts'
import { ephemeralStoreKey, storeKeyOf } from '../service/derive-store-key.ts'
import type { StoreKey } from '../service/derive-store-key.ts'
import { createGate } from '../service/gate.ts'
import { deriveSealingKey, openAddressKey } from '../service/open-address-key.ts'
import { openGpus } from '../service/open-gpus.ts'
import { openSimulatedGpus, openSimulation } from '../service/open-simulation.ts'
import type { SimulatedRoots } from '../service/open-simulation.ts'
import { openSimulatedStapler, openStapler } from '../service/open-stapler.ts'
import type { ServiceParts } from '../service/service.ts'
import { openAgentTlsKey } from '../service/tls/open-agent-tls-key.ts'
import { checkMachineConfig } from './find-machine.ts'
import type { MachineOptions, MachinePlace } from './find-machine.ts'
import { machineAdvice, simulatorAdvice } from './machine-advice.ts'
import { transportOf } from './obtain-collateral.ts'
import { isTappPlace, openTappMachine } from './open-tapp-machine.ts'
import { Refusal } from './refusal.ts'
import { simulatedCompose } from './simulated-compose.ts'
import { simulatedGpus } from './simulated-gpus.ts'

const now = (): number => Math.floor(Date.now() / 1000)

export interface Machine {
  readonly parts: Pick<
    ServiceParts,
    'cpu' | 'gpu' | 'gpuRequired' | 'address' | 'tlsKey' | 'simulated' | 'gate' | 'stapler'
  >
  /** Asked for where there is a store. @throws GuestAgentError */
  readonly storeKey: () => Promise<StoreKey>
  /** Of a simulation in this process; its own guest agent knows them, one outside does not tell. */
  readonly roots: SimulatedRoots | null
  close(): Promise<void>
}

/**
 * @throws Refusal where waiting does not help
 * @throws GuestAgentError
 * @throws TappError
 * @throws SealedKeyError
 * @throws AddressError
 */
export async function openMachine(
  place: MachinePlace,
  config: Config,
  options: MachineOptions,
): Promise<Machine> {
  checkMachineConfig(place, config)
  if (isTappPlace(place)) return openTappMachine(place, config, options)
  if (place.kind === 'own') return ownMachine(config, options)
  const agent = connectGuestAgent(place.socketPath)
  const guest = await openGuest(agent)
  const { system, release } = guest
  const { source } = chooseSource(guest, config.address_key)
  const { ca } = config.collateral
  const transport = ca === null ? {} : await transportOf({ tlsCa: ca })
  const roots = place.kind === 'real' ? null : 'any'
  const tlsKey = await openAgentTlsKey(agent, config, { facts: guest.cpu.facts, roots, at: now() })
  // Last of what can fail: it holds the folder of a sealed key.
  const { address, close } = await openAddressKey(
    agent,
    system,
    source,
    config.address_key_dir,
    config.expect_address ?? null,
  )
  const required = config.gpu?.required ?? 1
  const gpus =
    place.kind === 'real' && config.gpu !== undefined
      ? openGpus(config.gpu)
      : openSimulatedGpus(required === 0 ? 0 : simulatedGpus(options, required))
  return {
    parts: {
      cpu: guest.cpu,
      gpu: required === 0 ? null : gpus.source,
      gpuRequired: required,
      address,
      tlsKey,
      simulated: place.kind !== 'real',
      gate: createGate(roots),
      // The vendors of a machine that is simulated elsewhere cannot be asked.
      stapler: place.kind === 'real' ? openStapler(config, transport) : null,
    },
    storeKey: () =>
      storeKeyOf(release.keys === 'none' ? null : (system.keyProvider?.name ?? null), agent),
    roots: null,
    async close() {
      close()
      await gpus.close()
    },
  }
}

export interface MachineFacts {
  readonly simulated: boolean
  readonly platform: Platform
  readonly gpuRequired: number
  readonly addressKeySource: AddressKeySource
  readonly addressKeyGeneration: number
  readonly stapled: boolean
}

/**
 * What the attested configuration would say of the machine; takes no key and no lock, so that it may run beside the service.
 *
 * @throws Refusal
 */
export async function readMachineFacts(place: MachinePlace, config: Config): Promise<MachineFacts> {
  checkMachineConfig(place, config)
  const shared = {
    simulated: place.kind !== 'real',
    platform: isTappPlace(place) ? ('tapp' as const) : ('dstack' as const),
    gpuRequired: config.gpu?.required ?? 1,
    stapled: config.collateral.staple && place.kind !== 'simulator',
  }
  if (isTappPlace(place)) {
    return { ...shared, addressKeySource: 'ephemeral', addressKeyGeneration: 0 }
  }
  if (place.kind === 'own') {
    const addressKeySource = config.address_key ?? 'derived'
    return { ...shared, addressKeySource, addressKeyGeneration: 0 }
  }
  try {
    const agent = connectGuestAgent(place.socketPath)
    const { source } = chooseSource(await openGuest(agent), config.address_key)
    const sealed =
      source === 'sealed'
        ? (readSealedKey(config.address_key_dir, await deriveSealingKey(agent)) ?? FIRST)
        : null
    return {
      ...shared,
      addressKeySource: source,
      addressKeyGeneration: sealed?.generation ?? 0,
    }
  } catch (error) {
    throw asRefusal(error, place)
  }
}

/** What the first start makes. */
const FIRST = { generation: 1 }

/** @throws Refusal before any key is asked for */
export function chooseSource(
  { system, release }: OpenedGuest,
  asked: AddressKeySource | undefined,
): { readonly source: AddressKeySource; readonly survival: Survival } {
  const choice = chooseAddressKeySource(
    system.keyProvider?.name ?? null,
    asked,
    release.keys !== 'none',
  )
  if (!choice.ok) throw new Refusal(choice.problem)
  return choice
}

async function ownMachine(config: Config, options: MachineOptions): Promise<Machine> {
  const gpus = config.gpu?.required ?? 1
  const simulation = await openSimulation({
    composeText: await simulatedCompose(options.compose),
    gpus: simulatedGpus(options, gpus),
    addressKey: config.address_key === 'ephemeral' ? 'ephemeral' : 'derived',
  })
  return {
    parts: {
      cpu: simulation.cpu,
      gpu: gpus === 0 ? null : simulation.gpu,
      gpuRequired: gpus,
      address: simulation.address,
      tlsKey: await openAgentTlsKey(connectGuestAgent(simulation.socketPath), config, {
        facts: simulation.cpu.facts,
        roots: simulation.roots,
        at: now(),
      }),
      simulated: true,
      gate: createGate(simulation.roots),
      stapler: openSimulatedStapler(simulation, config),
    },
    storeKey: () => Promise.resolve(ephemeralStoreKey()),
    roots: simulation.roots,
    close: () => simulation.close(),
  }
}

/** The sentence for a command that does not wait. */
export function asRefusal(error: unknown, place: MachinePlace): unknown {
  // Its message ends with what to do.
  if (error instanceof TappError) {
    return new Refusal(simulatorAdvice(error, place) ?? error.message)
  }
  if (!(error instanceof GuestAgentError) && !(error instanceof SealedKeyError)) return error
  return new Refusal(`${error.message}: ${machineAdvice(error, place) ?? ''}`)
}
