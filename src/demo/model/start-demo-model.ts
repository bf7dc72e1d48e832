/**
 * The built-in demo model: an OpenAI-compatible server that looks to a relay as vLLM does, without a model in it.
 *
 * Routes: `POST /v1/chat/completions`, those of routes/demo-routes.ts, `GET /v1/models`, `GET /health`. See wire.ts for
 * the format and its sources, read-chat-call.ts for the markers a message may carry, faults.ts for what only the starting
 * process can do.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import { deliver, gzipParts, holdBack } from './deliver.ts'
import { GENERATION_ERROR, routeError, UNSUPPORTED_MEDIA_TYPE } from './error-body.ts'
import type { DemoFaults } from './faults.ts'
import { disturbEvents, planDelivery } from './faults.ts'
import { generateChoices } from './generate-choices.ts'
import { readChatCall } from './read-chat-call.ts'
import type { OpenRecord, RecordedRequest } from './record-request.ts'
import { recordRequest } from './record-request.ts'
import { renderCompletion } from './render-completion.ts'
import { renderModels } from './render-models.ts'
import { contentEvent, renderStream } from './render-stream.ts'
import type { Reply } from './reply.ts'
import { errorReply, jsonReply, streamReply } from './reply.ts'
import type { ResponsesQuirks } from './routes/answer-response.ts'
import type { RouteEntry } from './routes/demo-routes.ts'
import { demoRoutes } from './routes/demo-routes.ts'
import type { FixedStream } from './serve-fixed.ts'
import { serveFixed } from './serve-fixed.ts'
import type { AnswerIdentity, ReasoningField } from './wire.ts'

export const DEFAULT_DEMO_MODEL = 'demo/countersign-words'
/** uvicorn's default, which vLLM keeps: an idle connection is closed after five seconds. */
const KEEP_ALIVE_MS = 5_000
const CHAT_ROUTE = '/v1/chat/completions'

export interface DemoModelOptions {
  /** TCP port; 0, the default, takes a free one. */
  readonly port?: number
  /** Address to listen on; 127.0.0.1 by default. */
  readonly host?: string
  /** Listen on this unix socket instead. */
  readonly socketPath?: string
  /** Names it answers to. As in vLLM further names are aliases: answers carry the first. */
  readonly models?: readonly string[]
  readonly faults?: DemoFaults
  readonly reasoningField?: ReasoningField
  readonly responsesQuirks?: ResponsesQuirks
  /** Pause between the events of a stream, milliseconds. */
  readonly chunkDelayMs?: number
  /** Compress for clients that accept gzip; vLLM does not. */
  readonly gzip?: boolean
  /** Unix time in seconds, for `created`. */
  readonly now?: () => number
  /** For benchmarks: answer every chat request with these bytes, read and record nothing. */
  readonly fixedBody?: Buffer
  readonly fixedStream?: FixedStream
}

/** A running demo model. */
export interface DemoModel {
  /** `http://host:port`, or `http://localhost` on a unix socket. */
  readonly url: string
  /** 0 on a unix socket. */
  readonly port: number
  readonly socketPath: string | null
  /** Change its members at any time; the next request sees them. */
  readonly faults: DemoFaults
  /** The requests so far, oldest first. */
  readonly requests: RecordedRequest[]
  /** Closes the listener and every connection. */
  readonly close: () => Promise<void>
}

/** Starts a demo model and resolves when it listens. */
export async function startDemoModel(options: DemoModelOptions = {}): Promise<DemoModel> {
  const { host = '127.0.0.1', port = 0, socketPath, fixedBody, fixedStream } = options
  const faults: DemoFaults = { ...options.faults }
  const requests: RecordedRequest[] = []
  const routes = demoRoutes(options.responsesQuirks ?? {})
  const fixed = { body: fixedBody?.toString('latin1'), stream: fixedStream }
  const isFixed = fixedBody !== undefined || fixedStream !== undefined
  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS, noDelay: true }, (req, res) => {
    if (isFixed && req.method === 'POST' && req.url === CHAT_ROUTE) {
      serveFixed(req, res, fixed)
      return
    }
    const open = recordRequest(req, res, requests)
    answer(req, res, open, routes, options, faults).catch((error: unknown) => {
      // Our own bug: as loud as one connection can be, and the process stays up for the other tests.
      res.destroy()
      process.emitWarning(error instanceof Error ? error : String(error))
    })
  })
  await listen(server, socketPath === undefined ? { host, port } : { path: socketPath })
  const address = server.address()
  const bound = typeof address === 'object' && address !== null ? address.port : 0
  return {
    url: socketPath === undefined ? `http://${host}:${String(bound)}` : 'http://localhost',
    port: bound,
    socketPath: socketPath ?? null,
    faults,
    requests,
    close: () => close(server),
  }
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  open: OpenRecord,
  routes: ReadonlyMap<string, RouteEntry>,
  options: DemoModelOptions,
  current: DemoFaults,
): Promise<void> {
  const body = await open.read()
  if (body === null) return
  const path = (request.url ?? '').split('?', 1)[0] ?? ''
  const isPost = request.method === 'POST'
  const isChat = path === CHAT_ROUTE && isPost
  const route = isPost ? routes.get(path) : undefined
  // Read once, so that a test may prepare the next request while this one runs.
  const faults: DemoFaults = isChat || route !== undefined ? { ...current } : {}
  const reply = isChat
    ? chatReply(request, body, options, faults)
    : route !== undefined
      ? await routeReply(request, body, route, options, faults)
      : otherReply(request.method ?? '', path, routes, options)
  if (!(await holdBack(faults.delayMs ?? 0, faults.holdUntil, open.gone))) return
  await send(request, response, open, reply, options, faults)
}

