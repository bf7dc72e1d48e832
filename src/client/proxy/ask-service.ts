/**
 * The `fetch` by which the proxy reaches the service: our time-outs, no redirects.
 *
 * @module
 */
import { Agent, fetch as undiciFetch } from 'undici'
import type { AgentLimits } from '../../channel/pinned-agent.ts'
import { urlOf } from '../read-call.ts'
import type { ProxyErrorCode } from './proxy-errors.ts'
import type { ProxyLimits } from './proxy-limits.ts'

export class ServiceFault extends Error {
  override readonly name = 'ServiceFault'
  readonly code: ProxyErrorCode
  constructor(code: ProxyErrorCode) {
    super(code)
    this.code = code
  }
}

const TIMEOUTS: ReadonlySet<unknown> = new Set([
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
  'UND_ERR_CONNECT_TIMEOUT',
  'ETIMEDOUT',
])

function causeOf(error: TypeError): unknown {
  const { cause } = error
  return cause instanceof Error && 'code' in cause ? cause.code : undefined
}

/** What kept an answer from coming; `proxy_failed` for whatever is no fault of the network. */
export function faultOf(error: unknown): ProxyErrorCode {
  if (error instanceof ServiceFault) return error.code
  // The Fetch standard says no more than TypeError; these two texts are undici's.
  if (!(error instanceof TypeError)) return 'proxy_failed'
  if (error.message !== 'fetch failed' && error.message !== 'terminated') return 'proxy_failed'
  if (TIMEOUTS.has(causeOf(error))) return 'service_timeout'
  return error.message === 'terminated' ? 'service_broke_off' : 'service_unreachable'
}

export interface ServiceConnection {
  readonly fetch: typeof fetch
  /** The same bounds, for connections that others make. */
  readonly limits: AgentLimits
  close(): Promise<void>
}

export function connectService(limits: ProxyLimits): ServiceConnection {
  const shared: AgentLimits = {
    connectMs: limits.upstreamConnectMs,
    headersMs: limits.upstreamHeadersMs,
    idleMs: limits.upstreamIdleMs,
    keepAliveMs: limits.upstreamKeepAliveMs,
    connections: limits.upstreamConnections,
    headerBytes: limits.upstreamHeaderBytes,
  }
  const agent = new Agent({
    connect: { timeout: limits.upstreamConnectMs },
    headersTimeout: limits.upstreamHeadersMs,
    bodyTimeout: limits.upstreamIdleMs,
    keepAliveTimeout: limits.upstreamKeepAliveMs,
    keepAliveMaxTimeout: limits.upstreamKeepAliveMs,
    connections: limits.upstreamConnections,
    maxHeaderSize: limits.upstreamHeaderBytes,
    pipelining: 1,
  })
  const ask: typeof fetch = async (input, { method = 'GET', headers, body, signal } = {}) => {
    if (body !== undefined && !(body instanceof Uint8Array)) {
      throw new Error('the proxy sends bytes and nothing else')
    }
    const response = await undiciFetch(urlOf(input), {
      method,
      headers: Object.fromEntries(new Headers(headers)),
      ...(body === undefined ? {} : { body }),
      ...(signal === undefined ? {} : { signal }),
      dispatcher: agent,
      redirect: 'manual',
    })
    if (response.status >= 300 && response.status < 400) {
      await response.body?.cancel()
      throw new ServiceFault('service_redirects')
    }
    return response
  }
  return { fetch: ask, limits: shared, close: () => agent.destroy() }
}
