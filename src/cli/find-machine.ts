/**
 * Which machine `serve`, `keys` and `doctor` run on: a confidential VM that dstack or TAPP started, or a simulated one.
 *
 * Nothing is guessed and nothing stands in for another: dstack is the default, TAPP is named by the app id that the app was
 * started under, and where both are there, or the other one is, the command ends with a sentence.
 *
 * @module
 */
import { isAbsolute } from 'node:path'
import {
  findGuestAgent,
  misplacedAgent,
} from '../../attestation/attester/dstack/find-guest-agent.ts'
import { isTeeMachine } from '../../attestation/attester/dstack/tee-machine.ts'
import { findTapp, TAPP_SOCKET } from '../../attestation/attester/tapp/find-tapp.ts'
import { isTappAppId } from '../../attestation/attester/tapp/open-tapp.ts'
import { chooseTappAddressKeySource } from '../../enclave/keys/key-providers.ts'
import type { Config } from '../config/config.ts'
import { MAX_SOCKET_PATH, readAgentOverride } from '../service/agent-override.ts'
import { alterationOf, startedProcess } from './check-process.ts'
import { Refusal } from './refusal.ts'

export interface MachineOptions {
  readonly simulate?: boolean
  /** With `simulate` alone: how many GPUs are made up, other than are required. */
  readonly simulateGpus?: string
  readonly compose?: string
  /** The machine was started by TAPP, and this app under this id. */
  readonly tappAppId?: string
  /** With `simulate` alone. */
  readonly tappSocket?: string
}

/** Where evidence comes from; `own`: a simulated guest of this process. */
export type MachinePlace = {
  /** As the app was started under; null under dstack. */
  readonly tappAppId: string | null
} & (
  | { readonly kind: 'real'; readonly socketPath: string }
  | {
      readonly kind: 'simulator'
      readonly socketPath: string
      /** The variable or flag that names it. */
      readonly namedBy: string
    }
  | { readonly kind: 'own' }
)

/** What is seen of a machine from inside of it. */
export interface SeenMachine {
  /** Socket of dstack's agent. */
  readonly agent: string | null
  /** Socket of TAPP. */
  readonly tapp: string | null
  /** Of a machine that could be real. */
  readonly mark: string | null
}

export const BAD_APP_ID =
  '--tapp-app-id takes the id that the app was started under: printable, without spaces.'

/** Also where only the configuration is to be printed: a generation that no key has is not shown. */
export const SEALED_IN_SIMULATION =
  'A guest that is simulated in this process forgets its keys with it, so nothing can be sealed under them. ' +
  'With --simulate alone try --address-key derived or ephemeral; COUNTERSIGN_AGENT_SOCKET names a simulator that keeps its keys (docs/keys.md).'

const seenHere = (): SeenMachine => ({
  agent: findGuestAgent(),
  tapp: findTapp(),
  mark: isTeeMachine(),
})

/** @throws Refusal */
export function findMachine(
  options: MachineOptions,
  environment: NodeJS.ProcessEnv,
  seen: SeenMachine = seenHere(),
): MachinePlace {
  const simulate = options.simulate === true
  const tappAppId = options.tappAppId ?? null
  if (tappAppId !== null && !isTappAppId(tappAppId)) {
    throw new Refusal(BAD_APP_ID)
  }
  const socket = readTappSocket(options, tappAppId, simulate)
  const override = readAgentOverride(environment, simulate)
  if (!override.ok) throw new Refusal(override.problem)
  if (!simulate) return realMachine(tappAppId, environment, seen)
  if (seen.mark !== null) {
    throw new Refusal(`--simulate is refused on a machine that could be real: ${seen.mark} exists.`)
  }
  if (tappAppId !== null && override.socketPath !== null) {
    throw new Refusal(
      "A socket of dstack's agent is named beside --tapp-app-id; it is one or the other.",
    )
  }
  if (socket !== null) {
    return { kind: 'simulator', socketPath: socket, namedBy: '--tapp-socket', tappAppId }
  }
  if (override.socketPath === null) return { kind: 'own', tappAppId }
  const { socketPath, namedBy } = override
  return { kind: 'simulator', socketPath, namedBy, tappAppId }
}

