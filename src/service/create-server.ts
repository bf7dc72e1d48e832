/**
 * The HTTP server, plain or over TLS: hot routes are matched here, before Express sees the request; everything else is the
 * control plane.
 *
 * @module
 */
import { createServer as createHttpServer } from 'node:http'
import type {
  IncomingHttpHeaders,
  IncomingMessage,
  RequestListener,
  Server,
  ServerResponse,
} from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { Server as SecureServer } from 'node:https'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { ServiceErrorCode } from '../errors.ts'
import type { Limits } from '../limits.ts'
import type { ByteBudget } from '../relay/byte-budget.ts'
import type { Authenticator, Principal } from '../relay/principals.ts'
import type { Recorder } from '../relay/recording.ts'
import type { AccountSink } from '../relay/account.ts'
import { relayChat } from '../relay/relay-chat.ts'
import { relayModels } from '../relay/relay-models.ts'
import type { ConnectionRefusal } from '../operations/connection-metrics.ts'
import { MODELS_PATHS, RELAY_ROUTES } from '../relay/relay-routes.ts'
import type { RelayRoute } from '../relay/relay-routes.ts'
import { bodyPending, discardRest, replyError } from '../relay/reply.ts'
import type { Upstreams } from '../relay/upstreams.ts'
import { CORS_HEADERS } from '../routes/cors.ts'
import { cutStalled } from './cut-stalled.ts'
import { answerOn, CLIENT_ERRORS, closeAfter, endWith, rawError } from './raw-answers.ts'
import { requestFault } from './request-fault.ts'
import { createConnectionShares } from './share-connections.ts'
import type { ServiceState } from './state.ts'
import { CONTEXT_OPTIONS, LISTENER_OPTIONS } from './tls/tls-options.ts'
import { createTurnstile } from './turnstile.ts'

/** Bytes of all request headers together. */
export const MAX_REQUEST_HEADER_BYTES = 16 * 1024
/** Milliseconds between two looks for connections whose request is late: so much later may a time-out come. */
export const LATE_CHECK_MS = 5_000
/** Requests of the control plane that are begun in one turn of the event loop. */
export const CONTROL_PER_TURN = 32

export interface ServerOptions {
  readonly authenticate: Authenticator
  readonly upstreams: Upstreams
  readonly recorder: Recorder
  readonly limits: Limits
  readonly budget: ByteBudget
  readonly state: ServiceState
  /** Of this listener; more are closed as they come. */
  readonly maxConnections: number
  /** Milliseconds of silence after which a stream is given a comment; null: never. */
  readonly keepAliveMs: number | null
  /** Told of each admitted request when it is over. */
  readonly account: AccountSink
  /** Told of the error that a request of a hot route got instead of being admitted. */
  readonly onRefused: (code: ServiceErrorCode) => void
  /** Told of each connection that was not taken: its address has its share, or the listener is full. */
  readonly onConnectionRefused: (why: ConnectionRefusal) => void
  /** Sent with every answer, names and values in turn. */
  readonly headers: () => readonly string[]
  /** Everything that is not a hot route. */
  readonly controlPlane: RequestListener
}

/** Key and certificate of a listener, as `node:tls` takes them. */
export interface TlsCredentials {
  readonly key: string
  readonly cert: string
}

export interface Listener {
  readonly server: Server | SecureServer
  /** Ends every connection, also one that is still in its handshake. */
  cut(): void
  /** From the next handshake on. */
  renew(credentials: TlsCredentials): void
}

type HotRoute = { readonly kind: 'relay'; readonly route: RelayRoute } | { readonly kind: 'models' }

const MODELS: HotRoute = { kind: 'models' }

/** By path; whatever is not here is the control plane's. */
export const HOT_ROUTES: ReadonlyMap<string, HotRoute> = new Map<string, HotRoute>([
  ...MODELS_PATHS.map((path) => [path, MODELS] as const),
  ...RELAY_ROUTES.flatMap((route) =>
    route.paths.map((path) => [path, { kind: 'relay', route } as const] as const),
  ),
])

