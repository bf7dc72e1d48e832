/**
 * Requests that two readers would take for different ones: each is refused by name, and not a byte of it reaches the
 * model. What HTTP allows, though it is odd, arrives there as one request with one length.
 */
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo, Server } from 'node:net'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { errorCode, get, openRaw } from '../harness/chat.ts'
import { bearer, startTestService } from '../harness/service.ts'
import type { TestService } from '../harness/service.ts'
import { startUpstream } from '../harness/zg-upstream.ts'
import {
  AUTH,
  BODY,
  CHAT,
  CHUNKS,
  FRAMING,
  LENGTH,
  SYNTAX,
  TARGETS,
  post,
} from './smuggling.helpers.ts'

const ANSWER = '{"choices":[{"index":0,"message":{"content":"x"},"finish_reason":"stop"}]}'
/** Milliseconds that the model takes for an answer where time counts. */
const HOLD_MS = 60
let holdMs = 0

/** Every byte that came to the model, whatever it is. */
let arrived = ''
let model: Server
let at: TestService
beforeAll(async () => {
  model = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.on('data', (chunk) => {
      arrived += chunk.toString('latin1')
      if (!arrived.endsWith(BODY)) return
      const answer = `HTTP/1.1 200 OK\r\ncontent-length: ${String(ANSWER.length)}\r\n\r\n${ANSWER}`
      if (holdMs === 0) socket.write(answer)
      else setTimeout(() => socket.write(answer), holdMs)
    })
  })
  model.listen(0, '127.0.0.1')
  await once(model, 'listening')
  const { port } = model.address() as AddressInfo
  at = await startTestService({
    upstreams: [{ name: 'recording', url: `http://127.0.0.1:${String(port)}` }],
  })
})
afterAll(async () => {
  await at.close()
  model.close()
})
beforeEach(() => {
  arrived = ''
})

/** Sends the bytes and waits until the service closes the connection. */
async function send(text: string): Promise<string> {
  const raw = await openRaw(at.port, Buffer.from(text, 'latin1'))
  await raw.closed
  return raw.received()
}

function codeOf(answer: string): unknown {
  return errorCode({ body: Buffer.from(answer.slice(answer.indexOf('\r\n\r\n') + 4)) })
}

async function expectRefusal(text: string, status: number, code: string) {
  const answer = await send(text)
  expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${String(status)} `))
  expect(codeOf(answer)).toBe(code)
  expect(answer.match(/^connection: close\r$/gim)).toHaveLength(1)
  expect(answer.match(/HTTP\/1\.1 \d/g)).toHaveLength(1)
  // The model is asked for something by another connection: had anything been forwarded, it would be there by now.
  expect((await get(at, '/health')).status).toBe(200)
  expect(arrived).toBe('')
}

describe('refused, and not a byte forwarded:', () => {
  test.each(FRAMING)('%s', async (_, text) => {
    await expectRefusal(text, 400, 'ambiguous_framing')
  })

  test.each(SYNTAX)('%s', async (_, text) => {
    await expectRefusal(text, 400, 'malformed_http')
  })

  test.each(TARGETS)('the target %j', async (target) => {
    await expectRefusal(post(LENGTH, '', BODY).replace(CHAT, target), 400, 'invalid_target')
  })

  test('the target of a tunnel', async () => {
    await expectRefusal(
      `CONNECT 127.0.0.1:80 HTTP/1.1\r\nhost: x\r\n${AUTH}\r\n\r\n`,
      400,
      'invalid_target',
    )
  })

  test.each(['/attestation', '/v1/aci/attestation', '/health'])(
    'the control plane by another spelling of %s',
    async (path) => {
      for (const target of [
        `http://x${path}`,
        `/${path}`,
        `/.${path}`,
        `/%2e${path}`,
        `${path}#`,
      ]) {
        await expectRefusal(`GET ${target} HTTP/1.1\r\nhost: x\r\n\r\n`, 400, 'invalid_target')
      }
    },
  )

  test.each([
    ['no host', 'x: y'],
    ['two hosts', 'host: x\r\nhost: y'],
    ['the same host twice', 'host: x\r\nHost: x'],
  ])('%s', async (_, host) => {
    await expectRefusal(post(LENGTH, '', BODY).replace('host: x', host), 400, 'invalid_host')
  })

  test.each(['200-ok', 'x', ''])(
    'the expectation %j, in our shape and not in node’s',
    async (value) => {
      const text = post(`expect: ${value}`, LENGTH, '', BODY)
      await expectRefusal(text, 417, 'expectation_unsupported')
      expect(await send(text)).toContain('X-ACI-Version: aci/1')
      await expectRefusal(text.replace('host: x', 'x: y'), 400, 'invalid_host')
    },
  )

  test.each([
    ['two credentials', bearer('bob').join(': ')],
    ['the same credential twice', AUTH],
    ['two types', 'content-type: a/b\r\ncontent-type: application/json'],
  ])('%s', async (_, line) => {
    await expectRefusal(post(line, LENGTH, '', BODY), 400, 'duplicate_header')
  })

  test.each([
    ['a hundred header lines too many', Array.from({ length: 101 }, (_, i) => `x${String(i)}: y`)],
    [
      'three thousand, the last of which counts',
      [...Array<string>(3000).fill('a:'), 'content-encoding: gzip'],
    ],
    ['headers of 17 KB', [`x: ${'y'.repeat(17 * 1024)}`]],
    ['headers without an end', [`x: ${'y'.repeat(1024 * 1024)}`]],
  ])('%s', async (_, lines) => {
    await expectRefusal(post(...lines, LENGTH, '', BODY), 431, 'headers_too_large')
  })
})

