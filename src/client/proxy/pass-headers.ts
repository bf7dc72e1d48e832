/**
 * Which headers go through, in both directions.
 *
 * @module
 */
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http'
import type { ClientVerdict } from '../verification-error.ts'

/** RFC 9110 §7.6.1, and what the two connections do not share. */
const OF_ONE_CONNECTION: readonly string[] = [
  ...['connection', 'keep-alive', 'proxy-authenticate', 'proxy-authorization', 'proxy-connection'],
  ...['te', 'trailer', 'transfer-encoding', 'upgrade', 'content-length', 'content-encoding'],
]

/** What a client says about itself or a page, and what the verified fetch says in its place. */
const NOT_SENT: ReadonlySet<string> = new Set([
  ...OF_ONE_CONNECTION,
  ...['host', 'accept-encoding', 'expect', 'cookie', 'origin', 'referer', 'forwarded', 'via'],
])
const NOT_SENT_FAMILIES = /^(?:sec-|x-forwarded-|x-countersign-|access-control-)/

/**
 * What clients read of an answer, and no more: all of it is whoever's stands on the way. A header that is not here may send a reader elsewhere
 * (Location, X-Accel-Redirect), let a page in (Access-Control-Allow-Origin, Set-Cookie), have it report (NEL), ask it for its key (WWW-Authenticate), or
 * say what the proxy alone may: X-Countersign-Level, X-Should-Retry. Of a signature nothing is known here.
 */
const RETURNED: ReadonlySet<string> = new Set([
  ...['content-type', 'date', 'cache-control', 'retry-after', 'retry-after-ms'],
  ...['x-receipt-id', 'zg-res-key', 'x-request-id', 'request-id', 'openai-processing-ms'],
  ...['openai-version', 'openai-model', 'openai-organization', 'anthropic-organization-id'],
])
const RETURNED_FAMILIES = /^(?:x|anthropic)-ratelimit-[a-z-]{1,64}$/
/** Of an error that nobody vouches for. */
const RETURNED_WITH_ERRORS = ['retry-after', 'x-receipt-id'] as const

/** @param key of the service, in place of what the caller shows; null: the caller's goes on */
export function requestHeaders(
  received: IncomingHttpHeaders,
  key: string | null,
): Record<string, string> {
  const named = new Set((received.connection ?? '').toLowerCase().split(/ *, */))
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(received)) {
    if (typeof value !== 'string' || named.has(name)) continue
    if (NOT_SENT.has(name) || NOT_SENT_FAMILIES.test(name)) continue
    if (key !== null && (name === 'authorization' || name === 'x-api-key')) continue
    headers[name] = value
  }
  if (key !== null) headers['authorization'] = `Bearer ${key}`
  return headers
}

export function responseHeaders(received: Headers): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = {}
  received.forEach((value, name) => {
    if (!RETURNED.has(name) && !RETURNED_FAMILIES.test(name)) return
    headers[name] = value
  })
  return headers
}

/** For an error that nobody vouches for: what it says of itself is left out. */
function unverifiedErrorHeaders(received: Headers): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = { 'Content-Type': 'application/json' }
  for (const name of RETURNED_WITH_ERRORS) {
    const value = received.get(name)
    if (value !== null) headers[name] = value
  }
  return headers
}

/** For a page that was named; for everybody else nothing. */
export function originHeaders(origin: string | null): OutgoingHttpHeaders {
  if (origin === null) return {}
  return {
    'Access-Control-Allow-Origin': origin,
    'Access-Control-Expose-Headers':
      'X-Countersign-Level, X-Countersign-Code, X-Countersign-Channel, X-Countersign-Opening, X-Countersign-Simulated, X-Receipt-Id, Retry-After',
    Vary: 'Origin',
  }
}

const HEADER_NAMES = /^[a-z0-9-]{1,64}(?: *, *[a-z0-9-]{1,64}){0,63}$/

/** The answer to a preflight of a page that was named. */
export function preflightHeaders(origin: string, asked: IncomingHttpHeaders): OutgoingHttpHeaders {
  const names = asked['access-control-request-headers']
  return {
    ...originHeaders(origin),
    'Access-Control-Allow-Methods': 'GET, HEAD, POST',
    ...(names !== undefined && HEADER_NAMES.test(names)
      ? { 'Access-Control-Allow-Headers': names }
      : {}),
    ...(asked['access-control-request-private-network'] === 'true'
      ? { 'Access-Control-Allow-Private-Network': 'true' }
      : {}),
  }
}

/**
 * What was found of an answer, for who asked.
 *
 * @param code in place of the verdict's, where that is about the receipt and not about what is handed out
 */
export function verdictHeaders(
  verdict: ClientVerdict | null,
  code: string = verdict?.code ?? 'route_unverified',
): OutgoingHttpHeaders {
  const opening = verdict?.opening ?? null
  return {
    'X-Countersign-Level': verdict?.level ?? 'none',
    'X-Countersign-Code': code,
    ...(opening === null ? {} : { 'X-Countersign-Opening': opening }),
    ...(verdict === null ? {} : { 'X-Countersign-Channel': verdict.channel }),
    ...(verdict?.simulated === true ? { 'X-Countersign-Simulated': 'true' } : {}),
  }
}

export interface HeldAnswer {
  readonly headers: Headers
  readonly ok: boolean
}

/**
 * For an answer that was read to its end before any of it is handed out.
 *
 * @param vouched its bytes, or what they say, are the service's
 * @param usual it is a JSON object of an error's members
 */
export function heldHeaders(
  { headers, ok }: HeldAnswer,
  verdict: ClientVerdict | null,
  vouched: boolean,
  usual: boolean,
): OutgoingHttpHeaders {
  if (!vouched) {
    return { ...unverifiedErrorHeaders(headers), ...verdictHeaders(verdict, 'error_unverified') }
  }
  // The type that an error came under is not the service's, though its bytes are.
  const type = usual ? 'application/json' : 'text/plain; charset=utf-8'
  const typed = ok ? {} : { 'content-type': type }
  return { ...responseHeaders(headers), ...typed, ...verdictHeaders(verdict) }
}
