/** A client that reads 1 KB a second beside 500 that read at once: they do not wait for it, and it misses nothing. */
import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { chat, chatBody, openRaw, rawChat } from '../harness/chat.ts'
import { startTestService } from '../harness/service.ts'

const FAST = 500
const EVENTS = 20
const EVERY_MS = 50
const event = (text: string) =>
  `data: {"id":"c","choices":[{"index":0,"delta":{"content":"${text}"},"finish_reason":null}]}\n\n`
const END =
  'data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
/** Far more than the buffers on the way hold, so that the model itself is held up. */
const FLOOD = event('x'.repeat(64 * 1024)).repeat(512) + END
const READ_EACH_MS = 100
const READ_BYTES = 102

test('500 streams at their pace while one client reads 1 KB/s, which then gets every byte', async () => {
  let drained = false
  const model = createServer((req, res) => {
    let body = ''
    req.on('data', (chunk: Buffer) => (body += chunk.toString()))
    req.on('end', () => {
      res.writeHead(200, { 'content-type': 'text/event-stream' })
      if (body.includes('flood')) {
        res.end(FLOOD, () => (drained = true))
        return
      }
      let sent = 0
      const timer = setInterval(() => {
        if (sent++ < EVENTS) {
          res.write(event(String(sent)))
          return
        }
        clearInterval(timer)
        res.end(END)
      }, EVERY_MS)
      res.on('close', () => clearInterval(timer))
    })
  })
  await new Promise<void>((resolve) => model.listen(0, '127.0.0.1', resolve))
  const { port } = model.address() as AddressInfo
  const at = await startTestService({
    upstreams: [{ name: 'u', url: `http://127.0.0.1:${String(port)}` }],
  })

  const slow = await openRaw(at.port)
  slow.socket.removeAllListeners('data')
  slow.socket.pause()
  let tail = ''
  let slowBytes = 0
  const take = (chunk: Buffer) => {
    slowBytes += chunk.length
    tail = (tail + chunk.toString('latin1')).slice(-64)
  }
  slow.socket.write(rawChat(chatBody('flood', { stream: true })))
  const drip = setInterval(() => {
    const chunk: unknown =
      slow.socket.readableLength < READ_BYTES ? slow.socket.read(0) : slow.socket.read(READ_BYTES)
    if (Buffer.isBuffer(chunk)) take(chunk)
  }, READ_EACH_MS)

  const began = performance.now()
  const replies = await Promise.all(
    Array.from({ length: FAST }, () => chat(at, chatBody('x', { stream: true }))),
  )
  const tookMs = performance.now() - began
  expect(new Set(replies.map(({ status, whole }) => `${String(status)} ${String(whole)}`))).toEqual(
    new Set(['200 true']),
  )
  for (const { text } of replies) expect(text.endsWith(END)).toBe(true)
  // Loose, for machines with other work: what must not be is that they wait for the slow one, which takes hours.
  expect(tookMs).toBeLessThan(20_000)
  expect(at.receipts).toHaveLength(FAST)
  expect(drained).toBe(false)
  expect(slowBytes).toBeGreaterThan(0)
  expect(slowBytes / (tookMs / 1000)).toBeLessThan(2_048)

  clearInterval(drip)
  slow.socket.on('data', take)
  slow.socket.resume()
  await at.settled(FAST + 1)
  while (!tail.endsWith('0\r\n\r\n')) await new Promise((resolve) => setTimeout(resolve, 5))
  const { record, bodies } = at.receipts.at(-1) ?? {}
  expect(record).toMatchObject({ outcome: 'complete', response_bytes: Buffer.byteLength(FLOOD) })
  expect(bodies?.returned).toBe(`sha256:${createHash('sha256').update(FLOOD).digest('hex')}`)
  slow.socket.destroy()
  await at.close()
  model.closeAllConnections()
  model.close()
}, 60_000)
