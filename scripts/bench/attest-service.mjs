// A simulated service in a process of its own, for the benchmark of attestation: a quote takes 300 ms and the GPUs 700 ms, as
// on hardware. Says how many quotes it made and how late its event loop was.
import { createHash } from 'node:crypto'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseConfig } from '../../dist/src/config/config.js'
import { SILENT_LOG } from '../../dist/src/operations/open-log.js'
import { createGate } from '../../dist/src/service/gate.js'
import { openSimulation } from '../../dist/src/service/open-simulation.js'
import { openSimulatedStapler } from '../../dist/src/service/open-stapler.js'
import { startService } from '../../dist/src/service/start-service.js'

const GPU_MS = 700
const QUOTE_MS = 300
const [upstream, token, gpus] = process.argv.slice(2)

const { config } = parseConfig({
  listen: { port: 0 },
  upstreams: [{ name: 'bench', url: upstream, health: null }],
  metrics: null,
  limits: { attestationBurst: 1_000_000 },
})
const simulation = await openSimulation({
  composeText: '{}',
  gpus: Number(gpus),
  addressKey: 'ephemeral',
  faults: { delayMs: QUOTE_MS },
})
let quotes = 0
const service = await startService({
  config,
  principals: [
    { name: 'bench', relay: false, tokenHash: createHash('sha256').update(token).digest() },
  ],
  cpu: {
    facts: simulation.cpu.facts,
    quote: (data) => {
      quotes++
      return simulation.cpu.quote(data)
    },
  },
  gpu: {
    collect: async (nonce) => {
      const evidence = await simulation.gpu.collect(nonce)
      await sleep(GPU_MS)
      return evidence
    },
  },
  gpuRequired: Number(gpus),
  address: simulation.address,
  simulated: true,
  log: SILENT_LOG,
  gate: createGate(simulation.roots),
  stapler: openSimulatedStapler(simulation, config),
  weights: null,
})
await service.ready
const delay = monitorEventLoopDelay({ resolution: 10 })
delay.enable()
process.on('message', (message) => {
  if (message === 'reset') {
    delay.reset()
    quotes = 0
  }
  process.send({ quotes, loopDelayP99Ms: delay.percentile(99) / 1e6 })
})
process.send({ port: service.port })
