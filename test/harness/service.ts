/**
 * The whole service on free ports, for tests: demo model behind it, evidence from the simulator or none that is worth
 * the name, and a store that tells what was settled.
 */
import { inject } from 'vitest'
import { createHash } from 'node:crypto'
import type {
  CpuEvidence,
  CpuEvidenceSource,
  GpuEvidenceSource,
} from '../../attestation/attester/evidence-source.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { connectGuestAgent } from '../../attestation/attester/dstack/guest-agent.ts'
import type { Stapler } from '../../attestation/collateral/staple/create-stapler.ts'
import type { AgentReleaseName } from '../../attestation/simulator/dstack/agent-releases.ts'
import type { AgentFaults } from '../../attestation/simulator/dstack/start-guest-agent.ts'
import { createEphemeralAddressKey } from '../../enclave/keys/address-key.ts'
import { createMemoryStore } from '../../enclave/receipts/memory-store.ts'
import { decodeReceipt } from '../../enclave/receipts/stored-receipt.ts'
import type { ReceiptStore, StoredReceipt } from '../../enclave/receipts/receipt-store.ts'
import { parseConfig } from '../../src/config/config.ts'
import type { Config } from '../../src/config/config.ts'
import type { ServiceLog } from '../../src/operations/open-log.ts'
import type { RequestLogging } from '../../src/operations/request-log.ts'
import type { UpstreamConfig } from '../../src/relay/upstreams.ts'
import { startDemoModel } from '../../src/demo/model/start-demo-model.ts'
import type { DemoModel, DemoModelOptions } from '../../src/demo/model/start-demo-model.ts'
import type { Limits } from '../../src/limits.ts'
import type { PrincipalConfig } from '../../src/relay/principals.ts'
import type { Door } from '../../src/routes/attestation.ts'
import { canary } from './canary.ts'
import type { Canary } from './canary.ts'
import { unfitLogLines } from './logged-fields.ts'
import type { LogEntry } from './logged-fields.ts'
import type { Gate, GateMoment } from '../../src/service/gate.ts'
import { openSimulation } from '../../src/service/open-simulation.ts'
import type { Simulation } from '../../src/service/open-simulation.ts'
import type { StoreBoot } from '../../src/service/open-receipts.ts'
import { startService } from '../../src/service/start-service.ts'
import type { Service } from '../../src/service/service.ts'
import { openAgentTlsKey } from '../../src/service/tls/open-agent-tls-key.ts'
import type { Weights } from '../../src/weights/measure-weights.ts'

export const MODEL = 'demo/words'
export const TOKENS = {
  alice: 'alice-token-0123456789',
  bob: 'bob-token-0123456789ab',
  broker: 'broker-token-0123456789',
} as const

const COMPOSE = '{"manifest_version":2,"name":"countersign-test","runner":"docker-compose"}\n'
const WAIT_MS = 10_000

const PRINCIPALS: readonly PrincipalConfig[] = Object.entries(TOKENS).map(([name, token]) => ({
  name,
  relay: name === 'broker',
  tokenHash: createHash('sha256').update(token).digest(),
}))

export interface TestUpstream extends Partial<UpstreamConfig> {
  readonly name: string
  readonly url?: string
}

export interface TestServiceOptions {
  readonly model?: DemoModelOptions
  /** Instead of the demo model. */
  readonly upstreams?: readonly TestUpstream[]
  readonly limits?: Partial<Limits>
  readonly rewrites?: Partial<Config['rewrites']>
  readonly doors?: readonly Door[]
  /** Any other members of the configuration. */
  readonly config?: Readonly<Record<string, unknown>>
  /** With these many simulated GPUs in a simulated guest; without it the quotes are 4 zero bytes. */
  readonly gpus?: number
  readonly addressKey?: 'derived' | 'ephemeral'
  /** Of dstack, that the simulated guest runs; the newest by default. */
  readonly release?: AgentReleaseName
  /** In place of the simulated GPUs' own source; they are as many as `gpus` says. */
  readonly gpu?: GpuEvidenceSource
  /** @returns the hard cause, null for none */
  readonly gate?: (document: string, moment?: GateMoment) => string | null
  /** In place of {@link TestServiceOptions.gate}: with its warnings. */
  readonly fullGate?: Gate
  readonly stapler?: Stapler
  /** In place of the machine's answer to every quote. */
  readonly quote?: () => Promise<CpuEvidence>
  /** In place of the memory store's `put`; call `keep` to store. */
  readonly put?: (receipt: StoredReceipt, keep: () => void) => void | Promise<void>
  /** In place of the memory store. */
  readonly openStore?: (boot: StoreBoot) => Promise<ReceiptStore>
  /** In place of the memory store's `get`. */
  readonly find?: ReceiptStore['get']
  readonly principals?: readonly PrincipalConfig[]
  readonly nowMs?: () => number
  /** In place of the script that reads large bodies. */
  readonly bodyWorker?: string
  /** With a listener for health and metrics, on a free port. */
  readonly operations?: boolean
  readonly requestLog?: RequestLogging
  /** What was measured of the folder of weights. */
  readonly weights?: Weights
}

export interface TestService {
  readonly service: Service
  /** `http://127.0.0.1:port` */
  readonly url: string
  readonly port: number
  readonly model: DemoModel
  readonly simulation: Simulation | null
  /** Of the simulated guest agent; change its members at any time. */
  readonly agentFaults: AgentFaults
  /** Report data of every quote so far. */
  readonly quotes: readonly Uint8Array[]
  /** Settled, oldest first. */
  readonly receipts: readonly StoredReceipt[]
  /** Resolves when so many have been settled since the service started. */
  settled(count: number): Promise<void>
  readonly log: readonly LogEntry[]
  close(): Promise<void>
}

