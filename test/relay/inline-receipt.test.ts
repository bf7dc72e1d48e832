/** A receipt inside the answer it is about: where it stands, what it is over, and that nobody else's bytes change by it. */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { inlineComments } from '../../src/relay/inline-receipt.ts'
import { chat, chatBody, get, header, jsonObject, openRaw, rawChat } from '../harness/chat.ts'
import { startTestService } from '../harness/service.ts'
import type { TestService } from '../harness/service.ts'
import { ASKED, CHUNK, COMMENT, STREAM, behind, digest, eventsOf, taken } from './inline.helpers.ts'

let at: TestService
beforeAll(async () => {
  at = await startTestService()
})
afterAll(() => at.close())
afterEach(() => {
  for (const name of Object.keys(at.model.faults)) {
    Object.assign(at.model.faults, { [name]: undefined })
  }
})

describe('a stream whose receipt was asked for', () => {
  test.each([
    ['as the model sends it', {}],
    ['cut at every byte', { splitAt: 'every' }],
    ['in pieces of 40 bytes with CRLF', { splitAt: 40, crlf: true }],
  ])('has it right before its terminator, over all other bytes: %s', async (_name, faults) => {
    Object.assign(at.model.faults, faults)
    const reply = await chat(at, STREAM, { headers: ASKED })
    expect(reply.text).toMatch(
      /\n\r?\n: countersign-receipt 1\/1 [\w-]+\n\ndata: \[DONE\]\r?\n\r?\n$/,
    )
    const { receipt, rest } = taken(reply.body)
    expect(rest.toString()).toBe(reply.text.replace(COMMENT, ''))
    const served = await get(at, `/v1/aci/receipts/${header(reply, 'x-receipt-id')}`, {
      who: 'alice',
    })
    expect(receipt).toBe(served.text)
    expect(eventsOf(receipt)).toMatchObject([
      { type: 'request.received', body_hash: digest(Buffer.from(STREAM)) },
      { type: 'request.forwarded' },
      { type: 'response.returned', body_hash: digest(rest) },
      { outcome: 'complete', response_bytes: rest.length },
    ])
    Object.assign(at.model.faults, { splitAt: undefined })
  })

  test('has it in one write with the terminator', async () => {
    const raw = await openRaw(at.port, rawChat(STREAM, ['x-countersign-inline: receipt']))
    await raw.until('0\r\n\r\n')
    raw.socket.destroy()
    const last = raw.received().split('\r\n').at(-4) ?? ''
    expect(last).toMatch(/^: countersign-receipt 1\/1 [\w-]+\n\ndata: \[DONE\]\n\n$/)
  })

  test('is byte for byte what the model sent where nobody asked, or asked for something else', async () => {
    const shape = (text: string) => text.replace(/"id": ?"[^"]*"|"created": ?\d+/g, '')
    const asked = await chat(at, STREAM, { headers: ASKED })
    for (const headers of [[], [['x-countersign-inline', 'Receipt, please']]] as const) {
      const plain = await chat(at, STREAM, { headers })
      expect(plain.text).not.toContain('countersign')
      expect(shape(plain.text)).toBe(shape(asked.text.replace(COMMENT, '')))
      expect(taken(plain.body)).toEqual({ receipt: null, rest: plain.body })
    }
  })

  test('carries the view alone under a relay principal, and never an opening', async () => {
    const reply = await chat(at, STREAM, { who: 'broker', headers: ASKED })
    const { receipt } = taken(reply.body)
    expect(eventsOf(receipt)).toMatchObject([{ type: 'countersign.record' }])
    const served = await get(at, `/v1/aci/receipts/${header(reply, 'x-receipt-id')}`)
    expect(receipt).toBe(served.text)
    expect(receipt).not.toContain(header(reply, 'x-countersign-opening'))
  })

  test('carries the full receipt where the user keeps it for itself: the answer goes to who sent the hash', async () => {
    const owner = ['x-countersign-owner', 'ab'.repeat(32)] as const
    const own = taken((await chat(at, STREAM, { headers: [...ASKED, owner] })).body)
    expect(eventsOf(own.receipt)).toHaveLength(4)
    const relayed = await chat(at, STREAM, { who: 'broker', headers: [...ASKED, owner] })
    expect(eventsOf(taken(relayed.body).receipt)).toHaveLength(1)
  })

  test('waits for the store, and carries nothing that the store did not take', async () => {
    let fails = false
    const stored: string[] = []
    const service = await startTestService({
      put: async ({ record }, keep) => {
        await sleep(30)
        if (fails) throw new Error('the disk is full')
        keep()
        stored.push(record.receipt_id)
      },
    })
    const kept = await chat(service, STREAM, { headers: ASKED })
    expect(jsonObject(taken(kept.body).receipt ?? '')['receipt_id']).toBe(stored[0])
    fails = true
    const lost = await chat(service, STREAM, { headers: ASKED })
    expect(lost.text).not.toContain('countersign-receipt')
    expect(lost.text).not.toContain('[DONE]')
    await service.close()
  })

  test('is kept alive between its events and never within one', () =>
    behind(
      async (_seen, response) => {
        response.setHeader('content-type', 'text/event-stream')
        response.write(CHUNK)
        for (const byte of CHUNK.slice(0, 13)) {
          response.write(byte)
          await sleep(100)
        }
        response.end(`${CHUNK.slice(13)}data: [DONE]\n\n`)
      },
      async (service) => {
        const reply = await chat(service, STREAM, { headers: ASKED })
        const { receipt, rest } = taken(reply.body)
        expect(rest.toString()).toMatch(/\n\n(?:: keep-alive\n\n)+data: \{/)
        expect(rest.toString().replaceAll(': keep-alive\n\n', '')).toBe(
          `${CHUNK}${CHUNK}data: [DONE]\n\n`,
        )
        expect(eventsOf(receipt)).toContainEqual({
          type: 'response.returned',
          body_hash: digest(rest),
        })
      },
      { rewrites: { keep_alive_ms: 1000 } },
    ))

  test.each([
    ['/v1/messages', { max_tokens: 4 }, /\n\n: countersign-receipt .*\n\nevent: message_stop\n/],
    ['/v1/completions', { prompt: 'x' }, /\n\n: countersign-receipt .*\n\ndata: \[DONE\]\n/],
    [
      '/v1/responses',
      { input: 'x' },
      /\n\n: countersign-receipt .*\n\nevent: response.completed\n/,
    ],
  ])('has it before the last event of %s', async (path, more, place) => {
    const reply = await chat(at, chatBody('x', { stream: true, ...more }), { path, headers: ASKED })
    expect(reply.text).toMatch(place)
    const { receipt, rest } = taken(reply.body)
    expect(eventsOf(receipt)).toContainEqual({
      type: 'response.returned',
      body_hash: digest(rest),
    })
  })
})

test('a receipt that is longer than one line takes several', async () => {
  const members = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`member_${i}`, i]))
  const streamed = await chat(at, chatBody('x', { ...members, stream: true }), { headers: ASKED })
  expect(streamed.text).toMatch(/: countersign-receipt 1\/3 .{4096}\n: countersign-receipt 2\/3 /)
  const { receipt, rest } = taken(streamed.body)
  expect(eventsOf(receipt)).toContainEqual({
    type: 'response.returned',
    body_hash: digest(rest),
  })
})

test('a receipt that is longer than a stream may carry is not put into it', () => {
  expect(inlineComments('x'.repeat(64 * 1024)).length).toBeGreaterThan(64 * 1024)
  expect(inlineComments('x'.repeat(64 * 1024 + 1)).length).toBe(0)
})
