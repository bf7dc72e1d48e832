/** Bad input: a stable code, the right status, the usual headers, nothing of the request echoed, the process up. */
import { createHash } from 'node:crypto'
import { request as httpRequest } from 'node:http'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { canary, sightings } from '../harness/canary.ts'
import { chat, chatBody, errorCode, get, header, openRaw } from '../harness/chat.ts'
import { TOKENS, bearer, startTestService } from '../harness/service.ts'
import type { TestService } from '../harness/service.ts'
import { ask } from '../harness/zg-upstream.ts'
import type { Reply } from '../harness/zg-upstream.ts'

const WORD = 'heliotrope-canary-7431'
const LIMIT = 4096
const CHAT = '/v1/chat/completions'

let at: TestService
beforeAll(async () => {
  at = await startTestService({ limits: { requestBodyBytes: LIMIT } })
})
afterAll(() => at.close())
afterEach(async () => {
  expect((await get(at, '/health')).text).toBe('{"status":"live"}')
})

function expectError(reply: Reply, status: number, code: string) {
  expect([reply.status, errorCode(reply)]).toEqual([status, code])
  expect(reply.headers['content-type']).toBe('application/json')
  expect(header(reply, 'x-aci-version')).toBe('aci/1')
  expect(header(reply, 'x-aci-keyset-digest')).toBe(at.service.keys.keysetDigest)
  const all = reply.text + JSON.stringify(reply.headers)
  expect(sightings(all, [canary('word', WORD), canary('token', TOKENS.alice)])).toEqual([])
}

