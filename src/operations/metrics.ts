/**
 * The service's own metrics, in Prometheus' text format.
 *
 * What happens for a request is one addition in a table and two observations, after its last byte was written. Everything
 * else is read when somebody asks. Labels are names from the configuration and from closed lists of ours; nothing that a
 * client or a model server sends can become one, and nothing is kept by user.
 *
 * @module
 */
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client'
import type { StoreUsage } from '../../enclave/receipts/receipt-store.ts'
import type { ServiceErrorCode } from '../errors.ts'
import type { RequestSummary } from '../relay/account.ts'
import { countRefusedConnections } from './connection-metrics.ts'
import type { ConnectionRefusal } from './connection-metrics.ts'
import { READINESS_PARTS } from './readiness.ts'
import type { Readiness } from './readiness.ts'

/** Seconds; the goals of the relay are fractions of a millisecond. */
const OVERHEAD_BUCKETS = [
  0.0001, 0.00025, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1,
]
const SIGNING_BUCKETS = [0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25]
const ROUND_BUCKETS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

export type RoundKind = 'nonces' | 'cached' | 'single'

export interface UpstreamGauges {
  readonly name: string
  /** Its addresses that are given requests, and those that are not. */
  readonly up: number
  readonly down: number
  readonly open: number
  readonly waiting: number
}

/** What is read when somebody asks. */
export interface MetricSources {
  readonly version: string
  readonly bootId: string
  readonly configDigest: string
  readonly keysetDigest: () => string
  readonly openRequests: () => number
  readonly requestBytesHeld: () => number
  readonly upstreams: () => readonly UpstreamGauges[]
  readonly store: () => StoreUsage
  readonly storeFailures: () => number
  readonly storeRefused: () => number
  /** Of opening it; codes of a closed list. */
  readonly storeWarnings: () => readonly string[]
  readonly readiness: () => Readiness
  /** What the attestation document warns about; codes of closed lists. */
  readonly warnings: () => readonly { readonly code: string }[]
  readonly logLinesDropped: () => number
}

export interface Metrics {
  readonly contentType: string
  /** A stream has begun; it is over with its request. */
  streamBegan(): void
  /** An admitted request is over. */
  request(summary: RequestSummary): void
  /** An error of our own was answered to what was not admitted. */
  refused(code: ServiceErrorCode): void
  /** A connection of a client was not taken. */
  connectionRefused(why: ConnectionRefusal): void
  /** A round of attestation, or a quote of its own for one of the other doors. */
  round(kind: RoundKind, ok: boolean, seconds: number): void
  text(): Promise<string>
}

interface Totals {
  requests: number
  requestBytes: number
  responseBytes: number
}

