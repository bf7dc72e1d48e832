/**
 * A simulated guest agent as a process of its own, for rehearsals: its app keeps address, store and log over restarts of the service, and of the
 * agent too, because app id and keys come from a file. It proves nothing, and its quotes say so.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { isTeeMachine } from '../../attestation/attester/dstack/tee-machine.ts'
import { fromHex } from '../../attestation/protocol/hex.ts'
import {
  SEED_BYTES,
  createSimulatedGuest,
} from '../../attestation/simulator/dstack/create-simulated-guest.ts'
import type { SimulatedGuestOptions } from '../../attestation/simulator/dstack/create-simulated-guest.ts'
import { startGuestAgent } from '../../attestation/simulator/dstack/start-guest-agent.ts'
import type { RunningGuestAgent } from '../../attestation/simulator/dstack/start-guest-agent.ts'
import { readRegularFile } from '../read-regular-file.ts'

const HEAD = 'countersign SIMULATED keys, of no machine: '
const OWNER_ONLY = 0o600
/** Far more than one has. */
const MAX_KEY_FILE_BYTES = 256

/** What whoever started it can mend; the message says how. */
export class SimulatedAgentError extends Error {
  override readonly name = 'SimulatedAgentError'
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}

/**
 * The seed that a file keeps; it is made where there is none.
 *
 * @throws SimulatedAgentError for a file of another kind, which is not replaced, or a path that cannot be used
 */
export async function keepSeed(file: string): Promise<Uint8Array> {
  const made = `${HEAD}${randomBytes(SEED_BYTES).toString('hex')}\n`
  try {
    await writeFile(file, made, { flag: 'wx', mode: OWNER_ONLY, flush: true })
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw new SimulatedAgentError(`${file} cannot be written.`)
  }
  const found = await readRegularFile(file, MAX_KEY_FILE_BYTES).catch(() => null)
  const text = found?.ok === true ? found.bytes.toString('latin1') : ''
  const seed = text.startsWith(HEAD) ? fromHex(text.slice(HEAD.length).trimEnd()) : null
  if (seed?.length === SEED_BYTES) return seed
  throw new SimulatedAgentError(`${file} is no key file of this simulator.`)
}

export interface SimulatedAgentOptions extends Pick<SimulatedGuestOptions, 'composeText' | 'gpus'> {
  readonly socketPath: string
  readonly keyFile: string
}

/** @throws SimulatedAgentError */
export async function startSimulatedAgent({
  socketPath,
  keyFile,
  ...guest
}: SimulatedAgentOptions): Promise<RunningGuestAgent> {
  const mark = isTeeMachine()
  if (mark !== null) {
    throw new SimulatedAgentError(`No simulation on a machine that could be real: ${mark} exists.`)
  }
  const seed = await keepSeed(keyFile)
  try {
    return await startGuestAgent(createSimulatedGuest({ ...guest, seed, now: new Date() }), {
      socketPath,
    })
  } catch (error) {
    if (codeOf(error) !== 'EADDRINUSE') throw error
    throw new SimulatedAgentError(
      `${socketPath} is there already: another simulator has it, or one that was killed left it; then remove it.`,
    )
  }
}
