/**
 * `countersign doctor`: what keeps this node from serving, or soon will, one row for each cause with the next action.
 *
 * Exit codes: 0, no row is `fail` or `unknown`; 10, a row is `fail`; 20, none is, and something was not looked at.
 *
 * @module
 */
import { openNvml } from '../../attestation/attester/nvml/open-nvml.ts'
import type { NvmlSource } from '../../attestation/attester/nvml/open-nvml.ts'
import { collateralUrls } from '../../attestation/collateral/collateral-service.ts'
import { CRL_TYPES } from '../../attestation/collateral/fetch-collateral.ts'
import { httpRequest } from '../../attestation/collateral/http-request.ts'
import type { Transport } from '../../attestation/collateral/http-request.ts'
import { MAX_CRL_BYTES } from '../../attestation/protocol/dcap-collateral.ts'
import type { Config } from '../config/config.ts'
import { unknownVariables } from '../config/check-environment.ts'
import { readTokens } from '../config/read-tokens.ts'
import type { DoctorRow } from '../doctor/doctor-row.ts'
import type { Volume } from '../doctor/examine-volume.ts'
import { runDoctor } from '../doctor/run-doctor.ts'
import type { ConfigReading, DoctorInput, DoctorReport } from '../doctor/run-doctor.ts'
import type { ChannelFinding, NetworkSources } from '../doctor/examine-network.ts'
import type { RowStatus } from '../doctor/doctor-codes.ts'
import type { RedisTarget } from '../shared-store/connect-redis.ts'
import { VERSION } from '../version.ts'
import { EXIT } from './exit-codes.ts'
import { judgeTcb } from './judge-tcb.ts'
import type { JudgeTcbOptions } from './judge-tcb.ts'
import { FailedFetch, serviceOf, transportOf } from './obtain-collateral.ts'
import { openGpuClient } from './obtain-gpu-collateral.ts'
import { printable, printableJson } from './printable.ts'
import { Refusal } from './refusal.ts'
import { loadSharedStore } from './load-shared-store.ts'
import { rehearse, socketHere } from './rehearse.ts'
import { loadConfig } from './serve.ts'
import type { ServeOptions } from './serve.ts'

export interface DoctorOptions
  extends Omit<ServeOptions, 'printConfig'>, Omit<JudgeTcbOptions, 'collateral' | 'at'> {
  readonly fetchCollateral?: boolean
  readonly rimUrl?: string
  readonly ocspUrl?: string
  /** Folder, beside those of the configuration. */
  readonly volume?: string
  /** URL at which the broker reaches this sidecar. */
  readonly targetUrl?: string
  readonly json?: boolean
}

/** What tests put in place of this machine. */
export interface DoctorMachine {
  readonly environment: NodeJS.ProcessEnv
  readonly socketPath: string | null
  readonly nvml: Pick<NvmlSource, 'facts' | 'collect'>
  readonly places?: NonNullable<DoctorInput['places']>
}

const STATUSES: readonly RowStatus[] = ['ok', 'warn', 'fail', 'unknown']
async function readConfiguration(
  options: DoctorOptions,
  environment: NodeJS.ProcessEnv,
): Promise<ConfigReading & { readonly shared?: RedisTarget | null }> {
  const unknown = unknownVariables(environment)
  if (unknown.length > 0) {
    return { ok: false, problem: `the environment sets ${unknown.join(', ')}, which nothing reads` }
  }
  try {
    const config = await loadConfig(options)
    return { ok: true, config, shared: await loadSharedStore(config, environment) }
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    return { ok: false, problem: error.message }
  }
}

function targetOf(text: string | undefined): string | null {
  if (text === undefined) return null
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null || !/^https?:$/.test(url.protocol) || url.search !== '' || url.hash !== '') {
    throw new Refusal(
      '--target-url takes the http or https URL at which the broker reaches this sidecar.',
    )
  }
  if (url.username !== '' || url.password !== '') {
    throw new Refusal('--target-url takes no user name and no password.')
  }
  const path = url.pathname.replace(/\/+$/, '')
  return `${url.origin}${path.endsWith('/v1') ? path : `${path}/v1`}`
}

async function channelsOf(
  quote: Uint8Array,
  options: JudgeTcbOptions,
): Promise<readonly ChannelFinding[]> {
  try {
    const { statuses } = await judgeTcb(quote, 'this machine', options)
    return statuses.map(({ channel, verdict, sentence, tcb }) => ({
      channel,
      accepted: verdict === 'accepted' || verdict === 'accepted-as-of',
      seen: tcb === null ? sentence : `${tcb.status}; ${sentence}`,
    }))
  } catch (error) {
    if (error instanceof FailedFetch) throw error.failure
    if (!(error instanceof Refusal)) throw error
    return ['standard', 'early'].map((channel) => ({
      channel,
      accepted: false,
      seen: error.message,
    }))
  }
}

/** `Date` of the answer with the root CA's list, which every service has. */
async function dateOf(options: DoctorOptions, transport: Transport): Promise<number | null> {
  const anyPlatform = { fmspc: '000000000000', ca: 'platform', channel: 'standard' } as const
  const answer = await httpRequest(
    {
      url: collateralUrls(serviceOf(options), anyPlatform).rootCrl,
      what: 'root CRL',
      // A PCCS writes it in hex.
      maxBytes: 2 * MAX_CRL_BYTES + 2,
      contentTypes: CRL_TYPES,
    },
    transport,
  )
  const date = Date.parse(answer.header('date') ?? '')
  return Number.isNaN(date) ? null : date
}

