import { createHash, X509Certificate } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { SELF_SIGNED_MS } from '../../enclave/keys/tls-key.ts'
import { tlsCsr } from '../../src/cli/tls.ts'
import { CERTIFICATE_CHECK_MS } from '../../src/service/tls/keep-certificate.ts'
import { startTestService } from '../harness/service.ts'
import { strangerCertificate } from './middle-box.ts'
import { run, startTlsService } from './tls.helpers.ts'
import type { TlsTestService } from './tls.helpers.ts'

const DAY_MS = 24 * 3600 * 1000
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-test-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))
afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

function shown({ securePort }: TlsTestService): Promise<X509Certificate> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port: securePort, host: '127.0.0.1', rejectUnauthorized: false })
    socket.once('error', reject)
    socket.once('secureConnect', () => {
      const certificate = socket.getPeerX509Certificate()
      socket.destroy()
      if (certificate === undefined) reject(new Error('no certificate was shown'))
      else resolve(certificate)
    })
  })
}

const keyOf = (certificate: X509Certificate): string =>
  createHash('sha256')
    .update(certificate.publicKey.export({ format: 'der', type: 'spki' }))
    .digest('hex')

/** What the log warned of, oldest first. */
const told = ({ log }: TlsTestService): readonly unknown[] =>
  log.filter(({ level }) => level === 'warn').map(({ fields }) => fields['code'])

async function warningsOf(started: TlsTestService): Promise<unknown> {
  const { stdout } = await run('curl', ['-sk', `${started.secureUrl}/attestation`])
  return (JSON.parse(stdout) as { readonly warnings: unknown }).warnings
}

/** Lets the service look at the clock and at its file, and waits until it shows what it then has. */
async function look(started: TlsTestService, until: (now: X509Certificate) => boolean) {
  await vi.advanceTimersByTimeAsync(CERTIFICATE_CHECK_MS)
  await expect
    .poll(async () => until(await shown(started)), { timeout: 5_000, interval: 20 })
    .toBe(true)
  return shown(started)
}

describe('a self-signed certificate', () => {
  test('is made anew in time, under the same key and the same keyset', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    let nowMs = Date.now()
    const started = await startTlsService({ nowMs: () => nowMs })
    const { keysetDigest } = started.service.keys
    const first = await shown(started)
    expect(first.subjectAltName).toBe('DNS:localhost, IP Address:127.0.0.1')
    expect(Date.parse(first.validTo) - nowMs).toBeGreaterThan(SELF_SIGNED_MS - 5_000)
    const serials = new Set([first.serialNumber])
    // A month of connections: at none of them the certificate has less than half of its life left.
    for (let day = 1; day <= 28; day++) {
      nowMs += DAY_MS
      const certificate = await look(
        started,
        ({ validTo }) => Date.parse(validTo) - nowMs >= SELF_SIGNED_MS / 2 - 1_000,
      )
      serials.add(certificate.serialNumber)
      expect(keyOf(certificate)).toBe(started.spkiSha256)
    }
    expect(serials.size).toBeGreaterThanOrEqual(7)
    expect(serials.size).toBeLessThanOrEqual(9)
    expect(started.service.keys.keysetDigest).toBe(keysetDigest)
    expect(started.log.filter(({ message }) => message.includes('the same key')).length).toBe(
      serials.size - 1,
    )
    await started.close()
  })

  test('does not disturb a connection that is open when it changes', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    let nowMs = Date.now()
    const started = await startTlsService({ nowMs: () => nowMs })
    const socket = connect({
      port: started.securePort,
      host: '127.0.0.1',
      rejectUnauthorized: false,
    })
    await new Promise((resolve) => socket.once('secureConnect', resolve))
    const before = await shown(started)
    nowMs += 5 * DAY_MS
    await look(started, ({ serialNumber }) => serialNumber !== before.serialNumber)
    socket.write('GET /health HTTP/1.1\r\nHost: x\r\n\r\n')
    const answer = await new Promise<Buffer>((resolve) => socket.once('data', resolve))
    expect(answer.toString('latin1')).toMatch(/^HTTP\/1\.1 200 /)
    socket.destroy()
    await started.close()
  })
})

