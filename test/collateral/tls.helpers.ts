/**
 * A certificate authority and a server certificate for 127.0.0.1, and a server that closes whatever is open.
 */
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import type { RequestListener } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { buildCertificate, toPem } from '../../attestation/x509/build-certificate.ts'
import { sequence, taggedBytes, toDer } from '../../attestation/x509/der.ts'

const DAY_MS = 86_400_000
const IP_ADDRESS = 7

interface TlsIdentity {
  readonly ca: string
  readonly key: string
  readonly cert: string
}

function tlsIdentity(): TlsIdentity {
  const ca = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const leaf = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const dates = {
    notBefore: new Date(Date.now() - DAY_MS),
    notAfter: new Date(Date.now() + DAY_MS),
  }
  const caName = { commonName: 'Test CA' }
  const caDer = buildCertificate({
    subject: caName,
    issuer: caName,
    serial: randomBytes(8),
    ...dates,
    publicKey: ca.publicKey,
    issuerKey: ca.privateKey,
    ca: { pathLength: 0 },
    keyUsage: ['keyCertSign'],
  })
  const loopback = sequence(taggedBytes(IP_ADDRESS, Uint8Array.of(127, 0, 0, 1)))
  const der = buildCertificate({
    subject: { commonName: 'test server' },
    issuer: caName,
    serial: randomBytes(8),
    ...dates,
    publicKey: leaf.publicKey,
    issuerKey: ca.privateKey,
    keyUsage: ['digitalSignature'],
    extensions: [{ oid: '2.5.29.17', critical: false, value: toDer(loopback) }],
  })
  return {
    ca: toPem(caDer),
    key: leaf.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
    cert: toPem(der),
  }
}

export interface TlsServer {
  /** PEM of the CA of its certificate. */
  readonly tlsCa: string
  readonly port: number
  close(): Promise<void>
}

export async function startTlsServer(answer: RequestListener): Promise<TlsServer> {
  const tls = tlsIdentity()
  const sockets = new Set<Socket>()
  const listener = createServer({ key: tls.key, cert: tls.cert }, answer)
  listener.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  listener.on('tlsClientError', () => undefined)
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  const { port } = listener.address() as AddressInfo
  return {
    tlsCa: tls.ca,
    port,
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy()
        listener.close(() => resolve())
      }),
  }
}
