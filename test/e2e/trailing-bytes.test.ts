/**
 * What comes behind a whole request on its connection: it reaches nobody, and takes nothing from that request.
 */
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { get, openRaw } from '../harness/chat.ts'
import { startTestService } from '../harness/service.ts'
import { startUpstream } from '../harness/zg-upstream.ts'
import { ANSWER, BODY, CHAT, CHUNKS, FRAMING, LENGTH, post, setScene } from './smuggling.helpers.ts'

/** Milliseconds that the model takes for an answer where time counts. */
const HOLD_MS = 60

const scene = setScene()
const { send } = scene

describe('a second request on the connection', () => {
  const one = post(LENGTH, '', BODY)
  const forwarded = () => scene.model.arrived.match(/POST /g)?.length ?? 0

  test('behind one that is refused is never looked at', async () => {
    const bad = [
      ...FRAMING.map(([, text]) => text),
      one.replace('host: x', 'host: x\r\nhost: y'),
      one.replace(CHAT, `/${CHAT}`),
    ]
    for (const text of bad) {
      const answer = await send(text + one)
      expect(answer).toMatch(/^HTTP\/1\.1 400 /)
      expect(answer).not.toContain('HTTP/1.1 200')
    }
    expect((await get(scene.at, '/health')).status).toBe(200)
    expect(scene.model.arrived).toBe('')
  })

  test('sent before the first was answered is refused by name and not forwarded', async () => {
    const answer = await send(one + one)
    expect(answer).toContain('pipelining_unsupported')
    expect(forwarded()).toBe(1)
    scene.model.arrived = ''
    const control = await send(`GET /health HTTP/1.1\r\nhost: x\r\n\r\n${one}`)
    expect(control).toContain('pipelining_unsupported')
    expect(forwarded()).toBe(0)
  })

  const close = (text: string) => text.replace('host: x', 'host: x\r\nconnection: close')
  const chunked = () => post('transfer-encoding: chunked', '', CHUNKS)
  test.each([
    ['garbage', one, 'GARBAGE\r\n\r\n'],
    ['garbage behind `connection: close`', close(one), 'GARBAGE\r\n\r\n'],
    ['garbage behind chunks', chunked(), 'GARBAGE\r\n\r\n'],
    ['a request behind `connection: close`', close(one), one],
    ['a request behind chunks and `connection: close`', close(chunked()), one],
    ['a request that is refused in any place', one, post('transfer-encoding: x', '', CHUNKS)],
    ['headers that are too large', one, post(`x: ${'y'.repeat(17 * 1024)}`, LENGTH, '', BODY)],
  ])(
    'that is none takes nothing from the first, which is answered once and the connection closed: %s',
    async (_, first, rest) => {
      for (const pause of [null, 0, HOLD_MS / 2, HOLD_MS * 2]) {
        scene.model.arrived = ''
        scene.model.holdMs = pause === null ? 0 : HOLD_MS
        const settled = scene.at.receipts.length
        const raw = await openRaw(scene.at.port, Buffer.from(pause === null ? first + rest : first))
        if (pause !== null) {
          await sleep(pause)
          for (const piece of rest.match(/[^]{1,9}/g) ?? []) {
            raw.socket.write(piece, 'latin1')
          }
        }
        await raw.closed
        scene.model.holdMs = 0
        const answers = raw.received().split(/(?=HTTP\/1\.1 \d)/)
        expect(answers[0]).toMatch(/^HTTP\/1\.1 200 /)
        expect(answers[0]).toContain(ANSWER)
        // What comes when the first has been answered is an error of its own.
        if (pause === null || pause < HOLD_MS) expect(answers).toHaveLength(1)
        await scene.at.settled(settled + 1)
        expect(scene.at.receipts).toHaveLength(settled + 1)
        expect(scene.at.receipts.at(-1)?.record).toMatchObject({ outcome: 'complete', status: 200 })
        expect(forwarded()).toBe(1)
        expect(scene.model.arrived).not.toContain('GARBAGE')
      }
    },
  )

  test('that is none takes nothing from a stream in progress', async () => {
    const choice = { index: 0, delta: { content: 'x' }, finish_reason: 'stop' }
    const events = [`data: ${JSON.stringify({ choices: [choice] })}\n\n`, 'data: [DONE]\n\n']
    const upstream = await startUpstream(async (_seen, response) => {
      response.setHeader('content-type', 'text/event-stream')
      response.write(events[0])
      await sleep(HOLD_MS)
      response.end(events[1])
    })
    const service = await startTestService({ upstreams: [{ name: 's', url: upstream.url }] })
    const raw = await openRaw(service.port, Buffer.from(one))
    await raw.until('data: {')
    for (let i = 0; i < 20; i++) {
      raw.socket.write('GARBAGE\r\n\r\n')
      await nextTurn()
    }
    await raw.closed
    expect(raw.received()).toContain('data: [DONE]\n\n')
    expect(raw.received()).toMatch(/\r\n0\r\n\r\n$/)
    expect(service.receipts.map(({ record }) => record.outcome)).toEqual(['complete'])
    expect(upstream.seen).toHaveLength(1)
    await service.close()
    await upstream.close()
  })

  test.each([
    ['an upgrade', 'GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n'],
    ['a tunnel', 'CONNECT x:1 HTTP/1.1\r\nhost: x\r\n\r\n'],
  ])('that asks for %s: no error passes for the answer of the first', async (_, rest) => {
    scene.model.holdMs = 10 * HOLD_MS
    const settled = scene.at.receipts.length
    const raw = await openRaw(scene.at.port, Buffer.from(one))
    await sleep(HOLD_MS)
    raw.socket.write(rest)
    await raw.closed
    await scene.at.settled(settled + 1)
    scene.model.holdMs = 0
    expect(raw.received()).toBe('')
    expect(scene.at.receipts.at(-1)?.record.outcome).toBe('downstream_closed')
  })

  test('that is none does not hide that the client has left', async () => {
    scene.model.holdMs = 10 * HOLD_MS
    const settled = scene.at.receipts.length
    const raw = await openRaw(scene.at.port, Buffer.from(`${one}GARBAGE\r\n\r\n`))
    await sleep(HOLD_MS)
    raw.socket.end()
    await raw.closed
    await scene.at.settled(settled + 1)
    scene.model.holdMs = 0
    expect(scene.at.receipts.at(-1)?.record.outcome).toBe('downstream_closed')
  })
})
