/** What the relay does on plain HTTP it does over TLS. */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect } from 'node:tls'
import type { TLSSocket } from 'node:tls'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { chatBody, rawChat } from '../harness/chat.ts'
import { startTlsService } from './tls.helpers.ts'
import type { TlsTestService } from './tls.helpers.ts'

async function dial({ securePort }: TlsTestService): Promise<{
  readonly socket: TLSSocket
  readonly received: () => string
  until(text: string): Promise<void>
}> {
  const socket = connect({ port: securePort, host: '127.0.0.1', rejectUnauthorized: false })
  let text = ''
  socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')))
  socket.on('error', () => {})
  await once(socket, 'secureConnect')
  return {
    socket,
    received: () => text,
    async until(wanted) {
      while (!text.includes(wanted)) await once(socket, 'data')
    },
  }
}

describe('over TLS', () => {
  let at: TlsTestService
  beforeAll(async () => {
    at = await startTlsService()
  })
  afterAll(() => at.close())

  test('one connection is kept for request after request', async () => {
    const { socket, received, until } = await dial(at)
    for (let i = 1; i <= 3; i++) {
      const before = at.receipts.length
      socket.write(rawChat(chatBody(`question ${i}`)))
      await at.settled(before + 1)
      expect(at.receipts.at(-1)?.record.outcome).toBe('complete')
      while (received().split('HTTP/1.1 200 OK').length - 1 < i) await once(socket, 'data')
    }
    await until('"finish_reason"')
    expect(received()).toMatch(/keep-alive: timeout=95/i)
    socket.destroy()
  })

  test('a client that leaves takes the model’s work with it, and stands in the record', async () => {
    at.model.faults.holdUntil = new Promise(() => undefined)
    const [before, asked] = [at.receipts.length, at.model.requests.length]
    const { socket } = await dial(at)
    socket.write(rawChat(chatBody('x', { stream: true })))
    await expect.poll(() => at.model.requests.length).toBe(asked + 1)
    const leftAt = performance.now()
    socket.destroy()
    await at.model.requests.at(-1)?.closed
    await at.settled(before + 1)
    Reflect.deleteProperty(at.model.faults, 'holdUntil')
    expect(at.receipts.at(-1)?.record.outcome).toBe('downstream_closed')
    expect((at.model.requests.at(-1)?.abortedAt ?? NaN) - leftAt).toBeLessThan(1_000)
  })

  test.each([
    ['nonsense', 'NONSENSE\r\n\r\n', '400', 'malformed_http'],
    ['a space in the target', 'GET /a b HTTP/1.1\r\nHost: x\r\n\r\n', '400', 'malformed_http'],
    [
      'two lengths',
      'POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx',
      '400',
      'ambiguous_framing',
    ],
    [
      'an upgrade',
      'GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n',
      '',
      'upgrade_unsupported',
    ],
  ])('%s is refused by name', async (_, bytes, status, code) => {
    const { socket, received } = await dial(at)
    socket.write(bytes, 'latin1')
    await once(socket, 'close')
    expect(received()).toContain(`HTTP/1.1 ${status}`)
    expect(received()).toContain(`"code":"${code}"`)
  })

  test('a request of 20 MB arrives as it was sent', async () => {
    const before = at.receipts.length
    const body = chatBody('x', { user: 'y'.repeat(20 * 1024 * 1024) })
    const { socket } = await dial(at)
    socket.write(rawChat(body))
    await at.settled(before + 1)
    const hash = `sha256:${createHash('sha256').update(body).digest('hex')}`
    expect(at.receipts.at(-1)?.bodies.received).toBe(hash)
    socket.destroy()
  })
})

/** On a busy machine: 24 MB are encrypted and decrypted in this one process. */
const SLOW_MS = 90_000

test('a slow reader stops the model, and gets every byte later', { timeout: SLOW_MS }, async () => {
  const event = Buffer.from(
    `data: {"id":"c","choices":[{"index":0,"delta":{"content":"${'x'.repeat(16_000)}"}}]}\n\n`,
  )
  const end = Buffer.from(
    'data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n',
  )
  const EVENTS = 1_500
  let written = 0
  const upstream = createServer((_req, res) => {
    res.writeHead(200, { 'content-type': 'text/event-stream' })
    const run = async () => {
      for (let i = 0; i < EVENTS; i++) {
        written += event.length
        if (!res.write(event)) await once(res, 'drain')
      }
      written += end.length
      res.end(end)
    }
    run().catch(() => res.destroy())
  })
  upstream.listen(0, '127.0.0.1')
  await once(upstream, 'listening')
  const address = upstream.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const at = await startTlsService({
    upstreams: [{ name: 'big', url: `http://127.0.0.1:${port}` }],
  })
  const { socket } = await dial(at)
  socket.removeAllListeners('data')
  socket.pause()
  socket.write(rawChat(chatBody('x', { stream: true })))
  for (let last = 0; last === 0 || last !== written;) {
    last = written
    await new Promise((resolve) => setTimeout(resolve, 150))
  }
  // Kernel buffers of two loopback connections, Node's own and those of TLS; what is beyond it would be kept by us.
  expect(written).toBeLessThan(16 * 1024 * 1024)
  expect(at.receipts).toHaveLength(0)
  let received = 0
  socket.on('data', (chunk: Buffer) => (received += chunk.length))
  socket.resume()
  await expect.poll(() => at.receipts.length, { timeout: 60_000, interval: 50 }).toBe(1)
  expect(at.receipts[0]?.record).toMatchObject({
    outcome: 'complete',
    response_bytes: EVENTS * event.length + end.length,
  })
  while (received < written) await once(socket, 'data')
  socket.destroy()
  await at.close()
  upstream.closeAllConnections()
  upstream.close()
})