/** What was asked, as far as it is long enough to be found for a reason. */
function prompts(body: Buffer): Canary[] {
  return [...body.toString('utf8').matchAll(/"content":"([^"\\]{12,})"/g)].map(([, text = '']) =>
    canary('a prompt', text),
  )
}

function inertSource(): CpuEvidenceSource {
  return {
    facts: {
      platform: 'dstack',
      appId: '00'.repeat(20),
      instanceId: '00'.repeat(20),
      appCompose: COMPOSE,
      keyProvider: null,
      tcbInfo: '{}',
      info: '{}',
    },
    quote: () => Promise.resolve({ quote: new Uint8Array(4), eventLog: '[]', vmConfig: '{}' }),
  }
}

/** Header pair of a principal's credential. */
export function bearer(name: keyof typeof TOKENS = 'alice'): readonly [string, string] {
  return ['authorization', `Bearer ${TOKENS[name]}`]
}

export async function startTestService(options: TestServiceOptions = {}): Promise<TestService> {
  const model = await startDemoModel({ models: [MODEL], ...options.model })
  const agentFaults: AgentFaults = {}
  const simulation =
    options.gpus === undefined
      ? null
      : await openSimulation({
          composeText: COMPOSE,
          gpus: options.gpus,
          addressKey: options.addressKey ?? 'derived',
          faults: agentFaults,
          ...(options.release === undefined ? {} : { release: options.release }),
        })
  const parsed = parseConfig({
    listen: { port: 0 },
    // What the doubles see is what the test sent; the health checks have their own tests.
    upstreams: (options.upstreams ?? [{ name: 'demo', url: model.url }]).map((upstream) => ({
      health: null,
      ...upstream,
    })),
    ...(options.limits === undefined ? {} : { limits: options.limits }),
    ...(options.rewrites === undefined ? {} : { rewrites: options.rewrites }),
    metrics: options.operations === true ? { port: 0 } : null,
    ...(options.requestLog === undefined ? {} : { logging: { requests: options.requestLog } }),
    ...(options.doors === undefined ? {} : { doors: options.doors }),
    ...options.config,
  })
  if (!parsed.ok) throw new Error(parsed.problems.join('; '))
  const source = simulation?.cpu ?? inertSource()
  const quotes: Uint8Array[] = []
  const receipts: StoredReceipt[] = []
  const log: LogEntry[] = []
  const waiting = new Set<() => void>()
  const memory = createMemoryStore(options.limits?.receipts)
  const telling = (inner: ReceiptStore): ReceiptStore => ({
    ...inner,
    ...(options.find === undefined ? {} : { get: options.find }),
    put(entry) {
      const receipt = decodeReceipt(entry.text, entry.ownership)
      const kept = () => {
        receipts.push(receipt)
        for (const look of waiting) look()
      }
      const keep = () => {
        const stored = inner.put(entry)
        return stored instanceof Promise ? stored.then(kept) : kept()
      }
      return options.put === undefined ? keep() : options.put(receipt, () => void keep())
    },
  })
  const { openStore } = options
  const store =
    openStore === undefined
      ? telling(memory)
      : async (boot: StoreBoot) => telling(await openStore(boot))
  const logAt =
    (level: LogEntry['level']): ServiceLog['info'] =>
    (fields, message) => {
      log.push({ level, fields, message })
    }
  const service = await startService({
    config: parsed.config,
    principals: options.principals ?? PRINCIPALS,
    cpu: {
      facts: source.facts,
      quote: (data) => {
        quotes.push(Uint8Array.from(data))
        return options.quote === undefined ? source.quote(data) : options.quote()
      },
    },
    gpu: options.gpus === 0 ? null : (options.gpu ?? simulation?.gpu ?? null),
    gpuRequired: options.gpus ?? 0,
    address: simulation?.address ?? createEphemeralAddressKey(nodeCrypto),
    tlsKey:
      simulation === null
        ? null
        : await openAgentTlsKey(connectGuestAgent(simulation.socketPath), parsed.config, {
            facts: simulation.cpu.facts,
            roots: simulation.roots,
            at: Math.floor(Date.now() / 1000),
          }),
    simulated: simulation !== null,
    weights: options.weights ?? null,
    log: { info: logAt('info'), warn: logAt('warn'), error: logAt('error') },
    gate:
      options.fullGate ??
      ((text, moment) => ({ cause: options.gate?.(text, moment) ?? null, warnings: [] })),
    stapler: options.stapler ?? null,
    store,
    bodyWorker: new URL(options.bodyWorker ?? inject('bodyWorker')),
    ...(options.nowMs === undefined ? {} : { nowMs: options.nowMs }),
  })
  if (options.gate === undefined && options.fullGate === undefined) await service.ready
  return {
    service,
    url: service.url,
    port: service.port,
    model,
    simulation,
    agentFaults,
    quotes,
    receipts,
    settled: (count) =>
      new Promise((resolve, reject) => {
        const look = () => {
          if (receipts.length < count) return
          clearTimeout(timer)
          waiting.delete(look)
          resolve()
        }
        const timer = setTimeout(() => {
          waiting.delete(look)
          reject(new Error(`${String(receipts.length)} receipts of ${String(count)} came`))
        }, WAIT_MS)
        waiting.add(look)
        look()
      }),
    log,
    close: async () => {
      await service.close()
      await model.close()
      await simulation?.close()
      const unfit = unfitLogLines(log, [
        canary('store key', service.keys.storeKey),
        ...Object.entries(TOKENS).map(([name, token]) => canary(`${name}'s token`, token)),
        ...model.requests.flatMap(({ body }) => prompts(body)),
      ])
      if (unfit.length > 0) throw new Error(unfit.join('; '))
    },
  }
}
