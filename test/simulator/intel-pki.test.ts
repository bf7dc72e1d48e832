import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { QuoteVerifier, Quote, verify } from '@phala/dcap-qvl'
import { afterAll, describe, expect, test } from 'vitest'
import { createIntelPki } from '../../attestation/simulator/intel/create-intel-pki.ts'
import type { IntelPki } from '../../attestation/simulator/intel/create-intel-pki.ts'
import { makeQuote } from '../../attestation/simulator/intel/make-quote.ts'

const now = new Date('2026-11-23T12:00:00.500Z')
const seconds = Math.floor(now.getTime() / 1000)
const reportData = Uint8Array.from({ length: 64 }, (_, index) => 255 - index)
const measurement = (byte: number): Uint8Array => new Uint8Array(48).fill(byte)

function quoteOf(pki: IntelPki, tdAttributes?: Uint8Array): Uint8Array {
  return makeQuote({
    pki,
    reportData,
    mrTd: measurement(1),
    rtmrs: [measurement(2), measurement(3), measurement(4), measurement(5)],
    mrConfigId: measurement(6),
    ...(tdAttributes === undefined ? {} : { tdAttributes }),
  })
}

function judge(pki: IntelPki, quote = quoteOf(pki), at = seconds): { status: string } {
  const verifier = new QuoteVerifier(Buffer.from(pki.root))
  return verifier.verify(Buffer.from(quote), { ...pki.collateral }, at)
}

const pki = createIntelPki({ now })

describe('dcap-qvl, a verifier nobody here wrote', () => {
  test('accepts a simulated quote under the simulated root', () => {
    const verdict = judge(pki)
    expect(verdict.status).toBe('UpToDate')
  })

  test('reads back every measured field', () => {
    const quote = Quote.parse(Buffer.from(quoteOf(pki)))
    const report = quote.report.asTd10()
    expect(quote.header.version).toBe(4)
    expect(quote.header.teeType).toBe(0x81)
    expect(report).toMatchObject({
      reportData,
      mrTd: measurement(1),
      rtMr0: measurement(2),
      rtMr1: measurement(3),
      rtMr2: measurement(4),
      rtMr3: measurement(5),
      mrConfigId: measurement(6),
      mrOwner: new Uint8Array(48),
      mrSignerSeam: new Uint8Array(48),
      tdAttributes: Uint8Array.of(0, 0, 0, 0x10, 0, 0, 0, 0),
    })
  })

  test('refuses it under the root of Intel', () => {
    expect(() => verify(Buffer.from(quoteOf(pki)), { ...pki.collateral }, seconds)).toThrow(
      /signature invalid/,
    )
  })

  test('refuses it under the simulated root of another run', () => {
    const other = createIntelPki({ now })
    const verifier = new QuoteVerifier(Buffer.from(other.root))
    expect(() =>
      verifier.verify(Buffer.from(quoteOf(pki)), { ...pki.collateral }, seconds),
    ).toThrow(/signature invalid/)
  })

  test.each([
    ['report_data', 568],
    ['mr_td', 48 + 136],
    ['rtmr3', 48 + 472],
    ['the header', 30],
  ])('refuses a quote with a flipped bit in %s', (_, offset) => {
    const quote = quoteOf(pki)
    quote[offset] = (quote[offset] ?? 0) ^ 1
    expect(() => judge(pki, quote)).toThrow('ISV enclave report signature is invalid')
  })

  test('refuses debug mode and a guest without SEPT_VE_DISABLE', () => {
    const debug = quoteOf(pki, Uint8Array.of(1, 0, 0, 0x10, 0, 0, 0, 0))
    const violable = quoteOf(pki, new Uint8Array(8))
    expect(() => judge(pki, debug)).toThrow('Debug mode is enabled')
    expect(() => judge(pki, violable)).toThrow('SEPT_VE_DISABLE is not enabled')
  })

  test('refuses the collateral outside its dates', () => {
    const day = 86_400
    expect(() => judge(pki, quoteOf(pki), seconds - day)).toThrow(/in the future/)
    expect(() => judge(pki, quoteOf(pki), seconds + 31 * day)).toThrow(/expired/)
    expect(judge(pki, quoteOf(pki), seconds + 29 * day).status).toBe('UpToDate')
  })

  test('sees the status and the revocations that were asked for', () => {
    expect(judge(createIntelPki({ now, tcbStatus: 'OutOfDate' })).status).toBe('OutOfDate')
    expect(() => judge(createIntelPki({ now, tcbStatus: 'Revoked' }))).toThrow(/invalid: Revoked/)
    for (const revoked of ['pck', 'platform-ca', 'tcb-signer'] as const) {
      expect(() => judge(createIntelPki({ now, revoked }))).toThrow('Certificate is revoked')
    }
  })
})

describe('openssl', () => {
  const directory = mkdtempSync(join(tmpdir(), 'countersign-pki-'))
  afterAll(() => rmSync(directory, { recursive: true }))

  function openssl(...args: string[]): string {
    return execFileSync('openssl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  }

  function missing(): boolean {
    try {
      openssl('version')
      return false
    } catch {
      console.warn('SKIPPED: no openssl on this machine, the PKI is checked by dcap-qvl alone')
      return true
    }
  }

  function file(name: string, content: string | Uint8Array): string {
    const path = join(directory, name)
    writeFileSync(path, content)
    return path
  }

  function pemOf(list: string): string {
    const der = file('list.der', Buffer.from(list, 'hex'))
    return openssl('crl', '-inform', 'der', '-in', der)
  }

  const skip = missing()
  const blocks = pki.pckChain.split(/(?<=-----END CERTIFICATE-----\n)/)

  test.skipIf(skip)('verifies the PCK chain together with both revocation lists', () => {
    const [leaf = '', platformCa = '', root = ''] = blocks
    const lists = pemOf(pki.collateral.root_ca_crl) + pemOf(pki.collateral.pck_crl)
    const args = [
      ...['verify', '-ignore_critical', '-x509_strict', '-crl_check_all'],
      ...['-attime', String(seconds), '-CAfile', file('root.pem', root)],
      ...['-untrusted', file('ca.pem', platformCa), '-CRLfile', file('crl.pem', lists)],
    ]
    expect(openssl(...args, file('leaf.pem', leaf))).toContain('leaf.pem: OK')
  })

  test.skipIf(skip)('finds the PCK certificate in the list that revokes it', () => {
    const bad = createIntelPki({ now, revoked: 'pck' })
    const [leaf = '', platformCa = '', root = ''] = bad.pckChain.split(
      /(?<=-----END CERT.*-----\n)/,
    )
    const lists = pemOf(bad.collateral.root_ca_crl) + pemOf(bad.collateral.pck_crl)
    const args = [
      ...['verify', '-ignore_critical', '-crl_check_all'],
      ...['-attime', String(seconds), '-CAfile', file('bad-root.pem', root)],
      ...['-untrusted', file('bad-ca.pem', platformCa), '-CRLfile', file('bad.pem', lists)],
    ]
    expect(() => openssl(...args, file('bad-leaf.pem', leaf))).toThrow(/certificate revoked/)
  })

  test.skipIf(skip)('shows names that say simulated and keep the kind of CA', () => {
    const text = blocks.map((block, index) =>
      openssl('x509', '-noout', '-subject', '-in', file(`n${index}.pem`, block)),
    )
    expect(text[0]).toContain('Simulated SGX PCK Certificate')
    expect(text[1]).toContain('Simulated SGX PCK Platform CA')
    expect(text[2]).toContain('Simulated SGX Root CA')
  })
})
