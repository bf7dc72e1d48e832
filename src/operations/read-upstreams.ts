/**
 * The upstreams as readiness and metrics see them.
 *
 * @module
 */
import type { Upstream, Upstreams } from '../relay/upstreams.ts'
import type { UpstreamGauges } from './metrics.ts'

/**
 * None of its addresses is given requests. Where no health check brings one back, one that may be tried again counts as
 * up: without traffic it would never be tried.
 */
function isDown({ backends, balancer, health }: Upstream): boolean {
  if (backends.some((backend) => backend.health.state === 'up')) return false
  return health !== null || !balancer.usable
}

/** How many there are, and the names of those that are given no requests. */
export function countUpstreams({ all }: Upstreams): {
  readonly all: number
  readonly down: readonly string[]
} {
  return { all: all.length, down: all.filter(isDown).map(({ name }) => name) }
}

export function readUpstreams(upstreams: Upstreams): readonly UpstreamGauges[] {
  return upstreams.status().map(({ name, waiting, urls }) => ({
    name,
    waiting,
    up: urls.filter(({ state }) => state === 'up').length,
    down: urls.filter(({ state }) => state !== 'up').length,
    open: urls.reduce((sum, { open }) => sum + open, 0),
  }))
}
