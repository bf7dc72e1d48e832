/**
 * Connections that idle between two requests. uvicorn closes them after 5 s (0.38, `--timeout-keep-alive`), at the very
 * moment in which a proxy may write the next request to them; vllm-proxy answers 502 then. We let go of them a second
 * earlier. The double closes at exactly 5 s, all tries run side by side, and their gaps lie close around both edges.
 */
import { Agent, createServer, request } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { DEFAULT_LIMITS } from '../../src/limits.ts'
import { bearer, startTestService } from '../harness/service.ts'
import type { TestService } from '../harness/service.ts'

/** Milliseconds after which uvicorn closes an idle connection. */
const UVICORN_MS = 5_000
/** Requests side by side on each upstream, so that each finds a connection that has idled just as long. */
const EACH = 8
/** Milliseconds: our edge at 4 s, theirs at 5 s, and what lies between and behind. */
const GAPS = [
  3_000,
  ...Array.from({ length: 13 }, (_, i) => 3_940 + i * 10),
  ...Array.from({ length: 25 }, (_, i) => 4_880 + i * 10),
  ...Array.from({ length: 12 }, (_, i) => 5_150 + i * 150),
]

interface Model {
  readonly server: Server
  readonly url: string
  /** Connections that the model itself closed for being idle. */
  closedIdle: number
  connections: number
}

async function startModel(): Promise<Model> {
  const waiting: ServerResponse[] = []
  const server = createServer({ keepAliveTimeout: 0 }, (req, res) => {
    req.resume().on('end', () => {
      // All at once, so that as many connections are open, and idle from here.
      if (waiting.push(res) < EACH) return
      for (const one of waiting.splice(0)) {
        one.writeHead(200, { 'content-type': 'application/json' })
        one.end('{"choices":[{"index":0,"message":{"content":"a"},"finish_reason":"stop"}]}')
      }
    })
  })
  // uvicorn sends no Keep-Alive header that would tell of its time.
  server.on('request', (_req, res) => res.setHeader('connection', 'keep-alive'))
  server.on('connection', (socket: Socket) => {
    model.connections++
    let timer: NodeJS.Timeout | null = null
    socket.on('data', () => {
      if (timer !== null) clearTimeout(timer)
    })
    const write = socket.write.bind(socket)
    // The time runs from the last byte of the answer.
    socket.write = ((...args: Parameters<typeof write>) => {
      if (timer !== null) clearTimeout(timer)
      timer = setTimeout(() => {
        model.closedIdle++
        socket.destroy()
      }, UVICORN_MS)
      return write(...args)
    }) as typeof write
    socket.on('close', () => {
      if (timer !== null) clearTimeout(timer)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const model: Model = {
    server,
    url: `http://127.0.0.1:${String(port)}`,
    closedIdle: 0,
    connections: 0,
  }
  return model
}

let models: readonly Model[]
let at: TestService
beforeAll(async () => {
  models = await Promise.all(GAPS.map(() => startModel()))
  at = await startTestService({
    upstreams: models.map(({ url }, i) => ({ name: `u${String(i)}`, url, models: [String(i)] })),
  })
})
afterAll(async () => {
  await at.close()
  for (const { server } of models) {
    server.closeAllConnections()
    server.close()
  }
})

interface Try {
  readonly status: number
  readonly reused: boolean
}

function ask(agent: Agent, model: number): Promise<Try> {
  const body = JSON.stringify({ model: String(model), messages: [] })
  return new Promise((resolve, reject) => {
    const req = request(`${at.url}/v1/chat/completions`, {
      method: 'POST',
      agent,
      headers: Object.fromEntries([bearer(), ['content-length', String(body.length)]]),
    })
    req.on('error', reject)
    req.on('response', (res: IncomingMessage) => {
      res
        .resume()
        .on('end', () => resolve({ status: res.statusCode ?? 0, reused: req.reusedSocket }))
    })
    req.end(body)
  })
}

test('never give a 502, whichever side is about to close them, and the client keeps its own', async () => {
  const tries = GAPS.flatMap((gap, model) => Array.from({ length: EACH }, () => ({ gap, model })))
  const agents = tries.map(() => new Agent({ keepAlive: true, maxSockets: 1 }))
  const results = await Promise.all(
    tries.map(async ({ gap, model }, i) => {
      const agent = agents[i]
      if (agent === undefined) throw new Error('an agent each')
      const first = await ask(agent, model)
      await new Promise((resolve) => setTimeout(resolve, gap))
      return { gap, first, second: await ask(agent, model) }
    }),
  )
  for (const agent of agents) agent.destroy()
  expect(results).toHaveLength(GAPS.length * EACH)
  const bad = results.filter(({ first, second }) => first.status !== 200 || second.status !== 200)
  expect(bad).toEqual([])
  // Node's agent on the client's side, our 95 s on the other: the same connection carried both.
  expect(results.filter(({ second }) => !second.reused)).toEqual([])
  // What this rests on: below our 4 s connections are used again, above it a new one is made, and none lives to their 5 s.
  const made = (model: number) => models[model]?.connections ?? 0
  const [shortest] = GAPS
  expect(shortest).toBeLessThan(DEFAULT_LIMITS.upstreamKeepAliveMs)
  for (const [i, gap] of GAPS.entries()) {
    if (gap === 3_000) expect(made(i), String(gap)).toBe(EACH)
    if (gap > 4_200) expect(made(i), String(gap)).toBe(2 * EACH)
  }
  expect(models.map(({ closedIdle }) => closedIdle).reduce((sum, one) => sum + one, 0)).toBe(0)
}, 30_000)

test('of clients are kept for longer than load balancers keep them, and the client is told for how long', async () => {
  const reply = await fetch(`${at.url}/health`)
  expect(reply.headers.get('keep-alive')).toBe(
    `timeout=${String(DEFAULT_LIMITS.clientKeepAliveMs / 1000)}`,
  )
  expect(DEFAULT_LIMITS.clientKeepAliveMs).toBeGreaterThan(90_000)
})
