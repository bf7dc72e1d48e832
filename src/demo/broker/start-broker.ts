/**
 * A double of 0G's inference broker: what stands between a user and the sidecar in a separated, decentralized
 * deployment, with the same effect on the bytes and with switches for every lie it could tell. It has no accounts and
 * bills nobody; whoever reaches it is served.
 *
 * Modelled on 0gfoundation/0g-serving-broker as read in 2026: routes below `/v1/proxy` only (its nginx template
 * publishes `/v1/proxy` and `/v1/quote`), of which completions are billed and `GET /attestation…` and
 * `GET /signature…` are free.
 *
 * @module
 */
import {
  Agent,
  createServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  forward,
  refuse,
  UPSTREAM_TIMEOUT_MS,
  type BrokerExchange,
  type BrokerRoute,
} from './forward.ts'
import { requestHeaders } from './headers.ts'
import type { BrokerHostility, RecordedAnswer } from './hostility.ts'
import { rewriteRequest } from './rewrite-request.ts'

/** The broker's own body limit. */
export const MAX_REQUEST_BYTES = 32 * 1024 * 1024
/** Exchanges and answers remembered; older ones are forgotten. */
export const MAX_EXCHANGES = 256
export const MAX_RECORDED_ANSWERS = 16
/** So much of a request body is remembered. */
export const MAX_REMEMBERED_BODY_BYTES = 1024 * 1024

const PREFIX = '/v1/proxy'
const QUOTE = '/v1/quote'
const DEFAULT_PROVIDER_ADDRESS = '0x1111111111111111111111111111111111111111'

export interface BrokerOptions {
  /** 0, the default, takes a free port. */
  readonly port?: number
  readonly host?: string
  /** The sidecar's base, `/v1` included: `http://127.0.0.1:8000/v1`. Plain HTTP only. */
  readonly targetUrl: string
  /** Headers set on every request to the target, its bearer token among them. */
  readonly additionalSecret: Readonly<Record<string, string>>
  /** What the `provider` response header says. */
  readonly providerAddress?: string
  /** Forward `GET /v1/quote` to the target's `/quote`, for clients that expect broker and model in one enclave. */
  readonly quote?: boolean
  /** Silence of the target after which the client gets 504; 15 minutes, as 0G's. */
  readonly timeoutMs?: number
  readonly hostile?: BrokerHostility
}

export interface BrokerHandle {
  /** `http://host:port`, the `url` of a 0G service; an OpenAI base URL is this + `/v1/proxy`. */
  readonly url: string
  readonly port: number
  /** Change it at any time; the next request obeys. */
  readonly hostile: BrokerHostility
  /** Oldest first. */
  readonly requests: readonly BrokerExchange[]
  /** Completions as the client would have got them uncut, oldest first. */
  readonly recorded: readonly RecordedAnswer[]
  close(): Promise<void>
}

interface Matched {
  readonly route: BrokerRoute
  /** Path and query below the target. */
  readonly path: string
}

/** Its billed routes (`TargetRoute`), but for videos; all but chat came in 2026. */
function isBilled(name: string): boolean {
  const named = ['/chat/completions', '/messages', '/audio/transcriptions']
  return named.includes(name) || name.startsWith('/images/')
}

function match(method: string, url: string, quote: boolean): Matched {
  const refused: Matched = { route: 'refused', path: '' }
  if (quote && method === 'GET' && (url === QUOTE || url.startsWith(`${QUOTE}?`))) {
    return { route: 'quote', path: url.slice('/v1'.length) }
  }
  if (!url.startsWith(`${PREFIX}/`)) return refused
  let path = url.slice(PREFIX.length)
  if (path.startsWith('/v1/')) path = path.slice('/v1'.length)
  const name = path.split('?', 1)[0]
  if (method === 'POST' && isBilled(name ?? '')) return { route: 'completion', path }
  if (method === 'GET' && path.startsWith('/attestation')) return { route: 'attestation', path }
  if (method === 'GET' && path.startsWith('/signature')) return { route: 'signature', path }
  return refused
}

/** @returns the body, or null when it is over the limit; the rest of it is then read and dropped */
async function readBody(request: IncomingMessage): Promise<Buffer | null> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes <= MAX_REQUEST_BYTES) chunks.push(chunk)
  }
  return bytes > MAX_REQUEST_BYTES ? null : Buffer.concat(chunks)
}

