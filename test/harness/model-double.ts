/** A model server that says in its answers who it is, counts what it is asked, and can be told to misbehave. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { RequestListener, Server } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Double {
  readonly url: string
  readonly server: Server
  /** Paths asked for, in order. */
  readonly seen: string[]
  /** What is done with a request for inference, in place of an answer. */
  script: RequestListener | null
  health: number | 'silent'
}

/** @param at port, or path of a unix socket */
export async function startDouble(name: string, at?: number | string): Promise<Double> {
  const server = createServer((req, res) => {
    const path = req.url ?? ''
    double.seen.push(path)
    if (path === '/health') {
      if (double.health !== 'silent') res.writeHead(double.health).end()
      return
    }
    req.resume().on('end', () => {
      if (double.script !== null) {
        double.script(req, res)
        return
      }
      const content = { role: 'assistant', content: name }
      res.writeHead(200, { 'content-type': 'application/json' })
      res.end(
        path === '/v1/models'
          ? JSON.stringify({ object: 'list', data: [{ id: name, object: 'model' }] })
          : JSON.stringify({
              id: 'x',
              choices: [{ index: 0, message: content, finish_reason: 'stop' }],
            }),
      )
    })
  })
  if (typeof at === 'string') server.listen(at)
  else server.listen(at ?? 0, '127.0.0.1')
  await once(server, 'listening')
  const bound = server.address() as AddressInfo | string
  const double: Double = {
    url: typeof bound === 'string' ? `unix:${bound}` : `http://127.0.0.1:${String(bound.port)}`,
    server,
    seen: [],
    script: null,
    health: 200,
  }
  return double
}

export async function closeDouble({ server }: Double): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve))
  server.closeAllConnections()
  await closed
}
