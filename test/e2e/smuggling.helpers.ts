/** Chat requests with one thing wrong each, by what is wrong, and a service in front of a model that keeps every byte. */
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, beforeEach } from 'vitest'
import { openRaw } from '../harness/chat.ts'
import { bearer, startTestService } from '../harness/service.ts'
import type { TestService } from '../harness/service.ts'

export const CHAT = '/v1/chat/completions'
export const BODY = '{"messages":[]}'
export const LENGTH = `content-length: ${String(BODY.length)}`
export const AUTH = bearer().join(': ')
export const CHUNKS = `${BODY.length.toString(16)}\r\n${BODY}\r\n0\r\n\r\n`

/** A chat request as good as any, but for what is put in its place. */
export function post(...lines: readonly string[]): string {
  return [`POST ${CHAT} HTTP/1.1`, 'host: x', AUTH, ...lines].join('\r\n')
}

export const FRAMING: readonly (readonly [string, string])[] = [
  ['a length and chunks', post(LENGTH, 'transfer-encoding: chunked', '', CHUNKS)],
  ['chunks and a length', post('transfer-encoding: chunked', LENGTH, '', CHUNKS)],
  ['two lengths', post(LENGTH, 'content-length: 5', '', BODY)],
  ['the same length twice', post(LENGTH, LENGTH, '', BODY)],
  ['a list of lengths', post(`${LENGTH}, ${String(BODY.length)}`, '', BODY)],
  ['a length with a sign', post('content-length: +15', '', BODY)],
  ['a negative length', post('content-length: -1', '', BODY)],
  ['a hexadecimal length', post('content-length: 0xf', '', BODY)],
  ['an empty length', post('content-length: ', '', BODY)],
  ['a length beyond 64 bits', post('content-length: 18446744073709551631', '', BODY)],
  ['a coding nobody knows', post('transfer-encoding: xchunked', '', CHUNKS)],
  ['identity', post('transfer-encoding: identity', '', BODY)],
  ['chunked twice', post('transfer-encoding: chunked, chunked', '', CHUNKS)],
  ['chunked and then identity', post('transfer-encoding: chunked, identity', '', CHUNKS)],
  ['gzip and then chunked', post('transfer-encoding: gzip, chunked', '', CHUNKS)],
  [
    'two lines of codings',
    post('transfer-encoding: gzip', 'transfer-encoding: chunked', '', CHUNKS),
  ],
  [
    'two lines of chunked',
    post('transfer-encoding: chunked', 'transfer-encoding: chunked', '', CHUNKS),
  ],
  ['chunked in quotes', post('transfer-encoding: "chunked"', '', CHUNKS)],
  [
    'a trailer that states a length',
    post('transfer-encoding: chunked', '', '0\r\ncontent-length: 9\r\n\r\n'),
  ],
  [
    'chunks in HTTP/1.0',
    post('transfer-encoding: chunked', '', CHUNKS).replace('HTTP/1.1', 'HTTP/1.0'),
  ],
]

export const SYNTAX: readonly (readonly [string, string])[] = [
  ['a folded line', post('x: a', ' b', LENGTH, '', BODY)],
  ['chunked on a folded line', post('transfer-encoding:', ' chunked', '', CHUNKS)],
  ['a space before the first header', `POST ${CHAT} HTTP/1.1\r\n host: x\r\n${AUTH}\r\n\r\n`],
  ['a space before the colon', post(`content-length : ${String(BODY.length)}`, '', BODY)],
  ['a tab before the colon', post('transfer-encoding\t: chunked', '', CHUNKS)],
  ['a vertical tab in a value', post('transfer-encoding: \x0bchunked', '', CHUNKS)],
  ['a header without a name', post(': y', LENGTH, '', BODY)],
  ['a zero byte in a name', post('x\0: y', LENGTH, '', BODY)],
  ['a zero byte in a value', post('x: y\0z', LENGTH, '', BODY)],
  ['bare line feeds', post(LENGTH, '', BODY).replaceAll('\r\n', '\n')],
  ['one bare line feed', post(`x: y\n${LENGTH}`, '', BODY)],
  ['a bare line feed at the end of the headers', `${post(LENGTH)}\r\n\n${BODY}`],
  ['a bare carriage return', post(`x: y\r${LENGTH}`, '', BODY)],
  [
    'a chunk size that ends in a line feed',
    post('transfer-encoding: chunked', '', `f\n${BODY}\r\n0\r\n\r\n`),
  ],
  ['a negative chunk size', post('transfer-encoding: chunked', '', `-f\r\n${BODY}\r\n0\r\n\r\n`)],
  ['a hexadecimal prefix', post('transfer-encoding: chunked', '', `0xf\r\n${BODY}\r\n0\r\n\r\n`)],
  [
    'a space after a chunk size',
    post('transfer-encoding: chunked', '', `f \r\n${BODY}\r\n0\r\n\r\n`),
  ],
  [
    'a chunk size beyond 64 bits',
    post('transfer-encoding: chunked', '', `1000000000000000f\r\n${BODY}\r\n0\r\n\r\n`),
  ],
  [
    'a chunk longer than its size',
    post('transfer-encoding: chunked', '', `f\r\n${BODY}X\r\n0\r\n\r\n`),
  ],
  ['a chunk without its line end', post('transfer-encoding: chunked', '', `f\r\n${BODY}0\r\n\r\n`)],
  [
    'a broken chunk extension',
    post('transfer-encoding: chunked', '', `f;a=\n\r\n${BODY}\r\n0\r\n\r\n`),
  ],
  ['a version to come', post(LENGTH, '', BODY).replace('HTTP/1.1', 'HTTP/1.2')],
  ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ['HTTP/0.9', `GET ${CHAT}\r\n\r\n`],
  ['a method in lower case', post(LENGTH, '', BODY).replace('POST', 'post')],
]

