/**
 * What every Express application of the service ends with: an answer where there is nothing, and one where we are at fault.
 *
 * @module
 */
import type { ErrorRequestHandler, Express, Request, Response } from 'express'
import { sendError } from './reply.ts'

/** @param onFault a request failed in a way that is our bug */
export function endRoutes(app: Express, onFault: (error: unknown) => void): void {
  app.use((_req: Request, res: Response) => sendError(res, 'not_found'))
  const onError: ErrorRequestHandler = (error: unknown, _req, res, next) => {
    // Express throws on a path that cannot be decoded: the client's fault, and nothing is there.
    if (error instanceof URIError) {
      sendError(res, 'not_found')
      return
    }
    onFault(error)
    if (res.headersSent) next(error)
    else sendError(res, 'internal_error')
  }
  app.use(onError)
}
