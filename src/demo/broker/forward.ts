/**
 * One request from the broker to its target and the answer back to the client. The upstream's life is not tied to the
 * client's (the real broker bills what the model made): when the client has left, the rest is read and thrown away.
 *
 * @module
 */
import { randomUUID } from 'node:crypto'
import {
  request as httpRequest,
  type Agent,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http'
import { EventStream } from './event-stream.ts'
import { responseHeaders, type HeaderMap } from './headers.ts'
import type { BrokerHostility, RecordedAnswer } from './hostility.ts'
import { sanitizeJson, type SanitizeContext } from './sanitize.ts'

/** Bytes read from the upstream for a client that has left. */
export const MAX_BYTES_AFTER_CLIENT_LEFT = 10 * 1024 * 1024
/** A buffered answer larger than this is an upstream fault. */
export const MAX_BUFFERED_ANSWER_BYTES = 64 * 1024 * 1024
/** A larger answer is not kept for a replay. */
export const MAX_RECORDED_BYTES = 4 * 1024 * 1024
/** 0G's `providerHttp` time-out, here for any silence of the upstream. */
export const UPSTREAM_TIMEOUT_MS = 15 * 60 * 1000

const CLIENT_FAULT_IN_5XX = /BadRequestError|invalid_request_error/

export type BrokerRoute = 'completion' | 'attestation' | 'signature' | 'quote' | 'refused'

/** What the broker saw and did, for tests and for the demo's table. */
export interface BrokerExchange {
  readonly method: string
  /** As the client asked. */
  readonly url: string
  readonly route: BrokerRoute
  /** The client's body, its first MiB. */
  received: Buffer
  /** Path and query at the target, null while nothing was forwarded. */
  forwardedPath: string | null
  forwardedHeaders: HeaderMap | null
  /** The rewritten body, its first MiB. */
  forwardedBody: Buffer | null
  /** Status sent to the client. */
  status: number | null
  clientLeft: boolean
  upstreamBytes: number
  /** The upstream's answer was read to its end. */
  upstreamEnded: boolean
}

export interface ForwardInput {
  readonly exchange: BrokerExchange
  readonly response: ServerResponse
  readonly target: URL
  readonly agent: Agent
  readonly method: string
  readonly path: string
  readonly headers: HeaderMap
  readonly body: Buffer | null
  readonly providerAddress: string
  readonly timeoutMs: number
  readonly hostile: BrokerHostility
  readonly record: (answer: RecordedAnswer) => void
}

/** Answers with an error in OpenAI's shape. */
export function refuse(
  exchange: BrokerExchange,
  response: ServerResponse,
  status: number,
  code: string,
  message: string,
): void {
  if (response.headersSent || response.destroyed) {
    response.end()
    return
  }
  exchange.status = status
  const type = status >= 500 ? 'server_error' : 'invalid_request_error'
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify({ error: { message, type, param: null, code } }))
}

interface Answer {
  readonly input: ForwardInput
  readonly upstream: IncomingMessage
  readonly context: SanitizeContext
}

/** Feeds the upstream's body to `take`, to its end or, once the client has left, to the cap. Resolves when read. */
async function readUpstream(
  { input, upstream }: Answer,
  take: (chunk: Buffer) => boolean,
): Promise<boolean> {
  const { exchange, response } = input
  let unread = MAX_BYTES_AFTER_CLIENT_LEFT
  return new Promise((resolve) => {
    const resume = () => upstream.resume()
    response.on('drain', resume)
    response.on('close', resume)
    upstream.on('data', (chunk: Buffer) => {
      exchange.upstreamBytes += chunk.length
      if (exchange.clientLeft) unread -= chunk.length
      const more = take(chunk)
      if (unread < 0) upstream.destroy()
      else if (!more && !exchange.clientLeft && !response.writableEnded) upstream.pause()
    })
    upstream.on('close', () => {
      response.off('drain', resume)
      response.off('close', resume)
      exchange.upstreamEnded = upstream.complete
      resolve(upstream.complete)
    })
    // A reset is seen in `complete`; without a listener it would end the process.
    upstream.on('error', () => undefined)
  })
}

