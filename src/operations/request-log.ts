/**
 * One line for a request, at most: what it cost and how it ended.
 *
 * @module
 */
import type { RequestSummary } from '../relay/account.ts'
import type { ServiceLog } from './open-log.ts'

/** `errors`: requests that ended in another way than `complete`. */
export const REQUEST_LOGGING = ['all', 'errors', 'none'] as const
export type RequestLogging = (typeof REQUEST_LOGGING)[number]

/**
 * Characters of a receipt id that are logged. The whole id is a capability for users behind a relay, and logs are read by
 * more people than receipts are: 48 random bits find the line to a given id, and leave 80 that nobody can guess.
 */
const LOGGED_ID = /^(?:sim-)?rcpt-[0-9a-f]{12}/

function milliseconds(seconds: number): number {
  return Math.round(seconds * 1e5) / 100
}

export function createRequestLog(
  log: ServiceLog,
  which: RequestLogging,
): (summary: RequestSummary) => void {
  if (which === 'none') return () => {}
  return (summary: RequestSummary) => {
    const complete = summary.outcome === 'complete' && summary.stored
    if (complete && which === 'errors') return
    const { firstByteSeconds, overheadSeconds } = summary
    const fields = {
      receipt: LOGGED_ID.exec(summary.receiptId)?.[0] ?? null,
      route: summary.route,
      outcome: summary.outcome,
      status: summary.status,
      ...(summary.code === null ? {} : { code: summary.code }),
      ...(summary.stored ? {} : { stored: false }),
      upstream: summary.upstream,
      streamed: summary.streamed,
      request_bytes: summary.requestBytes,
      response_bytes: summary.responseBytes,
      ms: milliseconds(summary.seconds),
      ...(firstByteSeconds === null ? {} : { first_byte_ms: milliseconds(firstByteSeconds) }),
      ...(summary.queuedSeconds === 0 ? {} : { queued_ms: milliseconds(summary.queuedSeconds) }),
      ...(overheadSeconds === null ? {} : { overhead_ms: milliseconds(overheadSeconds) }),
      signing_ms: milliseconds(summary.signingSeconds),
    }
    if (complete) log.info(fields, 'request')
    else log.warn(fields, 'request')
  }
}
