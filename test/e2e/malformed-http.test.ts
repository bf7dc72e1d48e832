import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestService } from '../harness/service.ts'

type TestService = Awaited<ReturnType<typeof startTestService>>

/** Sends raw bytes and collects what comes back until the connection closes. */
function exchange(port: number, bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes, 'latin1'))
    let answer = ''
    socket.on('data', (chunk: Buffer) => (answer += chunk.toString('latin1')))
    socket.on('close', () => resolve(answer))
    socket.on('error', reject)
  })
}

describe('malformed HTTP', () => {
  let service: TestService
  beforeAll(async () => {
    service = await startTestService({})
  })
  afterAll(() => service.close())

  test.each([
    ['nonsense', 'NONSENSE\r\n\r\n', 400, 'malformed_http'],
    ['a space in the target', 'GET /a b HTTP/1.1\r\nHost: x\r\n\r\n', 400, 'malformed_http'],
    [
      'headers without end',
      `GET / HTTP/1.1\r\nHost: x\r\nX-Long: ${'a'.repeat(20_000)}\r\n\r\n`,
      431,
      'headers_too_large',
    ],
  ])(
    '%s is answered in OpenAI’s shape and closes the connection',
    async (_name, bytes, status, code) => {
      const answer = await exchange(service.port, bytes)
      expect(answer).toContain(`HTTP/1.1 ${status} `)
      expect(answer).toContain('X-ACI-Version: aci/1')
      const body = JSON.parse(answer.slice(answer.indexOf('\r\n\r\n') + 4)) as {
        error: { code: string }
      }
      expect(body.error.code).toBe(code)
      expect(service.model.requests).toHaveLength(0)
    },
  )
})
