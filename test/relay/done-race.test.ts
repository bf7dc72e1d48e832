/** A client that asks for its signature the moment it reads the end of its answer always finds it. */
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { chat, chatBody, get, jsonObject, openRaw, rawChat } from '../harness/chat.ts'
import { startTestService } from '../harness/service.ts'
import type { TestService } from '../harness/service.ts'
import { startUpstream } from '../harness/zg-upstream.ts'

const ROUNDS = 200
const STREAM = chatBody('x', { stream: true, max_tokens: 2 })

let at: TestService
beforeAll(async () => {
  at = await startTestService()
})
afterAll(() => at.close())

const SIGNATURE = (id: string) =>
  Buffer.from(
    `GET /v1/signature/${id} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer alice-token-0123456789\r\n\r\n`,
  )

async function hammer(body: string, mark: string, rounds = ROUNDS, service = at) {
  const other = await openRaw(service.port)
  const outcomes: string[] = []
  for (let round = 0; round < rounds; round++) {
    const raw = await openRaw(service.port, rawChat(body))
    await raw.until(mark)
    const id = /x-receipt-id: (\S+)/i.exec(raw.received())?.[1] ?? ''
    const from = other.received().length
    other.socket.write(SIGNATURE(id))
    await other.until(/"receipt_id":|"error":/, from)
    const answer = other.received().slice(from)
    outcomes.push(/"outcome":"(\w+)"/.exec(answer)?.[1] ?? answer)
    raw.socket.destroy()
  }
  other.socket.destroy()
  return outcomes
}

describe('a signature asked for at once is there', () => {
  test.each([
    ['of a client that reads whole events', 'data: [DONE]\n\n'],
    ['of a client that matches bytes and waits for no line end', 'data: [DONE]'],
  ])('%s, 200 times of 200', async (_, mark) => {
    const outcomes = await hammer(STREAM, mark)
    expect(outcomes).toEqual(Array.from({ length: ROUNDS }, () => 'complete'))
  })

  test('of a client whose model takes a while between [DONE] and the end, 200 times of 200', async () => {
    const event =
      '{"id":"c","choices":[{"index":0,"delta":{"content":"x"},"finish_reason":"stop"}]}'
    const upstream = await startUpstream(async (_seen, response) => {
      response.setHeader('content-type', 'text/event-stream')
      response.write(`data: ${event}\n\n`)
      await nextTurn()
      response.write('data: [DONE]')
      await sleep(2)
      response.write('\n\n')
      await sleep(2)
      response.end()
    })
    const late = await startTestService({ upstreams: [{ name: 'late', url: upstream.url }] })
    const outcomes = await hammer(STREAM, '[DONE]', ROUNDS, late)
    expect(outcomes).toEqual(Array.from({ length: ROUNDS }, () => 'complete'))
    await late.close()
    await upstream.close()
  })

  test('of a client whose network and model hand on single bytes, 20 times of 20', async () => {
    at.model.faults.splitAt = 'every'
    const outcomes = await hammer(STREAM, ']\n\n', 20)
    at.model.faults.splitAt = undefined
    expect(outcomes).toEqual(Array.from({ length: 20 }, () => 'complete'))
  })

  test('of a client that reads the last byte of a buffered answer, 200 times of 200', async () => {
    const outcomes = await hammer(chatBody('x', { max_tokens: 2 }), '"metrics":null}')
    expect(outcomes).toEqual(Array.from({ length: ROUNDS }, () => 'complete'))
  })

  test('under its completion id as under its receipt id', async () => {
    const { id } = jsonObject((await chat(at, chatBody('x'))).body)
    const byChat = await get(at, `/v1/signature/${String(id)}`, { who: 'alice' })
    expect(jsonObject(byChat.body)['outcome']).toBe('complete')
  })
})

describe('with a store that takes its time', () => {
  test.each([
    ['stream', STREAM, '[DONE]'],
    ['buffered answer', chatBody('x', { max_tokens: 2 }), 'HTTP/1.1 200'],
  ])('the last bytes of a %s wait until the receipt is kept', async (_, body, last) => {
    let release = () => {}
    const held = new Promise<void>((resolve) => (release = resolve))
    let put = () => {}
    const came = new Promise<void>((resolve) => (put = resolve))
    const slow = await startTestService({
      put: (_receipt, keep) => {
        put()
        return held.then(keep)
      },
    })
    const raw = await openRaw(slow.port, rawChat(body))
    await came
    for (let turn = 0; turn < 20; turn++) await nextTurn()
    expect(raw.received()).not.toContain(last)
    release()
    await raw.until(last)
    expect(slow.receipts).toHaveLength(1)
    raw.socket.destroy()
    await slow.close()
  })

  test('a client that leaves meanwhile harms nobody', async () => {
    let release = () => {}
    const held = new Promise<void>((resolve) => (release = resolve))
    let put = () => {}
    const came = new Promise<void>((resolve) => (put = resolve))
    const slow = await startTestService({
      put: (_receipt, keep) => {
        put()
        return held.then(keep)
      },
    })
    const raw = await openRaw(slow.port, rawChat(chatBody('x')))
    await came
    raw.socket.destroy()
    await raw.closed
    for (let turn = 0; turn < 20; turn++) await nextTurn()
    release()
    await slow.settled(1)
    expect((await chat(slow, chatBody('y'))).status).toBe(200)
    await slow.close()
  })

  test.each([
    ['stream', STREAM],
    ['buffered answer', chatBody('x')],
    ['refusal', '[]'],
  ])('that fails, a %s does not look finished', async (_, body) => {
    const broken = await startTestService({ put: () => Promise.reject(new Error('disk full')) })
    const raw = await openRaw(broken.port, rawChat(body))
    await raw.closed
    expect(raw.received()).not.toContain('[DONE]')
    expect(raw.received()).not.toContain('"finish_reason":"stop"')
    expect(raw.received()).not.toMatch(/\r\n0\r\n\r\n$/)
    expect((await get(broken, '/health')).status).toBe(200)
    await broken.close()
  })
})
