/**
 * Looks at everything that a node needs, one row for each cause, and says what to do next. Nothing is changed but a temporary
 * file in the volume, and nobody outside of the machine is asked unless told to.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import type { GpuEvidenceSource } from '../../attestation/attester/evidence-source.ts'
import { openNvattest } from '../../attestation/attester/nvattest/open-nvattest.ts'
import type { NvmlSource } from '../../attestation/attester/nvml/open-nvml.ts'
import type { Config } from '../config/config.ts'
import type { TokensResult } from '../config/read-tokens.ts'
import { brokerSnippet } from './broker-snippet.ts'
import { finding, good } from './doctor-row.ts'
import type { DoctorRow } from './doctor-row.ts'
import { AGENT_MS, examineAgent } from './examine-agent.ts'
import type { AgentFindings } from './examine-agent.ts'
import { examineGpus } from './examine-gpus.ts'
import type { GpuPlaces } from './examine-gpus.ts'
import { examineMounts } from './examine-mounts.ts'
import { examineNetwork } from './examine-network.ts'
import type { NetworkSources } from './examine-network.ts'
import type { RedisTarget } from '../shared-store/connect-redis.ts'
import { examineSharedStore } from './examine-shared-store.ts'
import { examineTapp } from './examine-tapp.ts'
import { examineUpstreams } from './examine-upstreams.ts'
import { examineVolumes } from './examine-volume.ts'
import type { Volume, VolumeFiles } from './examine-volume.ts'
import { examineWeights } from './examine-weights.ts'
import type { MayUse } from './may-use.ts'

export type ConfigReading =
  { readonly ok: true; readonly config: Config } | { readonly ok: false; readonly problem: string }

export interface DoctorInput {
  readonly configuration: ConfigReading
  /** Of the environment; only names and their number are shown. */
  readonly tokens: TokensResult
  /** The app that TAPP started; null where dstack's agent is asked. */
  readonly tappAppId: string | null
  /** Null where there is none. */
  readonly socketPath: string | null
  readonly nvml: Pick<NvmlSource, 'facts' | 'collect'>
  /** In place of the driver, where guest and GPUs are simulated; null on a machine. */
  readonly simulated: GpuEvidenceSource | null
  /** Null: nobody may be asked. */
  readonly network: NetworkSources | null
  /** Folders that the service keeps files in; empty where it keeps none. */
  readonly volumes: readonly Volume[]
  /** Where replicas share the store; null or absent: nowhere. */
  readonly shared?: RedisTarget | null
  /** Where the broker reaches this sidecar, ending in `/v1`; null where nobody said it. */
  readonly targetUrl: string | null
  /** For tests, which have no such machine. */
  readonly places?: {
    readonly gpus?: GpuPlaces
    readonly mounts?: string
    readonly volume?: VolumeFiles
    readonly agentMs?: number
    readonly mayUse?: MayUse
    readonly upstreamMs?: number
  }
}

export interface DoctorReport {
  readonly rows: readonly DoctorRow[]
  /** YAML for the broker. */
  readonly broker: string
}

function examineConfiguration(reading: ConfigReading): DoctorRow {
  return reading.ok
    ? good('configuration', 'serve would take it')
    : finding('configuration', 'configuration_wrong', reading.problem)
}

function examineTokens(tokens: TokensResult): DoctorRow {
  if (!tokens.ok) return finding('tokens', 'tokens_wrong', tokens.problem)
  const { principals } = tokens
  if (principals.length === 0) return finding('tokens', 'tokens_wrong', 'no token is set')
  const names = [...new Set(principals.map(({ name }) => name))].join(', ')
  return principals.some(({ relay }) => relay)
    ? good('tokens', names)
    : finding('tokens', 'tokens_without_relay', `${names}, none of them relay`)
}

function examineGuest(
  { tappAppId: appId, socketPath, places = {} }: DoctorInput,
  config: Config | null,
): Promise<AgentFindings> {
  const deadlineMs = places.agentMs ?? AGENT_MS
  if (appId === null) return examineAgent(socketPath, config, deadlineMs, places.mayUse)
  const may = places.mayUse === undefined ? {} : { mayUse: places.mayUse }
  return examineTapp({ socketPath, appId, config, deadlineMs, ...may })
}

export async function runDoctor(input: DoctorInput): Promise<DoctorReport> {
  const { configuration, places = {}, nvml, shared = null } = input
  const config = configuration.ok ? configuration.config : null
  const guest = await examineGuest(input, config)
  const required = config?.gpu?.required ?? null
  const nvattest = config?.gpu?.nvattest
  const nvswitches = config?.gpu?.nvswitches ?? 0
  const weights = config?.weights ?? null
  const gpus = await examineGpus({
    required,
    facts: () => nvml.facts(),
    simulated: input.simulated !== null,
    source:
      input.simulated ??
      (nvattest === undefined
        ? nvml
        : openNvattest({ device: 'gpu', required: required ?? 0, path: nvattest })),
    // The configuration takes no switches without the program.
    switches:
      nvattest === undefined || nvswitches === 0
        ? null
        : {
            required: nvswitches,
            source: openNvattest({ device: 'nvswitch', required: nvswitches, path: nvattest }),
          },
    nonce: Uint8Array.from(randomBytes(32)),
    info: guest.info,
    ...(places.gpus === undefined ? {} : { places: places.gpus }),
    ...(places.mayUse === undefined ? {} : { mayUse: places.mayUse }),
  })
  const upstreams =
    config === null
      ? { rows: [finding('upstream', 'not_reached', 'no configuration')], models: [] }
      : await examineUpstreams(config, places.upstreamMs)
  const network = await examineNetwork({
    sources: input.network,
    quote: guest.quote,
    evidence: gpus.evidence,
    info: guest.info,
  })
  const rows = [
    examineConfiguration(configuration),
    examineTokens(input.tokens),
    ...guest.rows,
    ...gpus.rows,
    ...upstreams.rows,
    ...network,
    ...(await examineVolumes(input.volumes, places.volume)),
    ...(shared === null ? [] : [await examineSharedStore(shared)]),
    ...(weights === null ? [] : [await examineWeights(weights)]),
    await examineMounts(places.mounts),
  ]
  const { address } = guest
  const model = upstreams.models[0] ?? null
  return { rows, broker: brokerSnippet({ targetUrl: input.targetUrl, address, model }) }
}
