/** What the local port is for, its limits, and what of it can be read in the log. */
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import Anthropic from '@anthropic-ai/sdk'
import { parsePassedRoute } from '../../src/client/proxy/find-route.ts'
import { canary, sightings } from '../harness/canary.ts'
import { TOKENS } from '../harness/service.ts'
import { ASK, openStage, readAll } from './client.helpers.ts'
import type { Stage } from './client.helpers.ts'
import { ask, hashOf, openProxy, run } from './proxy.helpers.ts'
import type { Said, TestProxy } from './proxy.helpers.ts'

let stage: Stage
let proxy: TestProxy
beforeAll(async () => {
  stage = await openStage()
  proxy = await openProxy(stage)
})
afterAll(async () => {
  await proxy.close()
  await stage.close()
})

describe('routes', () => {
  test('each operation of the verified fetch is served under both of its spellings', async () => {
    const direct = await openProxy(stage, { upstream: `${stage.at.url}/v1` })
    const texts = { model: ASK.model, input: 'x', query: 'x', documents: ['a', 'b'] }
    const bodies: Readonly<Record<string, object>> = {
      '/v1/chat/completions': ASK,
      '/chat/completions': ASK,
      '/v1/completions': { model: ASK.model, prompt: 'x' },
      '/v1/messages': { ...ASK, max_tokens: 8 },
      '/v1/messages/count_tokens': ASK,
      '/v1/responses': texts,
      '/v1/embeddings': texts,
      '/v1/rerank': texts,
      '/v2/rerank': texts,
      '/v1/score': { model: ASK.model, text_1: 'a', text_2: 'b' },
      '/v1/tokenize': { model: ASK.model, prompt: 'x' },
    }
    for (const [path, body] of Object.entries(bodies)) {
      const said = await ask(direct, {}, { path, body: JSON.stringify(body) })
      expect([path, said.status, said.headers['x-countersign-code']]).toEqual([path, 200, 'ok'])
    }
    const anthropic = new Anthropic({ baseURL: direct.url, apiKey: TOKENS.alice, maxRetries: 0 })
    const message = await anthropic.messages.create({
      model: ASK.model,
      messages: ASK.messages,
      max_tokens: 32,
    })
    expect(message.content.length).toBeGreaterThan(0)
    const stream = anthropic.messages.stream({
      model: ASK.model,
      messages: ASK.messages,
      max_tokens: 32,
    })
    expect((await stream.finalMessage()).stop_reason).not.toBeNull()
    await direct.close()
  })

  test('a form goes through with its boundary, and its answer is compared by its bytes', async () => {
    const direct = await openProxy(stage, { upstream: `${stage.at.url}/v1` })
    const said = await run('curl', [
      ...['-sS', '-m', '10', '-D', '-', '-H', `Authorization: Bearer ${TOKENS.alice}`],
      ...['-F', `model=${ASK.model}`, '-F', 'file=@-;filename=a.wav;type=audio/wav'],
      `${direct.url}/v1/audio/transcriptions`,
    ])
    expect(said.out).toMatch(/x-countersign-level: bytes/i)
    expect(said.out).toContain('"text"')
    await direct.close()
  })

  test('where bytes are asked for, an answer that a broker wrote anew is refused', async () => {
    const direct = await openProxy(stage, { upstream: `${stage.at.url}/v1`, level: 'bytes' })
    const through = await openProxy(stage, { level: 'bytes' })
    for (const stream of [false, true]) {
      const body = JSON.stringify({ ...ASK, stream })
      expect((await ask(direct, {}, { body })).status).toBe(200)
      await ask(through, {}, { body }).catch(() => null)
      expect(through.last()).toMatchObject({ ending: 'refused', code: 'request_hash_mismatch' })
    }
    expect(direct.last()).toMatchObject({ ending: 'verified', shown: 'bytes' })
    // The verified fetch asks for receipts inside the answers; who uses the port did not.
    const plain = await ask(direct)
    expect(plain.headers['x-countersign-receipt']).toBeUndefined()
    const events = await ask(direct, {}, { body: JSON.stringify({ ...ASK, stream: true }) })
    expect(events.text).not.toContain(': countersign-receipt')
    await direct.close()
    await through.close()
  })

  test.each([
    ['GET', '/v1/models'],
    ['GET', '/v1/chat/completions'],
    ['DELETE', '/v1/responses'],
    ['POST', '/v1/files'],
    ['POST', '/v1/evil/chat/completions'],
    ['POST', '/v1/chat/completions/'],
    ['POST', '/v1/../v1/chat/completions'],
    ['POST', '/v1/%63hat/completions'],
    ['POST', '/v1//chat/completions'],
  ])('%s %s is refused, and nothing is sent', async (method, path) => {
    const before = stage.broker.requests.length
    const said = await ask(proxy, {}, { method, path })
    expect([said.status, said.code]).toEqual([403, 'route_unverified'])
    expect(proxy.last()).toMatchObject({ ending: 'refused', code: 'route_unverified' })
    expect(stage.broker.requests.length).toBe(before)
  })

  test('a route that was named passes, and is said to be unverified', async () => {
    const named = parsePassedRoute('GET /v1/models')
    if (named === null) throw new Error('no route')
    const open = await openProxy(stage, { upstream: `${stage.at.url}/v1`, passed: [named] })
    const said = await ask(open, {}, { method: 'GET', path: '/v1/models' })
    expect(JSON.parse(said.text)).toMatchObject({ object: 'list' })
    expect(said.headers['x-countersign-level']).toBe('none')
    // What the service allows pages is not for this port.
    expect(said.headers['access-control-allow-origin']).toBeUndefined()
    expect((await ask(open, {}, { method: 'GET', path: '/v1/models/x' })).code).toBe(
      'route_unverified',
    )
    await open.close()
  })

  test.each([
    'POST /v1/chat/completions',
    'POST /v1/*',
    'POST /chat/*',
    'POST /v1/proxy/*',
    'POST /v1/proxy/chat/completions',
    'POST /proxy/chat/completions',
    'POST /v1/files/*',
    'v1/models',
    'GET /v1/../admin',
    'GET /v1/%2e%2e/admin',
    'GET /*',
    'GET /v1/models?x=1',
  ])('%s is not a route that may be named', (text) => {
    expect(parsePassedRoute(text)).toBeNull()
  })
})

