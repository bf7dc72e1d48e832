/**
 * What is wrong with a request before anybody asks what it wants. node:http's parser refuses most of what smuggles one
 * request inside another; this is the rest: what it takes and others on the way may read in another way.
 *
 * @module
 */
import type { IncomingMessage } from 'node:http'
import type { ServiceErrorCode } from '../errors.ts'

/** Header lines of one request. Their bytes are bounded by `MAX_REQUEST_HEADER_BYTES`. */
export const MAX_REQUEST_HEADERS = 100

/** node:http keeps the first of several and says nothing; a proxy before it may have looked at the last. */
const SINGLE: ReadonlySet<string> = new Set(['authorization', 'content-type', 'x-api-key'])

/**
 * Segments that a file system or another server would read as something else: empty ones, `.` and `..`, `\` for `/`, and
 * all of them percent-encoded, with the zero byte; also a `%` that encodes nothing.
 */
const ODD_PATH = /\/\/|\\|\/\.{1,2}(?:\/|$)|%(?:2e|2f|5c|00)|%(?![0-9a-f]{2})/i

/**
 * RFC 9112 §3.2.1 origin-form, and nothing that could be read as another path. The absolute form is refused against
 * §3.2.2, which wants it accepted: its authority would have to be believed over Host, and nobody but proxies sends it.
 */
function isPlainTarget(target: string): boolean {
  if (!target.startsWith('/') || target.includes('#')) return false
  const mark = target.indexOf('?')
  return !ODD_PATH.test(mark === -1 ? target : target.slice(0, mark))
}

/** RFC 9112 §6.1: only chunks, only in HTTP/1.1. Other codings are somebody's chance to see another end of the body. */
function isFramed(req: IncomingMessage): boolean {
  const coding = req.headers['transfer-encoding']
  if (coding === undefined) return true
  return coding.toLowerCase() === 'chunked' && req.httpVersion === '1.1'
}

/** @returns null for a request that can be looked at */
export function requestFault(req: IncomingMessage): ServiceErrorCode | null {
  const { rawHeaders, httpVersion } = req
  // The parser takes requests of HTTP/0.9 and of versions to come.
  if (httpVersion !== '1.1' && httpVersion !== '1.0') return 'malformed_http'
  if (rawHeaders.length > 2 * MAX_REQUEST_HEADERS) return 'headers_too_large'
  if (!isFramed(req)) return 'ambiguous_framing'
  let hosts = 0
  let seen: Set<string> | null = null
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]?.toLowerCase() ?? ''
    if (name === 'host') hosts++
    else if (SINGLE.has(name)) {
      if (seen?.has(name) === true) return 'duplicate_header'
      seen = (seen ?? new Set<string>()).add(name)
    }
  }
  // RFC 9112 §3.2: HTTP/1.1 names exactly one host.
  if (hosts > 1 || (hosts === 0 && httpVersion === '1.1')) return 'invalid_host'
  return isPlainTarget(req.url ?? '') ? null : 'invalid_target'
}
