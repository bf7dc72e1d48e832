/**
 * Liveness and readiness.
 *
 * @module
 */
import { Router } from 'express'
import type { Request, Response } from 'express'
import { errorSpec } from '../errors.ts'
import type { Readiness } from '../operations/readiness.ts'
import { readable, sendText } from './reply.ts'

export function healthRoutes(readiness: () => Readiness): Router {
  const router = Router({ caseSensitive: true, strict: true })
  readable(router, ['/health', '/health/live'], (_req: Request, res: Response) =>
    sendText(res, 200, '{"status":"live"}'),
  )
  readable(router, ['/health/ready'], (_req: Request, res: Response) => {
    const now = readiness()
    if (now.status === 'ready') {
      sendText(res, 200, JSON.stringify(now))
      return
    }
    // 503 and not 429: whoever balances must take the node out, not take it for full and come back in a second.
    res.setHeader('Retry-After', String(errorSpec('draining').retryAfter))
    sendText(res, 503, JSON.stringify(now))
  })
  return router
}
