/** Many ends that nobody wished for, in every phase and by either side, at once. `scripts/aborts.mjs` makes 10,000. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { chat, chatBody, openRaw, rawChat } from '../harness/chat.ts'
import { openHandles, settlesTo } from '../harness/open-handles.ts'
import { startTestService } from '../harness/service.ts'

const EVENT =
  'data: {"id":"c","choices":[{"index":0,"delta":{"content":"hello"},"finish_reason":null}]}\n\n'
const END =
  'data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'

/** What the model does with a request of that prompt; where it does not end, the client leaves at the text, or after a moment. */
const PHASES = [
  { phase: 'before the headers', leave: null, outcome: 'downstream_closed' },
  { phase: 'after the headers', leave: '\r\n\r\n', outcome: 'downstream_closed' },
  { phase: 'in mid-event', leave: EVENT.slice(0, 40), outcome: 'downstream_closed' },
  { phase: 'between events', leave: EVENT, outcome: 'downstream_closed' },
  { phase: 'after the terminator', leave: '[DONE]', outcome: 'complete' },
  { phase: 'in the upload', leave: null, outcome: 'downstream_closed' },
  { phase: 'reset by the model', leave: 'end', outcome: 'upstream_reset' },
  { phase: 'cut by the model', leave: 'end', outcome: 'upstream_reset' },
  { phase: 'whole', leave: 'end', outcome: 'complete' },
] as const
const ROUNDS = 60

test('leave nothing behind: no socket, no timer, no place, no work of the model, one receipt each', async () => {
  const before = openHandles()
  let working = 0
  const model = createServer((req, res) => {
    let body = ''
    req.on('data', (chunk: Buffer) => (body += chunk.toString()))
    req.on('end', () => {
      working++
      res.on('close', () => working--)
      const at = PHASES.findIndex(({ phase }) => body.includes(phase))
      if (at === 0) return
      res.writeHead(200, { 'content-type': 'text/event-stream' })
      res.flushHeaders()
      if (at === 1) return
      res.write(at === 2 ? EVENT.slice(0, 40) : EVENT)
      if (at === 4) res.write(END)
      // Behind the event, so that it is not lost with the connection.
      if (at === 6) setTimeout(() => res.socket?.resetAndDestroy(), 5)
      if (at === 7) setTimeout(() => res.socket?.destroySoon(), 5)
      if (at === 8) res.end(END)
    })
  })
  await new Promise<void>((resolve) => model.listen(0, '127.0.0.1', resolve))
  const { port } = model.address() as AddressInfo
  const at = await startTestService({
    upstreams: [{ name: 'u', url: `http://127.0.0.1:${String(port)}` }],
    limits: { openRequests: PHASES.length * 8, requestBodyMs: 5_000, drainMs: 1_000 },
  })
  const one = async (round: number, { phase, leave }: (typeof PHASES)[number]) => {
    const bytes = rawChat(chatBody(phase, { stream: true }))
    const upload = phase === 'in the upload'
    const raw = await openRaw(at.port, upload ? bytes.subarray(0, -5) : bytes)
    if (leave === null) await sleep(20)
    else if (leave !== 'end') await raw.until(leave)
    else if (phase === 'whole') await raw.until('0\r\n\r\n')
    else await raw.closed
    if (round % 3 === 0) raw.socket.resetAndDestroy()
    else raw.socket.destroy()
    await raw.closed
  }
  // No more at once than may be open: a place that is not given back would show as 429.
  const rounds = Array.from({ length: ROUNDS }, (_, round) => round)
  const lanes = Array.from({ length: 6 }, async () => {
    for (let round = rounds.pop(); round !== undefined; round = rounds.pop()) {
      const now = round
      await Promise.all(PHASES.map((phase) => one(now, phase)))
    }
  })
  await Promise.all(lanes)
  await at.settled(PHASES.length * ROUNDS)
  expect(at.receipts).toHaveLength(PHASES.length * ROUNDS)
  const wanted = new Map<string, number>()
  for (const { outcome } of PHASES) wanted.set(outcome, (wanted.get(outcome) ?? 0) + ROUNDS)
  const found = new Map<string, number>()
  for (const { record } of at.receipts) {
    found.set(record.outcome, (found.get(record.outcome) ?? 0) + 1)
  }
  expect(Object.fromEntries(found)).toEqual(Object.fromEntries(wanted))
  const until = performance.now() + 2_000
  while (working > 0 && performance.now() < until) await sleep(5)
  expect(working).toBe(0)
  expect((await chat(at, chatBody('whole', { stream: true }))).whole).toBe(true)
  await at.close()
  model.closeAllConnections()
  model.close()
  await settlesTo(before)
}, 60_000)
