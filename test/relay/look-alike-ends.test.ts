/**
 * Streams that are over in the eyes of OpenAI's client and not by their API: when that client is through with one, without
 * an error or with one, the receipt is there. It says nothing more once it has read `[DONE]` with anything behind it, and
 * takes being told to stop for a good end.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { createGzip } from 'node:zlib'
import OpenAI from 'openai'
import type { ServerResponse } from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { chat, chatBody } from '../harness/chat.ts'
import { TOKENS, startTestService } from '../harness/service.ts'
import type { TestService } from '../harness/service.ts'
import { startUpstream } from '../harness/zg-upstream.ts'
import type { Upstream } from '../harness/zg-upstream.ts'

const event = (delta: object, reason: string | null = null) =>
  `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', model: 'm', choices: [{ index: 0, delta, finish_reason: reason }] })}\n\n`
const ANSWER = event({ role: 'assistant' }) + event({ content: 'Hi' }) + event({}, 'stop')

/** Milliseconds for which a user waits for the end of an answer. */
const PATIENCE_MS = 1_000

let script: (response: ServerResponse) => Promise<void> | void
let upstream: Upstream
let at: TestService
beforeAll(async () => {
  upstream = await startUpstream((_seen, response) => script(response))
  at = await startTestService({ upstreams: [{ name: 'odd', url: upstream.url }] })
})
afterAll(async () => {
  await at.close()
  await upstream.close()
})

/** Reads a stream as a user of the client does. @returns what came of it, and the receipts that were there at that moment */
async function read() {
  const before = at.receipts.length
  const client = new OpenAI({ baseURL: `${at.url}/v1`, apiKey: TOKENS.alice, maxRetries: 0 })
  let text = ''
  let thrown: unknown = null
  try {
    const stream = await client.chat.completions.create(
      { model: 'm', messages: [{ role: 'user', content: 'x' }], stream: true },
      { signal: AbortSignal.timeout(PATIENCE_MS) },
    )
    for await (const part of stream) text += part.choices[0]?.delta.content ?? ''
  } catch (error) {
    thrown = error
  }
  return { text, thrown, receipts: at.receipts.slice(before) }
}

describe('the openai client', () => {
  test.each([
    ['a word that begins with the terminator', 'data: [DONE]x\n\n'],
    ['a space behind it', 'data: [DONE] \n\n'],
    ['a second data line behind it', 'data: [DONE] \ndata: {}\n\n'],
    ['a byte-order mark before the line', '\ufeffdata: [DONE]\n\n'],
  ])('is not through with a stream before the receipt is kept: %s', async (_, last) => {
    script = async (response) => {
      response.setHeader('content-type', 'text/event-stream')
      response.write(ANSWER)
      await sleep(20)
      response.write(last)
      await sleep(2 * PATIENCE_MS)
      response.end()
    }
    const { receipts } = await read()
    expect(receipts).toHaveLength(1)
    expect(receipts[0]?.record).toMatchObject({ outcome: 'upstream_error' })
  })

  test('gets an error in place of a gzip stream, whose end nobody could see, and the receipt of it', async () => {
    script = async (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream', 'content-encoding': 'gzip' })
      const gzip = createGzip()
      gzip.pipe(response)
      gzip.write(`${ANSWER}data: [DONE]\n\n`)
      gzip.flush()
      await sleep(500)
      gzip.end()
    }
    const { text, thrown, receipts } = await read()
    expect(text).toBe('')
    expect(thrown).toMatchObject({ status: 502, code: 'upstream_invalid' })
    expect(receipts).toHaveLength(1)
    expect(receipts[0]?.record).toMatchObject({ outcome: 'upstream_error', status: 502 })
  })
})

describe('a stream that goes on behind a look-alike', () => {
  test('arrives byte for byte once the model has ended it, and is not called complete', async () => {
    const bytes = `${event({ content: 'Hi' })}data: [DONE]x\n\n${event({ content: '!' })}${event({}, 'stop')}data: [DONE]\n\n`
    script = async (response) => {
      response.setHeader('content-type', 'text/event-stream')
      for (const part of bytes.split(/(?<=\n\n)/)) {
        response.write(part)
        await sleep(5)
      }
      response.end()
    }
    const reply = await chat(at, chatBody('x', { stream: true }))
    expect(reply.whole).toBe(true)
    expect(reply.text).toBe(bytes)
    expect(at.receipts.at(-1)?.record).toMatchObject({
      outcome: 'upstream_error',
      content_status: 'none',
    })
  })

  test('is cut with the record of what was sent when it does not end soon', async () => {
    const sent = event({ content: 'Hi' })
    script = async (response) => {
      response.setHeader('content-type', 'text/event-stream')
      response.write(sent)
      await sleep(20)
      response.write('data: [DONE]x\n\n')
      await sleep(2_000)
      response.end()
    }
    const reply = await chat(at, chatBody('x', { stream: true }))
    expect(reply.whole).toBe(false)
    expect(reply.text).toBe(sent)
    expect(at.receipts.at(-1)?.record).toMatchObject({ outcome: 'upstream_error' })
  })
})
