/**
 * Who may use the port. Every program of the machine reaches a loopback port, and so does every web page that its user
 * looks at: a page can post to it, and by making its own name resolve to 127.0.0.1 (DNS rebinding) read the answers too.
 *
 * @module
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import type { ProxyErrorCode } from './proxy-errors.ts'

export interface CallerRules {
  /** Values of Host, lower-case, with the port. */
  readonly hosts: ReadonlySet<string>
  /** Values of Origin, exactly. */
  readonly origins: ReadonlySet<string>
  /** SHA-256 of the proxy's own token; null: none is asked for. */
  readonly tokenHash: Uint8Array | null
  /** The proxy has the key of the service, so that callers' Authorization can only be for the proxy itself. */
  readonly holdsKey: boolean
}

export interface Caller {
  readonly headers: IncomingHttpHeaders
  /** Names and values in turn, as they came. */
  readonly rawHeaders: readonly string[]
  readonly url?: string | undefined
}

/** Length of a token that is looked at. */
const MAX_TOKEN = 4096
export const TOKEN_HEADER = 'x-countersign-token'

function linesOf(rawHeaders: readonly string[], name: string): number {
  return rawHeaders.filter((each, i) => i % 2 === 0 && each.toLowerCase() === name).length
}

function shownToken(headers: IncomingHttpHeaders, holdsKey: boolean): string | null {
  const own = headers[TOKEN_HEADER]
  if (typeof own === 'string') return own
  if (!holdsKey) return null
  const { authorization, 'x-api-key': key } = headers
  const bearer = /^bearer +(\S+) *$/i.exec((authorization ?? '').slice(0, MAX_TOKEN))?.[1]
  return bearer ?? (typeof key === 'string' ? key : null)
}

function hasToken(headers: IncomingHttpHeaders, { tokenHash, holdsKey }: CallerRules): boolean {
  if (tokenHash === null) return true
  const token = shownToken(headers, holdsKey)
  if (token === null || token.length > MAX_TOKEN) return false
  return timingSafeEqual(createHash('sha256').update(token).digest(), tokenHash)
}

/** The page that asks and may; null where no page asks. */
export function allowedOrigin(headers: IncomingHttpHeaders, rules: CallerRules): string | null {
  const { origin } = headers
  return origin !== undefined && rules.origins.has(origin) ? origin : null
}

/** @returns null for a caller that may use the port */
export function refuseCaller(caller: Caller, rules: CallerRules): ProxyErrorCode | null {
  const { headers, rawHeaders, url } = caller
  const host = (headers.host ?? '').toLowerCase()
  // With two lines, whoever stands between might have looked at the other one.
  if (linesOf(rawHeaders, 'host') !== 1 || !rules.hosts.has(host)) return 'host_refused'
  if (headers.origin !== undefined && allowedOrigin(headers, rules) === null) {
    return 'origin_refused'
  }
  // Pictures, scripts and links of a page come without Origin; browsers say of them where they are from.
  const site = headers['sec-fetch-site']
  if (headers.origin === undefined && site !== undefined && site !== 'none') return 'origin_refused'
  // `GET http://elsewhere/` names another host than Host does.
  if (url?.startsWith('/') !== true || url.startsWith('//')) return 'target_refused'
  return hasToken(headers, rules) ? null : 'token_missing'
}
