/**
 * Requests that two readers would take for different ones: each is refused by name, and not a byte of it reaches the
 * model. What HTTP allows, though it is odd, arrives there as one request with one length.
 */
import { describe, expect, test } from 'vitest'
import { errorCode, get, openRaw } from '../harness/chat.ts'
import { bearer } from '../harness/service.ts'
import {
  ANSWER,
  AUTH,
  BODY,
  CHAT,
  CHUNKS,
  FRAMING,
  LENGTH,
  SYNTAX,
  TARGETS,
  post,
  setScene,
} from './smuggling.helpers.ts'

const scene = setScene()
const { send } = scene

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
  expect((await get(scene.at, '/health')).status).toBe(200)
  expect(scene.model.arrived).toBe('')
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
    const raw = await openRaw(scene.at.port, Buffer.from(text, 'latin1'))
    await raw.until(ANSWER)
    raw.socket.destroy()
    const [head = '', ...rest] = scene.model.arrived.split('\r\n\r\n')
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
      scene.at.port,
      Buffer.from(post(LENGTH, '', BODY).replace(CHAT, CHAT + query)),
    )
    await raw.until(ANSWER)
    raw.socket.destroy()
    expect(scene.model.arrived.split('\r\n')[0]).toBe(`POST ${CHAT}${query} HTTP/1.1`)
  })
})
