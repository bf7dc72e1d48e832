/**
 * Asks each address of the upstreams on a schedule how it is.
 *
 * vLLM (0.25.0, `entrypoints/serve/instrumentator/health.py`) answers `GET /health` with an empty 200, or 503 once its
 * engine is dead, without a credential; while it loads weights it does not listen. SGLang has the same route. A server
 * that knows no such route answers 404 and is up: it answered.
 *
 * @module
 */
import type { Limits } from '../limits.ts'
import type { Backend, Upstreams } from './upstreams.ts'

/** Bytes of the answer that are read before the connection is given up. */
export const MAX_HEALTH_BYTES = 4096

async function check(backend: Backend, path: string, limitMs: number): Promise<void> {
  try {
    const { statusCode, body } = await backend.healthPool.request({
      path,
      method: 'GET',
      headersTimeout: limitMs,
      bodyTimeout: limitMs,
      signal: AbortSignal.timeout(limitMs),
    })
    await body.dump({ limit: MAX_HEALTH_BYTES })
    if (statusCode < 500) backend.health.passedCheck()
    else backend.health.failed('check', 0)
  } catch {
    backend.health.failed('check', 0)
  }
}

/** Each address is asked at once and then again, an interval after its answer. @returns ends the schedule */
export function checkUpstreams(
  upstreams: Upstreams,
  limits: Pick<Limits, 'upstreamHealthMs' | 'upstreamHealthTimeoutMs'>,
): () => void {
  let stopped = false
  const timers = new Map<Backend, NodeJS.Timeout>()
  const run = async (backend: Backend, path: string): Promise<void> => {
    await check(backend, path, limits.upstreamHealthTimeoutMs)
    if (stopped) return
    const timer = setTimeout(() => void run(backend, path), limits.upstreamHealthMs)
    timer.unref()
    timers.set(backend, timer)
  }
  for (const { backends, health } of upstreams.all) {
    if (health === null) continue
    for (const backend of backends) void run(backend, health)
  }
  return () => {
    stopped = true
    for (const timer of timers.values()) clearTimeout(timer)
  }
}