describe('a second request on the connection', () => {
  const one = post(LENGTH, '', BODY)
  const forwarded = () => arrived.match(/POST /g)?.length ?? 0

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
    expect((await get(at, '/health')).status).toBe(200)
    expect(arrived).toBe('')
  })

  test('sent before the first was answered is refused by name and not forwarded', async () => {
    const answer = await send(one + one)
    expect(answer).toContain('pipelining_unsupported')
    expect(forwarded()).toBe(1)
    arrived = ''
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
        arrived = ''
        holdMs = pause === null ? 0 : HOLD_MS
        const settled = at.receipts.length
        const raw = await openRaw(at.port, Buffer.from(pause === null ? first + rest : first))
        if (pause !== null) {
          await sleep(pause)
          for (const piece of rest.match(/[^]{1,9}/g) ?? []) {
            raw.socket.write(piece, 'latin1')
          }
        }
        await raw.closed
        holdMs = 0
        const answers = raw.received().split(/(?=HTTP\/1\.1 \d)/)
        expect(answers[0]).toMatch(/^HTTP\/1\.1 200 /)
        expect(answers[0]).toContain(ANSWER)
        // What comes when the first has been answered is an error of its own.
        if (pause === null || pause < HOLD_MS) expect(answers).toHaveLength(1)
        await at.settled(settled + 1)
        expect(at.receipts).toHaveLength(settled + 1)
        expect(at.receipts.at(-1)?.record).toMatchObject({ outcome: 'complete', status: 200 })
        expect(forwarded()).toBe(1)
        expect(arrived).not.toContain('GARBAGE')
      }
    },
  )

  test('that is none takes nothing from a stream in progress', async () => {
    const model = { index: 0, delta: { content: 'x' }, finish_reason: 'stop' }
    const events = [`data: ${JSON.stringify({ choices: [model] })}\n\n`, 'data: [DONE]\n\n']
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
    holdMs = 10 * HOLD_MS
    const settled = at.receipts.length
    const raw = await openRaw(at.port, Buffer.from(one))
    await sleep(HOLD_MS)
    raw.socket.write(rest)
    await raw.closed
    await at.settled(settled + 1)
    holdMs = 0
    expect(raw.received()).toBe('')
    expect(at.receipts.at(-1)?.record.outcome).toBe('downstream_closed')
  })

  test('that is none does not hide that the client has left', async () => {
    holdMs = 10 * HOLD_MS
    const settled = at.receipts.length
    const raw = await openRaw(at.port, Buffer.from(`${one}GARBAGE\r\n\r\n`))
    await sleep(HOLD_MS)
    raw.socket.end()
    await raw.closed
    await at.settled(settled + 1)
    holdMs = 0
    expect(at.receipts.at(-1)?.record.outcome).toBe('downstream_closed')
  })
})

describe('odd, but one request for every reader: forwarded with one length and no trace of how it came', () => {
  test.each([
    ['chunks', post('transfer-encoding: chunked', '', CHUNKS)],
    ['chunks in mixed case', post('Transfer-Encoding: ChunKed', '', CHUNKS)],
    [
      'chunk extensions and a trailer',
      post(
        'transfer-encoding: chunked',
        '',
        `f;a=b;c="d"\r\n${BODY}\r\n0;e\r\nx-trailer: y\r\n\r\n`,
      ),
    ],
    ['a length with zeros in front', post(`content-length: 00${String(BODY.length)}`, '', BODY)],
    ['a length with space behind', post(`${LENGTH}  `, '', BODY)],
    [
      'names that some take for others',
      post('transfer_encoding: chunked', 'content_length: 3', LENGTH, '', BODY),
    ],
    [
      'hop-by-hop names of headers that count',
      post('connection: content-length, authorization', LENGTH, '', BODY),
    ],
    ['empty lines in front', `\r\n\r\n${post(LENGTH, '', BODY)}`],
    [
      'headers for proxies',
      post(
        'x-forwarded-host: evil',
        'forwarded: host=evil',
        'via: 1.1 x',
        'x-original-url: /admin',
        LENGTH,
        '',
        BODY,
      ),
    ],
  ])('%s', async (_, text) => {
    const raw = await openRaw(at.port, Buffer.from(text, 'latin1'))
    await raw.until(ANSWER)
    raw.socket.destroy()
    const [head = '', ...rest] = arrived.split('\r\n\r\n')
    expect(rest).toEqual([BODY])
    const [line, ...fields] = head.split('\r\n')
    expect(line).toBe(`POST ${CHAT} HTTP/1.1`)
    expect(
      fields.map((field) => field.slice(0, field.indexOf(':')).toLowerCase()).toSorted(),
    ).toEqual(['accept', 'connection', 'content-length', 'content-type', 'host', 'x-request-id'])
    expect(fields).toContain(LENGTH)
  })

  test('a query is forwarded as it came', async () => {
    const query = '?a=%2e%2e%2f%00&b=//x/../y&c=@z&d=%0d%0aHost:%20evil'
    const raw = await openRaw(
      at.port,
      Buffer.from(post(LENGTH, '', BODY).replace(CHAT, CHAT + query)),
    )
    await raw.until(ANSWER)
    raw.socket.destroy()
    expect(arrived.split('\r\n')[0]).toBe(`POST ${CHAT}${query} HTTP/1.1`)
  })
})
