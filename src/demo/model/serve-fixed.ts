/**
 * Answers that cost next to nothing, so that a benchmark measures the relay and not the model behind it.
 *
 * @module
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { EVENT_STREAM } from './wire.ts'

/** A stream to send to every request: its chunks, one each `intervalMs` milliseconds, the first at once. */
export interface FixedStream {
  readonly chunks: readonly Buffer[]
  readonly intervalMs: number
}

export interface FixedAnswers {
  /** One byte a character (latin1): Node then sends head and body in one write, which a Buffer would not get. */
  readonly body: string | undefined
  readonly stream: FixedStream | undefined
}

const STREAM_MEMBER = Buffer.from('"stream":true')

/**
 * Reads a request without parsing it and answers it with the fixed body or stream. With both, the first bytes of the
 * request that hold `"stream":true`, spelled so, ask for the stream.
 */
export function serveFixed(
  request: IncomingMessage,
  response: ServerResponse,
  fixed: FixedAnswers,
): void {
  const { body, stream } = fixed
  let isStream = body === undefined
  const mayStream = body !== undefined && stream !== undefined
  if (mayStream) {
    request.on('data', (chunk: Buffer) => {
      if (chunk.includes(STREAM_MEMBER)) isStream = true
    })
  } else {
    request.resume()
  }
  request.on('end', () => {
    if (isStream && stream !== undefined) {
      pace(response, stream)
    } else {
      const length = String(body?.length ?? 0)
      response.writeHead(200, ['content-length', length, 'content-type', 'application/json'])
      response.end(body, 'latin1')
    }
  })
}

function pace(response: ServerResponse, stream: FixedStream): void {
  const { chunks, intervalMs } = stream
  response.writeHead(200, ['content-type', EVENT_STREAM])
  let next = 0
  step()
  const timer = setInterval(step, intervalMs)
  response.once('close', () => {
    clearInterval(timer)
  })

  function step(): void {
    const chunk = chunks[next++]
    if (chunk !== undefined) response.write(chunk)
    if (next >= chunks.length) response.end()
  }
}
