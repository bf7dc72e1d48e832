/**
 * The metrics of one model server, passed on as they are: by its name, bounded, never mixed into ours.
 *
 * @module
 */
import type { Backend } from '../relay/upstreams.ts'

/** Bytes of one server's metrics; vLLM 0.11 sends some 60 KB for one model. */
export const MAX_UPSTREAM_METRICS_BYTES = 4 * 1024 * 1024
/** Milliseconds for the server to send them. */
export const UPSTREAM_METRICS_MS = 5_000

export interface UpstreamMetrics {
  readonly contentType: string
  readonly body: Buffer
}

/** Prometheus' text format and OpenMetrics; anything else is not passed on as metrics. */
const METRICS_TYPE = /^(?:text\/plain|application\/openmetrics-text)\s*(?:;[\x20-\x7e]{0,200})?$/

/** @returns null where the server has none, or none that can be passed on */
export async function fetchUpstreamMetrics(backend: Backend): Promise<UpstreamMetrics | null> {
  const { statusCode, headers, body } = await backend.modelsPool.request({
    path: '/metrics',
    method: 'GET',
    headers: { accept: 'text/plain;version=0.0.4' },
    headersTimeout: UPSTREAM_METRICS_MS,
    bodyTimeout: UPSTREAM_METRICS_MS,
    signal: AbortSignal.timeout(UPSTREAM_METRICS_MS),
  })
  const contentType = headers['content-type']
  if (statusCode !== 200 || typeof contentType !== 'string' || !METRICS_TYPE.test(contentType)) {
    // Destroying it before its end is an error event, which nobody else listens for.
    body.on('error', () => {}).destroy()
    return null
  }
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of body) {
    if (!Buffer.isBuffer(chunk)) continue
    size += chunk.length
    // Leaving the loop destroys the body.
    if (size > MAX_UPSTREAM_METRICS_BYTES) return null
    chunks.push(chunk)
  }
  return { contentType, body: Buffer.concat(chunks) }
}
