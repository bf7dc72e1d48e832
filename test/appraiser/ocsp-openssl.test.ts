import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { buildOcspRequest } from '../../attestation/appraiser/gpu/ocsp/build-ocsp-request.ts'
import { judgeRevocation } from '../../attestation/appraiser/gpu/ocsp/judge-revocation.ts'
import type {
  RevocationOptions,
  RevocationOutcome,
} from '../../attestation/appraiser/gpu/ocsp/judge-revocation.ts'
import type { Certificate } from '../../attestation/appraiser/x509/parse-certificate.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { toHex } from '../../attestation/protocol/hex.ts'
import { PORTS } from './gpu.helpers.ts'
import { createOpensslCa, hasOpenssl } from './openssl.helpers.ts'
import type { OpensslCa } from './openssl.helpers.ts'

const NONCE = Uint8Array.from(randomBytes(32))
const DEVICES = ['good', 'revoked', 'held', 'missing'] as const
type Device = (typeof DEVICES)[number]

/** The data base of `openssl ca`: status, end, revocation, serial, file, subject. */
function indexLine(status: string, when: string, certificate: Certificate, name: string): string {
  return [
    status,
    '491231235959Z',
    when,
    toHex(certificate.serial).toUpperCase(),
    'unknown',
    `/O=Test/CN=${name}`,
  ].join('\t')
}

