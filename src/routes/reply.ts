/**
 * Answers of the control plane.
 *
 * @module
 */
import type { Request, Response, Router } from 'express'
import { AttestationError } from '../../enclave/attestation/attestation-error.ts'
import { SharedStoreError } from '../../enclave/store/shared-place.ts'
import { errorBody, errorSpec } from '../errors.ts'
import type { ServiceErrorCode } from '../errors.ts'

/** The spellings of a route below `/v1`: with it, without it, and below `/v1/proxy`. */
export function spellings(...paths: readonly string[]): string[] {
  return paths.flatMap((path) => [`/v1${path}`, path, `/v1/proxy${path}`])
}

/** Registers a route that can be read (GET and HEAD), and refuses every other method on it. */
export function readable(
  router: Router,
  paths: string[],
  handler: (req: Request, res: Response) => void | Promise<void>,
): void {
  router.get(paths, handler)
  router.all(paths, (_req: Request, res: Response) => {
    res.setHeader('Allow', 'GET, HEAD')
    sendError(res, 'method_not_allowed')
  })
}

/** @param waitS in place of the code's own Retry-After, where more is known */
export function sendError(res: Response, code: ServiceErrorCode, waitS?: number): void {
  const { status, retryAfter: usual } = errorSpec(code)
  const retryAfter = waitS ?? usual
  if (retryAfter !== undefined) res.setHeader('Retry-After', String(retryAfter))
  if (code === 'unauthorized') res.setHeader('WWW-Authenticate', 'Bearer')
  sendText(res, status, errorBody(code))
}

/** Sends a text that is JSON already, byte for byte. */
export function sendText(res: Response, status: number, json: string): void {
  sendJson(res, status, [Buffer.from(json)])
}

/** The same in parts, of which several answers may share one: it is not copied. */
export function sendJson(res: Response, status: number, parts: readonly Uint8Array[]): void {
  res.writeHead(status, {
    'Content-Type': 'application/json',
    'Content-Length': parts.reduce((sum, { length }) => sum + length, 0),
    'Cache-Control': 'no-store',
  })
  if (res.req.method === 'HEAD') {
    res.end()
    return
  }
  // All of it in one write to the socket.
  res.cork()
  for (const part of parts) res.write(part)
  res.end()
}

/** Sends what is not JSON, whole. */
export function sendBytes(res: Response, contentType: string, body: Buffer): void {
  res.writeHead(200, {
    'Content-Type': contentType,
    'Content-Length': body.length,
    'Cache-Control': 'no-store',
  })
  res.end(res.req.method === 'HEAD' ? undefined : body)
}

/** An intermediary that re-serialises JSON cannot change what is inside a string. */
export function wrapDocument(document: string, more: object = {}): string {
  return JSON.stringify({ document, ...more })
}

/**
 * Runs an asynchronous handler. Evidence that cannot be had is an answer, and so is a shared store that does not answer: what it may hold
 * is not said to be nowhere. Anything else is our bug, and rejects, so that Express hands it to the one place where faults are logged.
 */
export async function respond(res: Response, handler: () => Promise<void>): Promise<void> {
  try {
    await handler()
  } catch (error) {
    if (res.headersSent) throw error
    if (error instanceof SharedStoreError) sendError(res, 'store_unavailable')
    else if (error instanceof AttestationError) sendError(res, error.code)
    else throw error
  }
}
