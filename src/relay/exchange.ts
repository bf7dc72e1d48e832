/**
 * One exchange with the upstream, from dispatch to settlement.
 *
 * @module
 */
import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { promisify } from 'node:util'
import { brotliDecompress, gunzip, inflate } from 'node:zlib'
import type { Dispatcher } from 'undici'
import type { Outcome } from '../../attestation/protocol/record.ts'
import { errorBody, errorSpec } from '../errors.ts'
import type { ServiceErrorCode } from '../errors.ts'
import type { Limits } from '../limits.ts'
import type { Account, AccountSink } from './account.ts'
import type { ByteBudget } from './byte-budget.ts'
import type { Recorder, Recording } from './recording.ts'
import { afterSettling, cut, leaveWhenWritten } from './ending.ts'
import { inlineComments } from './inline-receipt.ts'
import { KeepAlive } from './keep-alive.ts'
import { createGather, smallBody } from './large/gather.ts'
import type { Gathered } from './large/gather.ts'
import type { Body } from './read-body.ts'
import type { RelayRoute } from './relay-routes.ts'
import type { Place } from './balancer.ts'
import type { Backend, Upstream, Upstreams } from './upstreams.ts'
import { WholeEvents } from './whole-events.ts'

/**
 * Milliseconds that the upstream gets to end a stream whose `[DONE]` has been read. The terminator is held back that long
 * at most: what follows it belongs to the bytes that are signed.
 */
export const TERMINATOR_GRACE_MS = 250
/** Milliseconds between two pieces of an event, in a stream that carries its receipt: then the event is not waited for. */
export const EVENT_WAIT_MS = 250

const DECODERS = {
  gzip: promisify(gunzip),
  deflate: promisify(inflate),
  br: promisify(brotliDecompress),
} as const

export interface RelayOptions {
  readonly upstreams: Upstreams
  readonly recorder: Recorder
  readonly limits: Limits
  /** Memory that all request bodies share. */
  readonly budget: ByteBudget
  /** Milliseconds of silence after which a stream is given a comment; null: never. */
  readonly keepAliveMs: number | null
  /** Told of each admitted request when it is over. */
  readonly account: AccountSink
  /** Sent with every answer, names and values in turn. */
  readonly headers: () => readonly string[]
}

export interface ChatRequest {
  readonly req: IncomingMessage
  readonly res: ServerResponse
  readonly principal: { readonly name: string; readonly relay: boolean }
  readonly route: RelayRoute
  /** With the leading `?`, or empty. */
  readonly query: string
  /** Called when the answer has left or its connection is gone. */
  readonly done: () => void
}

/** The exchange with the upstream, from dispatch to settlement. */
export class Exchange implements Dispatcher.DispatchHandler {
  readonly #options: RelayOptions
  readonly #request: ChatRequest
  readonly #recording: Recording
  readonly #account: Account
  readonly #upstream: Upstream
  #controller: Dispatcher.DispatchController | null = null
  #settled = false
  /** Nothing more comes from upstream, so there is nothing to abort. */
  #upstreamDone = false
  #streaming = false
  /** Of a stream that carries its receipt: what is written ends between two events, so that something can be put there. */
  #events: WholeEvents | null = null
  #status = 0
  #contentType = ''
  #encoding = ''
  /** Seconds; of errors of our own that pass. */
  #retryAfter: number | null = null
  /** Of a stream, the piece with the terminator; of a buffered answer all of it, once it has been read. */
  #held: Buffer[] = []
  #heldBytes = 0
  #gather = createGather()
  #grace: NodeJS.Timeout | null = null
  /** Runs while the client takes nothing of a stream. */
  #stall: NodeJS.Timeout | null = null
  /** Runs while the rest of an event is to come. */
  #eventWait: NodeJS.Timeout | null = null
  #keepAlive: KeepAlive | null = null
  #keptAlive = false
  /** Runs while the request waits for a connection. */
  #queued: NodeJS.Timeout | null = null
  /** undici began to write the request. */
  #forwarded = false
  readonly #body: Body
  /** The bytes to forward, for as long as they were sent to nobody. */
  #unsent: Buffer | null = null
  #place: Place<Backend> | null = null
  #leaveLine: () => void = () => {}
  /** Addresses to which no connection could be made. */
  readonly #tried = new Set<Backend>()
  #lostOne = false

  constructor(
    options: RelayOptions,
    request: ChatRequest,
    recording: Recording,
    account: Account,
    upstream: Upstream,
    body: Body,
  ) {
    this.#options = options
    this.#request = request
    this.#recording = recording
    this.#account = account
    this.#upstream = upstream
    this.#body = body
  }

