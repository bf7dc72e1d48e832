/**
 * `countersign demo`: a simulated enclave, the demo model and the broker double on this machine, driven over real HTTP by
 * the official OpenAI client with the verified fetch.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { SIMULATION_NOTICE } from '../cli/serve.ts'
import { EXIT } from '../cli/exit-codes.ts'
import { printableJson } from '../cli/printable.ts'
import { Refusal } from '../cli/refusal.ts'
import { isTeeMachine } from '../../attestation/attester/dstack/tee-machine.ts'
import { parseConfig } from '../config/config.ts'
import { readTokens } from '../config/read-tokens.ts'
import { createGate } from '../service/gate.ts'
import { openSimulation } from '../service/open-simulation.ts'
import { openSimulatedStapler } from '../service/open-stapler.ts'
import { SILENT_LOG } from '../operations/open-log.ts'
import { startService } from '../service/start-service.ts'
import { startBroker } from './broker/start-broker.ts'
import { driveDemo } from './drive-demo.ts'
import type { DemoStage } from './drive-demo.ts'
import { startDemoModel } from './model/start-demo-model.ts'
import { printReport } from './print-report.ts'

export interface DemoOptions {
  readonly once?: boolean
  readonly json?: boolean
  readonly port?: string
}

const COMPOSE = '{"name":"sim-countersign-demo","runner":"docker-compose"}'

/** @returns the exit code: 0 where everything that should verify did and every attack was caught */
export async function runDemo(options: DemoOptions): Promise<number> {
  const place = isTeeMachine()
  if (place !== null) {
    throw new Refusal(
      `The demo simulates, and is refused on a machine that could be real: ${place} exists.`,
    )
  }
  const port = Number(options.port ?? 0)
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new Refusal('--port takes a number from 0 to 65535.')
  }
  process.stderr.write(`\n*** ${SIMULATION_NOTICE} ***\n\n`)
  // A person's token and a broker's: the second is shared by everybody behind the broker, so it owns nothing.
  const token = `demo-${randomBytes(12).toString('hex')}`
  const brokerToken = `broker-${randomBytes(12).toString('hex')}`
  const tokens = readTokens(`demo:${token},broker:${brokerToken}:relay`)
  const model = await startDemoModel({ chunkDelayMs: 5 })
  const config = parseConfig({
    listen: { host: '127.0.0.1', port },
    upstreams: [{ name: 'demo-model', url: model.url }],
    gpu: { required: 1 },
    metrics: null,
  })
  if (!config.ok || !tokens.ok) throw new TypeError('the demo configures itself')
  const simulation = await openSimulation({ composeText: COMPOSE, gpus: 1, addressKey: 'derived' })
  const service = await startService({
    config: config.config,
    principals: tokens.principals,
    cpu: simulation.cpu,
    gpu: simulation.gpu,
    gpuRequired: 1,
    address: simulation.address,
    simulated: true,
    weights: null,
    gate: createGate(simulation.roots),
    stapler: openSimulatedStapler(simulation, config.config),
    log: SILENT_LOG,
  })
  const broker = await startBroker({
    targetUrl: `${service.url}/v1`,
    additionalSecret: { Authorization: `Bearer ${brokerToken}` },
  })
  const close = async () => {
    await broker.close()
    await service.close()
    await simulation.close()
    await model.close()
  }
  const stage: DemoStage = { service, broker, model, roots: simulation.roots, token }
  try {
    await service.ready
    const report = await driveDemo(stage)
    if (options.json === true) process.stdout.write(`${printableJson(report)}\n`)
    else printReport(report, stage, options.once !== true)
    if (options.once === true) return report.ok ? EXIT.accepted : EXIT.internal
    if (options.json !== true) process.stdout.write('\nServing until Ctrl-C.\n')
    await new Promise<void>((resolve) => {
      process.once('SIGINT', () => resolve())
      process.once('SIGTERM', () => resolve())
    })
    return report.ok ? EXIT.accepted : EXIT.internal
  } finally {
    await close()
  }
}