export function createMetrics(sources: MetricSources): Metrics {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })

  /** By route, then outcome. */
  const totals = new Map<string, Map<string, Totals>>()
  const errors = new Map<ServiceErrorCode, number>()
  const totalsOf = (route: string, outcome: string): Totals => {
    let ofRoute = totals.get(route)
    if (ofRoute === undefined) totals.set(route, (ofRoute = new Map<string, Totals>()))
    let of = ofRoute.get(outcome)
    if (of === undefined) {
      ofRoute.set(outcome, (of = { requests: 0, requestBytes: 0, responseBytes: 0 }))
    }
    return of
  }
  const countError = (code: ServiceErrorCode) => errors.set(code, (errors.get(code) ?? 0) + 1)

  const perRoute = (name: string, help: string, valueOf: (totals: Totals) => number) =>
    new Counter({
      name,
      help,
      labelNames: ['route', 'outcome'],
      registers,
      collect() {
        this.reset()
        for (const [route, outcomes] of totals) {
          for (const [outcome, of] of outcomes) this.inc({ route, outcome }, valueOf(of))
        }
      },
    })
  perRoute(
    'countersign_requests_total',
    'Admitted requests by the outcome that their receipt states.',
    (of) => of.requests,
  )
  perRoute(
    'countersign_request_bytes_total',
    'Bytes of request bodies received.',
    (of) => of.requestBytes,
  )
  perRoute(
    'countersign_response_bytes_total',
    'Bytes of response bodies sent.',
    (of) => of.responseBytes,
  )
  new Counter({
    name: 'countersign_errors_total',
    help: 'Errors of our own that were answered on inference routes, by code.',
    labelNames: ['code'],
    registers,
    collect() {
      this.reset()
      for (const [code, count] of errors) this.inc({ code }, count)
    },
  })

  const overhead = new Histogram({
    name: 'countersign_overhead_seconds',
    help: 'Time that the relay itself added to an answered request, without the line for an upstream.',
    buckets: OVERHEAD_BUCKETS,
    registers,
  })
  const signing = new Histogram({
    name: 'countersign_signing_seconds',
    help: 'Time to make, sign and store one receipt.',
    buckets: SIGNING_BUCKETS,
    registers,
  })
  const queue = new Histogram({
    name: 'countersign_queue_seconds',
    help: 'Time in the line for an upstream, of the requests that had to wait.',
    buckets: ROUND_BUCKETS,
    registers,
  })
  const rounds = new Histogram({
    name: 'countersign_attestation_seconds',
    help: 'Rounds of attestation and single quotes, by kind and result.',
    labelNames: ['kind', 'result'],
    buckets: ROUND_BUCKETS,
    registers,
  })

  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read())
      },
    })
  gauge('countersign_open_requests', 'Requests being relayed.', sources.openRequests)
  let openStreams = 0
  gauge('countersign_open_streams', 'Answers that are streams and not over.', () => openStreams)
  gauge(
    'countersign_request_bytes_held',
    'Bytes of request bodies in memory.',
    sources.requestBytesHeld,
  )
  gauge('countersign_receipts', 'Receipts in the store.', () => sources.store().receipts)
  gauge(
    'countersign_receipts_bytes',
    'Bytes of receipts in the store.',
    () => sources.store().bytes,
  )
  const count = (name: string, help: string, read: () => number) =>
    new Counter({
      name,
      help,
      registers,
      collect() {
        this.reset()
        this.inc(read())
      },
    })
  count(
    'countersign_store_failures_total',
    'Receipts that the store did not take; their answers were cut.',
    sources.storeFailures,
  )
  count(
    'countersign_store_refused_total',
    'Entries of the store that were changed, moved or lost, and are not served.',
    sources.storeRefused,
  )
  count(
    'countersign_log_lines_dropped_total',
    'Log lines thrown away because nobody read them.',
    sources.logLinesDropped,
  )

  const perUpstream = (name: string, help: string, read: (upstream: UpstreamGauges) => number) =>
    new Gauge({
      name,
      help,
      labelNames: ['upstream'],
      registers,
      collect() {
        for (const upstream of sources.upstreams()) {
          this.set({ upstream: upstream.name }, read(upstream))
        }
      },
    })
  perUpstream('countersign_upstream_up', 'Its addresses that are given requests.', ({ up }) => up)
  perUpstream(
    'countersign_upstream_down',
    'Its addresses that are not, because they failed.',
    ({ down }) => down,
  )
  perUpstream('countersign_upstream_open', 'Requests at the upstream.', ({ open }) => open)
  perUpstream('countersign_upstream_waiting', 'Requests in its line.', ({ waiting }) => waiting)

  new Gauge({
    name: 'countersign_ready',
    help: '1 where that part of the readiness is ready.',
    labelNames: ['part'],
    registers,
    collect() {
      const readiness = sources.readiness()
      for (const part of READINESS_PARTS) this.set({ part }, readiness[part].ready ? 1 : 0)
    },
  })
  const perCode = (name: string, help: string, read: () => readonly string[]) =>
    new Gauge({
      name,
      help,
      labelNames: ['code'],
      registers,
      collect() {
        this.reset()
        for (const code of read()) this.set({ code }, 1)
      },
    })
  perCode('countersign_attestation_cause', '1 under the code of why it does not serve.', () => {
    const { ready, code, cause } = sources.readiness().attested
    return ready ? [] : [cause ?? code ?? 'not_attested']
  })
  perCode('countersign_attestation_warning', '1 for each code that the document warns about.', () =>
    sources.warnings().map(({ code }) => code),
  )
  perCode('countersign_store_warning', '1 for each code of opening it.', sources.storeWarnings)
  const info = new Gauge({
    name: 'countersign_info',
    help: 'Always 1: what runs here.',
    labelNames: ['version', 'boot_id', 'config_digest', 'keyset_digest'],
    registers,
  })
  info.set(
    {
      version: sources.version,
      boot_id: sources.bootId,
      config_digest: sources.configDigest,
      keyset_digest: sources.keysetDigest(),
    },
    1,
  )

  return {
    contentType: registry.contentType,
    streamBegan: () => void openStreams++,
    request(summary) {
      if (summary.streamed) openStreams--
      const of = totalsOf(summary.route, summary.outcome)
      of.requests++
      of.requestBytes += summary.requestBytes
      of.responseBytes += summary.responseBytes
      if (summary.code !== null) countError(summary.code)
      if (summary.overheadSeconds !== null) overhead.observe(summary.overheadSeconds)
      if (summary.queuedSeconds > 0) queue.observe(summary.queuedSeconds)
      signing.observe(summary.signingSeconds)
    },
    refused: countError,
    connectionRefused: countRefusedConnections(registers),
    round: (kind, ok, seconds) => rounds.observe({ kind, result: ok ? 'ok' : 'failed' }, seconds),
    text: () => registry.metrics(),
  }
}
