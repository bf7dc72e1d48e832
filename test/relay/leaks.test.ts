/** After aborts, faults and time-outs nothing stays open: no socket, no timer, no counted request. */
import { expect, test } from 'vitest'
import { chat, chatBody, openRaw, rawChat } from '../harness/chat.ts'
import { openHandles, settlesTo } from '../harness/open-handles.ts'
import { startTestService } from '../harness/service.ts'

test('sockets, timers and open requests go back to where they were', async () => {
  const before = openHandles()
  const at = await startTestService({
    limits: { openRequests: 40, upstreamIdleMs: 300, requestBodyMs: 200, drainMs: 2_000 },
  })
  const stream = chatBody('x', { stream: true })
  const faults = [
    {},
    { cutAfterBytes: 50 },
    { resetAfterBytes: 50 },
    { omitDone: true },
    { silenceAfterChunks: 99 },
    { silenceAfterChunks: 1 },
  ]
  for (const fault of faults) {
    Object.assign(at.model.faults, {
      cutAfterBytes: undefined,
      resetAfterBytes: undefined,
      omitDone: undefined,
      silenceAfterChunks: undefined,
      ...fault,
    })
    // Together more than may be open at once: a request that is not given back would show as 429.
    const replies = await Promise.all(Array.from({ length: 30 }, () => chat(at, stream)))
    expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([200]))
  }
  at.model.faults.silenceAfterChunks = undefined
  at.model.faults.holdUntil = new Promise(() => undefined)
  const settled = at.receipts.length
  const leavers = await Promise.all(
    Array.from({ length: 30 }, () => openRaw(at.port, rawChat(chatBody('x')))),
  )
  const uploaders = await Promise.all(
    Array.from({ length: 5 }, () => openRaw(at.port, rawChat(chatBody('x')).subarray(0, -4))),
  )
  for (const { socket } of leavers) socket.destroy()
  await at.settled(settled + 35)
  for (const { socket } of uploaders) socket.destroy()
  await Promise.all([...leavers, ...uploaders].map(({ closed }) => closed))
  at.model.faults.holdUntil = undefined
  expect((await chat(at, stream)).status).toBe(200)
  await at.close()
  await settlesTo(before)
})

test('a service that never passed its gate closes at once', async () => {
  const before = openHandles()
  const at = await startTestService({ gate: () => 'never' })
  const started = performance.now()
  await at.close()
  await settlesTo(before)
  expect(performance.now() - started).toBeLessThan(1_000)
})
