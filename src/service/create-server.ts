/**
 * The HTTP server: hot routes are matched here, before Express sees the request; everything else is the control plane.
 *
 * @module
 */
import { STATUS_CODES, createServer as createHttpServer } from 'node:http'
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { errorBody, errorSpec } from '../errors.ts'
import type { ServiceErrorCode } from '../errors.ts'
import type { Limits } from '../limits.ts'
import type { ByteBudget } from '../relay/byte-budget.ts'
import type { Authenticator, Principal } from '../relay/principals.ts'
import type { Recorder } from '../relay/chat-recorder.ts'
import { relayChat } from '../relay/relay-chat.ts'
import { relayModels } from '../relay/relay-models.ts'
import { bodyPending, discardRest, replyError } from '../relay/reply.ts'
import type { Upstreams } from '../relay/upstreams.ts'
import type { ServiceState } from './state.ts'

/** Bytes of all request headers together. */
export const MAX_REQUEST_HEADER_BYTES = 16 * 1024

export interface ServerOptions {
  readonly authenticate: Authenticator
  readonly upstreams: Upstreams
  readonly recorder: Recorder
  readonly limits: Limits
  readonly budget: ByteBudget
  readonly state: ServiceState
  /** Sent with every answer, names and values in turn. */
  readonly headers: readonly string[]
  /** Everything that is not a hot route. */
  readonly controlPlane: RequestListener
}

type HotRoute = { readonly kind: 'chat' | 'models'; readonly endpoint: string }

const CHAT: HotRoute = { kind: 'chat', endpoint: '/v1/chat/completions' }
const MODELS: HotRoute = { kind: 'models', endpoint: '/v1/models' }

/** Each route with `/v1`, without it, and below `/v1/proxy`. */
const HOT_ROUTES: ReadonlyMap<string, HotRoute> = new Map(
  [CHAT, MODELS].flatMap((route) => {
    const bare = route.endpoint.slice('/v1'.length)
    return [route.endpoint, bare, `/v1/proxy${bare}`].map((path) => [path, route] as const)
  }),
)

export function createServer(options: ServerOptions): Server {
  const { limits, state, headers, controlPlane } = options

  const refuse = (
    req: IncomingMessage,
    res: ServerResponse,
    code: ServiceErrorCode,
    more: readonly string[] = [],
  ) => {
    const early = bodyPending(req)
    replyError(res, code, [...headers, ...more, ...(early ? ['Connection', 'close'] : [])])
    if (early) discardRest(req)
  }

  const server = createHttpServer(
    {
      keepAliveTimeout: limits.clientKeepAliveMs,
      headersTimeout: limits.clientHeadersMs,
      // The whole request: bounded by readBody for what is relayed, and never below what a slow upload may take.
      requestTimeout: limits.clientHeadersMs + limits.requestBodyMs,
      maxHeaderSize: MAX_REQUEST_HEADER_BYTES,
      noDelay: true,
    },
    (req, res) => {
      const url = req.url ?? '/'
      const mark = url.indexOf('?')
      const path = mark === -1 ? url : url.slice(0, mark)
      const route = HOT_ROUTES.get(path)
      if (route === undefined) {
        controlPlane(req, res)
        return
      }
      const method = route.kind === 'chat' ? 'POST' : 'GET'
      if (req.method !== method) {
        refuse(req, res, 'method_not_allowed', ['Allow', method])
        return
      }
      // An answer that waits behind another one of its connection has no socket yet. A client could queue any number of
      // requests on one connection and read none of their answers.
      if (res.socket === null) {
        refuse(req, res, 'pipelining_unsupported', ['Connection', 'close'])
        return
      }
      const principal: Principal | null = options.authenticate(req.headers.authorization)
      if (principal === null) {
        refuse(req, res, 'unauthorized')
        return
      }
      const { refusal } = state
      if (refusal !== null) {
        refuse(req, res, refusal)
        return
      }
      const done = state.enter()
      if (route.kind === 'models') {
        relayModels(options, res, done)
        return
      }
      const query = mark === -1 ? '' : url.slice(mark)
      relayChat(options, { req, res, principal, endpoint: route.endpoint, query, done })
    },
  )
  server.on('upgrade', (_req, socket) => {
    socket.on('error', () => socket.destroy())
    socket.end(rawError('upgrade_unsupported', headers))
  })
  server.on('clientError', (error: Error & { readonly code?: unknown }, socket) => {
    // After a reset, or once part of an answer went out, there is nobody to tell or no place to tell it.
    if (!socket.writable || error.code === 'ECONNRESET' || !isUnanswered(socket)) {
      socket.destroy()
      return
    }
    socket.on('error', () => socket.destroy())
    socket.end(rawError(CLIENT_ERRORS[String(error.code)] ?? 'malformed_http', headers))
  })
  return server
}

/** What node:http's parser reports, by its code. */
const CLIENT_ERRORS: Readonly<Record<string, ServiceErrorCode>> = {
  HPE_HEADER_OVERFLOW: 'headers_too_large',
  ERR_HTTP_REQUEST_TIMEOUT: 'headers_timeout',
}

/** No answer of this connection is being written: an error in its middle would pass for part of it. */
function isUnanswered(socket: Duplex): boolean {
  const message: unknown = Reflect.get(socket, '_httpMessage')
  return message === null || message === undefined
}

/** For a connection without a ServerResponse, so that the answer is written byte by byte. */
function rawError(code: ServiceErrorCode, headers: readonly string[]): string {
  const body = errorBody(code)
  const { status } = errorSpec(code)
  const fields = [...headers, 'Content-Type', 'application/json', 'Connection', 'close']
  const lines = [`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`]
  for (let i = 0; i + 1 < fields.length; i += 2) lines.push(`${fields[i]}: ${fields[i + 1]}`)
  lines.push(`Content-Length: ${Buffer.byteLength(body)}`, '', body)
  return lines.join('\r\n')
}
