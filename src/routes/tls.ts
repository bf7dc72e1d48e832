/**
 * For the operator: a request by which an authority is asked to certify the enclave's TLS key. It holds nothing secret and vouches
 * for nothing: an authority has to find out by itself who owns the names.
 *
 * @module
 */
import { Router } from 'express'
import type { Request, Response } from 'express'
import { isServerName } from '../../attestation/x509/server-certificate.ts'
import { MAX_NAMES } from '../config/listener-schema.ts'
import type { TlsKey } from '../../enclave/keys/tls-key.ts'
import { readable, sendBytes, sendError } from './reply.ts'

export interface TlsRoutesOptions {
  /** Null where no TLS is configured. */
  readonly tlsKey: Pick<TlsKey, 'request'> | null
}

/** @returns null for a query that names none, too many, or one that is no name */
function namesOf({ query }: Request): readonly string[] | null {
  const { domain } = query
  const names = [domain].flat()
  const known = names.filter((name) => typeof name === 'string' && isServerName(name))
  const all = known.length === names.length && known.length <= MAX_NAMES
  return all ? known.map(String) : null
}

export function tlsRoutes({ tlsKey }: TlsRoutesOptions): Router {
  const router = Router({ caseSensitive: true, strict: true })
  readable(router, ['/tls/csr'], (req: Request, res: Response) => {
    const names = namesOf(req)
    if (tlsKey === null) sendError(res, 'tls_not_configured')
    else if (names === null) sendError(res, 'invalid_domain')
    else sendBytes(res, 'application/x-pem-file', Buffer.from(tlsKey.request(names)))
  })
  return router
}