describe('limits', () => {
  test('a body that is too long, or does not come, is refused', async () => {
    const small = await openProxy(stage, { limits: { requestBodyBytes: 64, requestBodyMs: 300 } })
    expect(await ask(small)).toMatchObject({ status: 413, code: 'request_too_large' })
    const text = await new Promise<string>((resolve) => {
      let got = ''
      const socket = connect(small.port, '127.0.0.1', () =>
        socket.write(
          `POST /v1/chat/completions HTTP/1.1\r\nHost: localhost:${String(small.port)}\r\nContent-Length: 50\r\n\r\n{`,
        ),
      )
      socket.on('data', (part) => (got += part.toString()))
      socket.on('close', () => resolve(got))
    })
    expect(text).toContain('request_timeout')
    await small.close()
  })

  test('more requests than may be open are turned away', async () => {
    const narrow = await openProxy(stage, { limits: { openRequests: 1 } })
    let go = () => {}
    stage.at.model.faults.holdUntil = new Promise<void>((resolve) => (go = resolve))
    const first = ask(narrow)
    await expect.poll(() => stage.at.model.requests.length).toBeGreaterThan(0)
    await expect.poll(async () => (await ask(narrow)).code).toBe('proxy_overloaded')
    delete stage.at.model.faults.holdUntil
    go()
    expect((await first).status).toBe(200)
    await narrow.close()
  })

  test('a service that is not there, silent or breaks off is told apart', async () => {
    const gone = await openProxy(stage, { upstream: 'http://127.0.0.1:9/v1' })
    expect(await ask(gone)).toMatchObject({ status: 502, code: 'attestation_unavailable' })
    await gone.close()
    const hasty = await openProxy(stage, { limits: { upstreamHeadersMs: 300 } })
    let go = () => {}
    stage.at.model.faults.holdUntil = new Promise<void>((resolve) => (go = resolve))
    expect(await ask(hasty)).toMatchObject({ status: 504, code: 'service_timeout' })
    delete stage.at.model.faults.holdUntil
    go()
    await hasty.close()
  })
})

