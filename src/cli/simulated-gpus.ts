/**
 * How many GPUs a simulated machine shows. As many as are required, unless the operator wants to see what a machine does that
 * has another number.
 *
 * @module
 */
import { MAX_SIMULATED_GPUS } from '../../attestation/simulator/nvidia/create-nvidia-pki.ts'
import type { MachineOptions } from './find-machine.ts'
import { Refusal } from './refusal.ts'

type Flags = Pick<MachineOptions, 'simulate' | 'simulateGpus'>

/** Null where nothing was said. @throws Refusal, without --simulate whatever was said: a machine's own GPUs are counted */
export function readSimulatedGpus({ simulate, simulateGpus }: Flags): number | null {
  if (simulateGpus === undefined) return null
  if (simulate !== true) {
    throw new Refusal(
      '--simulate-gpus has a meaning with --simulate alone; a machine shows its own.',
    )
  }
  const count = /^\d{1,2}$/.test(simulateGpus) ? Number(simulateGpus) : 0
  if (count < 1 || count > MAX_SIMULATED_GPUS) {
    throw new Refusal(`--simulate-gpus takes a number of GPUs, 1 to ${MAX_SIMULATED_GPUS}.`)
  }
  return count
}

/**
 * @param required by the configuration
 * @returns at least 1: a machine with GPUs may run a service that needs none
 * @throws Refusal
 */
export function simulatedGpus(options: Flags, required: number): number {
  return readSimulatedGpus(options) ?? Math.max(required, 1)
}

/** For the notice of a simulation; empty where it shows what is required. @throws Refusal */
export function simulatedGpusNotice(options: Flags, required: number): string {
  const shown = simulatedGpus(options, required)
  return required === 0 || shown === required
    ? ''
    : ` It shows ${shown} where --require-gpu says ${required}, so it will not become ready.`
}
