/**
 * Collects a request body within its limit and its time.
 *
 * @module
 */
import type { IncomingMessage } from 'node:http'
import { concatBytes } from '../bytes.ts'
import type { ProxyLimits } from './proxy-limits.ts'

export type RequestBody =
  | { readonly ok: true; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly ok: false; readonly why: 'request_too_large' | 'request_timeout' | 'left' }

export function readRequest(req: IncomingMessage, limits: ProxyLimits): Promise<RequestBody> {
  return new Promise((resolve) => {
    const parts: Buffer[] = []
    let length = 0
    const end = (result: RequestBody) => {
      clearTimeout(timer)
      req.removeAllListeners('data')
      // Whatever else comes is dropped: a connection that is closed on unread bytes takes the answer with it.
      req.resume()
      resolve(result)
    }
    const timer = setTimeout(() => end({ ok: false, why: 'request_timeout' }), limits.requestBodyMs)
    req.on('data', (part: Buffer) => {
      length += part.length
      if (length > limits.requestBodyBytes) end({ ok: false, why: 'request_too_large' })
      else parts.push(part)
    })
    req.once('end', () => end({ ok: true, bytes: concatBytes(parts) }))
    req.once('error', () => end({ ok: false, why: 'left' }))
    req.once('close', () => end({ ok: false, why: 'left' }))
  })
}