function keep<T>(list: T[], item: T, limit: number): void {
  list.push(item)
  if (list.length > limit) list.shift()
}

/** A copy, so that a short memory of a long body does not hold all of it. */
function remember(body: Buffer): Buffer {
  return Buffer.from(body.subarray(0, MAX_REMEMBERED_BODY_BYTES))
}

function replay(
  exchange: BrokerExchange,
  response: ServerResponse,
  wanted: RecordedAnswer | 'last',
  recorded: readonly RecordedAnswer[],
): void {
  const answer = wanted === 'last' ? recorded.at(-1) : wanted
  if (answer === undefined) {
    refuse(exchange, response, 502, 'nothing_to_replay', 'no answer was recorded before')
    return
  }
  exchange.status = answer.status
  for (const [name, value] of Object.entries(answer.headers)) {
    response.setHeader(name, typeof value === 'string' ? value : [...value])
  }
  response.writeHead(answer.status)
  response.end(answer.body)
}

async function listen(server: Server, port: number, host: string): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, resolve)
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the broker has no port')
  return address.port
}

/** Starts a broker double; `close` ends it and every connection it holds. */
export async function startBroker(options: BrokerOptions): Promise<BrokerHandle> {
  const target = new URL(options.targetUrl)
  if (target.protocol !== 'http:')
    throw new TypeError('the broker double reaches its target by http:')
  const base = target.pathname.replace(/\/+$/, '')
  const host = options.host ?? '127.0.0.1'
  const hostile: BrokerHostility = { ...options.hostile }
  const requests: BrokerExchange[] = []
  const recorded: RecordedAnswer[] = []
  const agent = new Agent({ keepAlive: true })

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const method = request.method ?? 'GET'
    const url = request.url ?? '/'
    const { route, path } = match(method, url, options.quote === true)
    const exchange: BrokerExchange = {
      method,
      url,
      route,
      received: Buffer.alloc(0),
      forwardedPath: null,
      forwardedHeaders: null,
      forwardedBody: null,
      status: null,
      clientLeft: false,
      upstreamBytes: 0,
      upstreamEnded: false,
    }
    keep(requests, exchange, MAX_EXCHANGES)
    response.on('close', () => {
      exchange.clientLeft = !response.writableFinished
    })
    // A write that races the client's departure: `close` says all there is to know.
    response.on('error', () => undefined)
    const plan = { ...hostile }
    const body = await readBody(request)
    if (body === null) {
      refuse(exchange, response, 413, 'request_too_large', 'request body too large')
      return
    }
    exchange.received = remember(body)
    const dropped =
      (route === 'attestation' || route === 'signature') && plan.dropRoute?.includes(route) === true
    if (route === 'refused' || dropped) {
      refuse(exchange, response, 404, 'endpoint_not_supported', 'endpoint not supported')
      return
    }
    if (plan.delayMs !== undefined) await sleep(plan.delayMs)
    if (route === 'completion' && plan.replay !== undefined) {
      replay(exchange, response, plan.replay, recorded)
      return
    }
    const forwarded = route === 'completion' ? rewriteRequest(body, plan) : null
    const headers = requestHeaders(request, options.additionalSecret, forwarded?.length ?? null)
    exchange.forwardedPath = base + path
    exchange.forwardedHeaders = headers
    exchange.forwardedBody = forwarded === null ? null : remember(forwarded)
    await forward({
      exchange,
      response,
      target,
      agent,
      method,
      path: base + path,
      headers,
      body: forwarded,
      providerAddress: options.providerAddress ?? DEFAULT_PROVIDER_ADDRESS,
      timeoutMs: options.timeoutMs ?? UPSTREAM_TIMEOUT_MS,
      hostile: plan,
      record: (answer) => {
        keep(recorded, answer, MAX_RECORDED_ANSWERS)
      },
    })
  }

  const server = createServer((request, response) => {
    serve(request, response).catch(() => {
      // A client that broke off its own upload, or a header that node:http refuses: that connection, not the broker.
      response.destroy()
    })
  })
  const port = await listen(server, options.port ?? 0, host)

  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${String(port)}`,
    port,
    hostile,
    requests,
    recorded,
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      agent.destroy()
      await closed
    },
  }
}
