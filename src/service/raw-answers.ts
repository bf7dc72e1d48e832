/**
 * What is written to a connection whose request has no ServerResponse: node:http's parser gave up on it, or handed it over.
 *
 * @module
 */
import { IncomingMessage, STATUS_CODES, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { errorBody, errorSpec } from '../errors.ts'
import type { ServiceErrorCode } from '../errors.ts'
import { LINGER_MS } from '../relay/reply.ts'

/** What node:http's parser reports, by its code. */
export const CLIENT_ERRORS: Readonly<Record<string, ServiceErrorCode>> = {
  HPE_HEADER_OVERFLOW: 'headers_too_large',
  HPE_INVALID_CONTENT_LENGTH: 'ambiguous_framing',
  HPE_INVALID_TRANSFER_ENCODING: 'ambiguous_framing',
  HPE_UNEXPECTED_CONTENT_LENGTH: 'ambiguous_framing',
  HPE_INVALID_URL: 'invalid_target',
  ERR_HTTP_REQUEST_TIMEOUT: 'headers_timeout',
}

/** The answer that is being made or written on a connection; null where none is. */
export function answerOn(socket: Duplex): ServerResponse<IncomingMessage> | null {
  const message: unknown = Reflect.get(socket, '_httpMessage')
  return message instanceof ServerResponse ? message : null
}

/**
 * What follows a whole request is not a request (RFC 9112 §9.6: nor is what follows `Connection: close`). It goes nowhere,
 * and takes nothing from the request before it: that one gets its answer, and the connection closes after it. The parser
 * reads no more, so whatever else comes is dropped, each piece with another error.
 */
export function closeAfter(answer: ServerResponse, socket: Duplex): void {
  // The client has closed its side: node:http takes that for leaving.
  if (socket.readableEnded) {
    socket.destroy()
    return
  }
  if (CLOSING.has(answer)) return
  CLOSING.add(answer)
  answer.shouldKeepAlive = false
  // An answer whose head went out has promised to keep the connection.
  if (answer.headersSent) answer.once('finish', () => socket.end(() => socket.destroy()))
}

/**
 * The last that is written to a connection that node:http has let go of. A client that does not close its side too is not
 * waited for: nothing else would ever end such a connection.
 */
export function endWith(socket: Duplex, text: string): void {
  socket.on('error', () => socket.destroy())
  socket.end(text)
  const timer = setTimeout(() => socket.destroy(), LINGER_MS)
  timer.unref()
  socket.once('close', () => clearTimeout(timer))
}

const CLOSING = new WeakSet<ServerResponse>()

/** For a connection without a ServerResponse, so that the answer is written byte by byte. */
export function rawError(code: ServiceErrorCode, headers: readonly string[]): string {
  const body = errorBody(code)
  const { status } = errorSpec(code)
  const fields = [...headers, 'Content-Type', 'application/json', 'Connection', 'close']
  const lines = [`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`]
  for (let i = 0; i + 1 < fields.length; i += 2) lines.push(`${fields[i]}: ${fields[i + 1]}`)
  lines.push(`Content-Length: ${Buffer.byteLength(body)}`, '', body)
  return lines.join('\r\n')
}
