import { createHash } from 'node:crypto'
import { connect as connectTcp } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bearer, MODEL } from '../harness/service.ts'
import { run, startTlsService } from './tls.helpers.ts'
import type { TlsTestService } from './tls.helpers.ts'

describe('the TLS listener', () => {
  let started: TlsTestService
  beforeAll(async () => {
    started = await startTlsService({ limits: { tlsHandshakeMs: 500 } })
  })
  afterAll(() => started.close())

  const s_client = (...args: readonly string[]) =>
    run('openssl', ['s_client', '-connect', `127.0.0.1:${started.securePort}`, ...args])

  test('shows openssl the key that the keyset lists', async () => {
    const { stdout } = await s_client('-showcerts')
    const pem = /-----BEGIN CERTIFICATE-----[^]+?-----END CERTIFICATE-----/.exec(stdout)?.[0] ?? ''
    const key = await run('openssl', ['x509', '-pubkey', '-noout'], pem)
    const der = Buffer.from(key.stdout.replace(/-----[A-Z ]+-----|\s/g, ''), 'base64')
    expect(createHash('sha256').update(der).digest('hex')).toBe(started.spkiSha256)
  })

  test('serves its document to curl, which pins that key', async () => {
    const pin = Buffer.from(started.spkiSha256, 'hex').toString('base64')
    const url = `${started.secureUrl}/attestation`
    const pinned = await run('curl', ['-sk', '--pinnedpubkey', `sha256//${pin}`, url])
    expect(pinned.code).toBe(0)
    const document = JSON.parse(pinned.stdout) as {
      readonly keyset: { readonly tls_public_keys: readonly unknown[] }
      readonly config: { readonly listeners: unknown }
    }
    expect(document.keyset.tls_public_keys).toEqual([{ spki_sha256: started.spkiSha256 }])
    expect(document.config.listeners).toMatchObject({
      plain_http: null,
      tls: { key: 'boot', names: ['localhost', '127.0.0.1'], certificate_file: null },
    })
    const other = Buffer.alloc(32).toString('base64')
    const refused = await run('curl', ['-sk', '--pinnedpubkey', `sha256//${other}`, url])
    // CURLE_SSL_PINNEDPUBKEYNOTMATCH
    expect(refused.code).toBe(90)
  })

  test('speaks TLS 1.3 and 1.2, and nothing older', async () => {
    expect((await s_client('-tls1_3', '-alpn', 'http/1.1')).stdout).toMatch(
      /TLSv1\.3, Cipher is TLS_AES[^]*ALPN protocol: http\/1\.1/,
    )
    expect((await s_client('-tls1_2')).stdout).toMatch(/TLSv1\.2, Cipher is ECDHE-ECDSA-/)
    const old = await s_client('-tls1_1', '-cipher', 'DEFAULT:@SECLEVEL=0')
    expect(old.stdout).toContain('Cipher is (NONE)')
    const h2 = await s_client('-alpn', 'h2')
    expect(h2.stderr).toContain('no application protocol')
  })

  test('cuts a handshake that does not end', async () => {
    const began = performance.now()
    const socket = connectTcp(started.securePort, '127.0.0.1')
    // The start of a record that says how long it is, and never comes.
    socket.write(Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00]))
    socket.on('error', () => {})
    const got: Buffer[] = []
    socket.on('data', (chunk: Buffer) => got.push(chunk))
    await new Promise((resolve) => socket.once('close', resolve))
    expect(performance.now() - began).toBeGreaterThan(400)
    expect(performance.now() - began).toBeLessThan(5_000)
    // In no case HTTP: whoever it is has not shown to speak TLS.
    expect(Buffer.concat(got).toString('latin1')).not.toContain('HTTP/')
  })

  test('answers plain HTTP on its port with nothing', async () => {
    const socket = connectTcp(started.securePort, '127.0.0.1')
    socket.on('error', () => {})
    const got: Buffer[] = []
    socket.on('data', (chunk: Buffer) => got.push(chunk))
    socket.write('GET /health HTTP/1.1\r\nHost: x\r\n\r\n')
    await new Promise((resolve) => socket.once('close', resolve))
    expect(Buffer.concat(got).toString('latin1')).not.toContain('HTTP/')
  })

  test('refuses to renegotiate', async () => {
    const socket = connectTls({
      port: started.securePort,
      host: '127.0.0.1',
      rejectUnauthorized: false,
      maxVersion: 'TLSv1.2',
    })
    await new Promise((resolve) => socket.once('secureConnect', resolve))
    const error = await new Promise<Error | null>((resolve) => {
      socket.on('error', resolve)
      socket.renegotiate({ rejectUnauthorized: false }, resolve)
    })
    expect(error).toMatchObject({ code: 'ERR_SSL_NO_RENEGOTIATION' })
    socket.destroy()
  })

  test('relays a completion as the plain listener does', async () => {
    const body = JSON.stringify({
      model: MODEL,
      stream: true,
      messages: [{ role: 'user', content: 'over TLS, please' }],
    })
    const [name, value] = bearer()
    const { stdout } = await run(
      'curl',
      [
        ...['-skN', '-H', `${name}: ${value}`, '-H', 'content-type: application/json'],
        ...['--data-binary', '@-', `${started.secureUrl}/v1/chat/completions`],
      ],
      body,
    )
    expect(stdout).toMatch(/^data: \{/)
    expect(stdout.endsWith('data: [DONE]\n\n')).toBe(true)
    await started.settled(1)
    const [receipt] = started.receipts
    expect(receipt?.record.outcome).toBe('complete')
    expect(receipt?.record.response_bytes).toBe(Buffer.byteLength(stdout))
  })
})

test('closing does not wait for a handshake that is under way', async () => {
  const started = await startTlsService()
  const socket = connectTcp(started.securePort, '127.0.0.1')
  socket.on('error', () => {})
  await new Promise((resolve) => socket.once('connect', resolve))
  socket.write(Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00]))
  const began = performance.now()
  await started.close()
  expect(performance.now() - began).toBeLessThan(3_000)
})
