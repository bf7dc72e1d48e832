import { createHash } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { MAX_JWKS_BYTES } from '../../attestation/appraiser/gpu/nras/parse-jwks.ts'
import { buildCertificate } from '../../attestation/x509/build-certificate.ts'
import type { CertificateTemplate } from '../../attestation/x509/build-certificate.ts'
import { simulationExtension } from '../../attestation/simulator/x509/simulation-extension.ts'
import { PORTS } from './gpu.helpers.ts'
import { AT, KEY, answer, bytes, checksOf, policyOf, refusals, signingKey } from './nras.helpers.ts'

/** The intermediate that NVIDIA's signing certificates stand under is no root: it is issued by another name. */
const INTERMEDIATE = signingKey('intermediate')
const name = (commonName: string) => ({ commonName, organization: 'Test' })
const DAY_S = 86_400

function certificate(
  publicKey: KeyObject,
  issuerKey: KeyObject,
  changes: Partial<CertificateTemplate> = {},
): Uint8Array {
  return buildCertificate({
    subject: name('Service GH100'),
    issuer: name('Service Intermediate'),
    serial: Uint8Array.of(7),
    notBefore: new Date((AT - DAY_S) * 1000),
    notAfter: new Date((AT + DAY_S) * 1000),
    publicKey,
    issuerKey,
    keyUsage: ['digitalSignature'],
    ...changes,
  })
}

const leaf = (changes: Partial<CertificateTemplate> = {}, by = INTERMEDIATE.privateKey) =>
  certificate(KEY.publicKey, by, changes)
const intermediate = (changes: Partial<CertificateTemplate> = {}) =>
  certificate(INTERMEDIATE.publicKey, signingKey().privateKey, {
    subject: name('Service Intermediate'),
    issuer: name('Service CA'),
    ca: { pathLength: 0 },
    keyUsage: ['keyCertSign', 'crlSign'],
    ...changes,
  })

const setOf = (...x5c: readonly Uint8Array[]) =>
  bytes({ keys: [{ ...KEY.jwk, x5c: x5c.map((der) => Buffer.from(der).toString('base64')) }] })

const sha256 = (der: Uint8Array) => createHash('sha256').update(der).digest('hex')

describe('the certificates of the signing key', () => {
  test.each(PORTS)('lead to a pinned intermediate, with the %s port', async (_name, crypto) => {
    const above = intermediate()
    const policy = policyOf({ nrasRoots: [sha256(above)] })
    const checks = await checksOf(answer(), { crypto, policy, jwks: setOf(leaf(), above) })
    expect(checks.every(({ status }) => status === 'pass')).toBe(true)
    expect(checks.find(({ id }) => id === 'nras.key')?.detail).toBe(
      'certified up to a pinned certificate',
    )
  })

  test('without a pin say that the key set is trusted as given', async () => {
    for (const jwks of [setOf(leaf(), intermediate()), setOf(leaf()), bytes({ keys: [KEY.jwk] })]) {
      const checks = await checksOf(answer(), { jwks })
      expect(checks.find(({ id }) => id === 'nras.key')).toMatchObject({ status: 'pass' })
      expect(checks.find(({ id }) => id === 'nras.key')?.detail).toContain('trusted as given')
    }
  })

  test('are refused where the pin is another one, or none leads to it', async () => {
    const above = intermediate()
    const policy = policyOf({ nrasRoots: [sha256(above)] })
    const refused = ['nras.key nras_key_untrusted']
    expect(await refusals(answer(), { policy, jwks: bytes({ keys: [KEY.jwk] }) })).toEqual(refused)
    expect(await refusals(answer(), { policy, jwks: setOf(leaf()) })).toEqual(refused)
    expect(await refusals(answer(), { policy, jwks: setOf(leaf(), intermediate()) })).toEqual(
      refused,
    )
  })

  test('are refused where a stranger issued the leaf below the pinned intermediate', async () => {
    const above = intermediate()
    const policy = policyOf({ nrasRoots: [sha256(above)] })
    const stranger = leaf({}, signingKey().privateKey)
    const otherName = leaf({ issuer: name('Somebody') })
    for (const forged of [stranger, otherName]) {
      expect(await refusals(answer(), { policy, jwks: setOf(forged, above) })).toEqual([
        'nras.key nras_key_certificate_invalid',
      ])
    }
  })

  test('are refused where the pinned certificate is no CA', async () => {
    const above = certificate(INTERMEDIATE.publicKey, signingKey().privateKey, {
      subject: name('Service Intermediate'),
      issuer: name('Service CA'),
    })
    const policy = policyOf({ nrasRoots: [sha256(above)] })
    expect(await refusals(answer(), { policy, jwks: setOf(leaf(), above) })).toEqual([
      'nras.key nras_key_certificate_invalid',
    ])
  })

  test('are refused where they are of another key: the published key was swapped', async () => {
    const other = certificate(signingKey().publicKey, INTERMEDIATE.privateKey)
    const above = intermediate()
    const policy = policyOf({ nrasRoots: [sha256(above)] })
    for (const changes of [{}, { policy }]) {
      expect(await refusals(answer(), { ...changes, jwks: setOf(other, above) })).toEqual([
        'nras.key nras_key_certificate_mismatch',
      ])
    }
  })

  test('are refused outside of their time, also without a pin', async () => {
    const before = { notAfter: new Date((AT - 1) * 1000) }
    const after = { notBefore: new Date((AT + 3600) * 1000) }
    for (const jwks of [setOf(leaf(before)), setOf(leaf(after))]) {
      expect(await refusals(answer(), { jwks })).toEqual(['nras.key nras_key_certificate_time'])
    }
    const expired = intermediate(before)
    const policy = policyOf({ nrasRoots: [sha256(expired)] })
    expect(await refusals(answer(), { policy, jwks: setOf(leaf(), expired) })).toEqual([
      'nras.key nras_key_certificate_time',
    ])
  })

  test('are refused where the leaf is one of a CA or cannot be read', async () => {
    const refused = ['nras.key nras_key_certificate_invalid']
    const ca = leaf({ ca: { pathLength: null }, keyUsage: ['keyCertSign'] })
    expect(await refusals(answer(), { jwks: setOf(ca) })).toEqual(refused)
    expect(await refusals(answer(), { jwks: setOf(Uint8Array.of(0x30, 0)) })).toEqual(refused)
  })

  test('of the simulator are accepted on request alone, by mark and by name', async () => {
    const marked = leaf({ extensions: [simulationExtension()] })
    const refused = ['nras.key nras_simulated']
    expect(await refusals(answer(), { jwks: setOf(marked) })).toEqual(refused)
    expect(await refusals(answer(), { jwks: setOf(marked), allowSimulated: true })).toEqual([])
    const markedAbove = intermediate({ extensions: [simulationExtension()] })
    expect(await refusals(answer(), { jwks: setOf(leaf(), markedAbove) })).toEqual(refused)

    const named = signingKey('sim-eat-kid-1')
    const header = { kid: named.kid, alg: 'ES384' }
    const simulated = answer({ header, key: named.privateKey })
    const jwks = bytes({ keys: [named.jwk] })
    expect(await refusals(simulated, { jwks })).toEqual(refused)
    expect(await refusals(simulated, { jwks, allowSimulated: true })).toEqual([])
  })
})

