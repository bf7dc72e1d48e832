/**
 * What reached the demo model and how it ended, for tests of the relay in front of it.
 *
 * @module
 */
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'

/** Requests kept; older ones are forgotten. */
export const MAX_RECORDED_REQUESTS = 1_000
/** Longest body that is read; the connection of a longer one is closed. */
export const MAX_DEMO_BODY_BYTES = 64 * 1024 * 1024

/** One request. Times are `performance.now()` of this process, in milliseconds. */
export interface RecordedRequest {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  /** Names and values in turn, as they stood on the wire. */
  readonly rawHeaders: readonly string[]
  /** The raw body; what has arrived so far while the request is still being read. */
  readonly body: Buffer
  readonly receivedAt: number
  /** The client closed the connection before the answer was complete, and no fault of ours had ended it. */
  readonly aborted: boolean
  readonly abortedAt: number | null
  /** Resolves when answer or connection has ended. */
  readonly closed: Promise<void>
}

/** A record being written. */
export interface OpenRecord {
  readonly record: RecordedRequest
  /** Fires when the connection closes before the answer is complete. */
  readonly gone: AbortSignal
  /** The body, or null when it is too long or the client left; the connection is closed then. */
  readonly read: () => Promise<Buffer | null>
  /** From now on a closed connection is our own doing. */
  readonly endByFault: () => void
}

/** Starts the record of a request and appends it to `requests`. */
export function recordRequest(
  request: IncomingMessage,
  response: ServerResponse,
  requests: RecordedRequest[],
): OpenRecord {
  const controller = new AbortController()
  let isFault = false
  let chunks: Buffer[] = []
  let body: Buffer | null = null
  let abortedAt: number | null = null
  const closed = new Promise<void>((resolve) => {
    response.once('close', () => {
      if (!response.writableFinished) {
        if (!isFault) abortedAt = performance.now()
        controller.abort()
      }
      resolve()
    })
  })
  const record: RecordedRequest = {
    method: request.method ?? '',
    path: request.url ?? '',
    headers: request.headers,
    rawHeaders: request.rawHeaders,
    get body() {
      return body ?? Buffer.concat(chunks)
    },
    receivedAt: performance.now(),
    get aborted() {
      return abortedAt !== null
    },
    get abortedAt() {
      return abortedAt
    },
    closed,
  }
  requests.push(record)
  if (requests.length > MAX_RECORDED_REQUESTS) requests.shift()
  return { record, gone: controller.signal, read, endByFault }

  function endByFault(): void {
    isFault = true
  }

  async function read(): Promise<Buffer | null> {
    let length = 0
    try {
      for await (const chunk of request) {
        if (!Buffer.isBuffer(chunk)) return null
        length += chunk.length
        if (length > MAX_DEMO_BODY_BYTES) return null
        chunks.push(chunk)
      }
    } catch {
      // The client left while it was sending: the record says so, nobody is there to be answered.
      return null
    }
    body = Buffer.concat(chunks)
    chunks = []
    return body
  }
}
