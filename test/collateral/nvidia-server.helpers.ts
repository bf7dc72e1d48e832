/**
 * A local HTTPS server with the routes of NVIDIA's RIM, OCSP and attestation services, which answers as it is told.
 */
import type { IncomingHttpHeaders, ServerResponse } from 'node:http'
import { createHash } from 'node:crypto'
import type { Transport } from '../../attestation/collateral/http-request.ts'
import type { NvidiaServices } from '../../attestation/collateral/gpu/nvidia-services.ts'
import { startTlsServer } from './tls.helpers.ts'
import { PATIENT } from './timing.helpers.ts'

export interface Asked {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: Uint8Array
}

/** @returns false where it leaves the answer to the server */
export type Act = (asked: Asked, response: ServerResponse) => boolean | void

export interface NvidiaServer {
  readonly services: NvidiaServices
  readonly transport: Transport
  readonly requests: Asked[]
  /** Tried before the routes. */
  act: Act | null
  /** By id. */
  readonly rims: Map<string, Uint8Array>
  /** DER; null: HTTP 404. */
  ocsp: (request: Uint8Array) => Uint8Array | null
  jwks: string
  nras: string
  close(): Promise<void>
}

export function sendJson(response: ServerResponse, text: string): void {
  response.setHeader('content-type', 'application/json')
  response.end(text)
}

export function rimAnswer(id: string, bytes: Uint8Array): Record<string, unknown> {
  return {
    id,
    rim: Buffer.from(bytes).toString('base64'),
    sha256: createHash('sha256').update(bytes).digest('hex'),
    last_updated: '2026-11-01T00:00:00.000Z',
    rim_format: 'TCG',
    request_id: '00000000-0000-0000-0000-000000000000',
  }
}

export async function startNvidiaServer(): Promise<NvidiaServer> {
  const answer = (asked: Asked, response: ServerResponse): void => {
    const { method, path, body } = asked
    const id = /^\/rim\/v1\/rim\/([\w.]+)$/.exec(path)?.[1]
    const rim = id === undefined ? undefined : server.rims.get(id)
    if (method === 'GET' && id !== undefined && rim !== undefined) {
      sendJson(response, JSON.stringify(rimAnswer(id, rim)))
    } else if (method === 'GET' && path === '/nras/.well-known/jwks.json') {
      sendJson(response, server.jwks)
    } else if (method === 'POST' && /^\/nras\/v[34]\/attest\/(?:gpu|switch)$/.test(path)) {
      sendJson(response, server.nras)
    } else if (method === 'POST' && path === '/ocsp/') {
      const der = server.ocsp(body)
      if (der === null) response.writeHead(404).end()
      else response.writeHead(200, { 'content-type': 'application/ocsp-response' }).end(der)
    } else {
      response.writeHead(404).end()
    }
  }
  const listener = await startTlsServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const { method = '', url: path = '', headers } = request
      const asked = { method, path, headers, body: new Uint8Array(Buffer.concat(chunks)) }
      server.requests.push(asked)
      if (server.act !== null && server.act(asked, response) !== false) return
      answer(asked, response)
    })
  })
  const origin = `https://127.0.0.1:${listener.port}`
  const server: NvidiaServer = {
    services: { rim: `${origin}/rim`, ocsp: `${origin}/ocsp`, nras: `${origin}/nras` },
    transport: { tlsCa: listener.tlsCa, proxy: null, timing: PATIENT },
    requests: [],
    act: null,
    rims: new Map(),
    ocsp: () => null,
    jwks: '{"keys":[]}',
    nras: '[]',
    close: listener.close,
  }
  return server
}
