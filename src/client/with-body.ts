/**
 * Responses with another body than the one that was received.
 *
 * @module
 */

/** Fetch standard, "null body status": a response with one of these must have no body. */
const NULL_BODY_STATUSES = new Set([101, 103, 204, 205, 304])

/** A response like `from` with another body. */
export function withBody(
  from: Response,
  body: Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>,
): Response {
  const { status, headers } = from
  // Without the reason phrase: readers must ignore it (RFC 9112 §4), anybody on the way writes it, and `Response` throws for most of what can stand there.
  const response = new Response(NULL_BODY_STATUSES.has(status) ? null : body, { status, headers })
  Object.defineProperty(response, 'url', { value: from.url })
  return response
}

/**
 * An answer whose body fails where it is read. It has a status and a type that make every client read it: of an answer
 * without content, or with `content-length: 0`, clients hand out nothing without an error.
 *
 * @param from whose other headers it keeps
 */
export function failingResponse(from: Response | null, error: Error): Response {
  const headers = new Headers(from?.headers)
  for (const name of ['content-length', 'content-encoding']) headers.delete(name)
  headers.set('content-type', 'application/json')
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.error(error)
    },
  })
  const response = new Response(body, { status: 200, headers })
  if (from !== null) Object.defineProperty(response, 'url', { value: from.url })
  return response
}
