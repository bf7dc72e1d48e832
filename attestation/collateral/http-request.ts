/**
 * One document over HTTPS, whole and within its limits, or a {@link CollateralError}.
 *
 * Redirects are not followed, content encodings not asked for and not decoded, TLS is always verified. Collateral is signed,
 * so a hostile server cannot forge it; what it can do is answer slowly, endlessly or with something else, and that is what
 * the limits are for.
 *
 * @module
 */
import type { ClientRequest, IncomingMessage } from 'node:http'
import { Agent, request as httpsRequest } from 'node:https'
import type { RequestOptions } from 'node:https'
import { setTimeout as sleep } from 'node:timers/promises'
import axios from 'axios'
import type { AxiosRequestConfig, AxiosResponse } from 'axios'
import { NoAnswer } from '../http/await-answer.ts'
import { CollateralError } from './collateral-error.ts'
import { DEFAULT_TIMING, MAX_RESPONSE_HEADER_BYTES } from './limits.ts'
import type { FetchTiming } from './limits.ts'

/** How connections are made. */
export interface Transport {
  /** PEM of the CAs to accept in place of the system's: a PCCS often has a certificate of its own. */
  readonly tlsCa?: string
  /**
   * `environment` (default): HTTPS_PROXY and NO_PROXY as other programs read them; null: none. A proxy tunnels, so TLS ends
   * at the service.
   */
  readonly proxy?: URL | 'environment' | null
  readonly timing?: Partial<FetchTiming>
}

export interface HttpRequest {
  /** https; a plain connection would tell others what is verified. */
  readonly url: string
  /** For messages, e.g. `TCB info`. */
  readonly what: string
  readonly maxBytes: number
  /** Media types without parameters, lower case. */
  readonly contentTypes: ReadonlySet<string>
  /** Sent with POST; absent: GET. Whoever is asked twice must answer twice, because attempts are repeated. */
  readonly post?: { readonly contentType: string; readonly body: Uint8Array }
  /** Beside those that every request has. They may hold a secret: no error is made from them. */
  readonly headers?: Readonly<Record<string, string>>
}

export interface Answer {
  readonly body: Uint8Array
  /** @returns null where the header is missing */
  header(name: string): string | null
}

const RETRIED_STATUS: ReadonlySet<number> = new Set([429, 500, 502, 503, 504])
const BUSY_STATUS: ReadonlySet<number> = new Set([429, 503])
const ABSENT_STATUS: ReadonlySet<number> = new Set([404, 410])
/** What Node and OpenSSL call a certificate that is not accepted. */
const TLS_FAULT =
  /^(?:CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|ERR_TLS_CERT|INVALID_CA|INVALID_PURPOSE|ERR_SSL)/
/** RFC 9110 §10.2.3: seconds; the other form is a date. */
const DELAY_SECONDS = /^\d{1,9}$/

/** A failure with what the retry loop has to know of it. */
interface Failure {
  readonly error: CollateralError
  readonly again: boolean
  /** Milliseconds that the server asks to be left alone; null where it did not say. */
  readonly retryAfterMs: number | null
}

type Attempt = { readonly answer: Answer } | { readonly failure: Failure }

/**
 * @param signal aborting rejects with its reason
 * @throws CollateralError
 */
export async function httpRequest(
  request: HttpRequest,
  transport: Transport = {},
  signal?: AbortSignal,
): Promise<Answer> {
  const timing = { ...DEFAULT_TIMING, ...transport.timing }
  const end = performance.now() + timing.documentMs
  for (let attempt = 1; ; attempt++) {
    const remaining = Math.max(1, Math.ceil(end - performance.now()))
    const result = await getOnce(request, transport, Math.min(timing.attemptMs, remaining), signal)
    if ('answer' in result) return result.answer
    signal?.throwIfAborted()
    const { error, again, retryAfterMs } = result.failure
    if (!again || attempt >= timing.attempts) throw error
    if (retryAfterMs !== null && retryAfterMs > timing.maxRetryAfterMs) throw error
    const pause = Math.max(retryAfterMs ?? 0, backoff(attempt, timing.firstPauseMs))
    if (performance.now() + pause >= end) throw error
    await sleep(pause, undefined, signal === undefined ? {} : { signal })
  }
}

/** By chance up to half more, so that many verifiers who failed together do not return together. */
function backoff(attempt: number, firstPauseMs: number): number {
  return firstPauseMs * 2 ** (attempt - 1) * (1 + Math.random() / 2)
}

async function getOnce(
  request: HttpRequest,
  transport: Transport,
  limitMs: number,
  signal: AbortSignal | undefined,
): Promise<Attempt> {
  const deadline = AbortSignal.timeout(limitMs)
  // One connection a document: a kept one that the server has dropped would look like a fault.
  const agent = new Agent({
    keepAlive: false,
    rejectUnauthorized: true,
    minVersion: 'TLSv1.2',
    ...(transport.tlsCa === undefined ? {} : { ca: transport.tlsCa }),
  })
  try {
    const { post } = request
    const type = post === undefined ? {} : { 'content-type': post.contentType }
    const response = await axios.request<ArrayBuffer>({
      ...FIXED,
      // As a Buffer: of another view axios would send all of the memory behind it.
      ...(post === undefined ? {} : { method: 'POST', data: Buffer.from(post.body) }),
      headers: { ...FIXED.headers, ...type, ...request.headers },
      url: request.url,
      // The body is as long as we made it.
      maxBodyLength: post?.body.length ?? 0,
      httpsAgent: agent,
      maxContentLength: request.maxBytes,
      signal: signal === undefined ? deadline : AbortSignal.any([signal, deadline]),
      ...proxyOf(transport.proxy),
    })
    return judge(request, response)
  } catch (error) {
    return { failure: explain(request.what, error, deadline.aborted) }
  } finally {
    agent.destroy()
  }
}

