import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  AT,
  GPU_CLAIMS,
  HEADER,
  JWKS,
  NONCE,
  answer,
  bytes,
  checksOf,
  device,
  digestEntry,
  frame,
  options,
  policyOf,
  refusals,
  segment,
  signSegments,
  signingKey,
} from './nras.helpers.ts'
import { appraiseNras } from '../../attestation/appraiser/gpu/nras/appraise-nras.ts'

/** An answer whose only device token is `token`. */
const withToken = (token: string) => answer({ tokens: { 'GPU-0': token } })
const good = () => answer()[1]['GPU-0'] ?? ''

describe('tokens belong together', () => {
  const two = (changes: object = {}) => ({
    'GPU-0': device({ ueid: '1' }),
    'GPU-1': device({ ueid: '2', ...changes }),
  })

  test('refuses an answer with a device token left out', async () => {
    const [overall, tokens] = answer({ devices: two() })
    const { 'GPU-1': _, ...first } = tokens
    expect(await refusals([overall, first])).toEqual(['nras.submods nras_device_set_mismatch'])
    // And where the rest is named as if nothing were missing.
    const { 'GPU-0': __, ...second } = tokens
    expect(await refusals([overall, second])).toEqual(['nras.submods nras_device_set_mismatch'])
  })

  test('refuses a device token that the overall token does not list', async () => {
    const [overall, tokens] = answer()
    const extra = signSegments(HEADER, device({ ueid: '2' }))
    expect(await refusals([overall, { ...tokens, 'GPU-1': extra }], { expectedCount: 2 })).toEqual([
      'nras.submods nras_device_set_mismatch',
    ])
  })

  test('refuses a gap in the numbers of the devices', async () => {
    const devices = { 'GPU-0': device({ ueid: '1' }), 'GPU-2': device({ ueid: '2' }) }
    expect(await refusals(answer({ devices }), { expectedCount: 2 })).toEqual([
      'nras.submods nras_device_set_mismatch',
    ])
  })

  test('refuses a good token of another answer, and tokens in each other’s place', async () => {
    const [overall, tokens] = answer({ devices: two() })
    const other = signSegments(HEADER, device({ ueid: '3' }))
    const changed = await refusals([overall, { ...tokens, 'GPU-1': other }], { expectedCount: 2 })
    expect(changed).toEqual(['nras.submods nras_digest_mismatch'])
    const swapped = { 'GPU-0': tokens['GPU-1'], 'GPU-1': tokens['GPU-0'] }
    expect(await refusals([overall, swapped], { expectedCount: 2 })).toEqual([
      'nras.submods nras_digest_mismatch',
    ])
  })

  test.each([
    ['is of another algorithm', ['DIGEST', ['SHA-384', '00'.repeat(48)]]],
    ['has another label', ['JWT', ['SHA-256', '00'.repeat(32)]]],
    ['is no list', '00'.repeat(32)],
    ['is of another token', digestEntry('x')],
  ])('refuses a submodule whose digest %s', async (_what, entry) => {
    expect(await refusals(answer({ submods: { 'GPU-0': entry } }))).toEqual([
      'nras.submods nras_digest_mismatch',
    ])
  })

  test('refuses a digest in upper case, which is not what is signed', async () => {
    const tokens = { 'GPU-0': good() }
    const text = JSON.stringify(digestEntry(tokens['GPU-0'])).replace(/[0-9a-f]{64}/, (hex) =>
      hex.toUpperCase(),
    )
    const plan = { tokens, submods: { 'GPU-0': JSON.parse(text) as unknown } }
    expect(await refusals(answer(plan))).toEqual(['nras.submods nras_digest_mismatch'])
  })

  test('refuses fewer and more devices than expected', async () => {
    for (const expectedCount of [1, 3]) {
      expect(await refusals(answer({ devices: two() }), { expectedCount })).toEqual([
        'nras.count nras_count_mismatch',
      ])
    }
  })

  test('refuses one device under two names', async () => {
    const devices = two({ ueid: '1' })
    expect(await refusals(answer({ devices }), { expectedCount: 2 })).toEqual([
      'nras.unique nras_duplicate_device',
    ])
  })

  test('refuses an answer about fewer or other devices than there is evidence of', async () => {
    const local = (n: number) => ({
      leafSerial: Uint8Array.of(n),
      driverVersion: '550.90.07',
      vbiosVersion: '96.00.9f.00.01',
    })
    const given = answer({ devices: two() })
    const judged = async (localDevices: readonly ReturnType<typeof local>[]) =>
      refusals(given, { expectedCount: null, localDevices })
    expect(await judged([local(2), local(1)])).toEqual([])
    expect(await judged([local(1), local(3)])).toEqual(['nras.1.same_device nras_device_mismatch'])
    const refused = [0, 1].map((n) => `nras.${n}.same_device nras_device_mismatch`)
    expect(await judged([local(1), local(2), local(3)])).toEqual(refused)
    expect(await judged([])).toEqual(refused)
  })

  test('refuses tokens that name different keys, though both are published', async () => {
    const other = signingKey('nv-eat-kid-other')
    const token = signSegments({ ...HEADER, kid: other.kid }, device(), other.privateKey)
    const jwks = bytes({ keys: [...JWKS.keys, other.jwk] })
    expect(await refusals(withToken(token), { jwks })).toEqual(['nras.key nras_key_mixed'])
  })
})

