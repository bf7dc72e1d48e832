/**
 * The body of an answer of `node:http`, bounded.
 *
 * @module
 */
import type { IncomingMessage } from 'node:http'

/**
 * A longer one is left where it passes the bound, and its connection destroyed.
 *
 * @returns null where it is longer
 * @throws what the connection says where it ends before the body does
 */
export async function readAnswer(
  response: IncomingMessage,
  maxBytes: number,
): Promise<Buffer | null> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of response) {
    if (!(chunk instanceof Uint8Array)) continue
    length += chunk.length
    // Leaving the loop destroys the connection.
    if (length > maxBytes) return null
    chunks.push(chunk)
  }
  return Buffer.concat(chunks, length)
}