describe('a chat request that is admitted and refused: with a receipt, and nothing reaches the model', () => {
  const deep = '['.repeat(70) + `"${WORD}"` + ']'.repeat(70)
  const cases: readonly (readonly [string, string | Buffer, number, string])[] = [
    ['not JSON', `{"messages": ${WORD}`, 400, 'body_not_json'],
    ['empty', '', 400, 'body_not_json'],
    ['JSON with something after it', `{} ${WORD}`, 400, 'body_not_json'],
    ['an array', `["${WORD}"]`, 400, 'body_not_object'],
    ['a text', `"${WORD}"`, 400, 'body_not_object'],
    ['null', 'null', 400, 'body_not_object'],
    ['a duplicate member', `{"a":"${WORD}","a":1}`, 400, 'body_duplicate_member'],
    [
      'a duplicate member in another spelling',
      `{"model":"${WORD}","mod\\u0065l":1}`,
      400,
      'body_duplicate_member',
    ],
    [
      'a nested duplicate member',
      `{"messages":[{"role":"user","content":"${WORD}","content":"x"}]}`,
      400,
      'body_duplicate_member',
    ],
    ['a lone surrogate', `{"a":"${WORD}\\ud800"}`, 400, 'body_ill_formed'],
    ['not UTF-8', Buffer.from(`{"a":"${WORD}\xff"}`, 'latin1'), 400, 'body_ill_formed'],
    ['a number beyond all numbers', `{"${WORD}":1e999}`, 400, 'body_ill_formed'],
    ['too much nesting', `{"a":${deep}}`, 400, 'body_ill_formed'],
    [
      'too many members',
      `{${Array.from({ length: 300 }, (_, i) => `"${String(i)}":1`).join()}}`,
      400,
      'body_too_many_members',
    ],
    ['a member with too long a name', `{"${WORD.repeat(20)}":1}`, 400, 'body_too_many_members'],
    ['a body over the limit', chatBody(WORD.repeat(400)), 413, 'body_too_large'],
    ['an unknown aci_ constraint', `{"provider":{"aci_${WORD}":1}}`, 400, 'invalid_constraint'],
    [
      'a malformed aci_ constraint',
      '{"provider":{"aci_verified":"yes"}}',
      400,
      'invalid_constraint',
    ],
    [
      'a session that is not here',
      `{"provider":{"aci_session_ids":["${WORD}"]}}`,
      412,
      'session_not_accepted',
    ],
  ]
  test.each(cases)('%s', async (_, body, status, code) => {
    const before = at.model.requests.length
    const settled = at.receipts.length
    const reply = await chat(at, body)
    expectError(reply, status, code)
    await at.settled(settled + 1)
    const { record, bodies, legacyText } = at.receipts.at(-1) ?? {}
    expect(record).toMatchObject({ outcome: 'refused', status, backend: null })
    expect(record?.receipt_id).toBe(header(reply, 'x-receipt-id'))
    const hash = createHash('sha256').update(reply.body).digest('hex')
    expect(bodies).toMatchObject({ forwarded: null, returned: `sha256:${hash}` })
    expect(legacyText).toBeNull()
    expect(at.model.requests).toHaveLength(before)
    expect(at.receipts).toHaveLength(settled + 1)
  })

  const headers: readonly (readonly [string, string, string, number, string])[] = [
    ...[
      'short',
      'A'.repeat(21),
      'A'.repeat(87),
      `${'A'.repeat(22)}==`,
      `${'A'.repeat(22)}!`,
      '',
    ].map(
      (value) =>
        [`challenge ${value}`, 'x-countersign-challenge', value, 400, 'invalid_challenge'] as const,
    ),
    [
      'challenge of no whole bytes',
      'x-countersign-challenge',
      'A'.repeat(25),
      400,
      'invalid_challenge',
    ],
    [
      'challenge with stray bits',
      'x-countersign-challenge',
      `${'A'.repeat(21)}B`,
      400,
      'invalid_challenge',
    ],
    ['owner in upper case', 'x-countersign-owner', 'AB'.repeat(32), 400, 'invalid_owner'],
    ['owner too short', 'x-countersign-owner', 'ab'.repeat(31), 400, 'invalid_owner'],
    ['gzip request', 'content-encoding', 'gzip', 415, 'content_encoding_unsupported'],
    ['two encodings', 'content-encoding', 'identity, gzip', 415, 'content_encoding_unsupported'],
  ]
  test.each(headers)('%s', async (_, name, value, status, code) => {
    const settled = at.receipts.length
    const reply = await chat(at, chatBody(WORD), { headers: [[name, value]] })
    expectError(reply, status, code)
    expect(at.receipts.length).toBe(settled + 1)
    expect(at.receipts.at(-1)?.record).toMatchObject({ outcome: 'refused', challenge: null })
  })

  test('two challenges in one request', async () => {
    const one = ['x-countersign-challenge', 'A'.repeat(22)] as const
    expectError(await chat(at, chatBody(WORD), { headers: [one, one] }), 400, 'invalid_challenge')
  })

  test('a body over the limit in HTTP chunks, whose length nobody declared', async () => {
    const reply = await new Promise<Reply>((resolve, reject) => {
      const req = httpRequest(at.url + CHAT, {
        method: 'POST',
        headers: { authorization: `Bearer ${TOKENS.alice}`, 'transfer-encoding': 'chunked' },
      })
      req.on('error', reject)
      req.on('response', (res) => {
        const chunks: Buffer[] = []
        res.on('data', (chunk: Buffer) => chunks.push(chunk))
        res.on('end', () => {
          const body = Buffer.concat(chunks)
          resolve({
            status: res.statusCode ?? 0,
            headers: res.headers,
            body,
            text: body.toString(),
            whole: true,
          })
          req.destroy()
        })
      })
      // Never ended: the answer must come while the client is still sending.
      req.write(WORD.repeat(LIMIT))
    })
    expectError(reply, 413, 'body_too_large')
    expect(reply.headers['connection']).toBe('close')
  })

  test('a declared length over the limit, before any of it was sent', async () => {
    const raw = await openRaw(
      at.port,
      Buffer.from(
        `POST ${CHAT} HTTP/1.1\r\nhost: x\r\n${bearer().join(': ')}\r\ncontent-length: 999999999999\r\n\r\n`,
      ),
    )
    await raw.until('body_too_large')
    expect(raw.received()).toMatch(/^HTTP\/1\.1 413 /)
    raw.socket.destroy()
  })
})

