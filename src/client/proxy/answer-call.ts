/**
 * One request of a client: asks the service by the verified fetch, and hands out what was verified.
 *
 * @module
 */
import { once } from 'node:events'
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import type { ServiceLog } from '../../operations/open-log.ts'
import { hasForm, isHttpStatus } from '../answer-form.ts'
import { readBytes } from '../bytes.ts'
import type { Client } from '../judge-answer.ts'
import { passOn } from '../send-over.ts'
import { VerificationError } from '../verification-error.ts'
import type { ClientVerdict } from '../verification-error.ts'
import { MAX_ANSWER_BYTES, fetchVerifying } from '../verified.ts'
import { ServiceFault, faultOf } from './ask-service.ts'
import { logCall } from './call-log.ts'
import type { CallEnding } from './call-log.ts'
import { findRoute } from './find-route.ts'
import type { PassedRoute, ProxyRoute } from './find-route.ts'
import { isErrorBody } from './is-error-body.ts'
import {
  heldHeaders,
  originHeaders,
  requestHeaders,
  responseHeaders,
  verdictHeaders,
} from './pass-headers.ts'
import { proxyError, verificationError, withoutRetry } from './proxy-errors.ts'
import type { ProxyError, ProxyErrorCode } from './proxy-errors.ts'
import type { ProxyLimits } from './proxy-limits.ts'
import { readRequest } from './read-request.ts'

/**
 * What becomes of a stream. `hold`: it is collected, verified and then handed out whole. `pass`: its events are handed out as they come,
 * before anything is known of them; its end when it has verified.
 */
export type StreamMode = 'hold' | 'pass'

export interface CallContext {
  readonly client: Client
  /** Of the service, without a slash at its end. */
  readonly base: string
  readonly passed: readonly PassedRoute[]
  readonly stream: StreamMode
  /** Of the service; null: callers show their own. */
  readonly key: string | null
  readonly limits: ProxyLimits
  readonly log: ServiceLog
}

export interface Call {
  readonly req: IncomingMessage
  readonly res: ServerResponse
  /** The page that asks, if one does. */
  readonly origin: string | null
}

async function* partsOf({ body }: Response): AsyncGenerator<Uint8Array> {
  if (body !== null) yield* body as AsyncIterable<Uint8Array>
}

export function writeError(
  { res, origin }: Pick<Call, 'res' | 'origin'>,
  error: ProxyError,
  more: OutgoingHttpHeaders = {},
): void {
  if (res.headersSent || res.destroyed) return
  res.writeHead(error.status, {
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(error.body),
    ...more,
    ...error.headers,
    ...originHeaders(origin),
  })
  res.end(error.body)
}

/** The state of one call; every path ends in one of its last lines. */
class Exchange {
  readonly #context: CallContext
  readonly #call: Call
  readonly #left = new AbortController()
  readonly #startedMs = performance.now()
  #verdict: ClientVerdict | null = null
  #route: string | null = null
  #streamed = false
  #requestBytes = 0
  #answerBytes = 0

  constructor(context: CallContext, call: Call) {
    this.#context = context
    this.#call = call
    call.res.once('close', () => {
      if (!call.res.writableFinished) this.#left.abort()
    })
  }

  async run(): Promise<void> {
    const { base, passed, limits } = this.#context
    const { req } = this.#call
    const method = req.method ?? ''
    const route = findRoute(method, req.url ?? '', base, passed)
    if (route.kind === 'refused') {
      this.#refuse('refused', 'route_unverified')
      return
    }
    this.#route = route.kind === 'verified' ? route.operation.endpoint : route.name
    const body = await readRequest(req, limits)
    if (!body.ok) {
      if (body.why === 'left') this.#settle('client_left', 0, 'client_left')
      else this.#refuse('failed', body.why, { Connection: 'close' })
      return
    }
    this.#requestBytes = body.bytes.length
    try {
      const response = await this.#ask(route, method, body.bytes)
      if (route.kind === 'passed') await this.#pass(response)
      else if (this.#passesStream(route, response)) await this.#stream(response)
      else await this.#hold(response)
    } catch (error) {
      this.#fail(error)
    }
  }

  #ask(
    route: Exclude<ProxyRoute, { readonly kind: 'refused' }>,
    method: string,
    body: Uint8Array<ArrayBuffer>,
  ): Promise<Response> {
    const { client, key, base } = this.#context
    const { signal } = this.#left
    const headers = requestHeaders(this.#call.req.headers, key)
    if (route.kind === 'passed') {
      const sent = ['GET', 'HEAD'].includes(method) ? {} : { body }
      return passOn(client, route.url, { method, headers, signal, ...sent }, base)
    }
    const verify = fetchVerifying({
      ...client,
      report: (verdict) => {
        this.#verdict = verdict
      },
    })
    return verify(route.url, { method, headers, signal, body })
  }

  #passesStream(
    route: Exclude<ProxyRoute, { readonly kind: 'refused' }>,
    response: Response,
  ): boolean {
    if (route.kind !== 'verified' || route.operation.kind === null) return false
    // The verified fetch hands out no answer of another form than was asked for.
    this.#streamed = response.ok && hasForm(response, 'stream')
    // A reader of HTTP/1.0 knows the end of an answer by the end of the connection: a broken one would look whole to it.
    const framed = this.#call.req.httpVersion === '1.1'
    return this.#streamed && framed && this.#context.stream === 'pass'
  }