describe('times, issuer and nonce stand in every token', () => {
  const inDevice = (changes: object) => answer({ devices: { 'GPU-0': device({ ...changes }) } })
  const inOverall = (changes: object) => answer({ overall: { ...changes } })

  test.each([
    ['overall', inOverall],
    ['device', inDevice],
  ])('refuses the %s token where its times are wrong', async (_which, make) => {
    const verdict = async (changes: object, at = AT + 60) => refusals(make(changes), { at })
    expect(await verdict({ exp: AT, iat: AT - 3600, nbf: AT - 3600 })).toEqual([
      'nras.time nras_expired',
    ])
    expect(await verdict({ nbf: AT + 1000 })).toEqual(['nras.time nras_not_yet_valid'])
    expect(await verdict({ iat: AT + 1000, nbf: AT })).toEqual(['nras.time nras_not_yet_valid'])
    expect(await verdict({ exp: AT + 1e6 })).toEqual(['nras.time nras_lifetime_refused'])
    for (const odd of [undefined, null, '1795395600', 1795395600.5, -1, AT]) {
      expect(await verdict({ exp: odd })).toEqual(['nras.time nras_time_malformed'])
    }
    expect(await verdict({ nbf: undefined })).toEqual(['nras.time nras_time_malformed'])
    expect(await verdict({ iat: undefined })).toEqual(['nras.time nras_time_malformed'])
  })

  test('is exact about the edges, with the skew that the policy allows', async () => {
    const at = async (seconds: number, clockSkewS: number) =>
      refusals(answer(), { at: seconds, policy: policyOf({ clockSkewS }) })
    expect(await at(AT, 0)).toEqual([])
    expect(await at(AT - 1, 0)).toEqual(['nras.time nras_not_yet_valid'])
    expect(await at(AT + 3599, 0)).toEqual([])
    expect(await at(AT + 3600, 0)).toEqual(['nras.time nras_expired'])
    expect(await at(AT - 60, 60)).toEqual([])
    expect(await at(AT + 3659, 60)).toEqual([])
    expect(await at(AT + 3660, 60)).toEqual(['nras.time nras_expired'])
  })

  test.each([
    ['of somebody else', 'https://nras.attestation.invalid'],
    ['of the staging service', 'https://nras.attestation-stg.nvidia.com'],
    ['with a slash behind it', 'https://nras.attestation.nvidia.com/'],
    ['in a list', ['https://nras.attestation.nvidia.com']],
    ['that is missing', undefined],
  ])('refuses an issuer %s', async (_what, iss) => {
    expect(await refusals(inOverall({ iss }))).toEqual(['nras.issuer nras_issuer_mismatch'])
    expect(await refusals(inDevice({ iss }))).toEqual(['nras.issuer nras_issuer_mismatch'])
  })

  test('takes the issuer that the policy names instead', async () => {
    const iss = 'https://nras.attestation-stg.nvidia.com'
    const staging = answer({ overall: { iss }, devices: { 'GPU-0': device({ iss }) } })
    expect(await refusals(staging, { policy: policyOf({ issuer: iss }) })).toEqual([])
  })

  test.each([
    ['another nonce', '00'.repeat(32)],
    ['a shorter nonce', NONCE.slice(2)],
    ['the nonce in upper case', NONCE.toUpperCase()],
    ['a number', 7],
    ['no nonce', undefined],
  ])('refuses %s in the overall token or in one device alone', async (_what, nonce) => {
    const expected = ['nras.nonce nras_nonce_mismatch']
    expect(await refusals(inOverall({ eat_nonce: nonce }))).toEqual(expected)
    const devices = {
      'GPU-0': device({ ueid: '1' }),
      'GPU-1': device({ ueid: '2', eat_nonce: nonce }),
    }
    expect(await refusals(answer({ devices }), { expectedCount: 2 })).toEqual(expected)
  })
})

