/**
 * What a route of the demo model answers with.
 *
 * @module
 */
import type { DemoError } from './error-body.ts'
import { errorMembers } from './error-body.ts'
import { EVENT_STREAM } from './wire.ts'

export interface Reply {
  readonly status: number
  readonly contentType: string | null
  /** The events of a stream, or one part. */
  readonly parts: readonly Buffer[]
  readonly isStream: boolean
}

export function jsonReply(status: number, body: string | Buffer): Reply {
  const bytes = typeof body === 'string' ? Buffer.from(body) : body
  return { status, contentType: 'application/json', parts: [bytes], isStream: false }
}

export function errorReply(error: DemoError): Reply {
  return jsonReply(error.status, JSON.stringify(errorMembers(error)))
}

export function streamReply(events: readonly Buffer[]): Reply {
  return { status: 200, contentType: EVENT_STREAM, parts: events, isStream: true }
}