  async #hold(response: Response): Promise<void> {
    const bytes = await readBytes(response, MAX_ANSWER_BYTES)
    if (bytes === null) {
      this.#refuseAnswer('answer_too_long')
      return
    }
    const { res, origin } = this.#call
    const verdict = this.#verdict
    const accepted = verdict?.accepted === true
    if (!accepted && response.ok) throw new Error('an answer came out without a verdict')
    // Of an error a genuine receipt shows no more than who served it, unless the bytes are those of the service.
    const vouched = accepted && (response.ok || verdict.level === 'bytes')
    const usual = isErrorBody(bytes, this.#context.limits)
    if (!vouched && !usual) {
      writeError(
        this.#call,
        proxyError('error_unverified', response.status),
        verdictHeaders(verdict, 'error_unverified'),
      )
      this.#settle('unverified', response.status, 'error_unverified')
      return
    }
    res.writeHead(response.status, {
      ...heldHeaders(response, verdict, vouched, usual),
      'Content-Length': bytes.length,
      ...originHeaders(origin),
    })
    res.end(bytes)
    this.#answerBytes = bytes.length
    // The log also says why.
    const code = verdict === null || verdict.code === 'ok' ? 'error_unverified' : verdict.code
    if (vouched) this.#settle('verified', response.status, verdict.code)
    else this.#settle('unverified', response.status, code)
  }

  /** Nothing is sent before the first event is there: until then a refusal can still be said in words. */
  async #stream(response: Response): Promise<void> {
    const { res, origin } = this.#call
    for await (const part of partsOf(response)) {
      if (!res.headersSent) {
        res.writeHead(response.status, {
          ...responseHeaders(response.headers),
          ...originHeaders(origin),
        })
      }
      await this.#write(part)
    }
    // The body ends only where the verified fetch let the terminator out.
    if (!res.headersSent || this.#verdict?.accepted !== true) {
      throw new Error('a stream ended without a verdict')
    }
    res.end()
    this.#settle('verified', response.status, this.#verdict.code)
  }

  async #pass(response: Response): Promise<void> {
    const { res, origin } = this.#call
    if (!isHttpStatus(response.status)) throw new ServiceFault('service_status_unknown')
    res.writeHead(response.status, {
      ...responseHeaders(response.headers),
      ...verdictHeaders(null),
      ...originHeaders(origin),
    })
    for await (const part of partsOf(response)) await this.#write(part)
    res.end()
    this.#settle('unverified', response.status, 'route_unverified')
  }

  async #write(part: Uint8Array): Promise<void> {
    const { res } = this.#call
    const { signal } = this.#left
    signal.throwIfAborted()
    this.#answerBytes += part.length
    if (!res.write(part)) await once(res, 'drain', { signal })
  }

  #fail(error: unknown): void {
    const { res } = this.#call
    if (this.#left.signal.aborted) {
      this.#settle('client_left', res.statusCode, 'client_left')
    } else if (error instanceof VerificationError) {
      this.#verdict ??= error.verdict
      this.#refuseAnswer(error.code)
    } else {
      const code = faultOf(error)
      const fault = proxyError(code)
      // What was found of an answer that is not handed out is nothing to say of this error; that the model has answered is.
      this.#breakOff(this.#verdict === null ? fault : withoutRetry(fault), {})
      this.#settle('failed', fault.status, code)
    }
  }

  #refuseAnswer(code: VerificationError['code']): void {
    const error = verificationError(code)
    this.#breakOff(error, verdictHeaders(this.#verdict))
    this.#settle('refused', error.status, code)
  }

  /** In words where nothing was sent; else so that no reader takes the connection's end for the answer's. */
  #breakOff(error: ProxyError, more: OutgoingHttpHeaders): void {
    const { req, res } = this.#call
    // A reset, not a close: some readers take the close of a connection for the end of an answer in chunks.
    if (res.headersSent) req.socket.resetAndDestroy()
    else writeError(this.#call, error, more)
  }

  #refuse(
    ending: 'refused' | 'failed',
    code: ProxyErrorCode,
    more: OutgoingHttpHeaders = {},
  ): void {
    const error = proxyError(code)
    writeError(this.#call, error, more)
    this.#settle(ending, error.status, code)
  }

  #settle(ending: CallEnding, status: number, code: string): void {
    logCall(this.#context.log, {
      ending,
      route: this.#route,
      status,
      code,
      verdict: this.#verdict,
      streamed: this.#streamed,
      requestBytes: this.#requestBytes,
      answerBytes: this.#answerBytes,
      startedMs: this.#startedMs,
    })
  }
}

/** Answers one request. Never rejects but for a fault of ours. */
export function answerCall(context: CallContext, call: Call): Promise<void> {
  return new Exchange(context, call).run()
}