/** On a real machine TAPP is where TAPP puts its socket: nobody who writes a command line chooses who answers. */
function readTappSocket(
  { tappSocket }: MachineOptions,
  tappAppId: string | null,
  simulate: boolean,
): string | null {
  if (tappSocket === undefined) return null
  if (!simulate || tappAppId === null) {
    throw new Refusal(
      `--tapp-socket has a meaning with --simulate and --tapp-app-id alone; a machine's own is mounted at ${TAPP_SOCKET}.`,
    )
  }
  if (!isAbsolute(tappSocket) || tappSocket.length > MAX_SOCKET_PATH) {
    throw new Refusal('--tapp-socket takes the absolute path of a unix socket.')
  }
  return tappSocket
}

function realMachine(
  tappAppId: string | null,
  environment: NodeJS.ProcessEnv,
  { agent, tapp }: SeenMachine,
): MachinePlace {
  const [found, other] = tappAppId === null ? [agent, tapp] : [tapp, agent]
  if (found === null) throw new Refusal(nothingFound(tappAppId, other))
  if (other !== null) {
    throw new Refusal(
      tappAppId === null
        ? `${other} is mounted beside ${found}: this machine is dstack's or TAPP's (--tapp-app-id), and the other's socket does not belong here.`
        : `${other} is mounted, and --tapp-app-id says that TAPP started this machine: mount one of the two.`,
    )
  }
  const altered = alterationOf(startedProcess(environment))
  if (altered === null) return { kind: 'real', socketPath: found, tappAppId }
  throw new Refusal(
    `This process was started with ${altered}: what could load code into it, or look into it, is refused on a real machine.`,
  )
}

function nothingFound(tappAppId: string | null, other: string | null): string {
  if (tappAppId !== null) {
    return `${TAPP_SOCKET} is not mounted, so there is nothing to attest with${
      other === null ? '' : `; ${other} is dstack's, for which --tapp-app-id is left out`
    }; --simulate runs without one and proves nothing.`
  }
  return (
    `No dstack guest agent was found (${misplacedAgent() ?? '/var/run/dstack.sock is not mounted'}), so there is nothing to attest with; ` +
    (other === null ? '' : `${other} is TAPP's, which --tapp-app-id takes; `) +
    '--simulate runs without one and proves nothing.'
  )
}

/** What waiting cannot mend. @throws Refusal */
export function checkMachineConfig(place: MachinePlace, config: Config): void {
  if (place.kind === 'real' && config.gpu === undefined) {
    throw new Refusal('Say how many GPUs the machine must have: --require-gpu N.')
  }
  if (place.kind !== 'real' && config.gpu?.nvattest !== undefined) {
    throw new Refusal('gpu.nvattest is for real GPUs; --simulate makes its own.')
  }
  if (place.tappAppId !== null) {
    checkTappConfig(config)
    return
  }
  if (place.kind === 'own' && config.expect_address !== undefined) {
    throw new Refusal(
      'A guest that is simulated in this process has another address each time, so none can be expected; ' +
        'COUNTERSIGN_AGENT_SOCKET names a simulator that keeps its keys.',
    )
  }
  if (place.kind === 'own' && config.address_key === 'sealed') {
    throw new Refusal(SEALED_IN_SIMULATION)
  }
}

/** Before anybody is asked for anything: under TAPP these are impossible whatever it answers. @throws Refusal */
export function checkTappConfig(config: Config): void {
  const choice = chooseTappAddressKeySource(config.address_key)
  if (!choice.ok) throw new Refusal(choice.problem)
  if (config.tls?.key === 'agent') {
    throw new Refusal(
      "The TLS key cannot be the agent's: TAPP gives none with a quote over it. --tls-key boot needs nobody.",
    )
  }
}