test('a client that leaves takes its request to the service with it', async () => {
  // An answer that could end by itself might be over before the client leaves.
  stage.at.model.faults.silenceAfterChunks = 3
  const before = stage.broker.requests.length
  const left = new AbortController()
  const stream = await proxy.openai.chat.completions.create(
    { ...ASK, messages: [{ role: 'user', content: '[[tokens=4000]]' }], stream: true },
    { signal: left.signal },
  )
  for await (const chunk of stream) {
    expect(chunk.object).toBe('chat.completion.chunk')
    left.abort()
  }
  const exchange = () =>
    stage.broker.requests.slice(before).find(({ route }) => route === 'completion')
  await expect.poll(() => exchange()?.clientLeft).toBe(true)
  await expect.poll(() => proxy.last()).toMatchObject({ ending: 'client_left' })
  delete stage.at.model.faults.silenceAfterChunks
})

test('closing refuses what is new and finishes what is open', async () => {
  const leaving = await openProxy(stage)
  await ask(leaving)
  let go = () => {}
  const seen = stage.at.model.requests.length
  stage.at.model.faults.holdUntil = new Promise<void>((resolve) => (go = resolve))
  const open = ask(leaving, { connection: 'keep-alive' })
  await expect.poll(() => stage.at.model.requests.length).toBeGreaterThan(seen)
  const closed = leaving.close()
  await expect(ask(leaving)).rejects.toThrow('ECONNREFUSED')
  delete stage.at.model.faults.holdUntil
  go()
  const said = await open
  expect([said.status, said.headers.connection]).toEqual([200, 'close'])
  await closed
})

test('nothing of prompts, answers and keys is in its log or in its errors', async () => {
  const prompt = 'vermilion-prompt-7731 mit Grüßen'
  const quiet = await openProxy(stage, { tokenHash: hashOf('own-token-7731'), key: TOKENS.alice })
  const mine = { authorization: 'Bearer own-token-7731' }
  const body = JSON.stringify({ ...ASK, messages: [{ role: 'user', content: prompt }] })
  const errors: string[] = []
  const answer = await ask(quiet, mine, { body })
  const said = /"content":"([^"]{12,})"/.exec(answer.text)?.[1] ?? ''
  const keep = (reply: Said) => {
    expect(reply.status).toBeGreaterThanOrEqual(400)
    errors.push(reply.text, JSON.stringify(reply.headers))
  }
  Object.assign(stage.broker.hostile, { swapAnswer: `Buy ${prompt}` })
  keep(await ask(quiet, mine, { body }))
  await readAll(
    await quiet.openai.chat.completions.create(
      { ...ASK, messages: [{ role: 'user', content: prompt }], stream: true },
      { headers: { authorization: mine.authorization } },
    ),
  ).catch(() => null)
  Object.assign(stage.broker.hostile, { swapAnswer: undefined })
  keep(await ask(quiet, mine, { body, path: `/v1/${encodeURIComponent(prompt)}` }))
  keep(await ask(quiet, { ...mine, host: 'vermilion-prompt-7731.example' }, { body }))
  keep(await ask(quiet, { authorization: 'Bearer wrong-token-7731' }, { body }))
  const secrets = [
    canary('prompt', prompt),
    canary('prompt in part', 'vermilion-prompt-7731'),
    canary('answer', said),
    canary('key', TOKENS.alice),
    canary('token', 'own-token-7731'),
    canary('wrong token', 'wrong-token-7731'),
    canary('receipt', String(answer.headers['x-receipt-id'])),
  ]
  const log = JSON.stringify(quiet.log)
  expect(quiet.log.length).toBeGreaterThan(5)
  expect(sightings(log, secrets)).toEqual([])
  expect(sightings(errors.join('\n'), secrets.slice(0, -1))).toEqual([])
  await quiet.close()
})
