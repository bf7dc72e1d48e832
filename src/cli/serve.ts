/**
 * `countersign serve`: the sidecar.
 *
 * @module
 */
import { readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { findGuestAgent } from '../../attestation/attester/dstack/find-guest-agent.ts'
import { connectGuestAgent } from '../../attestation/attester/dstack/guest-agent.ts'
import { GuestAgentError } from '../../attestation/attester/dstack/guest-agent-error.ts'
import { openGuest } from '../../attestation/attester/dstack/open-guest.ts'
import { isTeeMachine } from '../../attestation/attester/dstack/tee-machine.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { isJsonObject } from '../../attestation/protocol/json.ts'
import { createEphemeralAddressKey } from '../../enclave/keys/address-key.ts'
import type { AddressKey, AddressKeySource } from '../../enclave/keys/address-key.ts'
import { DEFAULT_SECP256K1_BACKEND } from '../../enclave/keys/secp256k1-signer.ts'
import { limitsOf, parseConfig } from '../config/config.ts'
import type { Config } from '../config/config.ts'
import { openLog } from '../operations/open-log.ts'
import { deriveAddressKey } from '../service/derive-address-key.ts'
import { createGate } from '../service/gate.ts'
import { openGpus } from '../service/open-gpus.ts'
import { openSimulation } from '../service/open-simulation.ts'
import { openSimulatedStapler, openStapler } from '../service/open-stapler.ts'
import type { SimulatedRoots } from '../service/open-simulation.ts'
import { startService } from '../service/start-service.ts'
import type { Service, ServiceParts } from '../service/start-service.ts'
import { VERSION } from '../version.ts'
import type { Weights } from '../weights/measure-weights.ts'
import { awaitStop } from './await-stop.ts'
import { loadWeights } from './load-weights.ts'
import { transportOf } from './obtain-collateral.ts'
import { parseListen, parseUpstreamFlags } from './parse-flags.ts'
import { printConfig, statedFacts } from './print-config.ts'
import { readConfigFile } from './read-config-file.ts'
import { checkEnvironment, loadTokens } from './read-environment.ts'
import { Refusal } from './refusal.ts'

export interface ServeOptions {
  readonly config?: string
  readonly listen?: string
  readonly upstream?: readonly string[]
  readonly addressKey?: string
  readonly requireGpu?: string
  readonly weights?: string
  readonly allowRemoteUpstream?: boolean
  /** False for `--no-metrics`. */
  readonly metrics?: string | false
  readonly printConfig?: boolean
  readonly simulate?: boolean
  readonly compose?: string
}

export const SIMULATION_NOTICE =
  'SIMULATION: keys, quotes and GPU evidence are made up on this machine and prove nothing.'

/** What a simulated guest says it runs when no compose file is given. */
const SIMULATED_COMPOSE = '{"name":"countersign-simulated","runner":"docker-compose"}'

/** The file's members with the flags on top. */
export async function loadConfig(options: ServeOptions): Promise<Config> {
  const file = options.config === undefined ? {} : await readConfigFile(options.config)
  if (!isJsonObject(file)) throw new Refusal('The configuration is not a JSON object.')
  const result = parseConfig({
    ...file,
    ...(options.listen === undefined ? {} : { listen: parseListen(options.listen) }),
    ...(options.upstream === undefined ? {} : { upstreams: parseUpstreamFlags(options.upstream) }),
    ...(options.addressKey === undefined ? {} : { address_key: options.addressKey }),
    ...(options.requireGpu === undefined
      ? {}
      : {
          gpu: {
            ...(isJsonObject(file['gpu']) ? file['gpu'] : {}),
            required: Number(options.requireGpu),
          },
        }),
    ...(options.weights === undefined ? {} : { weights: resolve(options.weights) }),
    ...(options.metrics === undefined
      ? {}
      : {
          metrics: options.metrics === false ? null : parseListen(options.metrics, '--metrics'),
        }),
    ...(options.allowRemoteUpstream === true ? { allow_remote_upstream: true } : {}),
  })
  if (!result.ok) throw new Refusal(`The configuration is wrong: ${result.problems.join('; ')}.`)
  return result.config
}

interface Machine {
  readonly parts: Pick<
    ServiceParts,
    'cpu' | 'gpu' | 'gpuRequired' | 'address' | 'simulated' | 'gate' | 'stapler'
  >
  readonly roots: SimulatedRoots | null
  close(): Promise<void>
}

async function simulatedMachine(config: Config, options: ServeOptions): Promise<Machine> {
  const place = isTeeMachine()
  if (place !== null) {
    throw new Refusal(`--simulate is refused on a machine that could be real: ${place} exists.`)
  }
  if (config.gpu?.nvattest !== undefined) {
    throw new Refusal('gpu.nvattest is for real GPUs; --simulate makes its own.')
  }
  const gpus = config.gpu?.required ?? 1
  const simulation = await openSimulation({
    composeText:
      options.compose === undefined ? SIMULATED_COMPOSE : await readFile(options.compose, 'utf8'),
    gpus: Math.max(gpus, 1),
    addressKey: config.address_key ?? 'derived',
  })
  return {
    parts: {
      cpu: simulation.cpu,
      gpu: gpus === 0 ? null : simulation.gpu,
      gpuRequired: gpus,
      address: simulation.address,
      simulated: true,
      gate: createGate(simulation.roots),
      stapler: openSimulatedStapler(simulation, config),
    },
    roots: simulation.roots,
    close: () => simulation.close(),
  }
}

function requireGuestAgent(): string {
  const socket = findGuestAgent()
  if (socket !== null) return socket
  throw new Refusal(
    'No dstack guest agent was found (/var/run/dstack.sock is not mounted), so there is nothing to attest with; ' +
      '--simulate runs without one and proves nothing.',
  )
}

async function realMachine(config: Config, socket: string): Promise<Machine> {
  if (config.gpu === undefined) {
    throw new Refusal('Say how many GPUs the machine must have: --require-gpu N.')
  }
  const agent = connectGuestAgent(socket)
  const { cpu } = await openGuest(agent)
  const kms = cpu.facts.keyProvider?.name === 'kms'
  const source: AddressKeySource | undefined = config.address_key ?? (kms ? 'derived' : undefined)
  if (source === undefined) {
    throw new Refusal(
      `The key provider is ${cpu.facts.keyProvider?.name ?? 'none'}, so a derived address is lost with any change of the ` +
        'measured software: choose --address-key derived or --address-key ephemeral in words.',
    )
  }
  if (source === 'derived' && (cpu.facts.keyProvider?.name ?? 'none') === 'none') {
    throw new Refusal('Without a key provider no address can be derived: --address-key ephemeral.')
  }
  const address: AddressKey =
    source === 'derived' ? await deriveAddressKey(agent) : createEphemeralAddressKey(nodeCrypto)
  const gpus = openGpus(config.gpu)
  const { ca } = config.collateral
  return {
    parts: {
      cpu,
      gpu: gpus.source,
      gpuRequired: config.gpu.required,
      address,
      simulated: false,
      gate: createGate(null),
      stapler: openStapler(config, ca === null ? {} : await transportOf({ tlsCa: ca })),
    },
    roots: null,
    close: () => gpus.close(),
  }
}

function placeOf(error: unknown): string {
  const port = error instanceof Error && 'port' in error ? error.port : undefined
  return typeof port === 'number' ? `: port ${port}` : ''
}

/** Runs until SIGTERM or SIGINT. */
export async function serve(options: ServeOptions): Promise<void> {
  // Before anything is opened that has to be closed again.
  const { stopped, hurried } = awaitStop()
  checkEnvironment(process.env)
  if (options.printConfig === true && options.simulate !== true) {
    const config = await loadConfig(options)
    const facts = statedFacts(config, loadTokens(process.env))
    if (facts !== null) {
      const weights = await loadWeights(config, stopped)
      process.stdout.write(printConfig(config, { ...facts, weights }))
      return
    }
    if (findGuestAgent() === null) {
      throw new Refusal(
        'Without a guest agent --print-config needs to be told what the machine would say: --address-key and --require-gpu.',
      )
    }
  }
  // First of all: without something to attest with, nothing else in the configuration matters.
  const socket = options.simulate === true ? null : requireGuestAgent()
  const config = await loadConfig(options)
  const principals = loadTokens(process.env)
  let machine: Machine
  try {
    machine =
      socket === null ? await simulatedMachine(config, options) : await realMachine(config, socket)
  } catch (error) {
    if (error instanceof GuestAgentError) {
      throw new Refusal(`The guest agent does not answer as it should (${error.code}).`)
    }
    throw error
  }
  // Standard output is for logs; nothing in them is content, and tokens are never known here but as hashes.
  const { log, dropped, flush } = openLog()
  let weights: Weights | null
  try {
    weights = await loadWeights(config, stopped, options.printConfig === true ? undefined : log)
  } catch (error) {
    flush()
    await machine.close()
    throw error
  }
  if (options.printConfig === true) {
    const { simulated, gpuRequired, address: key } = machine.parts
    const facts = {
      version: VERSION,
      simulated,
      addressKeySource: key.source,
      gpuRequired,
      stapled: config.collateral.staple,
      principals,
      weights,
    }
    process.stdout.write(printConfig(config, facts))
    await machine.close()
    return
  }
  let service: Service
  try {
    service = await startService({
      config,
      principals,
      ...machine.parts,
      weights,
      log,
      logLinesDropped: dropped,
    })
  } catch (error) {
    await machine.close()
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'EADDRINUSE')
      throw new Refusal(`An address to listen on is in use (--listen, --metrics)${placeOf(error)}.`)
    throw error
  }
  const { address } = machine.parts
  const rootsFile = join(tmpdir(), `countersign-sim-roots-${process.pid}.json`)
  if (machine.roots !== null) {
    await writeFile(rootsFile, JSON.stringify(machine.roots), { mode: 0o600 })
    process.stderr.write(
      `\n*** ${SIMULATION_NOTICE} ***\n    countersign verify http://127.0.0.1:${service.port} --allow-simulated --roots ${rootsFile}\n\n`,
    )
  }
  log.info(
    {
      url: service.url,
      operations: service.operations?.url ?? null,
      address: address.address,
      addressKey: address.source,
      secp256k1: DEFAULT_SECP256K1_BACKEND,
    },
    'listening',
  )
  await stopped
  const { drainNoticeMs } = limitsOf(config)
  log.info({ noticeMs: drainNoticeMs }, 'leaving: readiness says so, requests are still taken')
  service.leave()
  await sleep(drainNoticeMs, undefined, { signal: hurried }).catch(() => {})
  log.info({}, 'draining: new requests are refused')
  await service.close()
  log.info({}, 'drained')
  flush()
  await machine.close()
  await rm(rootsFile, { force: true })
}
