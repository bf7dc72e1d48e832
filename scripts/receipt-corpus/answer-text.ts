/**
 * Answers as a model server writes them, in one piece and as streams, from what they say.
 *
 * @module
 */
const FRAME =
  '{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1790000100,"model":"demo-v2",'
export const DONE = '[DONE]'

/** Of one choice in one chunk. */
export function part(index: number, delta: object, reason: string | null = null): object {
  return { index, delta, finish_reason: reason }
}

export function chunk(...choices: readonly object[]): string {
  return `${FRAME}"choices":${JSON.stringify(choices)}}`
}

export function written(...events: readonly string[]): string {
  return events.map((data) => `data: ${data}\n\n`).join('')
}

/** In one piece. @param more members at its top */
export function completion(choices: readonly object[], more: object = {}): string {
  const frame = { id: 'chatcmpl-1', object: 'chat.completion', created: 1_790_000_100 }
  return JSON.stringify({ ...frame, model: 'demo-v2', ...more, choices })
}
