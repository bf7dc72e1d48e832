/**
 * A local HTTPS server with the routes of Intel's PCS v4 and of a PCCS, which serves given collateral and fails as told.
 */
import { existsSync, readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer as createHttpServer } from 'node:http'
import { connect } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import type { CollateralService } from '../../attestation/collateral/collateral-service.ts'
import { parseCollateral } from '../../attestation/protocol/dcap-collateral.ts'
import type { DcapCollateral } from '../../attestation/protocol/dcap-collateral.ts'
import { startTlsServer } from './tls.helpers.ts'

const FIXTURES = new URL('../../../shared/fixtures/tdx/', import.meta.url)
export const hasFixtures = existsSync(FIXTURES)
if (!hasFixtures) console.warn('SKIPPED: no shared/fixtures/tdx beside the checkout')

export function fixtureBytes(name: string): Uint8Array {
  return new Uint8Array(readFileSync(new URL(name, FIXTURES)))
}

export function fixtureCollateral(name: string): DcapCollateral {
  const parsed = parseCollateral(fixtureBytes(name))
  if (!parsed.ok) throw new Error(parsed.detail)
  return parsed.collateral
}

export type Route = 'rootCrl' | 'pckCrl' | 'tcbInfo' | 'qeIdentity'

/** @returns true where it has answered, or will */
export type Intercept = (
  route: Route,
  request: IncomingMessage,
  response: ServerResponse,
) => boolean

export interface IntelServer {
  /** PEM of the CA of its certificate. */
  readonly tlsCa: string
  readonly port: number
  readonly pcs: CollateralService
  readonly pccs: CollateralService
  /** Path and query of every request, in order. */
  readonly requests: string[]
  intercept: Intercept | null
  /** What is served: by FMSPC (lower case) and channel; null: 404. */
  serve: (fmspc: string | null, channel: string) => DcapCollateral | null
  close(): Promise<void>
}

function routeOf(url: URL): Route | null {
  switch (url.pathname) {
    case '/IntelSGXRootCA.der':
    case '/sgx/certification/v4/rootcacrl':
      return url.search === '' ? 'rootCrl' : null
    case '/sgx/certification/v4/pckcrl':
      return /^\?ca=(?:platform|processor)&encoding=der$/.test(url.search) ? 'pckCrl' : null
    case '/tdx/certification/v4/tcb':
      return /^\?fmspc=[0-9a-f]{12}&update=(?:early|standard)$/.test(url.search) ? 'tcbInfo' : null
    case '/tdx/certification/v4/qe/identity':
      return /^\?update=(?:early|standard)$/.test(url.search) ? 'qeIdentity' : null
    default:
      return null
  }
}

/** As Intel answers, 22 November 2026: header names and media types of PCS API v4. */
export function answer(
  route: Route,
  collateral: DcapCollateral,
  response: ServerResponse,
  hexList = false,
): void {
  const chain = (pem: string): string => encodeURIComponent(pem)
  switch (route) {
    case 'rootCrl': {
      const der = Buffer.from(collateral.root_ca_crl, 'hex')
      response.setHeader(
        'content-type',
        hexList ? 'application/x-pem-file' : 'application/pkix-crl',
      )
      response.end(hexList ? der.toString('hex') : der)
      return
    }
    case 'pckCrl':
      response.setHeader('content-type', 'application/pkix-crl')
      response.setHeader('SGX-PCK-CRL-Issuer-Chain', chain(collateral.pck_crl_issuer_chain))
      response.end(Buffer.from(collateral.pck_crl, 'hex'))
      return
    case 'tcbInfo':
      response.setHeader('content-type', 'application/json')
      response.setHeader('TCB-Info-Issuer-Chain', chain(collateral.tcb_info_issuer_chain))
      response.end(
        `{"tcbInfo":${collateral.tcb_info},"signature":"${collateral.tcb_info_signature}"}`,
      )
      return
    case 'qeIdentity':
      response.setHeader('content-type', 'application/json;charset=UTF-8')
      response.setHeader(
        'SGX-Enclave-Identity-Issuer-Chain',
        chain(collateral.qe_identity_issuer_chain),
      )
      response.end(
        `{"enclaveIdentity":${collateral.qe_identity},"signature":"${collateral.qe_identity_signature}"}`,
      )
  }
}

export async function startIntelServer(collateral: DcapCollateral): Promise<IntelServer> {
  const listener = await startTlsServer((request, response) => {
    const url = new URL(request.url ?? '/', 'https://127.0.0.1')
    server.requests.push(`${url.pathname}${url.search}`)
    const route = routeOf(url)
    if (route === null) {
      response.writeHead(400).end()
      return
    }
    if (server.intercept?.(route, request, response) === true) return
    const channel = url.searchParams.get('update') ?? 'standard'
    const served = server.serve(url.searchParams.get('fmspc'), channel)
    if (served === null) response.writeHead(404).end()
    else answer(route, served, response, url.pathname.endsWith('rootcacrl'))
  })
  const { tlsCa, port, close } = listener
  const api = `https://127.0.0.1:${port}`
  const server: IntelServer = {
    tlsCa,
    port,
    pcs: { kind: 'pcs', api, rootCrl: `${api}/IntelSGXRootCA.der` },
    pccs: { kind: 'pccs', api },
    requests: [],
    intercept: null,
    serve: () => collateral,
    close,
  }
  return server
}

export interface TestProxy {
  readonly url: URL
  /** Targets of CONNECT, and the credentials that came with each. */
  readonly tunnels: { readonly target: string; readonly authorization: string | undefined }[]
  close(): Promise<void>
}

/** A proxy that tunnels and sees no more than host and port. */
export async function startProxy(): Promise<TestProxy> {
  const sockets = new Set<Socket>()
  const listener = createHttpServer((_request, response) => response.writeHead(405).end())
  const tunnels: TestProxy['tunnels'] = []
  listener.on('connect', (request, client: Socket) => {
    const target = request.url ?? ''
    tunnels.push({ target, authorization: request.headers['proxy-authorization'] })
    const [host = '', port = ''] = target.split(':')
    const upstream = connect(Number(port), host, () => {
      client.write('HTTP/1.1 200 Connection Established\r\n\r\n')
      upstream.pipe(client)
      client.pipe(upstream)
    })
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => socket.destroy())
    }
  })
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  const { port } = listener.address() as AddressInfo
  return {
    url: new URL(`http://127.0.0.1:${port}`),
    tunnels,
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy()
        listener.close(() => resolve())
      }),
  }
}