/** `X-Request-Id`, else random. */
function requestIdOf(request: IncomingMessage): string {
  const given = request.headers['x-request-id']
  return typeof given === 'string' ? given : randomBytes(8).toString('hex')
}

async function routeReply(
  request: IncomingMessage,
  body: Buffer,
  route: RouteEntry,
  options: DemoModelOptions,
  faults: DemoFaults,
): Promise<Reply> {
  if (faults.status !== undefined) return jsonReply(faults.status.status, faults.status.body)
  const contentType = request.headers['content-type'] ?? ''
  const mediaType = contentType.toLowerCase().split(';', 1)[0]
  const expected = route.multipart ? 'multipart/form-data' : 'application/json'
  if (mediaType !== expected) return errorReply(UNSUPPORTED_MEDIA_TYPE)
  const models = options.models ?? [DEFAULT_DEMO_MODEL]
  const reply = await route.answer(body, {
    models,
    model: models[0] ?? DEFAULT_DEMO_MODEL,
    created: unixTime(options),
    requestId: requestIdOf(request),
    contentType,
  })
  if (!reply.isStream) return reply
  const parts = disturbEvents(reply.parts, faults, (bytes) =>
    Buffer.from(`: ${'x'.repeat(bytes)}\n\n`),
  )
  return { ...reply, parts }
}

function chatReply(
  request: IncomingMessage,
  body: Buffer,
  options: DemoModelOptions,
  faults: DemoFaults,
): Reply {
  if (faults.status !== undefined) {
    return jsonReply(faults.status.status, faults.status.body)
  }
  const mediaType = (request.headers['content-type'] ?? '').toLowerCase().split(';', 1)[0]
  if (mediaType !== 'application/json') return errorReply(UNSUPPORTED_MEDIA_TYPE)
  const models = options.models ?? [DEFAULT_DEMO_MODEL]
  const result = readChatCall(body, models)
  if (!result.ok) return errorReply(result.error)
  const { call } = result
  const identity: AnswerIdentity = {
    id: `chatcmpl-${requestIdOf(request)}`,
    created: unixTime(options),
    model: models[0] ?? DEFAULT_DEMO_MODEL,
    reasoningField: options.reasoningField ?? 'reasoning',
  }
  const choices = generateChoices(call)
  if (call.stream) {
    const events = renderStream(call, choices, identity)
    const parts = disturbEvents(events, faults, (bytes) =>
      contentEvent(identity, 'x'.repeat(bytes)),
    )
    return streamReply(parts)
  }
  if (call.markers.error) return errorReply(GENERATION_ERROR)
  return jsonReply(200, renderCompletion(call, choices, identity))
}

function otherReply(
  method: string,
  path: string,
  routes: ReadonlyMap<string, RouteEntry>,
  options: DemoModelOptions,
): Reply {
  const isPosted = path === CHAT_ROUTE || routes.has(path)
  const isKnown = isPosted || path === '/v1/models' || path === '/health'
  if (!isKnown) return errorReply(routeError(404))
  if (method !== 'GET' || isPosted) return errorReply(routeError(405))
  if (path === '/health') {
    return { status: 200, contentType: null, parts: [Buffer.alloc(0)], isStream: false }
  }
  return jsonReply(200, renderModels(options.models ?? [DEFAULT_DEMO_MODEL], unixTime(options)))
}

async function send(
  request: IncomingMessage,
  response: ServerResponse,
  open: OpenRecord,
  reply: Reply,
  options: DemoModelOptions,
  faults: DemoFaults,
): Promise<void> {
  const accepts = /\bgzip\b/.test(request.headers['accept-encoding']?.toString() ?? '')
  const isGzip = faults.gzip === true || (options.gzip === true && accepts)
  const parts = isGzip ? await gzipParts(reply.parts) : reply.parts
  response.statusCode = reply.status
  response.setHeader('server', 'uvicorn')
  if (!reply.isStream && faults.chunkedBuffered !== true) {
    const length = parts.reduce((sum, part) => sum + part.length, 0)
    response.setHeader('content-length', String(length))
  }
  if (reply.contentType !== null) response.setHeader('content-type', reply.contentType)
  if (isGzip) response.setHeader('content-encoding', 'gzip')
  const plan = planDelivery(parts, faults, reply.isStream ? (options.chunkDelayMs ?? 0) : 0)
  await deliver(response, plan, open.gone, open.endByFault)
}

function unixTime(options: DemoModelOptions): number {
  return Math.floor(options.now?.() ?? Date.now() / 1000)
}

function listen(
  server: Server,
  where: { readonly host: string; readonly port: number } | { readonly path: string },
): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(where, () => {
      server.removeListener('error', reject)
      resolve()
    })
  })
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => {
      resolve()
    })
    server.closeAllConnections()
  })
}
