/** How streams that carry their receipt end: as they do for everybody, with a receipt where there is a terminator. */
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { chat, openRaw, rawChat } from '../harness/chat.ts'
import { startTestService } from '../harness/service.ts'
import { ASKED, CHUNK, STREAM, behind, digest, eventsOf, taken } from './inline.helpers.ts'
import { TIMED } from '../harness/timed.ts'

describe('a stream whose receipt was asked for', () => {
  test('with what follows a terminator: that is under the receipt, too', () =>
    behind(
      (_seen, response) => {
        response.setHeader('content-type', 'text/event-stream')
        response.end(`${CHUNK}data: [DONE]\n\n: bye`)
      },
      async (service) => {
        const reply = await chat(service, STREAM, { headers: ASKED })
        const { receipt, rest } = taken(reply.body)
        expect(rest.toString()).toBe(`${CHUNK}data: [DONE]\n\n: bye`)
        expect(eventsOf(receipt)).toContainEqual({
          type: 'response.returned',
          body_hash: digest(rest),
        })
      },
    ))

  test('whose terminator has no blank line ends as it does for everybody, receipt included', () =>
    behind(
      (_seen, response) => {
        response.setHeader('content-type', 'text/event-stream')
        response.end(`${CHUNK}data: [DONE]`)
      },
      async (service) => {
        const reply = await chat(service, STREAM, { headers: ASKED })
        const { receipt, rest } = taken(reply.body)
        expect(rest.toString()).toBe(`${CHUNK}data: [DONE]`)
        expect(receipt).not.toBeNull()
      },
    ))

  test('that stops in the middle of an event is not kept waiting for its rest', TIMED, () =>
    behind(
      async (_seen, response) => {
        response.setHeader('content-type', 'text/event-stream')
        response.write(CHUNK.slice(0, 20))
        await sleep(600)
        response.end(`${CHUNK.slice(20)}data: [DONE]\n\n`)
      },
      async (service) => {
        const raw = await openRaw(service.port, rawChat(STREAM, ['x-countersign-inline: receipt']))
        const started = performance.now()
        await raw.until(CHUNK.slice(0, 20))
        expect(performance.now() - started).toBeLessThan(550)
        await raw.until('[DONE]')
        raw.socket.destroy()
        // Where one event ends and the next begins was not followed any more: the receipt is to be fetched.
        expect(raw.received()).not.toContain('countersign-receipt')
      },
    ),
  )

  test('that lingers within something after its terminator ends with all that came', () =>
    behind(
      (_seen, response) => {
        response.setHeader('content-type', 'text/event-stream')
        response.write(`${CHUNK}data: [DONE]\n\n: by`)
      },
      async (service) => {
        const reply = await chat(service, STREAM, { headers: ASKED })
        const { receipt, rest } = taken(reply.body)
        expect(rest.toString()).toBe(`${CHUNK}data: [DONE]\n\n: by`)
        expect(eventsOf(receipt)).toContainEqual({
          type: 'response.returned',
          body_hash: digest(rest),
        })
      },
    ))

  test('whose client leaves within an event is settled once', () =>
    behind(
      async (_seen, response) => {
        response.setHeader('content-type', 'text/event-stream')
        response.write(CHUNK + CHUNK.slice(0, 20))
        await sleep(100)
        response.end(`${CHUNK.slice(20)}data: [DONE]\n\n`)
      },
      async (service) => {
        const raw = await openRaw(service.port, rawChat(STREAM, ['x-countersign-inline: receipt']))
        await raw.until(CHUNK)
        raw.socket.destroy()
        await service.settled(1)
        await sleep(400)
        expect(service.receipts).toHaveLength(1)
        const [{ record } = { record: null }] = service.receipts
        expect(record?.outcome).toBe('downstream_closed')
        expect(record?.response_bytes).toBe(CHUNK.length)
      },
    ))

  test('that never ends its terminator is cut as it is for everybody', () =>
    behind(
      (_seen, response) => {
        response.setHeader('content-type', 'text/event-stream')
        response.write(`${CHUNK}data: [DONE]`)
      },
      async (service) => {
        const reply = await chat(service, STREAM, { headers: ASKED })
        expect(reply.text).not.toContain('[DONE]')
        await service.settled(1)
        expect(service.receipts[0]?.record.outcome).toBe('upstream_error')
      },
    ))

  test('that breaks off, or is an error, carries none', async () => {
    const at = await startTestService()
    at.model.faults.resetAfterBytes = 400
    const broken = await chat(at, STREAM, { headers: ASKED })
    expect(broken.text).not.toContain('countersign-receipt')
    await at.close()
    await behind(
      (_seen, response) => {
        response.writeHead(500, { 'content-type': 'text/event-stream' })
        response.end('data: {"error":{}}\n\ndata: [DONE]\n\n')
      },
      async (service) => {
        const reply = await chat(service, STREAM, { headers: ASKED })
        expect(reply.text).not.toContain('countersign-receipt')
      },
    )
  })
})
