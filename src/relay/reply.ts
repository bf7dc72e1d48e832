/**
 * Error answers of the hot path.
 *
 * @module
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { errorBody, errorSpec } from '../errors.ts'
import type { ServiceErrorCode } from '../errors.ts'

/** Milliseconds for which the rest of a refused body is still read, so that the client can read its answer. */
export const LINGER_MS = 2_000

/** Sends an error in OpenAI's shape. @param headers names and values in turn */
export function replyError(
  res: ServerResponse,
  code: ServiceErrorCode,
  headers: readonly string[],
  body: string = errorBody(code),
): void {
  const { status, retryAfter } = errorSpec(code)
  res.writeHead(status, [
    ...headers,
    'Content-Type',
    'application/json',
    'Content-Length',
    String(Buffer.byteLength(body)),
    ...(retryAfter === undefined ? [] : ['Retry-After', String(retryAfter)]),
    ...(code === 'unauthorized' ? ['WWW-Authenticate', 'Bearer'] : []),
  ])
  res.end(body)
}

/** Some of the request body is still on its way. Of a request without one, `complete` is not set yet when it is handed over. */
export function bodyPending(req: IncomingMessage): boolean {
  const { 'content-length': length, 'transfer-encoding': encoding } = req.headers
  return !req.complete && (encoding !== undefined || Number(length ?? 0) > 0)
}

/**
 * After an answer that was sent before the request had arrived whole: reads on for a while and throws it away (closing
 * at once would reset the connection and could take the answer with it), then closes.
 */
export function discardRest(req: IncomingMessage): void {
  req.resume()
  const timer = setTimeout(() => req.destroy(), LINGER_MS)
  timer.unref()
  req.once('close', () => clearTimeout(timer))
}
