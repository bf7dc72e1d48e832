// One life of the service on a store whose key outlives it, to be killed: node child.mjs <parts> <settings as JSON>.
// Prints one line of JSON when it serves.
import { createHash } from 'node:crypto'

const [parts, text] = process.argv.slice(2)
const { createGate, openLmdbStore, openSimulation, parseConfig, startService } = await import(parts)

const { path, key, model, tokens, durability } = JSON.parse(text)
const simulation = await openSimulation({
  composeText: '{"name":"countersign-killed","runner":"docker-compose"}',
  gpus: 1,
  addressKey: 'ephemeral',
})
const parsed = parseConfig({
  listen: { port: 0 },
  upstreams: [{ name: 'model', url: model, health: null }],
  metrics: null,
  log: { interval_ms: 1_000 },
})
if (!parsed.ok) throw new Error(parsed.problems.join('; '))
const silent = () => undefined
const service = await startService({
  config: parsed.config,
  principals: Object.entries(tokens).map(([name, token]) => ({
    name,
    relay: name === 'broker',
    tokenHash: createHash('sha256').update(token).digest(),
  })),
  cpu: simulation.cpu,
  gpu: null,
  gpuRequired: 0,
  weights: null,
  address: simulation.address,
  simulated: true,
  log: { info: silent, warn: silent, error: silent },
  gate: createGate(simulation.roots),
  store: (boot) =>
    openLmdbStore({
      path,
      durability,
      retention: { days: 30, bytes: 1024 ** 3 },
      rootKey: Buffer.from(key, 'hex'),
      ephemeral: false,
      ...boot,
    }),
})
await service.ready
const { bootId, keysetDigest } = service.keys
process.stdout.write(
  `${JSON.stringify({ url: service.url, bootId, keysetDigest, roots: simulation.roots })}\n`,
)
