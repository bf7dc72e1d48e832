/**
 * The model servers: one connection pool for each of their addresses, and which of them serves a model.
 *
 * Nothing but `Pool` connects anywhere, and only to the configured addresses: it looks at no proxy variable of the
 * environment and follows no redirect.
 *
 * @module
 */
import { Pool } from 'undici'
import type { UpstreamUrl } from '../config/upstream-url.ts'
import { parseUpstreamUrl } from '../config/upstream-url.ts'
import type { Limits } from '../limits.ts'
import { createBalancer } from './balancer.ts'
import type { Balancer } from './balancer.ts'
import { createUpstreamHealth } from './upstream-health.ts'
import type { HealthState, UpstreamHealth } from './upstream-health.ts'

/** Connections to one address for lists of models: as many are read at once, the others wait. */
export const MODELS_CONNECTIONS = 4
/** Bytes of all headers of an upstream's answer. */
export const MAX_RESPONSE_HEADER_BYTES = 64 * 1024
/** Milliseconds taken off what a server's Keep-Alive header promises. */
export const KEEP_ALIVE_MARGIN_MS = 1_000

export interface UpstreamConfig {
  readonly name: string
  /** `unix:/path.sock`, or `http://<literal address>:<port>`; each serves the same models. */
  readonly urls: readonly string[]
  /** Models it serves; empty: any. */
  readonly models: readonly string[]
  /** Path that is asked on a schedule; null: never. */
  readonly health: string | null
}

/** One address of an upstream. */
export interface Backend {
  readonly url: string
  /** For inference alone. As many connections as places: nothing waits inside the pool. */
  readonly pool: Pool
  readonly modelsPool: Pool
  /** By itself, so that nothing a client asks for can delay a check until it counts as failed. */
  readonly healthPool: Pool
  readonly health: UpstreamHealth
}

export interface Upstream extends UpstreamConfig {
  readonly backends: readonly Backend[]
  readonly balancer: Balancer<Backend>
}

export interface UpstreamStatus {
  readonly name: string
  /** Requests in line for all of its addresses. */
  readonly waiting: number
  readonly urls: readonly {
    readonly url: string
    readonly state: HealthState
    readonly open: number
  }[]
}

export interface Upstreams {
  readonly all: readonly Upstream[]
  /** The upstream that lists the model, else the one that takes any. */
  forModel(model: string | null): Upstream | null
  status(): readonly UpstreamStatus[]
  close(): Promise<void>
}

function openPool(url: UpstreamUrl, limits: Limits, connections: number): Pool {
  return new Pool(url.kind === 'unix' ? 'http://localhost' : url.origin, {
    connections,
    pipelining: 1,
    connect: {
      timeout: limits.upstreamConnectMs,
      ...(url.kind === 'unix' ? { socketPath: url.socketPath } : {}),
    },
    keepAliveTimeout: limits.upstreamKeepAliveMs,
    keepAliveMaxTimeout: limits.upstreamKeepAliveMs,
    keepAliveTimeoutThreshold: KEEP_ALIVE_MARGIN_MS,
    headersTimeout: limits.upstreamHeadersMs,
    bodyTimeout: limits.upstreamIdleMs,
    maxHeaderSize: MAX_RESPONSE_HEADER_BYTES,
    // Bounded where they are collected; a stream has no length.
    maxResponseSize: -1,
    strictContentLength: true,
    allowH2: false,
  })
}

function openUpstream(config: UpstreamConfig, limits: Limits): Upstream {
  const serve = () => balancer.serve()
  const backends = config.urls.map((text): Backend => {
    const url = parseUpstreamUrl(text)
    if (url === null) throw new TypeError('upstream addresses are checked before they are opened')
    return {
      url: text,
      pool: openPool(url, limits, limits.upstreamConnections),
      modelsPool: openPool(url, limits, MODELS_CONNECTIONS),
      healthPool: openPool(url, limits, 1),
      health: createUpstreamHealth({ limits, onUp: serve }),
    }
  })
  const balancer = createBalancer(backends, limits.upstreamConnections)
  return { ...config, backends, balancer }
}

export function openUpstreams(configs: readonly UpstreamConfig[], limits: Limits): Upstreams {
  const all = configs.map((config) => openUpstream(config, limits))
  const byModel = new Map(
    all.flatMap((upstream) => upstream.models.map((model) => [model, upstream] as const)),
  )
  const any = all.find((upstream) => upstream.models.length === 0) ?? null
  return {
    all,
    forModel: (model) => (model === null ? undefined : byModel.get(model)) ?? any,
    status: () =>
      all.map(({ name, backends, balancer }) => ({
        name,
        waiting: balancer.waiting,
        urls: backends.map((backend) => ({
          url: backend.url,
          state: backend.health.state,
          open: balancer.open(backend),
        })),
      })),
    close: async () => {
      const backends = all.flatMap((upstream) => upstream.backends)
      const pools = backends.flatMap((one) => [one.pool, one.modelsPool, one.healthPool])
      await Promise.all(pools.map((pool) => pool.destroy()))
    },
  }
}