export const TARGETS: readonly string[] = [
  `http://x${CHAT}`,
  `http://model.internal${CHAT}`,
  `https://x${CHAT}`,
  `@model.internal${CHAT}`,
  `//model.internal${CHAT}`,
  `/${CHAT}`,
  '/v1//chat/completions',
  '/v1/chat/completions//',
  '/v1/./chat/completions',
  '/v1/../v1/chat/completions',
  '/v1/%2e%2e/v1/chat/completions',
  '/v1/%2E/chat/completions',
  '/v1%2fchat/completions',
  '/v1%2Fchat%2Fcompletions',
  '/v1/chat%5Ccompletions',
  '/v1\\chat\\completions',
  '/v1/chat/completions%00',
  '/v1/chat/completions%',
  '/v1/chat/completions%zz',
  `${CHAT}#fragment`,
  `${CHAT}?a=b#fragment`,
  `${CHAT}\0`,
  `${CHAT}\x7f`,
  `${CHAT}\xe9`,
  'v1/chat/completions',
  '*',
  '?a=b',
]

export const ANSWER = '{"choices":[{"index":0,"message":{"content":"x"},"finish_reason":"stop"}]}'

export interface RecordingModel {
  readonly url: string
  /** Every byte that came, whatever it is. */
  arrived: string
  /** Milliseconds between a request and its answer. */
  holdMs: number
  close(): void
}

/** Answers whatever ends with BODY. */
async function startRecordingModel(): Promise<RecordingModel> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.on('data', (chunk) => {
      model.arrived += chunk.toString('latin1')
      if (!model.arrived.endsWith(BODY)) return
      const answer = `HTTP/1.1 200 OK\r\ncontent-length: ${String(ANSWER.length)}\r\n\r\n${ANSWER}`
      if (model.holdMs === 0) socket.write(answer)
      else setTimeout(() => socket.write(answer), model.holdMs)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const model: RecordingModel = {
    url: `http://127.0.0.1:${String(port)}`,
    arrived: '',
    holdMs: 0,
    close: () => server.close(),
  }
  return model
}

export interface Scene {
  readonly at: TestService
  readonly model: RecordingModel
  /** Sends the bytes and waits until the service closes the connection. */
  send(text: string): Promise<string>
}

/** Starts both before the tests of a file, empties the model's memory before each, and ends both after them. */
export function setScene(): Scene {
  let model: RecordingModel | null = null
  let at: TestService | null = null
  const there = <T>(value: T | null): T => {
    if (value === null) throw new Error('not started yet')
    return value
  }
  beforeAll(async () => {
    model = await startRecordingModel()
    at = await startTestService({ upstreams: [{ name: 'recording', url: model.url }] })
  })
  afterAll(async () => {
    await at?.close()
    model?.close()
  })
  beforeEach(() => {
    there(model).arrived = ''
    there(model).holdMs = 0
  })
  return {
    get at() {
      return there(at)
    },
    get model() {
      return there(model)
    },
    send: async (text) => {
      const raw = await openRaw(there(at).port, Buffer.from(text, 'latin1'))
      await raw.closed
      return raw.received()
    },
  }
}
