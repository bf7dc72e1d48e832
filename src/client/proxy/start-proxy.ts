/**
 * The local verifying proxy: the verified fetch behind a port, for programs in any language.
 *
 * @module
 */
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { isIP } from 'node:net'
import { listen } from '../../service/listen.ts'
import type { Bound } from '../../service/listen.ts'
import type { ServiceLog } from '../../operations/open-log.ts'
import type { CollateralOf } from '../attestations.ts'
import { createClient } from '../create-client.ts'
import type { VerifiedOptions } from '../create-client.ts'
import { allowedOrigin, refuseCaller } from './admit-caller.ts'
import { answerCall, writeError } from './answer-call.ts'
import type { StreamMode } from './answer-call.ts'
import { connectService } from './ask-service.ts'
import type { PassedRoute } from './find-route.ts'
import { preflightHeaders } from './pass-headers.ts'
import { proxyError } from './proxy-errors.ts'
import type { ProxyErrorCode } from './proxy-errors.ts'
import { PROXY_LIMITS } from './proxy-limits.ts'
import type { ProxyLimits } from './proxy-limits.ts'

export interface ProxyOptions {
  /** Base URL of the service or of what stands before it, as OpenAI's clients take it; no slash at its end. */
  readonly upstream: string
  readonly listen: { readonly host: string; readonly port: number }
  readonly policy: NonNullable<VerifiedOptions['policy']>
  readonly level: 'bytes' | 'content'
  readonly stream: StreamMode
  readonly log: ServiceLog
  /** Names, with port, under which clients reach the proxy, beside those of a loopback address. */
  readonly hosts?: readonly string[]
  /** Pages that may use it, as browsers spell them in Origin. */
  readonly origins?: readonly string[]
  readonly passed?: readonly PassedRoute[]
  /** SHA-256 of the proxy's own token. */
  readonly tokenHash?: Uint8Array
  /** Of the service. */
  readonly key?: string
  /** Whoever shows it owns the receipts, see `VerifiedOptions`. */
  readonly ownerSecret?: Uint8Array
  readonly collateralOf?: CollateralOf
  /** A file in which the heads of logs are remembered, see `VerifiedOptions`. */
  readonly logState?: string
  readonly logName?: string | readonly string[]
  readonly limits?: Partial<ProxyLimits>
}

export interface Proxy {
  /** `http://host:port` */
  readonly url: string
  readonly port: number
  /** Appraises the service now, so that a log says early what every request would meet. @returns the code, `ok` where it verified */
  attest(): Promise<string>
  /** Refuses what is new and waits for what is open, so long as the limits say or until `hurried`. */
  close(hurried?: AbortSignal): Promise<void>
}

/** An address that was listened on is nobody's name: a page cannot make its own name be it. */
function ownNames({ host, port }: Bound): readonly string[] {
  const listened = isIP(host) === 6 ? `[${host}]` : host
  const names = ['127.0.0.1', 'localhost', '[::1]', ...(isIP(host) === 0 ? [] : [listened])]
  // Clients leave the usual port out.
  return port === 80 ? names : names.map((name) => `${name}:${String(port)}`)
}

export async function startProxy(options: ProxyOptions): Promise<Proxy> {
  const { log, upstream: base, key = null } = options
  const limits: ProxyLimits = { ...PROXY_LIMITS, ...options.limits }
  const service = connectService(limits)
  const { policy, level, collateralOf, logState, logName, ownerSecret } = options
  const client = createClient(
    {
      policy,
      level,
      ...(logState === undefined ? {} : { logState }),
      ...(logName === undefined ? {} : { logName }),
      ...(ownerSecret === undefined ? {} : { ownerSecret }),
    },
    {
      fetch: service.fetch,
      limits: service.limits,
      ...(collateralOf === undefined ? {} : { collateralOf }),
    },
  )
  const { stream, passed = [] } = options
  const context = { client, base, passed, stream, key, limits, log }
  const open = new Set<ServerResponse>()
  let draining = false
  const rules = {
    hosts: new Set<string>(options.hosts?.map((host) => host.toLowerCase())),
    origins: new Set(options.origins),
    tokenHash: options.tokenHash ?? null,
    holdsKey: key !== null,
  }

  const refuse = (
    call: { readonly res: ServerResponse; readonly origin: string | null },
    code: ProxyErrorCode,
  ) => {
    log.warn({ ending: 'turned_away', code }, 'request')
    writeError(call, proxyError(code), { Connection: 'close' })
  }

  const handle = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    const origin = allowedOrigin(req.headers, rules)
    const call = { req, res, origin }
    // Browsers ask first, and never show a token then.
    const preflight = req.method === 'OPTIONS' && origin !== null
    const refusal = refuseCaller(req, preflight ? { ...rules, tokenHash: null } : rules)
    if (refusal !== null) {
      refuse(call, refusal)
      return
    }
    if (preflight) {
      res.writeHead(204, preflightHeaders(origin, req.headers)).end()
      return
    }
    if (draining || open.size >= limits.openRequests) {
      refuse(call, draining ? 'proxy_draining' : 'proxy_overloaded')
      return
    }
    open.add(res)
    res.once('close', () => {
      open.delete(res)
      if (draining) server.closeIdleConnections()
    })
    await answerCall(context, call)
  }

  const server = createServer(
    {
      keepAliveTimeout: limits.keepAliveMs,
      headersTimeout: limits.headersMs,
      requestTimeout: limits.headersMs + limits.requestBodyMs,
      maxHeaderSize: limits.headerBytes,
      // Checked with the other names of a request.
      requireHostHeader: false,
      insecureHTTPParser: false,
      noDelay: true,
    },
    (req, res) => {
      res.on('error', () => undefined)
      handle(req, res).catch((error: unknown) => {
        log.error({ fault: error instanceof Error ? error.name : 'unknown' }, 'request')
        writeError({ res, origin: null }, proxyError('proxy_failed'))
        if (!res.writableEnded) req.socket.resetAndDestroy()
      })
    },
  )
  server.maxConnections = limits.connections
  server.timeout = 0
  const bound = await listen(server, options.listen.host, options.listen.port)
  for (const name of ownNames(bound)) rules.hosts.add(name)

  return {
    url: bound.url,
    port: bound.port,
    async attest() {
      const authorization = key === null ? null : `Bearer ${key}`
      const { checks } = await client.attestations.get(base, authorization)
      return checks.find(({ status }) => status === 'fail')?.code ?? 'ok'
    },
    async close(hurried) {
      draining = true
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      for (const res of open) res.shouldKeepAlive = false
      server.closeIdleConnections()
      const cut = () => server.closeAllConnections()
      const timer = setTimeout(cut, limits.drainMs)
      hurried?.addEventListener('abort', cut, { once: true })
      if (hurried?.aborted === true) cut()
      await closed
      clearTimeout(timer)
      await client.channels.close()
      await service.close()
    },
  }
}
