/** How each kind of answer ends, and what does not count as an end. */
import { connect } from 'node:net'
import { describe, expect, test } from 'vitest'
import { chat, errorCode } from '../harness/chat.ts'
import { MODEL, TOKENS, startTestService } from '../harness/service.ts'
import { BODIES, setScene } from './routes.helpers.ts'

const scene = setScene()
const { post, receipt } = scene

describe('endings', () => {
  const STREAMS = [
    ['/v1/completions', { stream: true }],
    ['/v1/messages', { stream: true }],
    ['/v1/responses', { stream: true }],
  ] as const

  test.each(STREAMS)('%s without its terminator is no complete answer', async (path, more) => {
    scene.at.model.faults.omitDone = true
    await post(path, more)
    const { record, whole } = await receipt()
    expect(record).toMatchObject({ outcome: 'upstream_error', status: 200 })
    expect(whole).toBe(true)
  })

  test.each(STREAMS)('%s cut at every phase is not complete', async (path, more) => {
    const full = await post(path, { ...more, temperature: 0 })
    for (const cut of [0, 40, full.body.length - 60, full.body.length - 1]) {
      scene.again()
      scene.at.model.faults.cutAfterBytes = cut
      await post(path, { ...more, temperature: 0 }).catch(() => undefined)
      const { record } = await receipt()
      expect([record.outcome, cut]).toEqual(['upstream_reset', cut])
      expect(record.response_bytes).toBeLessThanOrEqual(cut)
    }
  })

  test.each(STREAMS)('%s that the client leaves is given up upstream too', async (path, more) => {
    scene.at.model.faults.silenceAfterChunks = 3
    const left = new AbortController()
    const response = await fetch(`${scene.at.url}${path}`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        authorization: `Bearer ${TOKENS.alice}`,
      },
      body: JSON.stringify({ model: MODEL, ...BODIES[path], ...more }),
      signal: left.signal,
    })
    await (response.body as ReadableStream<Uint8Array> | null)?.getReader().read()
    left.abort()
    const { record, whole } = await receipt()
    expect([record.outcome, whole]).toEqual(['downstream_closed', false])
    expect(record.response_bytes).toBeGreaterThan(0)
    await scene.at.model.requests.at(-1)?.closed
    expect(scene.at.model.requests.at(-1)?.aborted).toBe(true)
  })

  test.each(STREAMS)(
    '%s split into single bytes is complete, and says the same',
    async (path, more) => {
      const greedy = { ...more, temperature: 0 }
      await post(path, greedy)
      const one = await receipt()
      scene.again()
      scene.at.model.faults.splitAt = 'every'
      await post(path, greedy)
      const other = await receipt()
      expect(other.record.outcome).toBe('complete')
      expect(other.record.finish_reasons).toEqual(one.record.finish_reasons)
      expect(other.record.content_status).toBe(one.record.content_status)
      expect(one.record.content_digest).not.toBeNull()
    },
  )

  test.each([
    ['/v1/completions', { prompt: '[[error]] a', stream: true }],
    ['/v1/completions', { prompt: '[[abort]] a', stream: true }],
    ['/v1/completions', { prompt: '[[abort]] a' }],
    ['/v1/messages', { messages: [{ role: 'user', content: '[[error]]' }], stream: true }],
    ['/v1/messages', { messages: [{ role: 'user', content: '[[abort]]' }], stream: true }],
    ['/v1/messages', { messages: [{ role: 'user', content: '[[abort]]' }] }],
    ['/v1/responses', { input: '[[error]]', stream: true }],
    ['/v1/responses', { input: '[[abort]]', stream: true }],
  ])('%s that the engine gave up is an error: %j', async (path, more) => {
    await post(path, more)
    expect((await receipt()).record.outcome).toBe('upstream_error')
  })

  test('a truncated response is complete, whichever event says so', async () => {
    for (const completedWhenIncomplete of [false, true]) {
      const quirky = await startTestService({
        model: { responsesQuirks: { completedWhenIncomplete } },
      })
      const body = { model: MODEL, input: 'hi', max_output_tokens: 2, stream: true }
      await chat(quirky, JSON.stringify(body), { path: '/v1/responses' })
      expect(quirky.receipts.at(-1)?.record).toMatchObject({
        outcome: 'complete',
        finish_reasons: ['incomplete'],
        content_status: 'covered',
      })
      await quirky.close()
    }
  })

  test('the terminator waits for the receipt', async () => {
    for (const [path, more] of STREAMS) {
      let release = () => undefined as void
      const held = new Promise<void>((resolve) => {
        release = resolve
      })
      const slow = await startTestService({
        put: async (_receipt, keep) => {
          await held
          keep()
        },
      })
      const body = JSON.stringify({ model: MODEL, ...BODIES[path], ...more })
      let text = ''
      const socket = connect(slow.port, '127.0.0.1')
      socket.on('data', (bytes) => (text += bytes.toString('latin1')))
      socket.write(
        `POST ${path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ${TOKENS.alice}\r\n` +
          `content-length: ${String(Buffer.byteLength(body))}\r\nconnection: close\r\n\r\n${body}`,
      )
      await new Promise((resolve) => setTimeout(resolve, 400))
      const last = /\[DONE\]|event: message_stop|event: response\.completed/
      expect(text).toContain('200 OK')
      expect(text).not.toMatch(last)
      release()
      await new Promise((resolve) => socket.once('close', resolve))
      expect(text).toMatch(last)
      await slow.close()
    }
  })

  test('a last event that takes its time is awaited, and one that never comes is no end', async () => {
    const body = { ...BODIES['/v1/responses'], temperature: 0, stream: true }
    const full = await post('/v1/responses', body)
    const start = full.body.lastIndexOf('event: response.completed')
    const slow = await startTestService({ model: { chunkDelayMs: 1 } })
    slow.model.faults.splitAt = 'every'
    await chat(slow, JSON.stringify({ model: MODEL, ...body }), { path: '/v1/responses' })
    expect(slow.receipts.at(-1)?.record.outcome).toBe('complete')
    await slow.close()
    scene.again()
    scene.at.model.faults.cutAfterBytes = start + 60
    await post('/v1/responses', body).catch(() => undefined)
    expect((await receipt()).record).toMatchObject({
      outcome: 'upstream_reset',
      finish_reasons: [null],
    })
  })

  test('an error in a body with status 200 is an error', async () => {
    scene.at.model.faults.status = { status: 200, body: '{"error":{"message":"no"}}' }
    for (const path of ['/v1/completions', '/v1/messages', '/v1/responses', '/v1/embeddings']) {
      scene.again()
      await post(path)
      expect((await receipt()).record.outcome).toBe('upstream_error')
    }
  })

  test('a body cut short is not complete on any route', async () => {
    for (const path of Object.keys(BODIES)) {
      scene.again()
      scene.at.model.faults.cutAfterBytes = 10
      const reply = await post(path)
      expect([reply.status, errorCode(reply)]).toEqual([502, 'upstream_reset'])
      expect((await receipt()).record.outcome).toBe('upstream_reset')
    }
  })

  test('usage of messages and responses stands in the record', async () => {
    for (const path of ['/v1/messages', '/v1/responses']) {
      for (const stream of [true, false]) {
        scene.again()
        const more = stream ? { stream } : {}
        await post(path, more)
        const { usage, chat_id: id } = (await receipt()).record
        expect(usage?.total_tokens).toBe(
          (usage?.prompt_tokens ?? 0) + (usage?.completion_tokens ?? 0),
        )
        expect(usage?.completion_tokens).toBeGreaterThan(0)
        expect(id).toMatch(/^(?:chatcmpl-|resp_)/)
      }
    }
  })
})
