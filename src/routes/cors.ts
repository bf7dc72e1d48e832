/**
 * Cross-origin reading of what is there to be read: a web page may verify a service by itself. Credentials are bearer tokens
 * that a page must hold and send by itself, never cookies, so any origin may ask. Inference has no such permission.
 *
 * @module
 */
import type { RequestHandler } from 'express'

/** Seconds for which a browser need not ask again. */
export const PREFLIGHT_MAX_AGE_S = 86_400

/** Names and values in turn, for answers to GET and HEAD. */
export const CORS_HEADERS: readonly string[] = [
  ...['Access-Control-Allow-Origin', '*'],
  ...['Access-Control-Expose-Headers', 'X-ACI-Version, X-ACI-Keyset-Digest, Retry-After'],
]

const PREFLIGHT_HEADERS: readonly string[] = [
  ...CORS_HEADERS,
  ...['Access-Control-Allow-Methods', 'GET, HEAD'],
  ...['Access-Control-Allow-Headers', 'Authorization, X-Countersign-Owner-Secret'],
  ...['Access-Control-Max-Age', String(PREFLIGHT_MAX_AGE_S)],
]

function setAll(
  res: { setHeader(name: string, value: string): unknown },
  headers: readonly string[],
): void {
  for (let i = 0; i + 1 < headers.length; i += 2)
    res.setHeader(headers[i] ?? '', headers[i + 1] ?? '')
}

export const cors: RequestHandler = (req, res, next) => {
  if (req.method === 'OPTIONS') {
    setAll(res, PREFLIGHT_HEADERS)
    res.status(204).end()
    return
  }
  if (req.method === 'GET' || req.method === 'HEAD') setAll(res, CORS_HEADERS)
  next()
}