describe('a request that is not admitted', () => {
  const cases: readonly (readonly [string, string, string, number, string])[] = [
    ['GET', CHAT, 'alice', 405, 'method_not_allowed'],
    ['PUT', CHAT, 'alice', 405, 'method_not_allowed'],
    ['OPTIONS', CHAT, 'alice', 405, 'method_not_allowed'],
    ['POST', '/v1/models', 'alice', 405, 'method_not_allowed'],
    ['POST', '/attestation', 'alice', 405, 'method_not_allowed'],
    ['DELETE', '/v1/attestation/report', 'alice', 405, 'method_not_allowed'],
    ['POST', `/v1/signature/${WORD}`, 'alice', 405, 'method_not_allowed'],
    ['GET', `/v1/${WORD}`, 'alice', 404, 'not_found'],
    ['POST', `/v1/${WORD}`, 'alice', 404, 'not_found'],
    ['GET', `/v1/aci/receipts/${WORD}`, 'alice', 404, 'not_found'],
    ['GET', `/v1/attestation/receipts/${WORD}`, 'alice', 404, 'not_found'],
    ['GET', `/v1/signature/${WORD}`, 'alice', 404, 'not_found'],
    ['GET', `/v1/signature/${WORD}`, '', 401, 'unauthorized'],
    ['GET', `/attestation/keysets/sha256:${WORD}`, '', 400, 'invalid_keyset_digest'],
    ['GET', `/attestation?nonce=${WORD}`, '', 400, 'invalid_nonce'],
    ['GET', `/attestation?nonce=`, '', 400, 'invalid_nonce'],
    ['GET', `/attestation?nonce=${'AB'.repeat(32)}`, '', 400, 'invalid_nonce'],
    ['GET', `/attestation?nonce=${'ab'.repeat(31)}`, '', 400, 'invalid_nonce'],
    ['GET', `/attestation?nonce=${'ab'.repeat(33)}`, '', 400, 'invalid_nonce'],
    ['GET', `/attestation?nonce=0x${'ab'.repeat(32)}`, '', 400, 'invalid_nonce'],
    [
      'GET',
      `/attestation?nonce=${'ab'.repeat(32)}&nonce=${'ab'.repeat(32)}`,
      '',
      400,
      'invalid_nonce',
    ],
    ['GET', `/v1/aci/attestation?nonce=${WORD}`, '', 400, 'invalid_nonce'],
    ['GET', `/v1/attestation/report?nonce=${WORD}`, '', 400, 'invalid_nonce'],
    ['GET', `/v1/attestation/document?nonce=${WORD}`, '', 400, 'invalid_nonce'],
    ['GET', '/%', '', 400, 'invalid_target'],
    ['GET', '/v1/models', '', 401, 'unauthorized'],
    ['POST', CHAT, '', 401, 'unauthorized'],
  ]
  test.each(cases)(
    '%s %s as "%s": %i %s, and no receipt',
    async (method, path, who, status, code) => {
      const settled = at.receipts.length
      const reply = await ask(at.url + path, {
        method,
        headers: who === '' ? [] : [bearer('alice')],
        ...(method === 'POST' ? { body: chatBody(WORD) } : {}),
      })
      expectError(reply, status, code)
      expect(reply.headers['x-receipt-id']).toBeUndefined()
      expect(at.receipts).toHaveLength(settled)
      if (status === 405) expect(header(reply, 'allow')).toMatch(/^(POST|GET|GET, HEAD)$/)
      if (status === 401) expect(header(reply, 'www-authenticate')).toBe('Bearer')
    },
  )

  test.each([
    `Bearer ${WORD}`,
    `Bearer ${TOKENS.alice}x`,
    `Bearer ${TOKENS.alice.slice(0, -1)}`,
    `Bearer ${TOKENS.alice}, Bearer ${TOKENS.alice}`,
    `Basic ${TOKENS.alice}`,
    TOKENS.alice,
    'Bearer ',
    'Bearer',
    `Bearer ${'x'.repeat(5000)}`,
  ])('with Authorization "%s" is 401', async (value) => {
    const headers = [['authorization', value]] as const
    const reply = await ask(at.url + CHAT, { method: 'POST', body: chatBody(WORD), headers })
    expectError(reply, 401, 'unauthorized')
  })

  test('a protocol upgrade is 501, with the usual headers and a body', async () => {
    const raw = await openRaw(
      at.port,
      Buffer.from(
        `GET ${CHAT} HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\nx-word: ${WORD}\r\n\r\n`,
      ),
    )
    await raw.closed
    const [head = '', body = ''] = raw.received().split('\r\n\r\n')
    expect(head).toMatch(/^HTTP\/1\.1 501 /)
    expect(head).toContain(`X-ACI-Keyset-Digest: ${at.service.keys.keysetDigest}`)
    expect(head).toContain(`Content-Length: ${String(Buffer.byteLength(body))}`)
    expect(errorCode({ body: Buffer.from(body) })).toBe('upgrade_unsupported')
    expect(raw.received()).not.toContain(WORD)
  })

  test.each([
    ['no HTTP at all', `${WORD}\r\n\r\n`],
    [
      'two lengths',
      `POST ${CHAT} HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n`,
    ],
    [
      'a length and chunks',
      `POST ${CHAT} HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n`,
    ],
    ['headers without end', `GET / HTTP/1.1\r\nhost: x\r\nx: ${WORD.repeat(2000)}\r\n\r\n`],
  ])('%s closes the connection', async (_, text) => {
    const raw = await openRaw(at.port, Buffer.from(text))
    await raw.closed
    expect(raw.received()).toMatch(/^HTTP\/1\.1 4\d\d /)
    expect(raw.received()).not.toContain(WORD)
  })

  test('that is refused leaves its connection usable where the whole request was read', async () => {
    const one = `GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n`
    const raw = await openRaw(at.port, Buffer.from(one))
    await raw.until('unauthorized"')
    const from = raw.received().length
    raw.socket.write(`GET /v1/models HTTP/1.1\r\nhost: x\r\n${bearer().join(': ')}\r\n\r\n`)
    await raw.until('"object":"list"', from)
    raw.socket.destroy()
  })
})
