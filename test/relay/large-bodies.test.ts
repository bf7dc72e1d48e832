import { createHash } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, request as httpRequest } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { brotliCompressSync } from 'node:zlib'
import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, describe, expect, inject, test, vi } from 'vitest'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { isJsonObject, parseJsonText } from '../../attestation/protocol/json.ts'
import { requestMembers } from '../../attestation/protocol/request-members.ts'
import { ChatObserver } from '../../src/relay/chat-observer.ts'
import { createBodyReader } from '../../src/relay/large/body-reader.ts'
import { LARGE_BODY_BYTES, createGather } from '../../src/relay/large/gather.ts'
import { RELAY_ROUTES } from '../../src/relay/relay-routes.ts'
import { readRequest } from '../../src/relay/read-request.ts'
import type { RequestRules } from '../../src/relay/read-request.ts'
import { NO_REWRITES } from '../../src/relay/rewrite-request.ts'
import { chat, chatBody, errorCode, header } from '../harness/chat.ts'
import { bearer, startTestService } from '../harness/service.ts'
import type { TestService } from '../harness/service.ts'

const sha256 = (bytes: Uint8Array | string) =>
  `sha256:${createHash('sha256').update(bytes).digest('hex')}`

const RULES: RequestRules = {
  policy: { rejected: new Set(), stateful: 'refuse' },
  rewrites: NO_REWRITES,
}

describe('what gathers a body', () => {
  test('gives the bytes that came, however they were cut', () => {
    const size = fc.integer({ min: 0, max: 3 * LARGE_BODY_BYTES })
    fc.assert(
      fc.property(size, fc.array(size, { maxLength: 6 }), (length, cuts) => {
        const bytes = Buffer.from(Array.from({ length }, (_, i) => (i * 31) % 251))
        const edges = [0, ...cuts.filter((cut) => cut < length).sort((a, b) => a - b), length]
        const gather = createGather()
        edges.slice(1).forEach((edge, i) => gather.add(bytes.subarray(edges[i], edge)))
        expect(gather.length).toBe(length)
        const whole = gather.end()
        expect(whole.length).toBe(length)
        expect(whole.large).toBe(length >= LARGE_BODY_BYTES)
        expect(Buffer.concat(whole.large ? whole.pieces : [whole.bytes]).equals(bytes)).toBe(true)
      }),
      { numRuns: 200 },
    )
  })
})

describe('a large request', () => {
  let at: TestService
  beforeAll(async () => {
    at = await startTestService()
  })
  afterAll(() => at.close())

  const long = (bytes: number) => chatBody('x'.repeat(bytes))

  test('gets the receipt that the event loop would have made', async () => {
    const body = long(3 * LARGE_BODY_BYTES)
    const before = at.receipts.length
    const reply = await chat(at, body)
    expect(reply.status).toBe(200)
    await at.settled(before + 1)
    const receipt = at.receipts.at(-1)
    const parsed = parseJsonText(body)
    if (receipt === undefined || !parsed.ok || !isJsonObject(parsed.value)) throw new Error('none')
    const salt = Buffer.from(header(reply, 'x-countersign-opening'), 'hex')
    expect(receipt.record.members).toEqual(requestMembers(parsed.value, salt, nodeCrypto))
    expect(receipt.bodies.received).toBe(sha256(body))
    expect(receipt.bodies.forwarded).toBe(sha256(body))
    expect(at.model.requests.at(-1)?.body.toString()).toBe(body)
  })

  test('is refused for what a small one is refused for', async () => {
    const padding = `"x":"${'x'.repeat(LARGE_BODY_BYTES)}"`
    const cases = [
      [`{${padding}`, 'body_not_json'],
      [`[{${padding}}]`, 'body_not_object'],
      [`{"model":"demo",${padding},"x":1}`, 'body_duplicate_member'],
      [`{"model":"demo","y":"\\ud800",${padding}}`, 'body_ill_formed'],
      [`{"model":"other",${padding},"messages":[]}`, null],
    ] as const
    for (const [body, code] of cases) {
      const before = at.receipts.length
      const reply = await chat(at, body)
      if (code !== null) expect([reply.status, errorCode(reply)]).toEqual([400, code])
      await at.settled(before + 1)
      expect(at.receipts.at(-1)?.bodies.received).toBe(sha256(body))
    }
  })

  test('loses nothing when its client leaves while it is read', async () => {
    const body = long(4 * 1024 * 1024)
    const before = at.receipts.length
    for (let i = 0; i < 10; i++) {
      const req = httpRequest(`${at.url}/v1/chat/completions`, {
        method: 'POST',
        headers: { ...Object.fromEntries([bearer()]), 'content-length': body.length },
      })
      req.on('error', () => {})
      await new Promise<void>((resolve) => req.end(body, () => resolve()))
      await new Promise((resolve) => setTimeout(resolve, i))
      req.destroy()
    }
    await at.settled(before + 10)
    for (const { record } of at.receipts.slice(before)) {
      expect(['downstream_closed', 'complete']).toContain(record.outcome)
    }
  })

  test('takes no memory for what was only announced', async () => {
    const held = () => process.memoryUsage().arrayBuffers
    const before = held()
    const announced = 32 * 1024 * 1024
    const requests = Array.from({ length: 40 }, () => {
      const req = httpRequest(`${at.url}/v1/chat/completions`, {
        method: 'POST',
        agent: false,
        headers: { ...Object.fromEntries([bearer()]), 'content-length': announced },
      })
      req.on('error', () => {})
      req.write('{')
      return req
    })
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(held() - before).toBeLessThan(announced)
    for (const req of requests) req.destroy()
  })

  test('gives its memory back', async () => {
    const size = 4 * 1024 * 1024
    // Refused, because the demo model keeps what it was asked.
    const body = `{"x":"${'x'.repeat(size)}"`
    const before = process.memoryUsage().arrayBuffers
    for (let i = 0; i < 40; i++) await chat(at, body)
    // Collected when there is need: half of what came is already much.
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(20 * size)
  })

  test('does not hold up the event loop while it is read', async () => {
    const body = long(24 * 1024 * 1024)
    const delay = monitorEventLoopDelay({ resolution: 5 })
    // What the loop itself would take for it, here and now.
    const route = RELAY_ROUTES[0]
    if (route === undefined) throw new Error('no route')
    const started = performance.now()
    readRequest(Buffer.from(body), 'application/json', route, RULES)
    const inline = performance.now() - started
    const bodies = createBodyReader(new URL(inject('bodyWorker')))
    const gather = createGather()
    gather.add(Buffer.from(body))
    delay.enable()
    await new Promise((resolve) => setTimeout(resolve, 20))
    delay.reset()
    const whole = gather.end()
    if (!whole.large) throw new Error('not large')
    await bodies.request({
      kind: 'request',
      pieces: whole.pieces,
      contentType: '',
      endpoint: route.endpoint,
      rules: RULES,
      salt: new Uint8Array(32),
    }).members
    delay.disable()
    expect(delay.max / 1e6).toBeLessThan(Math.max(inline, 50))
    await bodies.close()
  })
})

