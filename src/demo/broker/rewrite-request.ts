/**
 * The request as 0G's broker forwards it (0gfoundation/0g-serving-broker, `EnsureStreamOptions` and
 * `EnforceConfiguredModel` of `api/inference/internal/ctrl/proxy.go`, read 2026): decoded into a Go map and encoded
 * again, usage asked for on streams. So the bytes that the sidecar hashes are never the user's.
 *
 * @module
 */
import { decodeGoJson, encodeGoJson, toGoValue } from './go-json.ts'
import type { BrokerHostility } from './hostility.ts'

const ASK_FOR_USAGE = 'include_usage'

/**
 * @param body the client's bytes
 * @returns the bytes to forward; the client's own where they are no JSON object
 */
export function rewriteRequest(body: Buffer, hostile: BrokerHostility): Buffer {
  const request = decodeGoJson(body, 'float64')
  if (!(request instanceof Map)) return body
  if (request.get('stream') === true) {
    const options = request.get('stream_options')
    if (!(options instanceof Map)) request.set('stream_options', new Map([[ASK_FOR_USAGE, true]]))
    // A client that said false keeps it: the broker only fills the member in.
    else if (!options.has(ASK_FOR_USAGE)) options.set(ASK_FOR_USAGE, true)
  }
  for (const name of hostile.removeMembers ?? []) request.delete(name)
  for (const [name, value] of Object.entries(hostile.addMembers ?? {})) {
    if (!request.has(name)) request.set(name, toGoValue(value))
  }
  for (const [name, value] of Object.entries(hostile.changeMembers ?? {})) {
    request.set(name, toGoValue(value))
  }
  return Buffer.from(encodeGoJson(request, { escapeHtml: true }))
}
