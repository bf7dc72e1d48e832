import { execFileSync } from 'node:child_process'
import { X509Certificate, generateKeyPairSync } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { SIMULATION_MARK, SIMULATION_OID } from '../../attestation/protocol/simulation.ts'
import { buildCertificate, toPem } from '../../attestation/x509/build-certificate.ts'
import { simulationExtension } from '../../attestation/simulator/x509/simulation-extension.ts'

function openssl(...args: string[]): string {
  return execFileSync('openssl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
}

function opensslMissing(): string | null {
  try {
    openssl('version')
    return null
  } catch {
    return 'SKIPPED: no openssl on this machine, certificates are checked by node:crypto alone'
  }
}

const missing = opensslMissing()
if (missing !== null) console.warn(missing)

const directory = mkdtempSync(join(tmpdir(), 'countersign-x509-'))
afterAll(() => rmSync(directory, { recursive: true }))

interface Pair {
  publicKey: KeyObject
  privateKey: KeyObject
}

function chain(curve: 'P-256' | 'P-384'): { root: Uint8Array; ca: Uint8Array; leaf: Uint8Array } {
  const key = (): Pair => generateKeyPairSync('ec', { namedCurve: curve })
  const [rootKey, caKey, leafKey] = [key(), key(), key()]
  const rootName = { commonName: 'Simulated Root CA', organization: 'Countersign', country: 'US' }
  const caName = { commonName: 'Simulated Platform CA – ünïcode', organization: 'Countersign' }
  const dates = {
    notBefore: new Date('2026-01-01T00:00:00Z'),
    notAfter: new Date('2049-12-31T23:59:59Z'),
  }
  const root = buildCertificate({
    subject: rootName,
    issuer: rootName,
    serial: Uint8Array.of(0x80, 1),
    ...dates,
    publicKey: rootKey.publicKey,
    issuerKey: rootKey.privateKey,
    ca: { pathLength: 1 },
    keyUsage: ['keyCertSign', 'crlSign'],
    extensions: [simulationExtension()],
  })
  const ca = buildCertificate({
    subject: caName,
    issuer: rootName,
    serial: Uint8Array.of(0, 0, 7),
    ...dates,
    publicKey: caKey.publicKey,
    issuerKey: rootKey.privateKey,
    ca: { pathLength: 0 },
    keyUsage: ['keyCertSign', 'crlSign'],
  })
  const leaf = buildCertificate({
    subject: { commonName: 'leaf' },
    issuer: caName,
    serial: Uint8Array.of(1),
    notBefore: dates.notBefore,
    notAfter: new Date('9999-12-31T23:59:59Z'),
    publicKey: leafKey.publicKey,
    issuerKey: caKey.privateKey,
    keyUsage: ['digitalSignature'],
  })
  return { root, ca, leaf }
}

function files(parts: Record<string, Uint8Array>): Record<string, string> {
  const paths: Record<string, string> = {}
  for (const [name, der] of Object.entries(parts)) {
    paths[name] = join(directory, `${name}.pem`)
    writeFileSync(paths[name], toPem(der))
  }
  return paths
}

describe.each(['P-256', 'P-384'] as const)('a simulated chain on %s', (curve) => {
  const made = chain(curve)

  test('is signed link by link and names its constraints', () => {
    const root = new X509Certificate(made.root)
    const ca = new X509Certificate(made.ca)
    const leaf = new X509Certificate(made.leaf)
    expect(root.verify(root.publicKey)).toBe(true)
    expect(ca.verify(root.publicKey)).toBe(true)
    expect(leaf.verify(ca.publicKey)).toBe(true)
    expect(leaf.verify(root.publicKey)).toBe(false)
    expect([root.ca, ca.ca, leaf.ca]).toEqual([true, true, false])
    expect(ca.checkIssued(root)).toBe(true)
    expect(root.serialNumber).toBe('8001')
    expect(ca.serialNumber).toBe('07')
    expect(leaf.validTo).toContain('9999')
  })

  test.skipIf(missing !== null)('satisfies openssl only when told to ignore the mark', () => {
    const paths = files({ ...made })
    const args = ['-x509_strict', '-CAfile', paths['root'] ?? '', '-untrusted', paths['ca'] ?? '']
    const leaf = paths['leaf'] ?? ''
    expect(openssl('verify', '-ignore_critical', ...args, leaf)).toContain('leaf.pem: OK')
    expect(() => openssl('verify', ...args, leaf)).toThrow(/unhandled critical extension/)
  })

  test.skipIf(missing !== null)('reads in openssl as version 3 with the mark in words', () => {
    const paths = files({ ...made })
    const text = openssl('x509', '-in', paths['root'] ?? '', '-noout', '-text')
    expect(text).toContain('Version: 3 (0x2)')
    expect(text).toContain(`${SIMULATION_OID}: critical`)
    expect(text).toContain(SIMULATION_MARK)
    expect(text).toMatch(/CA:TRUE, pathlen:1/)
    expect(text).toContain('Certificate Sign, CRL Sign')
    expect(text).toContain(curve === 'P-256' ? 'ecdsa-with-SHA256' : 'ecdsa-with-SHA384')
    const leaf = openssl('x509', '-in', paths['leaf'] ?? '', '-noout', '-text')
    expect(leaf).toContain('Not After : Dec 31 23:59:59 9999 GMT')
    expect(leaf).toContain('Digital Signature')
  })
})

test('refuses to sign with a key that is on neither curve', () => {
  const wrong = generateKeyPairSync('ec', { namedCurve: 'secp256k1' })
  expect(() =>
    buildCertificate({
      subject: { commonName: 'x' },
      issuer: { commonName: 'x' },
      serial: Uint8Array.of(1),
      notBefore: new Date(0),
      notAfter: new Date(1000),
      publicKey: wrong.publicKey,
      issuerKey: wrong.privateKey,
    }),
  ).toThrow(TypeError)
})
