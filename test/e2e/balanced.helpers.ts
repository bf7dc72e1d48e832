/** Replicas with logs of their own behind one address, which hands what it gets to one after the other. */
import { createServer, request } from 'node:http'
import type { RequestListener } from 'node:http'
import { connect, createServer as createTcpServer } from 'node:net'
import type { Server } from 'node:net'
import { onTestFinished, vi } from 'vitest'
import { isJsonObject } from '../../attestation/protocol/json.ts'
import { verify } from '../../src/cli/verify.ts'
import type { VerifyOptions } from '../../src/cli/verify.ts'
import { jsonObject } from '../harness/chat.ts'
import { startTestService } from '../harness/service.ts'
import type { TestService } from '../harness/service.ts'
import { sharedAt } from '../store/redis.helpers.ts'
import type { RedisServer } from '../store/redis.helpers.ts'

export type Pick = (method: string, path: string) => number | null

async function listening(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return `http://127.0.0.1:${address.port}`
}

/**
 * By request, keeping its connections to clients, or by connection.
 *
 * @param ports of the replicas now
 * @param pick which of them gets that request; null: the next in turn
 */
export async function startBalancer(
  by: 'request' | 'connection',
  ports: () => readonly number[],
  pick: Pick = () => null,
): Promise<string> {
  let turn = 0
  const next = (at: number | null): number => {
    const all = ports()
    const port = all[at ?? turn++ % all.length]
    if (port === undefined) throw new Error('no replica')
    return port
  }
  if (by === 'connection') {
    const server = createTcpServer((client) => {
      const upstream = connect(next(null), '127.0.0.1')
      client.pipe(upstream).pipe(client)
      for (const socket of [client, upstream]) {
        socket.on('error', () => [client, upstream].forEach((one) => one.destroy()))
      }
    })
    onTestFinished(() => void server.close())
    return listening(server)
  }
  const pass: RequestListener = (req, res) => {
    const { method = '', url = '', headers } = req
    const port = next(pick(method, url))
    const out = request({ port, host: '127.0.0.1', method, path: url, headers }, (answer) => {
      res.writeHead(answer.statusCode ?? 0, answer.headers)
      answer.pipe(res)
    })
    out.on('error', () => res.destroy())
    req.pipe(out)
  }
  const server = createServer(pass)
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return listening(server)
}

/** One that is closed with the test, unless the test does so first. */
export async function startReplica(
  redis: RedisServer,
  key: Uint8Array,
  name: string,
  path?: string,
): Promise<TestService> {
  const at = await startTestService({
    gpus: 1,
    config: { log: { name, public: false, interval_ms: 3_600_000 } },
    ...sharedAt(redis.target, key, path === undefined ? {} : { path }),
  })
  let closed: Promise<void> | null = null
  const close = () => (closed ??= at.close())
  onTestFinished(close)
  return { ...at, close }
}

export interface Told {
  readonly exit: number
  /** `id code`, of every check that did not pass and is about a log. */
  readonly log: readonly string[]
  readonly receipt: unknown
}

export async function verifyAt(target: string, options: VerifyOptions): Promise<Told> {
  let out = ''
  const stdout = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += String(text)
    return true
  })
  try {
    const exit = await verify(target, { allowSimulated: true, json: true, ...options })
    const report = jsonObject(out)
    const checks = Array.isArray(report['checks']) ? (report['checks'] as unknown[]) : []
    const log = checks
      .filter(isJsonObject)
      .filter(({ id, status }) => String(id).startsWith('log.') && status !== 'pass')
      .map(({ id, code }) => `${String(id)} ${String(code)}`)
    return { exit, log, receipt: report['receipt'] }
  } finally {
    stdout.mockRestore()
  }
}
