/**
 * Header rules of 0G's broker in both directions (0gfoundation/0g-serving-broker, `PrepareHTTPRequest`,
 * `ProcessHTTPRequest` and the leak list of 2026).
 *
 * @module
 */
import type { IncomingMessage } from 'node:http'
import type { BrokerHostility } from './hostility.ts'

export type HeaderMap = Record<string, string | string[]>

/** The broker's own protocol with the client, and what node:http has to set itself for the new connection. */
const NOT_FORWARDED: ReadonlySet<string> = new Set([
  'address',
  'fee',
  'input-fee',
  'nonce',
  'request-hash',
  'signature',
  'session-token',
  'session-signature',
  'authorization',
  'host',
  'connection',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'expect',
  'content-length',
])

const NOT_RETURNED: ReadonlySet<string> = new Set([
  'provider',
  'server',
  'via',
  'x-powered-by',
  'location',
  'content-length',
  'connection',
  'keep-alive',
  'transfer-encoding',
])
const NOT_RETURNED_PREFIXES = [
  'x-openrouter',
  'openrouter',
  'x-or-',
  'x-ratelimit',
  'x-clerk',
  'openai-',
  'anthropic-',
  'cf-',
  'zg-upstream-cert-',
]

const EXPOSED = ['Provider', 'content-encoding', 'ZG-Res-Key']

/** @param bodyLength of the rewritten body; null for a request without one */
export function requestHeaders(
  request: IncomingMessage,
  additionalSecret: Readonly<Record<string, string>>,
  bodyLength: number | null,
): HeaderMap {
  const headers: HeaderMap = {}
  for (const [name, values] of Object.entries(request.headersDistinct)) {
    // Only the first of several values survives Go's `Header.Set(k, v[0])`.
    const first = values?.[0]
    if (first !== undefined && !NOT_FORWARDED.has(name)) headers[name] = first
  }
  headers['accept-encoding'] = 'identity'
  for (const [name, value] of Object.entries(additionalSecret)) headers[name.toLowerCase()] = value
  if (bodyLength !== null) headers['content-length'] = String(bodyLength)
  return headers
}

/** @param providerAddress what the `provider` header says; added, as the CORS list is, to answers with status 200 */
export function responseHeaders(
  upstream: IncomingMessage,
  status: number,
  providerAddress: string,
  hostile: BrokerHostility,
): HeaderMap {
  const headers: HeaderMap = {}
  for (const [name, values] of Object.entries(upstream.headersDistinct)) {
    if (values === undefined || NOT_RETURNED.has(name)) continue
    if (NOT_RETURNED_PREFIXES.some((prefix) => name.startsWith(prefix))) continue
    headers[name] = values.length === 1 ? (values[0] ?? '') : values
  }
  headers['x-accel-buffering'] = 'no'
  if (status === 200) {
    headers['provider'] = providerAddress
    const existing = upstream.headers['access-control-expose-headers']
    const known = existing === undefined ? [] : existing.split(',').map((name) => name.trim())
    const missing = EXPOSED.filter((name) => !known.includes(name))
    headers['access-control-expose-headers'] = [existing, ...missing]
      .filter((part) => part !== undefined)
      .join(',')
  }
  for (const name of hostile.dropHeaders ?? []) delete headers[name.toLowerCase()]
  for (const [name, value] of Object.entries(hostile.changeHeaders ?? {})) {
    headers[name.toLowerCase()] = value
  }
  return headers
}
