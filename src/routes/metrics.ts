/**
 * Metrics: the service's own, and those of its model servers under their names.
 *
 * @module
 */
import { Router } from 'express'
import type { Request, Response } from 'express'
import type { Metrics } from '../operations/metrics.ts'
import { fetchUpstreamMetrics } from '../operations/upstream-metrics.ts'
import type { Upstreams } from '../relay/upstreams.ts'
import { readable, sendBytes, sendError } from './reply.ts'

export interface MetricsRoutesOptions {
  readonly metrics: Metrics
  readonly upstreams: Upstreams
}

export function metricsRoutes({ metrics, upstreams }: MetricsRoutesOptions): Router {
  const router = Router({ caseSensitive: true, strict: true })
  readable(router, ['/metrics'], async (_req: Request, res: Response) => {
    sendBytes(res, metrics.contentType, Buffer.from(await metrics.text()))
  })
  const ofUpstream = async (req: Request, res: Response) => {
    const { name, index = '0' } = req.params
    const upstream = upstreams.all.find((one) => one.name === name)
    const backend = upstream?.backends.find((_, i) => String(i) === index)
    if (backend === undefined) {
      sendError(res, 'not_found')
      return
    }
    const theirs = await fetchUpstreamMetrics(backend).catch(() => undefined)
    if (theirs === undefined) sendError(res, 'upstream_unreachable')
    else if (theirs === null) sendError(res, 'upstream_invalid')
    else sendBytes(res, theirs.contentType, theirs.body)
  }
  // An upstream may have several addresses, each a server with metrics of its own, in the order of the configuration.
  readable(router, ['/metrics/upstreams/:name', '/metrics/upstreams/:name/:index'], ofUpstream)
  return router
}
