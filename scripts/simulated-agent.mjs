// SIMULATION of a guest agent whose app keeps its keys, for rehearsals of restarts (docs/rehearse.md):
// node scripts/simulated-agent.mjs --socket <path> --key-file <file> [--compose <file>] [--gpus <n>]
import { parseArgs } from 'node:util'
import { simulatedCompose } from '../dist/src/cli/simulated-compose.js'
import { startSimulatedAgent } from '../dist/src/demo/start-simulated-agent.js'

const USAGE =
  'Usage: node scripts/simulated-agent.mjs --socket <path> --key-file <file> [--compose <file>] [--gpus <n>]'

function fail(message) {
  process.stderr.write(`${message}\n`)
  process.exit(2)
}

function readFlags() {
  const text = { type: 'string' }
  try {
    const options = { socket: text, 'key-file': text, compose: text, gpus: text }
    const { values } = parseArgs({ options })
    const gpus = values.gpus ?? '1'
    if (values.socket && values['key-file'] && /^\d{1,2}$/.test(gpus))
      return { ...values, gpus: Number(gpus) }
  } catch {
    // A flag that is not known.
  }
  return fail(USAGE)
}

const flags = readFlags()
try {
  const agent = await startSimulatedAgent({
    socketPath: flags.socket,
    keyFile: flags['key-file'],
    composeText: await simulatedCompose(flags.compose),
    gpus: flags.gpus,
  })
  process.stderr.write(
    '*** SIMULATION: this agent’s keys lie in a file, and its quotes prove nothing. ***\n',
  )
  process.stdout.write('serving\n')
  for (const signal of ['SIGTERM', 'SIGINT'])
    process.once(signal, () => void agent.close().then(() => process.exit(0)))
} catch (error) {
  if (error?.name !== 'SimulatedAgentError' && error?.name !== 'Refusal') throw error
  fail(error.message)
}
