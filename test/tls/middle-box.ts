/** A broker that ends TLS on a key of its own and passes on what it reads, as any reverse proxy does. */
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { createServer, request } from 'node:https'
import { buildCertificate, toPem } from '../../attestation/x509/build-certificate.ts'
import { altNamesExtension } from '../../attestation/x509/server-certificate.ts'

export interface MiddleBox {
  readonly url: string
  readonly port: number
  /** PEM of its certificate, which is its own authority. */
  readonly certificate: string
  /** Method and path of each request that reached it, and what its body was. */
  readonly seen: { readonly line: string; readonly headers: string; readonly body: string }[]
  /** Whom it asks. */
  target: string
  close(): Promise<void>
}

/** A certificate of somebody else's key. */
export function strangerCertificate(): { readonly key: string; readonly cert: string } {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const name = { commonName: 'a broker' }
  const now = Date.now()
  const der = buildCertificate({
    subject: name,
    issuer: name,
    serial: randomBytes(16),
    notBefore: new Date(now - 60_000),
    notAfter: new Date(now + 3_600_000),
    publicKey,
    issuerKey: privateKey,
    extensions: [altNamesExtension(['localhost', '127.0.0.1'])],
  })
  return {
    key: privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
    cert: toPem(der),
  }
}

export async function startMiddleBox(target: string, port = 0): Promise<MiddleBox> {
  const credentials = strangerCertificate()
  const seen: { line: string; headers: string; body: string }[] = []
  const server = createServer(credentials, (req, res) => {
    const chunks: Buffer[] = []
    req.on('data', (chunk: Buffer) => chunks.push(chunk))
    req.on('end', () => {
      const body = Buffer.concat(chunks)
      const line = `${req.method ?? ''} ${req.url ?? ''}`
      seen.push({ line, headers: req.rawHeaders.join('\n'), body: body.toString() })
      const onward = request(
        new URL(req.url ?? '/', box.target),
        { method: req.method, headers: req.headers, rejectUnauthorized: false, agent: false },
        (answer) => {
          res.writeHead(answer.statusCode ?? 502, answer.headers)
          answer.pipe(res)
        },
      )
      onward.on('error', () => res.destroy())
      onward.end(body)
    })
  })
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  const address = server.address()
  const bound = typeof address === 'object' && address !== null ? address.port : 0
  const box: MiddleBox = {
    url: `https://127.0.0.1:${bound}`,
    port: bound,
    certificate: credentials.cert,
    seen,
    target,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
  return box
}