async function relayEvents(answer: Answer, headers: HeaderMap): Promise<void> {
  const { input, context } = answer
  const { response, exchange } = input
  const events = new EventStream(context)
  const kept: Buffer[] = []
  let keptBytes = 0
  response.writeHead(200, headers)
  response.flushHeaders()
  exchange.status = 200
  const emit = (part: { readonly whole: Buffer; readonly client: Buffer }): boolean => {
    keptBytes += part.whole.length
    if (keptBytes <= MAX_RECORDED_BYTES) kept.push(part.whole)
    if (exchange.clientLeft || response.writableEnded) return true
    const room = part.client.length === 0 || response.write(part.client)
    if (events.cut) response.end(events.farewell)
    return room
  }
  if (events.cut) response.end(events.farewell)
  const complete = await readUpstream(answer, (chunk) => emit(events.push(chunk)))
  emit(events.end())
  // Go's handler just returns here: a reset upstream looks like a clean end to the client.
  response.end()
  if (complete && keptBytes <= MAX_RECORDED_BYTES) {
    input.record({ status: 200, headers, body: Buffer.concat(kept) })
  }
}

async function relayBody(answer: Answer, status: number, headers: HeaderMap): Promise<void> {
  const { input, context } = answer
  const { response, exchange } = input
  const chunks: Buffer[] = []
  const complete = await readUpstream(answer, (chunk) => {
    if (exchange.upstreamBytes <= MAX_BUFFERED_ANSWER_BYTES) chunks.push(chunk)
    else answer.upstream.destroy()
    return true
  })
  if (!complete) {
    refuse(exchange, response, 502, 'upstream_error', 'the proxied service ended its answer early')
    return
  }
  const body = Buffer.concat(chunks)
  if (status !== 200) {
    const remapped = status >= 500 && CLIENT_FAULT_IN_5XX.test(body.toString('utf8')) ? 400 : status
    exchange.status = remapped
    response.writeHead(remapped, { ...headers, 'content-length': String(body.length) })
    response.end(body)
    return
  }
  const clean = exchange.route === 'quote' ? body : sanitizeJson(body, context)
  exchange.status = status
  response.writeHead(status, { ...headers, 'content-length': String(clean.length) })
  response.end(clean)
  if (exchange.route === 'completion' && clean.length <= MAX_RECORDED_BYTES) {
    input.record({ status, headers, body: clean })
  }
}

/** Resolves when the upstream has been read and the client answered; never rejects for what either of them does. */
export async function forward(input: ForwardInput): Promise<void> {
  const { exchange, response, hostile } = input
  const upstream = await new Promise<IncomingMessage | 'unreachable' | 'silent'>((resolve) => {
    const request = httpRequest({
      host: input.target.hostname.replace(/^\[|\]$/g, ''),
      port: input.target.port,
      method: input.method,
      path: input.path,
      headers: input.headers,
      agent: input.agent,
      timeout: input.timeoutMs,
    })
    request.on('response', resolve)
    request.on('timeout', () => {
      resolve('silent')
      request.destroy()
    })
    request.on('error', () => {
      resolve('unreachable')
    })
    // Also where it switched the protocol, which Node tells as no error.
    request.on('close', () => {
      resolve('unreachable')
    })
    request.end(input.body ?? undefined)
  })
  if (upstream === 'unreachable') {
    refuse(exchange, response, 502, 'upstream_unreachable', 'call proxied service: unreachable')
    return
  }
  if (upstream === 'silent') {
    refuse(exchange, response, 504, 'upstream_timeout', 'call proxied service: no answer in time')
    return
  }
  const status = upstream.statusCode ?? 502
  const completion = exchange.route === 'completion'
  const answer: Answer = {
    input,
    upstream,
    context: {
      // Minted once an answer, so every event of a stream carries the same id.
      newId: completion ? `chatcmpl-${randomUUID()}` : null,
      hostile,
      started: new Set(),
    },
  }
  const headers = responseHeaders(upstream, status, input.providerAddress, hostile)
  const streamed = upstream.headers['content-type']?.startsWith('text/event-stream') === true
  if (completion && status === 200 && streamed) await relayEvents(answer, headers)
  else await relayBody(answer, status, headers)
}
