import { execFileSync } from 'node:child_process'
import { createHash, createPublicKey } from 'node:crypto'
import type { JsonWebKey } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { sequence, toDer, unsigned } from '../../attestation/x509/der.ts'
import {
  answerAttestation,
  createAttestationService,
  goodGpuClaims,
} from '../../attestation/simulator/nvidia/create-attestation-service.ts'
import type { AnswerOptions } from '../../attestation/simulator/nvidia/create-attestation-service.ts'
import { haveFixtures, fixtureText, PORTS } from './gpu.helpers.ts'
import { AT, KEY, NONCE, answer, bytes, checksOf, policyOf, refusals } from './nras.helpers.ts'
import { hasOpenssl } from './openssl.helpers.ts'

const service = createAttestationService({ now: new Date(AT * 1000) })
const [, intermediate] = service.chain

const gpu = (n: number, version: '2.0' | '3.0') => ({
  name: `GPU-${n}`,
  claims: goodGpuClaims({
    version,
    driver: '570.124.06',
    vbios: '96.00.9F.00.01',
    hwmodel: 'GH100 A01 GSP BROM',
    serial: Uint8Array.of(0x41, 1, 2, n),
  }),
})

const simulated = (version: '2.0' | '3.0', count = 1, more: Partial<AnswerOptions> = {}) =>
  answerAttestation(service, {
    at: AT,
    nonce: NONCE,
    version,
    devices: Array.from({ length: count }, (_, n) => gpu(n, version)),
    ...more,
  })

const jwks = bytes(service.jwks)
const trusted = {
  jwks,
  allowSimulated: true,
  policy: policyOf({ issuer: service.issuer, claimsVersions: ['2.0', '3.0'] }),
}

describe('answers of the simulated service', () => {
  test.each(PORTS)(
    'are accepted on request, in both versions, with the %s port',
    async (_n, crypto) => {
      for (const version of ['2.0', '3.0'] as const) {
        const checks = await checksOf(simulated(version, 8), {
          ...trusted,
          crypto,
          expectedCount: 8,
        })
        expect(checks.filter(({ status }) => status !== 'pass')).toEqual([])
      }
    },
  )

  test('are refused without the request, whatever key set and pin say', async () => {
    const refused = await refusals(simulated('3.0'), { ...trusted, allowSimulated: false })
    expect(refused).toEqual(['nras.key nras_simulated'])
  })

  test('stand under a pinned intermediate', async () => {
    const pin = createHash('sha256')
      .update(intermediate?.der ?? new Uint8Array())
      .digest('hex')
    const policy = policyOf({ issuer: service.issuer, nrasRoots: [pin] })
    expect(await refusals(simulated('3.0'), { ...trusted, policy })).toEqual([])
    const other = policyOf({ issuer: service.issuer, nrasRoots: ['00'.repeat(32)] })
    expect(await refusals(simulated('3.0'), { ...trusted, policy: other })).toEqual([
      'nras.key nras_key_untrusted',
    ])
  })

  test('are refused where the service refuses the machine', async () => {
    expect(await refusals(simulated('3.0', 1, { result: false }), trusted)).toEqual([
      'nras.overall.claims nras_result_false',
    ])
  })
})

/** OpenSSL takes signatures in DER (RFC 3279 §2.2.3) and keys in PEM. */
function opensslVerifies(token: string, pem: string): boolean {
  const [header = '', payload = '', signature = ''] = token.split('.')
  const raw = Buffer.from(signature, 'base64url')
  const folder = mkdtempSync(join(tmpdir(), 'countersign-nras-'))
  try {
    writeFileSync(join(folder, 'signed'), `${header}.${payload}`)
    writeFileSync(
      join(folder, 'signature'),
      toDer(sequence(unsigned(raw.subarray(0, 48)), unsigned(raw.subarray(48)))),
    )
    writeFileSync(join(folder, 'key.pem'), pem)
    const how = ['dgst', '-sha384', '-verify', 'key.pem', '-signature', 'signature', 'signed']
    const run = { cwd: folder, encoding: 'utf8', stdio: 'pipe' } as const
    return execFileSync('openssl', how, run).includes('Verified OK')
  } catch {
    return false
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function pemOf(jwk: unknown): string {
  const key = createPublicKey({ key: jwk as JsonWebKey, format: 'jwk' })
  return key.export({ format: 'pem', type: 'spki' }).toString()
}

describe.skipIf(!hasOpenssl)('openssl agrees on signatures', () => {
  test('of the tokens of these tests, and on a changed one', async () => {
    const pem = pemOf(KEY.jwk)
    const [[, overall], { 'GPU-0': token = '' }] = answer()
    expect(opensslVerifies(overall, pem)).toBe(true)
    expect(opensslVerifies(token, pem)).toBe(true)
    const [header, , signature] = token.split('.')
    const changed = `${header}.${overall.split('.')[1]}.${signature}`
    expect(opensslVerifies(changed, pem)).toBe(false)
    const given = answer({ tokens: { 'GPU-0': changed } })
    expect(await refusals(given)).toEqual(['nras.0.signature nras_signature_invalid'])
  })

  test.skipIf(!haveFixtures)('of NVIDIA’s own tokens', () => {
    const [[, overall], tokens] = JSON.parse(fixtureText('nvidia/nras/h100-detached-eat.json')) as [
      [string, string],
      Record<string, string>,
    ]
    const [production = ''] = fixtureText('nvidia/nras/recovered-keys.jsonl').split('\n')
    const pem = pemOf(JSON.parse(production))
    for (const token of [overall, ...Object.values(tokens)]) {
      expect(opensslVerifies(token, pem)).toBe(true)
    }
  })
})
