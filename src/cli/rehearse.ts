/**
 * What the doctor looks at: the socket of this machine, or a guest and GPUs that are made up for a rehearsal.
 *
 * @module
 */
import { findGuestAgent } from '../../attestation/attester/dstack/find-guest-agent.ts'
import type { GpuEvidenceSource } from '../../attestation/attester/evidence-source.ts'
import { findTapp } from '../../attestation/attester/tapp/find-tapp.ts'
import { isTappAppId } from '../../attestation/attester/tapp/open-tapp.ts'
import type { Config } from '../config/config.ts'
import { openSimulatedGpus, openSimulation } from '../service/open-simulation.ts'
import { openTappSimulation } from '../service/open-tapp-simulation.ts'
import { BAD_APP_ID, findMachine } from './find-machine.ts'
import type { MachineOptions } from './find-machine.ts'
import { Refusal } from './refusal.ts'
import { simulatedCompose, simulatedTappCompose } from './simulated-compose.ts'
import { simulatedGpus } from './simulated-gpus.ts'

export interface Rehearsal {
  readonly socketPath: string
  readonly gpus: GpuEvidenceSource | null
  close(): Promise<void>
}

/** Of the platform that was named; another's is none of it. @throws Refusal */
export function socketHere({ tappAppId }: MachineOptions): string | null {
  if (tappAppId === undefined) return findGuestAgent()
  if (!isTappAppId(tappAppId)) throw new Refusal(BAD_APP_ID)
  return findTapp()
}

/** @throws Refusal */
export async function rehearse(options: MachineOptions, config: Config | null): Promise<Rehearsal> {
  const place = findMachine(options, process.env)
  const required = config?.gpu?.required ?? 1
  if (place.kind !== 'own') {
    const gpus = openSimulatedGpus(required === 0 ? 0 : simulatedGpus(options, required))
    return { socketPath: place.socketPath, gpus: gpus.source, close: gpus.close }
  }
  const gpus = simulatedGpus(options, required)
  const simulation =
    place.tappAppId === null
      ? await openSimulation({
          composeText: await simulatedCompose(options.compose),
          gpus,
          addressKey: 'ephemeral',
        })
      : await openTappSimulation({
          appId: place.tappAppId,
          composeText: await simulatedTappCompose(options.compose),
          gpus,
        })
  const { socketPath, gpu } = simulation
  return { socketPath, gpus: gpu, close: () => simulation.close() }
}