describe('errors inside an answer of status 200', () => {
  const failed = (details: unknown) =>
    answer({
      devices: {
        'GPU-0': { ...frame(), eat_nonce: undefined, 'x-nvidia-error-details': details },
      },
      overall: { 'x-nvidia-overall-att-result': false },
    })

  test('are named, and nothing else is said of the device', async () => {
    const details = {
      code: 4010,
      httpStatus: '400',
      message: 'NONCE_NOT_MATCHING',
      description: 'd',
    }
    const checks = await checksOf(failed(details))
    expect(checks.find(({ id }) => id === 'nras.0.claims')).toMatchObject({
      status: 'fail',
      code: 'nras_service_error',
      detail: '4010, NONCE_NOT_MATCHING, d',
    })
    expect(await refusals(failed(details))).toEqual([
      'nras.0.claims nras_service_error',
      'nras.overall.claims nras_result_false',
    ])
    expect(await refusals(failed('down'))).toContain('nras.0.claims nras_service_error')
  })

  test('refuse a device also where all good claims stand beside them', async () => {
    const devices = { 'GPU-0': device({ 'x-nvidia-error-details': { code: 4007 } }) }
    expect(await refusals(answer({ devices }))).toEqual(['nras.0.claims nras_service_error'])
    const none = { 'GPU-0': device({ 'x-nvidia-error-details': null }) }
    expect(await refusals(answer({ devices: none }))).toEqual([])
  })
})

describe('no change of one character is accepted', () => {
  test('in any place of the tokens', async () => {
    const text = JSON.stringify(answer())
    const places = [...text.matchAll(/[A-Za-z0-9_-]/g)].map(({ index }) => index)
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...places),
        fc.constantFrom(...'AZaz09-_'),
        async (place, character) => {
          if (text[place] === character) return
          const mutant = text.slice(0, place) + character + text.slice(place + 1)
          const { checks } = await appraiseNras(new TextEncoder().encode(mutant), options())
          expect(checks.some(({ status }) => status === 'fail')).toBe(true)
        },
      ),
      { numRuns: 300 },
    )
  })

  test('and nothing that is put in place of an answer makes the verb throw', async () => {
    await fc.assert(
      fc.asyncProperty(fc.jsonValue(), fc.jsonValue(), async (value, jwks) => {
        const { checks } = await appraiseNras(value, options({ jwks: jwks ?? {} }))
        expect(checks[0]?.code).toBe('nras_answer_malformed')
      }),
      { numRuns: 200 },
    )
  })

  test('claims that a signature does not cover are never read', async () => {
    const claims = JSON.stringify({ ...GPU_CLAIMS, ...frame(), secboot: false })
    const [header, , signature] = good().split('.')
    const checks = await checksOf(withToken(`${header}.${segment(claims)}.${signature}`))
    expect(checks.find(({ id }) => id === 'nras.0.claims')?.status).toBe('skip')
  })
})