describe('a large answer', () => {
  let at: TestService | null = null
  afterEach(() => at?.close())

  test('has the content digest of its text, and its usual receipt', async () => {
    const text = 'word '.repeat(LARGE_BODY_BYTES)
    const content = JSON.stringify({
      id: 'chatcmpl-large',
      object: 'chat.completion',
      created: 1,
      model: 'demo',
      choices: [{ index: 0, message: { role: 'assistant', content: text }, finish_reason: 'stop' }],
    })
    at = await startTestService({ model: { fixedBody: Buffer.from(content) } })
    const reply = await chat(at, chatBody('x'))
    expect(reply.body.toString()).toBe(content)
    await at.settled(1)
    const [receipt] = at.receipts
    expect(receipt?.record).toMatchObject({
      outcome: 'complete',
      chat_id: 'chatcmpl-large',
      content_kind: 'chat/v1',
      content_status: 'covered',
      finish_reasons: ['stop'],
      response_bytes: content.length,
    })
    expect(receipt?.bodies.returned).toBe(sha256(content))
  })
})

describe('an answer that is small until it is decoded', () => {
  test('is read by the thread too', async () => {
    // A thread that cannot be started shows who was asked to read.
    const folder = await mkdtemp(join(tmpdir(), 'countersign-test-'))
    const path = join(folder, 'none.mjs')
    await writeFile(path, 'throw new Error("no")')
    const text = brotliCompressSync(Buffer.from(JSON.stringify({ choices: ['a'.repeat(1 << 20)] })))
    expect(text.length).toBeLessThan(LARGE_BODY_BYTES)
    const model = createServer((req, res) => {
      req.resume().on('end', () => {
        res.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'br' })
        res.end(text)
      })
    })
    await new Promise<void>((resolve) => model.listen(0, '127.0.0.1', resolve))
    const address = model.address()
    if (address === null || typeof address === 'string') throw new Error('no port')
    const at = await startTestService({
      bodyWorker: pathToFileURL(path).href,
      upstreams: [{ name: 'br', url: `http://127.0.0.1:${address.port}` }],
    })
    expect(errorCode(await chat(at, chatBody('x')))).toBe('internal_error')
    await at.close()
    model.close()
    await rm(folder, { recursive: true })
  })
})

describe('a fault of ours in reading a stream', () => {
  test('costs the receipt its content; the stream goes on and nothing else ends', async () => {
    const spy = vi.spyOn(ChatObserver.prototype, 'canWait').mockImplementation(() => {
      throw new Error('a bug')
    })
    const at = await startTestService()
    const reply = await chat(at, chatBody('x', { stream: true }))
    spy.mockRestore()
    expect(reply.body.toString()).toContain('[DONE]')
    await at.settled(1)
    const [receipt] = at.receipts
    expect(receipt?.record).toMatchObject({ outcome: 'upstream_error', content_status: 'none' })
    expect(receipt?.bodies.returned).toBe(sha256(reply.body))
    expect((await chat(at, chatBody('x'))).status).toBe(200)
    await at.close()
  })
})

describe('a thread that breaks down', () => {
  let folder = ''
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'countersign-test-'))
  })
  afterAll(() => rm(folder, { recursive: true, force: true }))

  test.each([
    ['at its start', 'throw new Error("no")'],
    [
      'at a job',
      'import { parentPort } from "node:worker_threads"; parentPort.on("message", () => process.exit(3))',
    ],
  ])(
    '%s fails the one request, without a receipt of a body that nobody read',
    async (name, script) => {
      const path = join(folder, `${name.replaceAll(' ', '-')}.mjs`)
      await writeFile(path, script)
      const at = await startTestService({ bodyWorker: pathToFileURL(path).href })
      const reply = await chat(at, chatBody('x'.repeat(2 * LARGE_BODY_BYTES)))
      expect([reply.status, errorCode(reply)]).toEqual([500, 'internal_error'])
      // A receipt would say that the request was empty: SHA-256 of nothing is a claim like any other.
      expect(
        Object.keys(reply.headers).filter((header) => /receipt|res-key|opening/.test(header)),
      ).toEqual([])
      expect(at.model.requests).toHaveLength(0)
      expect((await chat(at, chatBody('small'))).status).toBe(200)
      await at.settled(1)
      expect(at.receipts.map(({ record }) => record.outcome)).toEqual(['complete'])
      await at.close()
    },
  )
})
