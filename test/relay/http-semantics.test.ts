/** What HTTP has beside POST: HEAD, OPTIONS and other origins, Expect, and encodings of requests. */
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { errorCode, get, jsonObject } from '../harness/chat.ts'
import type { ChatHow } from '../harness/chat.ts'
import { MODEL, TOKENS, bearer, startTestService } from '../harness/service.ts'
import type { TestService } from '../harness/service.ts'
import { ask } from '../harness/zg-upstream.ts'
import { BODIES, postTo } from './routes.helpers.ts'

let at: TestService
beforeAll(async () => {
  at = await startTestService()
})
afterAll(() => at.close())
const post = (path: string, more: object = {}, how: ChatHow = {}) => postTo(at, path, more, how)

describe('HTTP', () => {
  test('HEAD of the models has their headers and no body', async () => {
    const [whole, head] = await Promise.all([
      get(at, '/v1/models', { who: 'alice' }),
      ask(`${at.url}/v1/models`, { method: 'HEAD', headers: [bearer()] }),
    ])
    expect(head.status).toBe(200)
    expect(head.headers['content-length']).toBe(String(whole.body.length))
    expect(head.body.length).toBe(0)
  })

  test('read-only routes may be read from other origins, inference may not', async () => {
    const models = await get(at, '/v1/models', { who: 'alice' })
    const document = await get(at, '/attestation')
    for (const reply of [models, document]) {
      expect(reply.headers['access-control-allow-origin']).toBe('*')
    }
    for (const path of ['/attestation', '/v1/models', '/v1/signature/x']) {
      const preflight = await ask(`${at.url}${path}`, { method: 'OPTIONS', headers: [] })
      expect(preflight.status).toBe(204)
      expect(preflight.headers['access-control-allow-methods']).toBe('GET, HEAD')
    }
    const refused = await ask(`${at.url}/v1/messages`, { method: 'OPTIONS', headers: [] })
    expect(refused.status).toBe(405)
    expect(refused.headers['access-control-allow-origin']).toBeUndefined()
    expect((await post('/v1/messages')).headers['access-control-allow-origin']).toBeUndefined()
  })

  async function expecting(token: string): Promise<string> {
    const body = JSON.stringify({ model: MODEL, ...BODIES['/v1/completions'] })
    const socket = connect(at.port, '127.0.0.1')
    let text = ''
    socket.on('data', (bytes) => {
      const first = text === ''
      text += bytes.toString('latin1')
      if (first && text.startsWith('HTTP/1.1 100')) socket.write(body)
    })
    socket.write(
      `POST /v1/completions HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ${token}\r\n` +
        `expect: 100-continue\r\ncontent-length: ${String(body.length)}\r\nconnection: close\r\n\r\n`,
    )
    await new Promise((resolve) => socket.once('close', resolve))
    return text
  }

  test('who asks before it uploads is told to go on, or turned away at once', async () => {
    const admitted = await expecting(TOKENS.alice)
    expect(admitted).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK/)
    expect(await expecting('nobody-has-this-one')).toMatch(/^HTTP\/1\.1 401 /)
  })

  test('a compressed request is refused on every route', async () => {
    const reply = await post('/v1/embeddings', {}, { headers: [['content-encoding', 'gzip']] })
    expect([reply.status, errorCode(reply)]).toEqual([415, 'content_encoding_unsupported'])
    expect(jsonObject(reply.body)['error']).toBeDefined()
  })
})
