/**
 * A tiny HTTP server in the sidecar's place, and a client that shows the bytes. For tests of what stands in front of
 * the sidecar.
 */
import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http'

export interface SeenRequest {
  readonly method: string
  readonly url: string
  readonly headers: IncomingMessage['headersDistinct']
  readonly body: Buffer
}

export interface Upstream {
  readonly url: string
  readonly seen: readonly SeenRequest[]
  close(): Promise<void>
}

export type UpstreamHandler = (seen: SeenRequest, response: ServerResponse) => void | Promise<void>

export async function readAll(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks)
}

export async function startUpstream(handler: UpstreamHandler): Promise<Upstream> {
  const seen: SeenRequest[] = []
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const one: SeenRequest = {
      method: request.method ?? '',
      url: request.url ?? '',
      headers: request.headersDistinct,
      body: await readAll(request),
    }
    seen.push(one)
    await handler(one, response)
  }
  const server = createServer((request, response) => {
    serve(request, response).catch(() => response.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return {
    url: `http://127.0.0.1:${String(address.port)}`,
    seen,
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await closed
    },
  }
}

export interface Reply {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
  readonly text: string
  /** The server ended its answer, as against reset it. */
  readonly whole: boolean
}

export interface Ask {
  readonly method?: string
  readonly body?: string | Buffer
  /** Repeated names allowed. */
  readonly headers?: readonly (readonly [string, string])[]
  /** Leave after the first bytes of the answer. */
  readonly leave?: boolean
}

export async function ask(url: string, how: Ask = {}): Promise<Reply> {
  const at = new URL(url)
  return new Promise((resolve, reject) => {
    const request = httpRequest({
      host: at.hostname,
      port: at.port,
      // Not URL.pathname: the test wants its own bytes on the wire.
      path: url.slice(at.origin.length) || '/',
      method: how.method ?? (how.body === undefined ? 'GET' : 'POST'),
      agent: false,
      headers: [
        'host',
        at.host,
        ...(how.headers ?? []).flat(),
        ...(how.body === undefined ? [] : ['content-length', String(Buffer.byteLength(how.body))]),
      ],
    })
    request.on('error', reject)
    request.on('response', (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk)
        if (how.leave === true) request.destroy()
      })
      response.on('error', () => undefined)
      response.on('close', () => {
        const body = Buffer.concat(chunks)
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body,
          text: body.toString('utf8'),
          whole: response.complete,
        })
      })
    })
    request.end(how.body)
  })
}
