/** SIGTERM: the service announces that it leaves, serves on for a while, then refuses what is new and finishes what is open. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import { serve } from '../../src/cli/serve.ts'
import { startDemoModel } from '../../src/demo/model/start-demo-model.ts'
import { ask } from '../harness/zg-upstream.ts'
import type { Reply } from '../harness/zg-upstream.ts'

const TOKEN = 'drain-token-0123456789'
const NOTICE_MS = 1_500
const BODY = '{"model":"demo/words","messages":[{"role":"user","content":"x"}]}'

afterEach(() => {
  vi.unstubAllEnvs()
  for (const signal of ['SIGTERM', 'SIGINT']) process.removeAllListeners(signal)
})

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

test('a balancer sees it leave before a request is refused, and no open request is lost', async () => {
  vi.stubEnv('COUNTERSIGN_TOKENS', `alice:${TOKEN}`)
  const model = await startDemoModel({ models: ['demo/words'] })
  const [port, operations] = [await freePort(), await freePort()]
  const folder = await mkdtemp(join(tmpdir(), 'countersign-test-'))
  const config = join(folder, 'config.json')
  await writeFile(config, JSON.stringify({ limits: { drainNoticeMs: NOTICE_MS } }))
  const running = serve({
    config,
    listen: `127.0.0.1:${port}`,
    metrics: `127.0.0.1:${operations}`,
    upstream: [model.url],
    simulate: true,
  })
  const chat = (): Promise<Reply> =>
    ask(`http://127.0.0.1:${port}/v1/chat/completions`, {
      body: BODY,
      headers: [['authorization', `Bearer ${TOKEN}`]],
    })
  const ready = (at: number) =>
    ask(`http://127.0.0.1:${at}/health/ready`).catch(() => ({ status: 0, text: '' }))
  while ((await ready(operations)).status !== 200) {
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  let go = () => {}
  model.faults.holdUntil = new Promise<void>((resolve) => (go = resolve))
  const open = chat()
  while (!model.requests.some(({ method }) => method === 'POST')) {
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  delete model.faults.holdUntil

  process.emit('SIGTERM')
  for (const at of [port, operations]) {
    const seen = await ready(at)
    expect([seen.status, JSON.parse(seen.text)]).toMatchObject([503, { status: 'draining' }])
  }
  const served = await chat()
  expect([served.status, served.headers['connection']]).toEqual([200, 'close'])

  let refused = await chat()
  while (refused.status === 200) {
    await new Promise((resolve) => setTimeout(resolve, 50))
    refused = await chat()
  }
  expect([refused.status, refused.text]).toEqual([503, expect.stringContaining('"draining"')])
  expect(refused.headers['retry-after']).toBeDefined()
  // Until the last request is over somebody may still look.
  expect((await ready(operations)).status).toBe(503)

  go()
  expect((await open).status).toBe(200)
  await running
  expect((await ready(operations)).status).toBe(0)
  await model.close()
  await rm(folder, { recursive: true, force: true })
})