/** Anthropic's clients send their key in a header of its own. */
function authorizationOf({
  authorization,
  'x-api-key': key,
}: IncomingHttpHeaders): string | undefined {
  return authorization ?? (typeof key === 'string' ? `Bearer ${key}` : undefined)
}

/** @param credentials null: without TLS */
export function createServer(
  options: ServerOptions,
  credentials: TlsCredentials | null = null,
): Listener {
  const { limits, state, headers, controlPlane, onRefused } = options
  const controlTurns = createTurnstile(CONTROL_PER_TURN)
  const shares = createConnectionShares(limits.connectionsPerAddress, credentials === null)

  const refuse = (
    req: IncomingMessage,
    res: ServerResponse,
    code: ServiceErrorCode,
    more: readonly string[] = [],
  ) => {
    onRefused(code)
    const early = bodyPending(req)
    const close = early && !more.includes('Connection') ? ['Connection', 'close'] : []
    replyError(res, code, [...headers(), ...more, ...close])
    if (early) discardRest(req)
  }

  /** @param expectation what comes of an Expect that is not known */
  const isFit = (
    req: IncomingMessage,
    res: ServerResponse,
    expectation: ServiceErrorCode | null,
  ): boolean => {
    // The answer before said that this connection closes: what was sent behind it is nobody's request.
    if (!req.socket.writable) {
      req.socket.destroy()
      return false
    }
    // An answer that waits behind another one of its connection has no socket yet. A client could queue any number of
    // requests on one connection and read none of their answers.
    const queued = res.socket === null ? 'pipelining_unsupported' : null
    const beyond = shares.isRefused(req.socket) ? 'too_many_connections' : null
    const fault = beyond ?? requestFault(req) ?? queued ?? expectation
    if (fault !== null) refuse(req, res, fault, ['Connection', 'close'])
    return fault === null
  }

  /** @param admitted called before anything is read of the body */
  const listen = (req: IncomingMessage, res: ServerResponse, admitted: () => void) => {
    if (!isFit(req, res, null)) return
    const url = req.url ?? '/'
    const mark = url.indexOf('?')
    const path = mark === -1 ? url : url.slice(0, mark)
    const hot = HOT_ROUTES.get(path)
    const { method } = req
    if (hot === undefined || (hot.kind === 'models' && method === 'OPTIONS')) {
      admitted()
      controlTurns.pass(() => controlPlane(req, res))
      return
    }
    const allowed = hot.kind === 'relay' ? 'POST' : 'GET, HEAD'
    if (!allowed.split(', ').includes(method ?? '')) {
      refuse(req, res, 'method_not_allowed', ['Allow', allowed])
      return
    }
    const principal: Principal | null = options.authenticate(authorizationOf(req.headers))
    if (principal === null) {
      refuse(req, res, 'unauthorized')
      return
    }
    const { refusal, leaving } = state
    // Whoever keeps connections open is to take its next request elsewhere.
    if (leaving) res.shouldKeepAlive = false
    if (refusal !== null) {
      refuse(req, res, refusal)
      return
    }
    const done = state.enter()
    admitted()
    if (hot.kind === 'models') {
      relayModels({ ...options, headers: [...headers(), ...CORS_HEADERS] }, res, done)
      return
    }
    const query = mark === -1 ? '' : url.slice(mark)
    relayChat(options, { req, res, principal, route: hot.route, query, done })
  }

  const http = {
    keepAliveTimeout: limits.clientKeepAliveMs,
    headersTimeout: limits.clientHeadersMs,
    // The whole request: bounded by readBody for what is relayed, and never below what a slow upload may take.
    requestTimeout: limits.clientHeadersMs + limits.requestBodyMs,
    connectionsCheckingInterval: LATE_CHECK_MS,
    maxHeaderSize: MAX_REQUEST_HEADER_BYTES,
    // llhttp without its lenient flags: no bare LF, no folded lines, no space before a colon, one length.
    insecureHTTPParser: false,
    // Checked by requestFault, which answers in the one error shape.
    requireHostHeader: false,
    joinDuplicateHeaders: false,
    noDelay: true,
  }
  const onRequest = (req: IncomingMessage, res: ServerResponse) => listen(req, res, () => {})
  const secure =
    credentials === null
      ? null
      : createHttpsServer(
          {
            ...http,
            ...CONTEXT_OPTIONS,
            ALPNProtocols: [...LISTENER_OPTIONS.ALPNProtocols],
            handshakeTimeout: limits.tlsHandshakeMs,
            ...credentials,
          },
          onRequest,
        )
  const server = secure ?? createHttpServer(http, onRequest)
  server.on('drop', () => options.onConnectionRefused('listener'))
  server.on('connection', (socket: Socket) => {
    if (!shares.admit(socket)) options.onConnectionRefused('address')
  })
  const handshaken = new WeakSet<Duplex>()
  const open = new Set<Socket>()
  if (secure !== null) {
    secure.on('connection', (socket: Socket) => {
      open.add(socket)
      socket.once('close', () => open.delete(socket))
    })
    secure.on('secureConnection', (socket) => handshaken.add(socket))
  }
  // A client that asks first is told to go on when it was admitted, so that nobody uploads a body only to be turned away.
  server.on('checkContinue', (req: IncomingMessage, res: ServerResponse) =>
    listen(req, res, () => res.writeContinue()),
  )
  // RFC 9110 §10.1.1: any other expectation. node:http would answer it itself, without our headers and in no shape.
  server.on('checkExpectation', (req: IncomingMessage, res: ServerResponse) =>
    isFit(req, res, 'expectation_unsupported'),
  )
  // All lines are read, so that requestFault can count them: by default node:http drops those beyond 2,000 unseen.
  server.maxHeadersCount = 0
  // Never between two pieces of an answer: silence is bounded where it is known whose it is.
  server.timeout = 0
  server.maxRequestsPerSocket = 0
  server.maxConnections = options.maxConnections
  server.on(secure === null ? 'connection' : 'secureConnection', (socket: Socket) =>
    cutStalled(socket, limits.clientStallMs),
  )
  const leaveHttp = (socket: Duplex, code: ServiceErrorCode) => {
    onRefused(code)
    // node:http has let go of the connection, with whatever answer is still to be written to it: an error would pass for it.
    if (answerOn(socket) !== null) {
      socket.destroy()
      return
    }
    endWith(socket, rawError(code, headers()))
  }
  server.on('connect', (_req, socket) => leaveHttp(socket, 'invalid_target'))
  server.on('upgrade', (_req, socket) => leaveHttp(socket, 'upgrade_unsupported'))
  server.on('clientError', (error: Error & { readonly code?: unknown }, socket) => {
    // node:https reports a failed handshake here: there is no HTTP yet to answer in.
    if (secure !== null && !handshaken.has(socket)) {
      socket.destroy()
      return
    }
    // After a reset there is nobody to tell.
    if (!socket.writable || error.code === 'ECONNRESET') {
      socket.destroy()
      return
    }
    const answer = answerOn(socket)
    if (answer !== null && answer.req.complete) {
      closeAfter(answer, socket)
      return
    }
    // Once part of an answer went out there is no place to tell it: an error in the middle would pass for part of it.
    if (answer?.headersSent === true) {
      socket.destroy()
      return
    }
    const code = CLIENT_ERRORS[String(error.code)] ?? 'malformed_http'
    onRefused(code)
    endWith(socket, rawError(code, headers()))
  })
  return {
    server,
    cut() {
      server.closeAllConnections()
      for (const socket of open) socket.destroy()
    },
    renew: (renewed) => secure?.setSecureContext({ ...CONTEXT_OPTIONS, ...renewed }),
  }
}