/** Node's own client with a limit of ours on the headers, for which axios has no option. */
const TRANSPORT = {
  request: (
    options: RequestOptions,
    onResponse: (response: IncomingMessage) => void,
  ): ClientRequest => {
    const request = httpsRequest(
      { ...options, maxHeaderSize: MAX_RESPONSE_HEADER_BYTES },
      onResponse,
    )
    // Node would close the connection without an error, and axios would wait for one.
    request.once('upgrade', (_response, socket) => {
      socket.destroy()
      request.emit('error', new NoAnswer('protocol_switched'))
    })
    return request
  },
}

const FIXED = {
  method: 'GET',
  adapter: 'http',
  transport: TRANSPORT,
  responseType: 'arraybuffer',
  // Whatever it points to, nobody else is asked.
  maxRedirects: 0,
  // A compressed answer could be a thousand times its size.
  decompress: false,
  headers: { accept: '*/*', 'accept-encoding': 'identity', 'user-agent': 'countersign' },
  validateStatus: () => true,
  transitional: { clarifyTimeoutError: true },
} as const satisfies AxiosRequestConfig

function proxyOf(proxy: Transport['proxy'] = 'environment'): AxiosRequestConfig {
  if (proxy === 'environment') return {}
  if (proxy === null) return { proxy: false }
  const { protocol, hostname, port, username, password } = proxy
  const auth = {
    username: decodeURIComponent(username),
    password: decodeURIComponent(password),
  }
  return {
    proxy: {
      protocol,
      host: hostname,
      port: port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port),
      ...(username === '' ? {} : { auth }),
    },
  }
}

function headerOf(response: AxiosResponse<ArrayBuffer>, name: string): string | null {
  const value: unknown = Object.entries(response.headers).find(
    ([found]) => found.toLowerCase() === name.toLowerCase(),
  )?.[1]
  return typeof value === 'string' ? value : null
}

function judge(
  { what, contentTypes, maxBytes }: HttpRequest,
  response: AxiosResponse<ArrayBuffer>,
): Attempt {
  const { status } = response
  const failed = (code: CollateralError['code'], why: string): Attempt => ({
    failure: {
      error: new CollateralError(code, `${what}: ${why}`),
      again: RETRIED_STATUS.has(status),
      retryAfterMs: retryAfter(headerOf(response, 'retry-after')),
    },
  })
  if (status >= 300 && status < 400) {
    return failed(
      'collateral_redirect',
      `the service redirects (HTTP ${status}), which is not followed`,
    )
  }
  if (ABSENT_STATUS.has(status)) {
    return failed('collateral_not_found', `the service does not have it (HTTP ${status})`)
  }
  if (BUSY_STATUS.has(status)) {
    return failed('collateral_busy', `the service cannot answer now (HTTP ${status})`)
  }
  if (status !== 200) return failed('collateral_refused', `the service answered HTTP ${status}`)
  const type = headerOf(response, 'content-type')?.split(';', 1)[0]?.trim().toLowerCase() ?? ''
  if (!contentTypes.has(type)) {
    return failed('collateral_malformed', 'the answer has another content type')
  }
  if ((headerOf(response, 'content-encoding') ?? 'identity') !== 'identity') {
    return failed('collateral_malformed', 'the answer is encoded, which was not asked for')
  }
  const body = new Uint8Array(response.data)
  if (body.length > maxBytes) return failed('collateral_too_large', `longer than ${maxBytes} bytes`)
  return { answer: { body, header: (name) => headerOf(response, name) } }
}

/** @returns milliseconds from now */
function retryAfter(value: string | null): number | null {
  if (value === null) return null
  if (DELAY_SECONDS.test(value)) return Number(value) * 1000
  const at = Date.parse(value)
  return Number.isNaN(at) ? null : Math.max(0, at - Date.now())
}

function systemCode(error: unknown): string {
  if (!(error instanceof Error) || !('code' in error)) return 'unknown'
  return typeof error.code === 'string' ? error.code : 'unknown'
}

function explain(what: string, error: unknown, late: boolean): Failure {
  const failure = (code: CollateralError['code'], why: string, again: boolean): Failure => ({
    error: new CollateralError(code, `${what}: ${why}`),
    again,
    retryAfterMs: null,
  })
  if (late) return failure('collateral_timeout', 'the service did not answer in time', true)
  const code = systemCode(error)
  const text = error instanceof Error ? error.message : ''
  if (code === 'ERR_BAD_RESPONSE' && text.startsWith('maxContentLength')) {
    return failure('collateral_too_large', 'the answer is too long', false)
  }
  if (code === 'HPE_HEADER_OVERFLOW') {
    return failure(
      'collateral_too_large',
      `more than ${MAX_RESPONSE_HEADER_BYTES} bytes of headers`,
      false,
    )
  }
  if (TLS_FAULT.test(code)) {
    return failure(
      'collateral_untrusted_tls',
      `the server's certificate is not accepted (${code})`,
      false,
    )
  }
  return failure('collateral_unreachable', `the service cannot be reached (${code})`, true)
}
