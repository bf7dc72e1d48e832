/** A reader who does not read stops the model, not the machine's memory. */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { chatBody, openRaw, rawChat } from '../harness/chat.ts'
import { startTestService } from '../harness/service.ts'
import type { TestService } from '../harness/service.ts'

const EVENT = Buffer.from(
  `data: {"id":"c","choices":[{"index":0,"delta":{"content":"${'x'.repeat(16_000)}"}}]}\n\n`,
)
const END = Buffer.from(
  'data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n',
)
/** About 64 MB: far beyond what sockets and streams may hold between them. */
const EVENTS = 4_000
/** Kernel buffers of two loopback connections and Node's own; what is beyond it would be kept by us. */
const HELD_AT_MOST = 24 * 1024 * 1024

let written = 0
const whole = createHash('sha256')
const upstream = createServer((_req, res) => {
  res.writeHead(200, { 'content-type': 'text/event-stream' })
  const send = (bytes: Buffer) => {
    written += bytes.length
    whole.update(bytes)
    return res.write(bytes)
  }
  const run = async () => {
    for (let i = 0; i < EVENTS; i++) if (!send(EVENT)) await once(res, 'drain')
    send(END)
    res.end()
  }
  run().catch(() => res.destroy())
})
let at: TestService
beforeAll(async () => {
  upstream.listen(0, '127.0.0.1')
  await once(upstream, 'listening')
  const { port } = upstream.address() as AddressInfo
  at = await startTestService({ upstreams: [{ name: 'big', url: `http://127.0.0.1:${port}` }] })
})
afterAll(async () => {
  await at.close()
  upstream.closeAllConnections()
  upstream.close()
})

/** Resolves when nothing has moved for a while. */
async function standstill(): Promise<void> {
  for (let last = 0; last === 0 || last !== written;) {
    last = written
    await new Promise((resolve) => setTimeout(resolve, 150))
  }
}

test('a slow reader pauses the model, gets every byte later, and its receipt covers them', async () => {
  const raw = await openRaw(at.port)
  raw.socket.pause()
  raw.socket.write(rawChat(chatBody('x', { stream: true })))
  await standstill()
  expect(written).toBeGreaterThan(0)
  expect(written).toBeLessThan(HELD_AT_MOST)
  expect(at.receipts).toHaveLength(0)
  raw.socket.removeAllListeners('data')
  let received = 0
  raw.socket.on('data', (chunk: Buffer) => (received += chunk.length))
  raw.socket.resume()
  await at.settled(1)
  expect(at.receipts[0]?.record).toMatchObject({ outcome: 'complete', response_bytes: written })
  expect(at.receipts[0]?.bodies.returned).toBe(`sha256:${whole.digest('hex')}`)
  expect(written).toBe(EVENT.length * EVENTS + END.length)
  while (received < written) await once(raw.socket, 'data')
  raw.socket.destroy()
})
