/**
 * `countersign serve`: the sidecar.
 *
 * @module
 */
import { rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { findGuestAgent } from '../../attestation/attester/dstack/find-guest-agent.ts'
import { isJsonObject } from '../../attestation/protocol/json.ts'
import { DEFAULT_SECP256K1_BACKEND } from '../../enclave/keys/secp256k1-signer.ts'
import { StoreError } from '../../enclave/store/store-error.ts'
import { limitsOf, parseConfig } from '../config/config.ts'
import type { Config } from '../config/config.ts'
import { openLog } from '../operations/open-log.ts'
import { startService } from '../service/start-service.ts'
import type { Service } from '../service/service.ts'
import { storeOpener } from '../service/store-opener.ts'
import { VERSION } from '../version.ts'
import type { Weights } from '../weights/measure-weights.ts'
import { awaitStop } from './await-stop.ts'
import { awaitMachine } from './await-machine.ts'
import { ignoreDebuggerSignal } from './check-process.ts'
import { loadSharedStore } from './load-shared-store.ts'
import { loadWeights } from './load-weights.ts'
import { checkMachineConfig, checkTappConfig, findMachine } from './find-machine.ts'
import type { MachineOptions } from './find-machine.ts'
import { openMachine, readMachineFacts } from './open-machine.ts'
import { parseListen, parseUpstreamFlags } from './parse-flags.ts'
import { printConfig, statedFacts } from './print-config.ts'
import { readConfigFile } from './read-config-file.ts'
import { checkEnvironment, loadTokens } from './read-environment.ts'
import { Refusal } from './refusal.ts'
import { readSimulatedGpus, simulatedGpusNotice } from './simulated-gpus.ts'
import { STORE_FAULTS } from './store-faults.ts'
import { logMember, storeMember } from './store-flags.ts'
import type { LogFlags, StoreFlags } from './store-flags.ts'
import { tlsMember } from './tls-flags.ts'
import type { TlsFlags } from './tls-flags.ts'

export interface ServeOptions extends TlsFlags, StoreFlags, LogFlags, MachineOptions {
  readonly config?: string
  readonly listen?: string
  readonly upstream?: readonly string[]
  readonly addressKey?: string
  readonly addressKeyDir?: string
  readonly expectAddress?: string
  readonly requireGpu?: string
  readonly requireNvswitches?: string
  readonly nvattest?: string
  readonly weights?: string
  readonly allowRemoteUpstream?: boolean
  /** False for `--no-metrics`. */
  readonly metrics?: string | false
  readonly printConfig?: boolean
}

export const SIMULATION_NOTICE =
  'SIMULATION: keys, quotes and GPU evidence are made up on this machine and prove nothing.'

/** `gpu` of the file with the flags about it on top. */
function gpuMember(options: ServeOptions, gpu: unknown): { readonly gpu?: object } {
  const { requireGpu, requireNvswitches, nvattest } = options
  const given = {
    ...(requireGpu === undefined ? {} : { required: Number(requireGpu) }),
    ...(requireNvswitches === undefined ? {} : { nvswitches: Number(requireNvswitches) }),
    ...(nvattest === undefined ? {} : { nvattest }),
  }
  if (Object.keys(given).length === 0) return {}
  return { gpu: { ...(isJsonObject(gpu) ? gpu : {}), ...given } }
}

/** The file's members with the flags on top. */
export async function loadConfig(options: ServeOptions): Promise<Config> {
  readSimulatedGpus(options)
  const file = options.config === undefined ? {} : await readConfigFile(options.config)
  if (!isJsonObject(file)) throw new Refusal('The configuration is not a JSON object.')
  const result = parseConfig({
    ...file,
    ...(options.listen === undefined ? {} : { listen: parseListen(options.listen) }),
    ...tlsMember(options, file['tls']),
    ...(options.upstream === undefined ? {} : { upstreams: parseUpstreamFlags(options.upstream) }),
    ...(options.addressKey === undefined ? {} : { address_key: options.addressKey }),
    ...(options.addressKeyDir === undefined ? {} : { address_key_dir: options.addressKeyDir }),
    ...(options.expectAddress === undefined ? {} : { expect_address: options.expectAddress }),
    ...gpuMember(options, file['gpu']),
    ...(options.weights === undefined ? {} : { weights: resolve(options.weights) }),
    ...(options.metrics === undefined
      ? {}
      : {
          metrics: options.metrics === false ? null : parseListen(options.metrics, '--metrics'),
        }),
    ...storeMember(options, file['store']),
    ...logMember(options, file['log']),
    ...(options.allowRemoteUpstream === true ? { allow_remote_upstream: true } : {}),
  })
  if (!result.ok) throw new Refusal(`The configuration is wrong: ${result.problems.join('; ')}.`)
  return result.config
}

function placeOf(error: unknown): string {
  const port = error instanceof Error && 'port' in error ? error.port : undefined
  return typeof port === 'number' ? `: port ${port}` : ''
}

/** The sentence for a store that cannot be opened; any other error as it is. */
function storeRefusal(error: unknown): unknown {
  return error instanceof StoreError ? new Refusal(STORE_FAULTS[error.code]) : error
}

/** Runs until SIGTERM or SIGINT. */
export async function serve(options: ServeOptions): Promise<void> {
  // Before anything is opened that has to be closed again.
  const { stopped, hurried } = awaitStop()
  ignoreDebuggerSignal()
  checkEnvironment(process.env)
  if (options.printConfig === true && options.simulate !== true) {
    const config = await loadConfig(options)
    const platform = options.tappAppId === undefined ? 'dstack' : 'tapp'
    if (platform === 'tapp') checkTappConfig(config)
    const facts = statedFacts(config, platform, loadTokens(process.env))
    if (facts !== null) {
      const weights = await loadWeights(config, stopped)
      process.stdout.write(printConfig(config, { ...facts, weights }))
      return
    }
    if (platform === 'tapp' || findGuestAgent() === null) {
      throw new Refusal(
        config.address_key === 'sealed'
          ? 'The generation of a sealed address key is attested, and only the machine that keeps it knows it: run --print-config there.'
          : 'Without a guest agent --print-config needs to be told what the machine would say: --address-key and --require-gpu.',
      )
    }
  }
  // First of all: without something to attest with, nothing else in the configuration matters.
  const place = findMachine(options, process.env)
  const config = await loadConfig(options)
  const principals = loadTokens(process.env)
  checkMachineConfig(place, config)
  const shared = await loadSharedStore(config, process.env)
  const open = () => openMachine(place, config, options)
  if (options.printConfig === true) {
    const facts = await readMachineFacts(place, config)
    const weights = await loadWeights(config, stopped)
    const said = { version: VERSION, principals, ...facts, weights }
    process.stdout.write(printConfig(config, said))
    return
  }
  // Standard output is for logs; nothing in them is content, and tokens are never known here but as hashes.
  const { log, dropped, flush } = openLog()
  const machine = await awaitMachine(place, open, log, stopped)
  if (machine === null) {
    flush()
    return
  }
  let weights: Weights | null
  let kept: Awaited<ReturnType<typeof storeOpener>>
  try {
    // What keeps a store from being opened at all is said before the weights are read, which takes minutes.
    kept = await storeOpener(config.store, machine.storeKey, shared)
    weights = await loadWeights(config, stopped, log)
  } catch (error) {
    flush()
    await machine.close()
    throw storeRefusal(error)
  }
  let service: Service
  try {
    service = await startService({
      config,
      principals,
      ...machine.parts,
      ...kept,
      weights,
      log,
      logLinesDropped: dropped,
    })
  } catch (error) {
    await machine.close()
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'EADDRINUSE')
      throw new Refusal(
        `An address to listen on is in use (--listen, --tls, --metrics)${placeOf(error)}.`,
      )
    throw storeRefusal(error)
  }
  const { address } = machine.parts
  const rootsFile = join(tmpdir(), `countersign-sim-roots-${process.pid}.json`)
  const policyFile = join(tmpdir(), `countersign-sim-policy-${process.pid}.json`)
  if (machine.parts.simulated) {
    const gpus = simulatedGpusNotice(options, machine.parts.gpuRequired)
    process.stderr.write(`\n*** ${SIMULATION_NOTICE}${gpus} ***\n\n`)
  }
  if (machine.roots !== null) {
    await writeFile(rootsFile, JSON.stringify(machine.roots), { mode: 0o600 })
    const { platform } = machine.parts.cpu.facts
    // The platform is told to a verifier, in its policy alone; dstack is what it takes without a word.
    if (platform !== 'dstack') await writeFile(policyFile, JSON.stringify({ platform }))
    const policy = platform === 'dstack' ? '' : ` --policy ${policyFile}`
    process.stderr.write(
      `    countersign verify ${new URL(service.url).protocol}//127.0.0.1:${service.port} --allow-simulated --roots ${rootsFile}${policy}\n\n`,
    )
  }
  log.info(
    {
      url: service.url,
      tls: service.tls?.url ?? null,
      operations: service.operations?.url ?? null,
      address: address.address,
      addressKey: address.source,
      generation: address.generation,
      secp256k1: DEFAULT_SECP256K1_BACKEND,
    },
    'listening',
  )
  if (address.source === 'ephemeral') {
    log.warn({}, 'this address ends with this start: the next one makes another')
  }
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
  for (const file of [rootsFile, policyFile]) await rm(file, { force: true })
}