describe('a certificate from an authority', () => {
  async function openssl(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await run('openssl', args)
    if (code !== 0) throw new Error(stderr)
    return stdout
  }
  const at = (name: string): string => join(folder, name)

  test('is asked for by a request that openssl verifies, and used as soon as it stands in its file', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    const file = at('chain.pem')
    const started = await startTlsService({
      operations: true,
      tls: { certificate_file: file },
    })
    const { keysetDigest } = started.service.keys
    expect(await warningsOf(started)).toMatchObject([{ code: 'tls_certificate_missing' }])
    expect(told(started)).toEqual(['tls_certificate_missing'])

    const code = await tlsCsr({
      domain: ['node.example', '*.node.example'],
      from: started.service.operations?.url ?? '',
      out: at('request.pem'),
    })
    expect(code).toBe(0)
    const text = await openssl('req', '-verify', '-noout', '-text', '-in', at('request.pem'))
    expect(text).toContain('DNS:node.example, DNS:*.node.example')
    const key = await openssl('req', '-noout', '-pubkey', '-in', at('request.pem'))
    const der = Buffer.from(key.replace(/-----[A-Z ]+-----|\s/g, ''), 'base64')
    expect(createHash('sha256').update(der).digest('hex')).toBe(started.spkiSha256)

    await openssl(
      ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=an authority'],
      ...['-keyout', at('ca.key'), '-out', at('ca.pem'), '-days', '2'],
    )
    await openssl(
      ...['x509', '-req', '-in', at('request.pem'), '-CA', at('ca.pem'), '-CAkey', at('ca.key')],
      ...['-CAcreateserial', '-copy_extensions', 'copyall', '-days', '1', '-out', file],
    )
    const certificate = await look(started, ({ issuer }) => issuer.includes('an authority'))
    expect(keyOf(certificate)).toBe(started.spkiSha256)
    expect(started.service.keys.keysetDigest).toBe(keysetDigest)
    expect(await warningsOf(started)).toEqual([])
    const client = await run('openssl', [
      ...['s_client', '-connect', `127.0.0.1:${started.securePort}`, '-CAfile', at('ca.pem')],
      ...['-verify_return_error', '-verify_hostname', 'node.example'],
    ])
    expect(client.stdout).toContain('Verify return code: 0 (ok)')

    // It goes: the one of our own stands in for it, and clients that pin the key see no difference.
    await rm(file)
    const own = await look(started, ({ issuer }) => !issuer.includes('an authority'))
    expect(keyOf(own)).toBe(started.spkiSha256)
    expect(told(started)).toEqual(['tls_certificate_missing', 'tls_certificate_missing'])
    await started.close()
  })

  test.each([
    ['for another key', () => strangerCertificate().cert, 'tls_certificate_other_key'],
    ['that is none', () => 'hello', 'tls_certificate_unreadable'],
    ['that is too long', () => 'x'.repeat(70_000), 'tls_certificate_unreadable'],
  ])('a file with one %s is refused, by name', async (_, content, code) => {
    const file = at(`${code}.pem`)
    await writeFile(file, content())
    const started = await startTlsService({ tls: { certificate_file: file } })
    expect(keyOf(await shown(started))).toBe(started.spkiSha256)
    expect(await warningsOf(started)).toMatchObject([{ code }])
    expect(told(started)).toEqual([code])
    await started.close()
  })

  test('a chain that OpenSSL takes for weak is refused, and ends nothing', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    const file = at('weak.pem')
    const started = await startTlsService({ tls: { certificate_file: file } })
    const { tls } = started.service.keys
    if (tls === null) throw new Error('the test configures TLS')
    await writeFile(at('weak-request.pem'), tls.request(['weak.example']))
    await openssl(
      ...['req', '-x509', '-newkey', 'rsa:1024', '-nodes', '-subj', '/CN=weak', '-md5'],
      ...['-keyout', at('weak.key'), '-out', at('weak-ca.pem'), '-days', '2'],
    )
    await openssl(
      ...['x509', '-req', '-in', at('weak-request.pem'), '-CA', at('weak-ca.pem'), '-md5'],
      ...['-CAkey', at('weak.key'), '-CAcreateserial', '-days', '1', '-out', file],
    )
    await vi.advanceTimersByTimeAsync(CERTIFICATE_CHECK_MS)
    await expect
      .poll(() => warningsOf(started), { timeout: 5_000 })
      .toMatchObject([{ code: 'tls_certificate_unreadable' }])
    expect(keyOf(await shown(started))).toBe(started.spkiSha256)
    await started.close()
  })

  test('a pipe in place of the file stops nothing', async () => {
    const file = at('pipe.pem')
    await run('mkfifo', [file])
    const started = await startTlsService({ tls: { certificate_file: file } })
    expect(await warningsOf(started)).toMatchObject([{ code: 'tls_certificate_unreadable' }])
    await started.close()
  })

  test('is shown only while it is valid', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    const file = at('late.pem')
    let nowMs = Date.now()
    const started = await startTlsService({
      tls: { certificate_file: file },
      nowMs: () => nowMs,
    })
    const { tls } = started.service.keys
    if (tls === null) throw new Error('the test configures TLS')
    const isLate = ({ subjectAltName }: X509Certificate) => subjectAltName === 'DNS:late.example'
    await writeFile(file, tls.selfSign(['late.example'], new Date(nowMs)))
    await look(started, isLate)
    expect(await warningsOf(started)).toEqual([])
    nowMs += SELF_SIGNED_MS + 1
    await look(started, (certificate) => !isLate(certificate))
    expect(await warningsOf(started)).toMatchObject([{ code: 'tls_certificate_not_in_time' }])
    // Once each, however often the file is looked at: half a minute's line would drown the others.
    await vi.advanceTimersByTimeAsync(3 * CERTIFICATE_CHECK_MS)
    expect(told(started)).toEqual(['tls_certificate_missing', 'tls_certificate_not_in_time'])
    await started.close()
  })
})

