/**
 * The head of the answer to a request of `node:http`, or an error, always.
 *
 * Node's client tells of a switched protocol (RFC 9110 §15.2.2) by an event of its own, and where nobody listens for it closes
 * the connection without an error. Whoever waits for `response` and `error` alone then waits for ever, and so does a deadline
 * that hangs on the connection; with nothing left to wait for, Node ends the process as if all had gone well.
 *
 * @module
 */
import type { ClientRequest, IncomingMessage } from 'node:http'

/** Interim answers (RFC 9110 §15.2) before the one that counts; a server may send them for ever. */
export const MAX_INTERIM_ANSWERS = 16

export type NoAnswerCode = 'protocol_switched' | 'interim_answers' | 'closed_unanswered'

/** The connection was alive and brought no answer. What breaks a connection is an error of the system's instead. */
export class NoAnswer extends Error {
  override readonly name = 'NoAnswer'
  readonly code: NoAnswerCode

  constructor(code: NoAnswerCode) {
    super(code)
    this.code = code
  }
}

/**
 * Call it in the turn in which the request is made. The body is the caller's to read and to bound.
 *
 * @param signal aborting rejects at once with its reason, whatever became of the connection
 */
export function awaitAnswer(request: ClientRequest, signal: AbortSignal): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    let interim = 0
    let settled = false
    const settle = (): boolean => {
      if (settled) return false
      signal.removeEventListener('abort', abort)
      return (settled = true)
    }
    const fail = (error: unknown): void => {
      // Of a request that has its head, destroying would discard what was received of the body.
      if (!settle()) return
      reject(error instanceof Error ? error : new Error('aborted', { cause: error }))
      request.destroy()
    }
    const abort = (): void => fail(signal.reason)
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort, { once: true })
    request.once('response', (response) => {
      if (settle()) resolve(response)
    })
    request.once('upgrade', (_response, socket) => {
      socket.destroy()
      fail(new NoAnswer('protocol_switched'))
    })
    request.on('information', () => {
      if (++interim > MAX_INTERIM_ANSWERS) fail(new NoAnswer('interim_answers'))
    })
    // Stays after the head, too: an error that nobody listens for ends the process.
    request.on('error', fail)
    request.once('close', () => fail(new NoAnswer('closed_unanswered')))
  })
}
