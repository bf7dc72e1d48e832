/**
 * The machine that `serve` runs on, waited for: what may pass is tried again.
 *
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { GuestAgentError } from '../../attestation/attester/dstack/guest-agent-error.ts'
import { TappError } from '../../attestation/attester/tapp/tapp-error.ts'
import { AddressError } from '../../enclave/keys/address-error.ts'
import { SealedKeyError } from '../../enclave/keys/sealed/sealed-key-error.ts'
import type { ServiceLog } from '../operations/open-log.ts'
import type { MachinePlace } from './find-machine.ts'
import { machineAdvice } from './machine-advice.ts'
import { asRefusal } from './open-machine.ts'
import type { Machine } from './open-machine.ts'

/** Milliseconds before a machine that could not be opened is tried again; doubled up to the second. */
export const MACHINE_RETRY_MS = 1_000
export const MAX_MACHINE_RETRY_MS = 15_000

/** What only another version, or another image, mends. */
const LASTING: ReadonlySet<string> = new Set([
  'agent_unsupported',
  'tapp_too_old',
  'tapp_binding_missing',
])

type MachineError = GuestAgentError | TappError | SealedKeyError | AddressError

/** Whether the cause may go away by itself or by somebody's hand, without another configuration. */
function mayPass(error: unknown): error is MachineError {
  if (error instanceof SealedKeyError || error instanceof AddressError) return true
  return (
    (error instanceof GuestAgentError || error instanceof TappError) && !LASTING.has(error.code)
  )
}

/**
 * Opens the machine, and while that fails for a cause that may pass, says why and tries again. Meanwhile nothing listens:
 * what is not attested is not served, and no address is shown.
 *
 * @returns null where it was stopped before
 * @throws Refusal where waiting does not help
 */
export async function awaitMachine(
  place: MachinePlace,
  open: () => Promise<Machine>,
  log: ServiceLog,
  stopped: Promise<void>,
): Promise<Machine | null> {
  const stop = new AbortController()
  void stopped.then(() => stop.abort())
  // An agent that hangs says nothing for as long as its deadline.
  log.info({}, 'waiting for the guest agent, or TAPP')
  for (let pause = MACHINE_RETRY_MS; ; pause = Math.min(pause * 2, MAX_MACHINE_RETRY_MS)) {
    try {
      // An agent that hangs must not keep a stopped service waiting for its deadline.
      return await Promise.race([open(), stopped.then(() => null)])
    } catch (error) {
      if (!mayPass(error)) throw asRefusal(error, place)
      log.error(
        { cause: error.code, detail: error.message, advice: machineAdvice(error, place) },
        'the machine cannot be opened; will try again',
      )
    }
    await sleep(pause, undefined, { signal: stop.signal }).catch(() => {})
    if (stop.signal.aborted) return null
  }
}
