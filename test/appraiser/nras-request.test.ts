import { describe, expect, test } from 'vitest'
import { buildNrasRequest } from '../../attestation/appraiser/gpu/nras/build-nras-request.ts'
import { parseNrasPayload } from '../../attestation/appraiser/gpu/parse-nras-payload.ts'

const NONCE = Uint8Array.from({ length: 32 }, (_, index) => index)
const item = (arch = 'HOPPER', n = 0) => ({
  arch,
  certificate: `LS0t${n}`,
  evidence: `EeAB/${n}`,
})
const HEX = '000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f'

describe('a request to the attestation service', () => {
  test('asks v4 for claims 3.0', () => {
    expect(buildNrasRequest([item()], NONCE)).toEqual({
      ok: true,
      request: {
        kind: 'gpu',
        path: '/v4/attest/gpu',
        body: {
          nonce: HEX,
          arch: 'HOPPER',
          claims_version: '3.0',
          evidence_list: [{ evidence: 'EeAB/0', certificate: 'LS0t0' }],
        },
      },
    })
  })

  test('to v3 names no version of the claims, as v3 gives 2.0', () => {
    const built = buildNrasRequest([item()], NONCE, { api: 'v3' })
    expect(built).toMatchObject({ ok: true, request: { path: '/v3/attest/gpu' } })
    expect(built.ok && Object.keys(built.request.body)).toEqual(['nonce', 'arch', 'evidence_list'])
    expect(() => buildNrasRequest([item()], NONCE, { api: 'v3', claimsVersion: '3.0' })).toThrow(
      TypeError,
    )
  })

  test('about switches goes to their own address', () => {
    expect(buildNrasRequest([item('LS10')], NONCE, { claimsVersion: '2.0' })).toMatchObject({
      ok: true,
      request: { kind: 'switch', path: '/v4/attest/switch', body: { claims_version: '2.0' } },
    })
  })

  test('is read back as the list that it was made of', () => {
    const list = [item('HOPPER', 1), item('HOPPER', 2)]
    const built = buildNrasRequest(list, NONCE)
    if (!built.ok) throw new Error(built.detail)
    const read = parseNrasPayload(JSON.parse(JSON.stringify(built.request.body)))
    expect(read).toEqual({ ok: true, nonce: NONCE, evidence: list })
  })

  test('is not made of no device, too many, an unknown kind, or GPUs mixed with switches', () => {
    for (const list of [
      [],
      Array.from({ length: 17 }, () => item()),
      [item('RUBIN')],
      [item(), item('LS10')],
    ]) {
      expect(buildNrasRequest(list, NONCE).ok).toBe(false)
    }
    expect(() => buildNrasRequest([item()], new Uint8Array(16))).toThrow(TypeError)
  })
})
