/** A broker that ends TLS on a key of its own and passes on what it reads, as any reverse proxy does. */
import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto'
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
  /** Hex, of its key. */
  readonly spkiSha256: string
  /** Whom it asks. */
  target: string
  /** What it makes of the text of an answer; null: nothing. */
  rewrite: ((text: string) => string) | null
  /** Where it sends everybody; null: it passes on. */
  redirect: string | null
  close(): Promise<void>
}

/** A certificate of somebody else's key. */
export function strangerCertificate(): {
  readonly key: string
  readonly cert: string
  readonly spki: Buffer
} {
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
    spki: publicKey.export({ format: 'der', type: 'spki' }),
  }
}

export async function startMiddleBox(target: string, port = 0): Promise<MiddleBox> {
  const { spki, ...credentials } = strangerCertificate()
  const seen: { line: string; headers: string; body: string }[] = []
  const server = createServer(credentials, (req, res) => {
    const chunks: Buffer[] = []
    req.on('data', (chunk: Buffer) => chunks.push(chunk))
    req.on('end', () => {
      const body = Buffer.concat(chunks)
      const line = `${req.method ?? ''} ${req.url ?? ''}`
      seen.push({ line, headers: req.rawHeaders.join('\n'), body: body.toString() })
      if (box.redirect !== null) {
        res.writeHead(307, { location: box.redirect }).end()
        return
      }
      const onward = request(
        new URL(req.url ?? '/', box.target),
        { method: req.method, headers: req.headers, rejectUnauthorized: false, agent: false },
        (answer) => {
          const { rewrite } = box
          if (rewrite === null) {
            res.writeHead(answer.statusCode ?? 502, answer.headers)
            answer.pipe(res)
            return
          }
          const parts: Buffer[] = []
          answer.on('data', (part: Buffer) => parts.push(part))
          answer.on('end', () => {
            const { 'content-length': _, ...headers } = answer.headers
            res.writeHead(answer.statusCode ?? 502, headers)
            res.end(rewrite(Buffer.concat(parts).toString()))
          })
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
    spkiSha256: createHash('sha256').update(spki).digest('hex'),
    seen,
    target,
    rewrite: null,
    redirect: null,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
  return box
}
