/** What the local proxy lets through of an answer besides its bytes: neither status nor type nor a header by the word of whoever stands on the way. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ASK, openStage } from './client.helpers.ts'
import type { Stage } from './client.helpers.ts'
import { ask, meddling } from './proxy.helpers.ts'

let stage: Stage
beforeAll(async () => {
  stage = await openStage()
})
afterAll(async () => {
  await stage.close()
})

const asked = (path: string, body: object) => ({
  path,
  method: 'POST',
  body: JSON.stringify(body),
})

/** Of a route whose answers are compared by their bytes, and of one where by what they say. */
const SCORE = asked('/v1/score', { model: ASK.model, text_1: 'q', text_2: ['a'] })
const CHAT = asked('/v1/chat/completions', ASK)

test('genuine bytes under another status or type, or as a part, are not an answer', async () => {
  let status = 200
  let more: Readonly<Record<string, string>> = {}
  const { at, close } = await meddling(stage, async (answer, res) => {
    const headers = Object.fromEntries(answer.headers)
    delete headers['transfer-encoding']
    return res.writeHead(status, { ...headers, ...more }).end(Buffer.from(await answer.text()))
  })
  const said = () => ask(at, { 'content-type': 'application/json' }, SCORE)
  expect((await said()).headers).toMatchObject({ 'x-countersign-level': 'bytes' })
  for (status of [201, 203, 206, 226, 299]) {
    for (const call of [SCORE, CHAT]) {
      const { code } = await ask(at, { 'content-type': 'application/json' }, call)
      expect([status, code]).toEqual([status, 'answer_form_mismatch'])
    }
  }
  status = 200
  for (more of [
    { 'content-type': 'text/html' },
    { 'content-type': 'text/event-stream' },
    { 'content-type': 'application/json; charset=utf-7' },
    { 'content-range': 'bytes 0-9/10' },
  ]) {
    expect((await said()).code).toBe('answer_form_mismatch')
  }
  more = { 'content-type': 'application/json; charset=utf-8' }
  expect((await said()).status).toBe(200)
  await close()
})

test('of a verified answer the headers that clients read pass, and no other', async () => {
  const dropped = [
    ...['x-accel-redirect', 'x-sendfile', 'content-location', 'service-worker-allowed'],
    ...['sourcemap', 'nel', 'report-to', 'x-made-up', 'set-cookie', 'x-ratelimit'],
  ]
  const passed = ['x-ratelimit-remaining-tokens', 'openai-processing-ms', 'request-id']
  const { at, close } = await meddling(stage, async (answer, res) => {
    const headers = Object.fromEntries(answer.headers)
    delete headers['transfer-encoding']
    for (const name of [...dropped, ...passed]) headers[name] = '7'
    return res.writeHead(200, headers).end(Buffer.from(await answer.text()))
  })
  const { headers } = await ask(at)
  expect(headers['x-countersign-level']).toBe('bytes')
  for (const name of dropped) expect(headers).not.toHaveProperty(name)
  for (const name of passed) expect(headers).toHaveProperty(name, '7')
  expect(headers['x-receipt-id']).toMatch(/rcpt-/)
  await close()
})

test('the bytes of an error are the service’s, its type is not what stands between says', async () => {
  const { at, close } = await meddling(stage, async (answer, res) => {
    const headers = { ...Object.fromEntries(answer.headers), 'content-type': 'text/html' }
    return res.writeHead(answer.status, headers).end(Buffer.from(await answer.text()))
  })
  const unknown = { ...ASK, messages: 'none' }
  const said = await ask(at, {}, asked('/v1/chat/completions', unknown))
  expect([said.status, said.headers['content-type']]).toEqual([400, 'application/json'])
  await close()
})
