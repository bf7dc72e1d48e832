/**
 * The control plane: everything that is not the hot path, on Express.
 *
 * @module
 */
import express, { Router } from 'express'
import type { Express, Request, Response } from 'express'
import type { Readiness } from '../operations/readiness.ts'
import { attestationRoutes } from './attestation.ts'
import type { AttestationRoutesOptions } from './attestation.ts'
import { cors } from './cors.ts'
import { endRoutes } from './end-routes.ts'
import { healthRoutes } from './health.ts'
import { logRoutes } from './log.ts'
import type { LogRoutesOptions } from './log.ts'
import { receiptRoutes } from './receipts.ts'
import type { ReceiptRoutesOptions } from './receipts.ts'
import { readable, sendJson, sendText } from './reply.ts'

export interface ControlPlaneOptions
  extends AttestationRoutesOptions, ReceiptRoutesOptions, LogRoutesOptions {
  readonly readiness: () => Readiness
  /** The OpenAPI document's JSON text. */
  readonly openapi: string
  readonly version: string
  /** Sent with every answer, names and values in turn. */
  readonly headers: () => readonly string[]
  /** A request failed in a way that is our bug. */
  readonly onFault: (error: unknown) => void
}

export function createControlPlane(options: ControlPlaneOptions): Express {
  const { version } = options
  const app = express()
  app.disable('x-powered-by')
  app.disable('etag')
  app.set('query parser', 'simple')
  app.set('trust proxy', false)

  app.use((_req, res, next) => {
    const headers = options.headers()
    for (let i = 0; i + 1 < headers.length; i += 2) {
      res.setHeader(headers[i] ?? '', headers[i + 1] ?? '')
    }
    next()
  })
  app.use(cors)
  app.use(healthRoutes(options.readiness))
  const about = Router({ caseSensitive: true, strict: true })
  readable(about, ['/version'], (_req: Request, res: Response) =>
    sendText(res, 200, JSON.stringify({ name: 'countersign', version })),
  )
  // One copy for all who read it: it is the longest answer that needs no credential.
  const openapi = [Buffer.from(options.openapi)]
  readable(about, ['/openapi.json'], (_req: Request, res: Response) => sendJson(res, 200, openapi))
  app.use(about)
  app.use(attestationRoutes(options))
  app.use(receiptRoutes(options))
  app.use(logRoutes(options))
  endRoutes(app, options.onFault)
  return app
}
