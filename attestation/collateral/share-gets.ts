/**
 * Lets several who want one document at the same time share one request for it. Nothing is remembered beyond that.
 *
 * @module
 */
import type { Answer, HttpRequest } from './http-request.ts'

/** `signal`: the caller no longer wants it. */
export type Get = (request: HttpRequest, signal: AbortSignal) => Promise<Answer>

interface Running {
  readonly answer: Promise<Answer>
  readonly stop: AbortController
  users: number
}

/** @returns `get`, by URL: stopped when the last one who waits has left, and not before */
export function shareGets(get: Get): Get {
  const running = new Map<string, Running>()
  return (request, signal) => {
    let shared = running.get(request.url)
    if (shared === undefined) {
      const stop = new AbortController()
      const answer = get(request, stop.signal).finally(() => running.delete(request.url))
      shared = { answer, stop, users: 0 }
      running.set(request.url, shared)
    }
    const taken = shared
    taken.users++
    signal.addEventListener('abort', () => {
      taken.users--
      if (taken.users > 0) return
      // Who comes now must not be given an answer that is being stopped.
      if (running.get(request.url) === taken) running.delete(request.url)
      taken.stop.abort(signal.reason)
    })
    return taken.answer
  }
}
