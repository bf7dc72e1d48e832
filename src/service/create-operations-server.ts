/**
 * The listener for whoever runs the service: health, metrics and requests for certificates, away from the port that clients use.
 *
 * @module
 */
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import express from 'express'
import type { Readiness } from '../operations/readiness.ts'
import { endRoutes } from '../routes/end-routes.ts'
import { healthRoutes } from '../routes/health.ts'
import { metricsRoutes } from '../routes/metrics.ts'
import type { MetricsRoutesOptions } from '../routes/metrics.ts'
import { tlsRoutes } from '../routes/tls.ts'
import type { TlsRoutesOptions } from '../routes/tls.ts'
import { cutStalled } from './cut-stalled.ts'

/** Connections of scrapers and probes. */
export const OPERATIONS_CONNECTIONS = 64
/** Milliseconds for one of their requests, and in which an answer that waits for them may stand still. */
export const OPERATIONS_REQUEST_MS = 10_000
/** Milliseconds an idle one is kept: above the 15 to 60 s between two scrapes. */
export const OPERATIONS_KEEP_ALIVE_MS = 65_000

export interface OperationsOptions extends MetricsRoutesOptions, TlsRoutesOptions {
  readonly readiness: () => Readiness
  /** A request failed in a way that is our bug. */
  readonly onFault: (error: unknown) => void
}

export function createOperationsServer(options: OperationsOptions): Server {
  const app = express()
  app.disable('x-powered-by')
  app.disable('etag')
  app.set('query parser', 'simple')
  app.use(healthRoutes(options.readiness))
  app.use(metricsRoutes(options))
  app.use(tlsRoutes(options))
  endRoutes(app, options.onFault)
  const server = createServer(
    {
      headersTimeout: OPERATIONS_REQUEST_MS,
      requestTimeout: OPERATIONS_REQUEST_MS,
      keepAliveTimeout: OPERATIONS_KEEP_ALIVE_MS,
    },
    app,
  )
  server.maxConnections = OPERATIONS_CONNECTIONS
  server.on('connection', (socket: Socket) => cutStalled(socket, OPERATIONS_REQUEST_MS))
  return server
}