describe('a key set is read strictly', () => {
  const other = signingKey('other')
  const { x, y } = KEY.jwk
  test.each([
    ['two keys of one id', { keys: [KEY.jwk, { ...other.jwk, kid: KEY.kid }] }],
    ['a key of another curve', { keys: [signingKey(KEY.kid, 'P-256').jwk] }],
    ['another curve beside the right one', { keys: [KEY.jwk, signingKey('p', 'P-521').jwk] }],
    ['a curve that is a lie', { keys: [{ ...signingKey(KEY.kid, 'P-256').jwk, crv: 'P-384' }] }],
    ['a symmetric key', { keys: [{ kty: 'oct', kid: KEY.kid, k: 'AAAA' }] }],
    ['a private key', { keys: [{ ...KEY.jwk, d: x }] }],
    ['a key for encryption', { keys: [{ ...KEY.jwk, use: 'enc' }] }],
    ['a key for another algorithm', { keys: [{ ...KEY.jwk, alg: 'ES256' }] }],
    ['a key without an id', { keys: [{ ...KEY.jwk, kid: undefined }] }],
    ['a coordinate that is cut short', { keys: [{ ...KEY.jwk, x: String(x).slice(0, 60) }] }],
    ['a coordinate in base64', { keys: [{ ...KEY.jwk, y: `+${String(y).slice(1)}` }] }],
    ['three certificates', { keys: [{ ...KEY.jwk, x5c: ['MAA=', 'MAA=', 'MAA='] }] }],
    ['no certificate in x5c', { keys: [{ ...KEY.jwk, x5c: [] }] }],
    ['a certificate in base64url', { keys: [{ ...KEY.jwk, x5c: ['MA_='] }] }],
    ['a certificate beyond any size', { keys: [{ ...KEY.jwk, x5c: ['A'.repeat(12_000)] }] }],
    ['no keys', { keys: [] }],
    ['more keys than the service has', { keys: Array.from({ length: 65 }, () => KEY.jwk) }],
    ['another member', { keys: [KEY.jwk], next: 'https://a.invalid' }],
    ['a bare list', [KEY.jwk]],
    ['nothing', null],
  ])('refuses %s', async (_what, value) => {
    const checks = await checksOf(answer(), { jwks: bytes(value) })
    expect(checks.filter(({ status }) => status === 'fail')).toMatchObject([
      { id: 'nras.jwks', code: 'nras_jwks_malformed' },
    ])
    expect(checks.find(({ id }) => id === 'nras.0.claims')?.status).toBe('skip')
  })

  test('refuses duplicate members and oversize', async () => {
    const text = JSON.stringify({ keys: [KEY.jwk] })
    const twice = text.replace('"kty":', `"kid":"${KEY.kid}","kty":`)
    const refused = ['nras.jwks nras_jwks_malformed']
    expect(await refusals(answer(), { jwks: new TextEncoder().encode(twice) })).toEqual(refused)
    const huge = new Uint8Array(MAX_JWKS_BYTES + 1).fill(0x20)
    expect(await refusals(answer(), { jwks: huge })).toEqual(refused)
  })

  test('a point beside the curve verifies nothing', async () => {
    const jwks = bytes({ keys: [{ ...KEY.jwk, x: KEY.jwk['y'] }] })
    expect(await refusals(answer(), { jwks })).toEqual([
      'nras.overall.signature nras_signature_invalid',
      'nras.0.signature nras_signature_invalid',
    ])
  })

  test('refuses a key that is not in it', async () => {
    const jwks = bytes({ keys: [other.jwk] })
    expect(await refusals(answer(), { jwks })).toEqual(['nras.key nras_key_unknown'])
  })
})