async function networkOf(options: DoctorOptions): Promise<NetworkSources | null> {
  if (options.fetchCollateral !== true) return null
  const transport = await transportOf(options)
  return {
    judgeTcb: (quote) => channelsOf(quote, options),
    gpu: { client: await openGpuClient(options, null) },
    date: () => dateOf(options, transport),
    nowMs: Date.now,
  }
}

/** The row that decides. */
export function doctorExit({ rows }: DoctorReport): number {
  if (rows.some(({ status }) => status === 'fail')) return EXIT.rejected
  return rows.some(({ status }) => status === 'unknown') ? EXIT.unsupported : EXIT.accepted
}

function countsOf({ rows }: DoctorReport): string {
  return STATUSES.map(
    (name) => `${rows.filter(({ status }) => status === name).length} ${name}`,
  ).join(', ')
}

/** Rows that were not looked at say one thing for many checks: they are told together, by what keeps them. */
function folded(rows: readonly DoctorRow[]): readonly DoctorRow[] {
  const groups = new Map<string, DoctorRow[]>()
  for (const row of rows) {
    const key = row.status === 'unknown' ? `${row.code} ${row.seen}` : row.check
    groups.set(key, [...(groups.get(key) ?? []), row])
  }
  return [...groups.values()].flatMap((group) => {
    const [first] = group
    if (first === undefined) return []
    return [{ ...first, check: group.map(({ check }) => check).join(', ') }]
  })
}

/** What fails comes first, and within a state the order in which things stand on one another. */
const ORDER: readonly RowStatus[] = ['fail', 'warn', 'ok', 'unknown']

function render(report: DoctorReport): string {
  const rows = ORDER.flatMap((wanted) => report.rows.filter(({ status }) => status === wanted))
  const width = Math.max(
    ...rows.filter(({ status }) => status !== 'unknown').map(({ check }) => check.length),
  )
  const lines = folded(rows).flatMap(({ check, status, code, seen, action }) => [
    ...(status === 'unknown'
      ? [`${status.padEnd(8)}${check}`, `${' '.repeat(8)}${' '.repeat(width)}  ${printable(seen)}`]
      : [`${status.padEnd(8)}${check.padEnd(width)}  ${printable(seen)}`]),
    ...(status === 'ok'
      ? []
      : [`${' '.repeat(8)}${' '.repeat(width)}  ${code}: ${printable(action)}`]),
  ])
  const broker = report.broker
    .trimEnd()
    .split('\n')
    .map((line) => `  ${printable(line)}`)
  return [
    ...lines,
    '',
    `${countsOf(report)}.`,
    '',
    "For 0G's broker, in its config.yaml (its assay: section belongs to another product, leave it out):",
    '',
    ...broker,
    '',
  ].join('\n')
}

/** The folders that serve would write to. */
function volumesOf(options: DoctorOptions, config: Config | null): readonly Volume[] {
  const store = config?.store?.path
  return [
    ...(options.volume === undefined ? [] : [{ role: 'volume', folder: options.volume } as const]),
    ...(store === undefined ? [] : [{ role: 'store', folder: store } as const]),
    ...(config?.address_key === 'sealed'
      ? [{ role: 'keys', folder: config.address_key_dir } as const]
      : []),
  ]
}

const LOOPBACK = /^(?:127\.|::1$|localhost$)/
const ANYWHERE: ReadonlySet<string> = new Set(['0.0.0.0', '::'])

/** Where the broker reaches what listens: nobody outside reaches a loopback, and of all addresses nobody knows which. */
function reachedAt(config: Config | null): string | null {
  const listener = config?.listen ?? config?.tls ?? null
  if (listener === null || LOOPBACK.test(listener.host)) return null
  const scheme = config?.listen === null ? 'https' : 'http'
  const host = ANYWHERE.has(listener.host)
    ? '<address of this machine>'
    : listener.host.includes(':')
      ? `[${listener.host}]`
      : listener.host
  return `${scheme}://${host}:${listener.port}/v1`
}

/** @returns the exit code */
export async function doctor(options: DoctorOptions, machine?: DoctorMachine): Promise<number> {
  const targetUrl = targetOf(options.targetUrl)
  const environment = machine?.environment ?? process.env
  const configuration = await readConfiguration(options, environment)
  const config = configuration.ok ? configuration.config : null
  const required = config?.gpu?.required ?? 0
  const network = await networkOf(options)
  const rehearsal = options.simulate === true ? await rehearse(options, config) : null
  const own = machine === undefined && rehearsal === null ? openNvml({ required }) : null
  try {
    const report = await runDoctor({
      configuration,
      tokens: readTokens(environment['COUNTERSIGN_TOKENS'] ?? ''),
      tappAppId: options.tappAppId ?? null,
      socketPath:
        rehearsal?.socketPath ?? (machine === undefined ? socketHere(options) : machine.socketPath),
      nvml: own ?? machine?.nvml ?? openNvml({ required }),
      simulated: rehearsal?.gpus ?? null,
      network,
      volumes: volumesOf(options, config),
      shared: configuration.shared ?? null,
      targetUrl: targetUrl ?? reachedAt(config),
      ...(machine?.places === undefined ? {} : { places: machine.places }),
    })
    process.stdout.write(
      options.json === true
        ? `${printableJson({ version: VERSION, ...report })}\n`
        : render(report),
    )
    return doctorExit(report)
  } finally {
    await own?.close()
    await rehearsal?.close()
  }
}