describe('a request for a certificate', () => {
  let started: TlsTestService
  beforeAll(async () => {
    started = await startTlsService({ operations: true })
  })
  afterAll(() => started.close())
  const from = (): string => started.service.operations?.url ?? ''

  test.each([
    ['no name', []],
    ['a name in capitals', ['Node.example']],
    ['a name with a space', ['node .example']],
    ['an address of a page', ['https://node.example']],
    ['a star in the middle', ['a.*.example']],
    ['too many', Array.from({ length: 17 }, (_, i) => `n${i}.example`)],
  ])('is not made for %s', async (_, domain) => {
    const url = new URL('/tls/csr', from())
    for (const name of domain) url.searchParams.append('domain', name)
    const answer = await fetch(url)
    expect(answer.status).toBe(400)
    expect(await answer.json()).toMatchObject({ error: { code: 'invalid_domain' } })
  })

  test('is not made where clients are served', async () => {
    const { stdout } = await run('curl', [
      '-sk',
      `${started.secureUrl}/tls/csr?domain=node.example`,
    ])
    expect(stdout).toContain('"code":"not_found"')
  })

  test('without TLS there is none, and the command says so', async () => {
    const plain = await startTestService({ operations: true })
    const asked = tlsCsr({ domain: ['node.example'], from: plain.service.operations?.url ?? '' })
    await expect(asked).rejects.toThrow('The service answered 400: tls_not_configured.')
    await plain.close()
    await expect(tlsCsr({ domain: ['node.example'], from: plain.url })).rejects.toThrow(
      `No service answers at ${plain.url}. --from takes the URL`,
    )
    await expect(tlsCsr({})).rejects.toThrow('--domain')
  })
})
