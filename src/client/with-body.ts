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
  const { status, statusText, headers } = from
  const response = new Response(NULL_BODY_STATUSES.has(status) ? null : body, {
    status,
    statusText,
    headers,
  })
  Object.defineProperty(response, 'url', { value: from.url })
  return response
}

/** A body that fails where it is read. */
export function failingBody(error: Error): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      controller.error(error)
    },
  })
}