describe.skipIf(!hasOpenssl)('against openssl ocsp', () => {
  let ca: OpensslCa
  beforeAll(() => {
    ca = createOpensslCa()
    ca.issue('root', null, 'ca')
    ca.issue('issuer', 'root', 'ca')
    for (const device of DEVICES) ca.issue(device, 'issuer', 'ca')
    ca.issue('responder', 'issuer', 'responder')
    ca.issue('client', 'issuer', 'client')
    ca.issue('elsewhere', 'root', 'responder')
    const lines = [
      indexLine('V', '', ca.certificate('good'), 'good'),
      indexLine('R', '261101000000Z,keyCompromise', ca.certificate('revoked'), 'revoked'),
      indexLine('R', '261101000000Z,certificateHold', ca.certificate('held'), 'held'),
    ]
    ca.write('index.txt', `${lines.join('\n')}\n`)
  })
  afterAll(() => ca.remove())

  const now = (): number => Math.floor(Date.now() / 1000)
  const pair = (device: Device) => ({
    certificate: ca.certificate(device),
    issuer: ca.certificate('issuer'),
  })
  const ask = (device: Device, nonce: Uint8Array | null = NONCE): Uint8Array =>
    buildOcspRequest([pair(device)], nonce, nodeCrypto)
  const judge = (
    device: Device,
    response: Uint8Array,
    change: Partial<RevocationOptions> = {},
  ): RevocationOutcome | undefined => {
    const options = { crypto: nodeCrypto, at: now(), nonce: NONCE, graceS: 0, allowHold: false }
    const chain = [ca.certificate(device), ca.certificate('issuer')]
    return judgeRevocation(chain, [response], { ...options, ...change })[0]
  }
  const code = (outcome: RevocationOutcome | undefined): string =>
    outcome?.status === 'fault' ? outcome.code : (outcome?.status ?? 'none')

  test('it reads our request: SHA-384 CertIDs of every certificate, and the nonce', () => {
    const request = buildOcspRequest(DEVICES.map(pair), NONCE, nodeCrypto)
    ca.write('request.der', request)
    const text = ca.run('ocsp', '-reqin', 'request.der', '-req_text', '-noverify')
    expect(text.match(/Hash Algorithm: sha384/g)).toHaveLength(DEVICES.length)
    for (const device of DEVICES) {
      expect(text).toContain(`Serial Number: ${toHex(ca.certificate(device).serial).toUpperCase()}`)
    }
    expect(text).toContain('OCSP Nonce')
    expect(text.replaceAll(/\s/g, '')).toContain(`0420${toHex(NONCE).toUpperCase()}`)
    ca.write('plain.der', ask('good', null))
    const plain = ca.run('ocsp', '-reqin', 'plain.der', '-req_text', '-noverify')
    expect(plain).not.toContain('Nonce')
  })

  test('its own request for the same certificate has the same bytes', () => {
    const names = ['-issuer', 'issuer.pem', '-sha384', '-cert', 'good.pem', '-cert', 'held.pem']
    ca.run('ocsp', ...names, '-no_nonce', '-reqout', 'theirs.der')
    const ours = buildOcspRequest([pair('good'), pair('held')], null, nodeCrypto)
    expect(toHex(ours)).toBe(toHex(ca.read('theirs.der')))
  })

  test.each(PORTS)(
    'its responses are accepted: good, revoked, held and unknown, %s',
    (_name, crypto) => {
      const outcome = (device: Device, ...more: readonly string[]) =>
        judge(device, ca.respond(ask(device), 'responder', ...more), { crypto })
      expect(code(outcome('good', '-ndays', '1'))).toBe('good')
      expect(code(outcome('good', '-ndays', '1', '-resp_key_id'))).toBe('good')
      expect(outcome('revoked', '-ndays', '1')).toEqual({
        status: 'revoked',
        since: Date.UTC(2026, 10, 1) / 1000,
        reason: 'keyCompromise',
      })
      expect(outcome('held', '-ndays', '1')).toMatchObject({ status: 'hold', allowed: false })
      expect(code(outcome('missing', '-ndays', '1'))).toBe('unknown')
    },
  )

  test('several certificates asked about in one request are answered in one response', () => {
    const request = buildOcspRequest(DEVICES.map(pair), NONCE, nodeCrypto)
    const response = ca.respond(request, 'responder', '-ndays', '1')
    const said = DEVICES.map((device) => code(judge(device, response)))
    expect(said).toEqual(['good', 'revoked', 'hold', 'unknown'])
  })

  test('SHA-1 CertIDs, as NVIDIA documents its service, are understood in a response', () => {
    ca.run('ocsp', '-issuer', 'issuer.pem', '-cert', 'good.pem', '-no_nonce', '-reqout', 'sha1.der')
    const response = ca.respond(ca.read('sha1.der'), 'responder', '-ndays', '1')
    expect(code(judge('good', response, { nonce: null }))).toBe('good')
  })

  test('the issuer answers for itself, its certificate enclosed or not', () => {
    for (const more of [[], ['-resp_no_certs'], ['-resp_key_id', '-resp_no_certs']]) {
      const response = ca.respond(ask('good'), 'issuer', '-ndays', '1', ...more)
      expect(code(judge('good', response))).toBe('good')
    }
  })

  test('without nextUpdate it counts for an hour', () => {
    const response = ca.respond(ask('good'), 'responder')
    const outcome = judge('good', response)
    expect(outcome?.status).toBe('good')
    const until = outcome?.status === 'good' ? outcome.validUntil : 0
    expect(until - now()).toBeGreaterThan(3500)
    expect(code(judge('good', response, { at: until }))).toBe('good')
    expect(code(judge('good', response, { at: until + 1 }))).toBe('ocsp_stale')
  })

  test('what it signs with SHA-256, with another usage, or under another authority is refused', () => {
    const weak = ca.respond(ask('good'), 'responder', '-ndays', '1', '-rmd', 'sha256')
    expect(code(judge('good', weak))).toBe('ocsp_algorithm')
    const client = ca.respond(ask('good'), 'client', '-ndays', '1')
    expect(code(judge('good', client))).toBe('ocsp_responder_unauthorized')
    const elsewhere = ca.respond(ask('good'), 'elsewhere', '-ndays', '1')
    expect(code(judge('good', elsewhere))).toBe('ocsp_responder_untrusted')
    const itself = ca.respond(ask('good'), 'good', '-ndays', '1')
    expect(code(judge('good', itself))).toBe('ocsp_responder_unauthorized')
    const silent = ca.respond(ask('good'), 'responder', '-ndays', '1', '-resp_no_certs')
    expect(code(judge('good', silent))).toBe('ocsp_responder_missing')
  })

  test('an answer to another nonce, to none, and about another certificate is none', () => {
    const old = ca.respond(ask('good', new Uint8Array(32)), 'responder', '-ndays', '1')
    expect(code(judge('good', old))).toBe('ocsp_nonce_mismatch')
    const stapled = ca.respond(ask('good', null), 'responder', '-ndays', '1')
    expect(code(judge('good', stapled))).toBe('ocsp_nonce_missing')
    expect(code(judge('good', stapled, { nonce: null }))).toBe('good')
    expect(code(judge('revoked', stapled, { nonce: null }))).toBe('absent')
  })

  test('openssl and we agree on who may answer', () => {
    const request = ask('good', null)
    for (const signer of ['responder', 'issuer', 'client', 'elsewhere', 'good']) {
      const response = ca.respond(request, signer, '-ndays', '1')
      const ours = code(judge('good', response, { nonce: null })) === 'good'
      const names = ['-issuer', 'issuer.pem', '-sha384', '-cert', 'good.pem', '-no_nonce']
      let theirs = true
      try {
        ca.run(
          'ocsp',
          ...names,
          '-respin',
          'response.der',
          '-CAfile',
          'root.pem',
          '-verify_other',
          'issuer.pem',
        )
      } catch {
        theirs = false
      }
      expect({ signer, ours }).toEqual({ signer, ours: theirs })
    }
  })
})
