/** What is taken for the key at the other end of a connection. */
import { createHash } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, createServer } from 'node:tls'
import type { ConnectionOptions, TLSSocket } from 'node:tls'
import { createServer as createTcpServer, connect as connectTcp, Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { getOnce } from '../../src/channel/get-once.ts'
import { peerSpkiSha256 } from '../../src/channel/peer-key.ts'
import { startMiddleBox, strangerCertificate } from './middle-box.ts'
import { run } from './tls.helpers.ts'

describe('the key of the peer', () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'countersign-test-'))
  })
  afterAll(() => rm(folder, { recursive: true, force: true }))

  async function withServer<T>(
    credentials: { readonly key: string; readonly cert: string },
    use: (port: number) => Promise<T>,
  ): Promise<T> {
    const server = createServer(credentials, (socket) => {
      socket.on('error', () => {})
      socket.end('x')
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    try {
      return await use(typeof address === 'object' && address !== null ? address.port : 0)
    } finally {
      server.close()
    }
  }
  const dial = (port: number, options: ConnectionOptions = {}): Promise<TLSSocket> =>
    new Promise((resolve, reject) => {
      const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options })
      socket.once('error', reject)
      socket.once('secureConnect', () => resolve(socket))
    })

  test('of an RSA certificate is what openssl hashes', async () => {
    const [keyFile, certFile] = [join(folder, 'rsa.key'), join(folder, 'rsa.pem')]
    await run('openssl', [
      ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=rsa', '-days', '1'],
      ...['-keyout', keyFile, '-out', certFile],
    ])
    const der = await run('openssl', ['x509', '-in', certFile, '-noout', '-pubkey'])
    const spki = Buffer.from(der.stdout.replace(/-----[A-Z ]+-----|\s/g, ''), 'base64')
    const credentials = {
      key: await readFile(keyFile, 'utf8'),
      cert: await readFile(certFile, 'utf8'),
    }
    const seen = await withServer(credentials, async (port) => {
      const socket = await dial(port)
      const key = peerSpkiSha256(socket)
      socket.destroy()
      return key
    })
    expect(seen).toBe(createHash('sha256').update(spki).digest('hex'))
  })

  test('is not taken from a session that was resumed: it was shown on another connection', async () => {
    const { key, cert, spki } = strangerCertificate()
    await withServer({ key, cert }, async (port) => {
      const first = await dial(port, { maxVersion: 'TLSv1.2' })
      expect(peerSpkiSha256(first)).toBe(createHash('sha256').update(spki).digest('hex'))
      const session = first.getSession()
      first.destroy()
      const second = await dial(port, {
        maxVersion: 'TLSv1.2',
        ...(session === undefined ? {} : { session }),
      })
      expect(second.isSessionReused()).toBe(true)
      expect(peerSpkiSha256(second)).toBeNull()
      second.destroy()
    })
  })

  test('is none without TLS', async () => {
    const server = createTcpServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    const socket = connectTcp(port, '127.0.0.1')
    expect(peerSpkiSha256(socket)).toBeNull()
    socket.destroy()
    server.close()
  })

  test('a credential goes over plain HTTP to no other machine', async () => {
    const dialled = vi.spyOn(Socket.prototype, 'connect').mockImplementation(() => {
      throw new Error('something was sent')
    })
    try {
      for (const host of ['192.0.2.1', 'service.example', '127.0.0.1.example', '[2001:db8::1]']) {
        const asked = getOnce(`http://${host}/x`, {
          maxBytes: 10,
          timeoutMs: 5_000,
          headers: { authorization: 'Bearer secret' },
          certificate: 'webpki',
        })
        await expect(asked).rejects.toThrow('plain HTTP has no certificate')
      }
      expect(dialled).not.toHaveBeenCalled()
    } finally {
      dialled.mockRestore()
    }
  })

  test('a credential goes over no certificate that nobody vouches for', async () => {
    const box = await startMiddleBox('https://127.0.0.1:9')
    const asked = getOnce(`${box.url}/x`, {
      maxBytes: 10,
      timeoutMs: 5_000,
      headers: { authorization: 'Bearer secret' },
      certificate: 'webpki',
    })
    await expect(asked).rejects.toMatchObject({ code: 'DEPTH_ZERO_SELF_SIGNED_CERT' })
    expect(box.seen).toEqual([])
    await box.close()
  })
})
