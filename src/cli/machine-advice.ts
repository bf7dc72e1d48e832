/**
 * What to do where a machine cannot be opened.
 *
 * @module
 */
import { GuestAgentError } from '../../attestation/attester/dstack/guest-agent-error.ts'
import { TappError } from '../../attestation/attester/tapp/tapp-error.ts'
import { adviceOf } from '../service/advice-of.ts'
import type { MachinePlace } from './find-machine.ts'

/** About the socket that was named for a simulator: that a real machine's is mounted would mend nothing. */
export function simulatorAdvice(error: unknown, place: MachinePlace): string | null {
  const known = error instanceof GuestAgentError || error instanceof TappError
  if (!known || place.kind !== 'simulator') return null
  return error.code === 'agent_unreachable' || error.code === 'tapp_unreachable'
    ? `Nobody answers at ${place.socketPath}, which ${place.namedBy} names. Start the simulator there, or name where it is.`
    : null
}

/** @returns null where the error has no advice of its own */
export function machineAdvice(error: unknown, place: MachinePlace): string | null {
  return simulatorAdvice(error, place) ?? adviceOf(error)
}
