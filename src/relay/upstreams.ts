/**
 * The model servers: which addresses may be used, one connection pool each, and which of them serves a model.
 *
 * @module
 */
import { isIP } from 'node:net'
import { Pool } from 'undici'
import type { Limits } from '../limits.ts'
import { createSlots } from './slots.ts'
import type { Slots } from './slots.ts'

export interface UpstreamConfig {
  readonly name: string
  /** `unix:/path.sock`, or `http://<literal address>:<port>`. */
  readonly url: string
  /** Models it serves; empty: any. */
  readonly models: readonly string[]
}

export interface Upstream extends UpstreamConfig {
  readonly pool: Pool
  /** As many as the pool has connections: nothing waits inside the pool. */
  readonly slots: Slots
}

export interface Upstreams {
  readonly all: readonly Upstream[]
  /** The first upstream that lists the model, else the first that takes any. */
  forModel(model: string | null): Upstream | null
  close(): Promise<void>
}

export type UpstreamUrl =
  | { readonly kind: 'unix'; readonly socketPath: string }
  | { readonly kind: 'http'; readonly origin: string; readonly local: boolean }

/** RFC 1918, RFC 4193, RFC 3927 and loopback: addresses that a packet cannot leave the machine's own networks for. */
function isLocalAddress(host: string): boolean {
  if (isIP(host) === 4) {
    const [a = 0, b = 0] = host.split('.').map(Number)
    return (
      a === 127 ||
      a === 10 ||
      (a === 172 && b >= 16 && b <= 31) ||
      (a === 192 && b === 168) ||
      (a === 169 && b === 254)
    )
  }
  const lower = host.toLowerCase()
  return lower === '::1' || /^f[cd]/.test(lower) || /^fe[89ab]/.test(lower)
}

/** @returns null for what is neither a unix socket nor a plain HTTP origin */
export function parseUpstreamUrl(text: string): UpstreamUrl | null {
  if (text.startsWith('unix:/')) return { kind: 'unix', socketPath: text.slice('unix:'.length) }
  let url: URL
  try {
    url = new URL(text)
  } catch {
    return null
  }
  const path = url.pathname.replace(/\/(?:v1\/?)?$/, '')
  if (url.protocol !== 'http:' || path !== '' || url.search !== '' || url.hash !== '') return null
  if (url.username !== '' || url.password !== '') return null
  const host = url.hostname.replace(/^\[|\]$/g, '')
  // A name is resolved by somebody: when a container is down, by the host's DNS. Only literal addresses stay inside.
  return { kind: 'http', origin: url.origin, local: isIP(host) !== 0 && isLocalAddress(host) }
}

export function openUpstreams(configs: readonly UpstreamConfig[], limits: Limits): Upstreams {
  const all = configs.map((config): Upstream => {
    const url = parseUpstreamUrl(config.url)
    if (url === null) throw new TypeError('upstream addresses are checked before they are opened')
    const pool = new Pool(url.kind === 'unix' ? 'http://localhost' : url.origin, {
      connections: limits.upstreamConnections,
      pipelining: 1,
      connect: {
        timeout: limits.upstreamConnectMs,
        ...(url.kind === 'unix' ? { socketPath: url.socketPath } : {}),
      },
      keepAliveTimeout: limits.upstreamKeepAliveMs,
      keepAliveMaxTimeout: limits.upstreamKeepAliveMs,
      headersTimeout: limits.upstreamHeadersMs,
      bodyTimeout: limits.upstreamIdleMs,
      maxHeaderSize: 64 * 1024,
    })
    return { ...config, pool, slots: createSlots(limits.upstreamConnections) }
  })
  return {
    all,
    forModel: (model) =>
      all.find((upstream) => model !== null && upstream.models.includes(model)) ??
      all.find((upstream) => upstream.models.length === 0) ??
      null,
    close: async () => {
      await Promise.all(all.map((upstream) => upstream.pool.destroy()))
    },
  }
}