  start(body: Buffer): void {
    const { res } = this.#request
    if (res.closed) {
      this.#onClientClose()
      return
    }
    res.on('close', this.#onClientClose)
    res.on('drain', this.#onDrain)
    this.#unsent = body
    const { balancer } = this.#upstream
    const place = balancer.take()
    if (place !== null) {
      this.#dispatch(place, body)
      this.#recording.digestRequest()
    } else if (balancer.usable) {
      this.#leaveLine = balancer.wait((free) => {
        if (this.#queued !== null) clearTimeout(this.#queued)
        this.#dispatch(free, body)
        this.#recording.digestRequest()
      })
      this.#account.queued()
      this.#queued = setTimeout(
        () => this.#fail('overloaded', 'refused'),
        this.#options.limits.queueMs,
      )
    } else {
      this.#fail('upstream_unavailable', 'upstream_error')
    }
  }

  #dispatch(place: Place<Backend>, body: Buffer): void {
    const { req, route, query } = this.#request
    this.#account.dispatched()
    this.#place = place
    place.target.pool.dispatch(
      {
        path: route.upstreamPath + query,
        method: 'POST',
        headers: [
          'content-type',
          // A body that was read as JSON is JSON, whatever somebody on the way says it is.
          route.body === 'json' ? 'application/json' : (req.headers['content-type'] ?? ''),
          'accept',
          req.headers.accept ?? '*/*',
          'x-request-id',
          randomUUID(),
        ],
        body,
      },
      this,
    )
  }

  /** Nothing was sent, so another address may be asked: a model's answer is paid for, and never asked for twice. */
  #tryAnother(lost: boolean): boolean {
    const body = this.#unsent
    const failed = this.#place
    if (body === null || failed === null) return false
    // An idle connection that went away under the request says nothing of the next one to the same address.
    if (lost && !this.#lostOne) this.#lostOne = true
    else this.#tried.add(failed.target)
    const { balancer } = this.#upstream
    const next = balancer.take(this.#tried)
    if (next === null) return false
    balancer.give(failed)
    this.#upstreamDone = false
    this.#dispatch(next, body)
    return true
  }

  readonly #onClientClose = () => {
    if (!this.#settled) this.#finish('downstream_closed', { whole: false })
  }

  /** The client takes nothing any more: what was written to it will not leave, so there is nothing to wait for. */
  readonly #onStall = () => {
    this.#onClientClose()
    this.#request.res.destroy()
  }

  readonly #onDrain = () => {
    if (this.#stall !== null) clearTimeout(this.#stall)
    this.#stall = null
    this.#controller?.resume()
  }

  // — undici's side ————————————————————————————————————————————————————————————————————————————————————————————————

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    this.#forwarded = true
    this.#unsent = null
    this.#place?.target.health.connected()
    // The client left while the request waited for a connection.
    if (this.#settled) controller.abort(new Error('settled'))
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    this.#controller = controller
    if (this.#settled || status < 200) return
    this.#judge(status === 502 || status === 503 || status === 504)
    this.#status = status
    this.#contentType = single(headers['content-type'])
    this.#encoding = single(headers['content-encoding']).toLowerCase()
    if (status >= 300 && status < 400) {
      // A redirect would move the request to a place that nobody configured.
      this.#fail('upstream_invalid', 'upstream_error')
      return
    }
    this.#streaming = this.#contentType.toLowerCase().startsWith('text/event-stream')
    if (this.#streaming && !this.#isIdentity) {
      // Nobody asked for an encoding. Its end could not be seen, so the client would have it before the receipt is kept.
      this.#fail('upstream_invalid', 'upstream_error')
      return
    }
    this.#account.answered(this.#streaming)
    if (!this.#streaming) {
      const declared = Number(single(headers['content-length']))
      if (declared > this.#options.limits.bufferedResponseBytes) {
        this.#fail('upstream_invalid', 'upstream_error')
      }
      return
    }
    const { res } = this.#request
    res.writeHead(status, this.#headers())
    res.flushHeaders()
    const { keepAliveMs, limits } = this.#options
    if (this.#recording.inline && status < 300) this.#events = new WholeEvents(limits.sseLineBytes)
    // An error is over soon.
    if (keepAliveMs === null || status >= 300) return
    this.#keepAlive = new KeepAlive(keepAliveMs, (comment) => this.#comment(controller, comment))
  }

  get #isIdentity(): boolean {
    return this.#encoding === '' || this.#encoding === 'identity'
  }

  #comment(controller: Dispatcher.DispatchController, comment: Buffer): void {
    // A client that takes nothing is not waiting for anything.
    if (this.#request.res.writableNeedDrain) return
    this.#keptAlive = true
    this.#pass(controller, comment)
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#settled) return
    if (!this.#streaming) {
      this.#gather.add(chunk)
      if (this.#gather.length > this.#options.limits.bufferedResponseBytes) {
        this.#fail('upstream_invalid', 'upstream_error')
      }
      return
    }
    if (this.#events === null) {
      this.#pass(controller, chunk)
      return
    }
    this.#passEvents(controller, this.#events, this.#events.push(chunk))
  }

  #passEvents(
    controller: Dispatcher.DispatchController,
    events: WholeEvents,
    pieces: readonly Buffer[],
  ): void {
    // As many writes as pieces came, not as there are events in them.
    let passed: Buffer[] = []
    const write = () => {
      if (passed.length > 0) this.#write(controller, Buffer.concat(passed))
      passed = []
    }
    for (const piece of pieces) {
      if (this.#recording.pass(piece)) {
        passed.push(piece)
        continue
      }
      write()
      this.#hold(piece)
      if (this.#settled) return
    }
    write()
    if (!events.waiting && this.#eventWait !== null) {
      clearTimeout(this.#eventWait)
      this.#eventWait = null
    }
    // What was held begins between two events. Otherwise nobody knows any more where one ends.
    if (events.givenUp && this.#held.length === 0) this.#events = null
    if (!events.waiting) return
    // The rest of an event may not come. Then what there is of it goes out, as it does where nobody waits for it.
    this.#eventWait?.refresh()
    this.#eventWait ??= setTimeout(() => this.#passRest(), EVENT_WAIT_MS)
  }

  /** What there is of an event that is not whole. */
  #passRest(): void {
    const [controller, events] = [this.#controller, this.#events]
    if (controller === null || events?.waiting !== true) return
    this.#passEvents(controller, events, [events.giveUp()])
  }

  /** A piece of a stream. */
  #pass(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#recording.pass(chunk)) this.#write(controller, chunk)
    else this.#hold(chunk)
  }

  #hold(chunk: Buffer): void {
    this.#keepAlive?.stop()
    this.#held.push(chunk)
    this.#heldBytes += chunk.length
    if (this.#heldBytes > this.#options.limits.bufferedResponseBytes) {
      this.#finish('upstream_error', { whole: false })
      return
    }
    // The last event of some APIs repeats the whole answer: its time begins when it has been read.
    if (this.#recording.terminated) {
      this.#grace ??= setTimeout(() => this.#endGrace(), TERMINATOR_GRACE_MS)
    }
  }

  #write(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#keepAlive?.wrote(chunk)
    if (this.#request.res.write(chunk)) return
    controller.pause()
    this.#stall ??= setTimeout(this.#onStall, this.#options.limits.clientStallMs)
  }

  onResponseEnd(): void {
    this.#upstreamDone = true
    this.#account.ended()
    if (this.#settled) return
    if (this.#streaming) this.#endStream()
    else void this.#endBuffered()
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#upstreamDone = true
    if (this.#settled) return
    const code = 'code' in error ? error.code : undefined
    const timedOut = code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_BODY_TIMEOUT'
    const answered = this.#status !== 0
    // What undici would not even begin to send says nothing of the server.
    if (!answered && code !== 'UND_ERR_INVALID_ARG') {
      this.#judge(true)
      const lost = code === 'UND_ERR_SOCKET' || code === 'ECONNRESET' || code === 'EPIPE'
      if (this.#tryAnother(lost)) return
    }
    if (this.#streaming && this.#recording.complete) {
      // The answer is whole by its own terminator; only the connection did not end as HTTP wants.
      this.#endStream()
    } else if (this.#streaming) {
      this.#finish(timedOut ? 'timeout' : 'upstream_reset', { whole: false })
    } else if (timedOut) {
      this.#fail('upstream_timeout', 'timeout')
    } else if (answered || code === 'UND_ERR_SOCKET' || code === 'ECONNRESET') {
      this.#fail('upstream_reset', 'upstream_reset')
    } else {
      this.#fail('upstream_unreachable', 'upstream_error')
    }
  }

  /** What this request says of the address it went to. */
  #judge(bad: boolean): void {
    if (this.#place === null) return
    const { target, probe } = this.#place
    if (bad) target.health.failed(this.#forwarded ? 'answer' : 'connect', probe)
    else target.health.answered()
  }

  // — endings ——————————————————————————————————————————————————————————————————————————————————————————————————————

  #headers(): string[] {
    const out = [...this.#options.headers(), ...this.#recording.headers]
    if (this.#contentType !== '') out.push('Content-Type', this.#contentType)
    if (this.#encoding !== '') out.push('Content-Encoding', this.#encoding)
    if (this.#retryAfter !== null) out.push('Retry-After', String(this.#retryAfter))
    if (this.#streaming) out.push('Cache-Control', 'no-cache', 'X-Accel-Buffering', 'no')
    return out
  }

  /** The upstream neither ended nor broke off: what was held is the end if the answer is complete, else it is a cut. */
  #endGrace(): void {
    if (this.#recording.complete) this.#endStream()
    else this.#finish('upstream_error', { whole: false })
  }

  #endStream(): void {
    if (!this.#settled) this.#passRest()
    if (this.#settled) return
    for (const chunk of this.#held) this.#recording.sent(chunk)
    const ok = this.#status < 300
    this.#finish(ok && this.#recording.complete ? 'complete' : 'upstream_error', { whole: true })
  }

  async #endBuffered(): Promise<void> {
    const body = this.#gather.end()
    let bytes: Buffer
    try {
      const decoded = this.#isIdentity ? undefined : await this.#decode(body)
      if (this.#settled) return
      const reading = this.#recording.buffered(body, decoded)
      bytes = Buffer.isBuffer(reading) ? reading : await reading
    } catch {
      // Nobody knows what the answer says, so nothing could be signed of it.
      this.#fail('internal_error', 'refused')
      return
    }
    if (this.#settled) return
    const ok = this.#status < 300
    this.#held = [bytes]
    this.#finish(ok && this.#recording.complete ? 'complete' : 'upstream_error', { whole: true })
  }

  /** Nobody asked for an encoding, so this is rare enough to be done with a copy. */
  async #decode(body: Gathered): Promise<Buffer | null> {
    const encoding = this.#encoding
    if (encoding !== 'gzip' && encoding !== 'deflate' && encoding !== 'br') return null
    const { bufferedResponseBytes } = this.#options.limits
    try {
      return await DECODERS[encoding](body.large ? Buffer.concat(body.pieces) : body.bytes, {
        maxOutputLength: bufferedResponseBytes,
      })
    } catch {
      return null
    }
  }

  /** Answers with an error of our own; only before anything was written. */
  #fail(code: ServiceErrorCode, outcome: Outcome): void {
    // The client left while the answer was being read: its record is made, of what it got.
    if (this.#settled) return
    this.#account.failed(code)
    const body = Buffer.from(errorBody(code))
    this.#held = [body]
    this.#streaming = false
    this.#encoding = ''
    this.#contentType = 'application/json'
    const { status, retryAfter } = errorSpec(code)
    this.#status = status
    this.#retryAfter = retryAfter ?? null
    void this.#recording.buffered(smallBody(body), null)
    this.#finish(outcome, { whole: true })
  }

  /** The one place where an exchange ends. */
  #finish(outcome: Outcome, { whole }: { readonly whole: boolean }): void {
    if (this.#settled) return
    this.#settled = true
    for (const timer of [this.#grace, this.#stall, this.#queued, this.#eventWait]) {
      if (timer !== null) clearTimeout(timer)
    }
    this.#keepAlive?.stop()
    const { res, done } = this.#request
    res.off('close', this.#onClientClose)
    res.off('drain', this.#onDrain)
    if (!this.#upstreamDone) this.#controller?.abort(new Error('settled'))
    this.#leaveLine()
    if (this.#place !== null) this.#upstream.balancer.give(this.#place)
    this.#unsent = null
    this.#body.release()
    const status = outcome === 'downstream_closed' ? this.#status || 499 : this.#status
    const backend = this.#forwarded ? this.#upstream.name : null
    this.#account.settling()
    const settled = this.#recording.settle({
      outcome,
      status,
      backend,
      forwarded: this.#forwarded,
      whole,
      keptAlive: this.#keptAlive,
    })
    const { receiptId, responseBytes } = this.#recording
    const facts = { receiptId, outcome, status, upstream: backend, responseBytes }
    void afterSettling(
      settled,
      () =>
        this.#account.settled(facts, true, () => {
          if (whole) this.#writeLast()
          else cut(res)
          leaveWhenWritten(res, this.#options.limits, done)
        }),
      () =>
        this.#account.settled(facts, false, () => {
          res.destroy()
          done()
        }),
    )
  }

  #writeLast(): void {
    const { res } = this.#request
    const { inlineReceipt } = this.#recording
    if (inlineReceipt !== null && this.#events !== null && this.#held.length > 0) {
      // Beside the bytes under the receipt, and in one write with the terminator: whoever has that has the receipt too.
      this.#held.unshift(inlineComments(inlineReceipt))
    }
    const last = this.#held.length === 1 ? this.#held[0] : Buffer.concat(this.#held)
    if (!this.#streaming) {
      const headers = this.#headers()
      headers.push(...this.#recording.wishedHeaders(this.#status))
      headers.push('Content-Length', String(last?.length ?? 0))
      res.writeHead(this.#status, headers)
    }
    res.end(last)
  }
}

/** The first value of a header; empty where there is none, or where it could not be sent on. */
function single(value: string | string[] | undefined): string {
  const text = (Array.isArray(value) ? value[0] : value) ?? ''
  return /^[\x20-\x7e]*$/.test(text) ? text : ''
}
