import { createHash, createPublicKey, verify } from 'node:crypto'
import { afterEach, describe, expect, test, vi } from 'vitest'
import {
  CORE_NRAS_CHECKS,
  appraiseNras,
} from '../../attestation/appraiser/gpu/nras/appraise-nras.ts'
import { decideVerdict } from '../../attestation/appraiser/verdict.ts'
import { parsePemChain } from '../../attestation/appraiser/x509/parse-pem-chain.ts'
import { parseSpdmReport } from '../../attestation/appraiser/gpu/parse-spdm-report.ts'
import { PORTS, fixtureText, haveFixtures, recordedReport, summary } from './gpu.helpers.ts'
import {
  GPU_CLAIMS_2,
  JWKS,
  KEY,
  SWITCH_CLAIMS,
  answer,
  bytes,
  checksOf,
  device,
  options,
  policyOf,
  refusals,
} from './nras.helpers.ts'

afterEach(() => {
  vi.unstubAllGlobals()
})

/** NVIDIA's answer about one H100, of its production service; exp is 1749605458. */
const RECORDED_AT = 1749602000
const RECORDED_NONCE = '931d8dd0add203ac3d8b4fbde75e115278eefcdceac5b87671a748f32364dfcb'

interface Recorded {
  readonly text: Uint8Array
  readonly overall: string
  readonly device: string
  readonly key: { readonly kid: string; readonly x: string; readonly y: string }
  readonly jwks: Uint8Array
}

function recorded(): Recorded {
  const text = fixtureText('nvidia/nras/h100-detached-eat.json')
  const [[, overall], { 'GPU-0': token }] = JSON.parse(text) as [
    [string, string],
    Record<'GPU-0', string>,
  ]
  const keys = fixtureText('nvidia/nras/recovered-keys.jsonl')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Recorded['key'])
  const key = keys.find(({ kid }) => kid.startsWith('nv-eat-kid-prod-'))
  if (key === undefined) throw new Error('no production key')
  const encode = new TextEncoder()
  return { text: encode.encode(text), overall, device: token, key, jwks: bytes({ keys }) }
}

const recordedOptions = (jwks: Uint8Array) =>
  options({
    at: RECORDED_AT,
    jwks,
    expectedNonce: Uint8Array.from(Buffer.from(RECORDED_NONCE, 'hex')),
  })

const GOOD = {
  'nras.structure': 'pass',
  'nras.jwks': 'pass',
  'nras.key': 'pass',
  'nras.overall.signature': 'pass',
  'nras.0.signature': 'pass',
  'nras.submods': 'pass',
  'nras.count': 'pass',
  'nras.unique': 'pass',
  'nras.time': 'pass',
  'nras.issuer': 'pass',
  'nras.nonce': 'pass',
  'nras.0.claims': 'pass',
  'nras.overall.claims': 'pass',
}

describe.skipIf(!haveFixtures)('the recorded answer of NVIDIA’s production service', () => {
  test.each(PORTS)('is accepted as far as it goes, with the %s port', async (_name, crypto) => {
    const { text, jwks } = recorded()
    const { checks, devices } = await appraiseNras(text, { ...recordedOptions(jwks), crypto })
    expect(summary(checks)).toEqual(GOOD)
    expect(devices).toEqual([
      {
        name: 'GPU-0',
        model: 'GH100 A01 GSP BROM',
        driver: '550.90.07',
        bios: '96.00.9F.00.01',
        ueid: '478176379286082186618948445787393647364802107249',
      },
    ])
    const asOf = { asOf: true, simulated: false, acceptUnchecked: [] }
    expect(decideVerdict(checks, { ...asOf, required: CORE_NRAS_CHECKS }).verdict).toBe(
      'accepted-as-of',
    )
    // Nothing certifies a recovered key, and the result says so.
    expect(checks.find(({ id }) => id === 'nras.key')?.detail).toContain('trusted as given')
  })

  test('is what node:crypto verifies and digests by itself, and says what NVIDIA’s own parse says', () => {
    const { overall, device: token, key } = recorded()
    for (const compact of [overall, token]) {
      const [header = '', payload = '', signature = ''] = compact.split('.')
      const publicKey = createPublicKey({
        key: { kty: 'EC', crv: 'P-384', x: key.x, y: key.y },
        format: 'jwk',
      })
      const signed = Buffer.from(`${header}.${payload}`)
      const by = { key: publicKey, dsaEncoding: 'ieee-p1363' } as const
      expect(verify('sha384', signed, by, Buffer.from(signature, 'base64url'))).toBe(true)
    }
    const claimsOf = (compact: string): unknown =>
      JSON.parse(Buffer.from(compact.split('.')[1] ?? '', 'base64url').toString())
    expect({ 'GPU-0': claimsOf(token) }).toEqual(
      JSON.parse(fixtureText('nvidia/nras/h100-claims.expected.json')),
    )
    const digest = createHash('sha256').update(token).digest('hex')
    expect(claimsOf(overall)).toMatchObject({
      submods: { 'GPU-0': ['DIGEST', ['SHA-256', digest]] },
    })
  })

  test('is about the device whose evidence was recorded beside it', async () => {
    const { text, jwks } = recorded()
    const chain = parsePemChain(fixtureText('nvidia/evidence/h100-550.90.07.chain.pem'), 8)
    const parsed = parseSpdmReport(recordedReport('h100-550.90.07.report.hex'))
    if (!chain.ok || !parsed.ok) throw new Error('the recorded evidence cannot be read')
    const { driverVersion, vbiosVersion } = parsed.report
    const own = { leafSerial: chain.certificates[0]?.serial ?? new Uint8Array() }
    const same = async (changes: object) => {
      const localDevices = [{ ...own, driverVersion, vbiosVersion, ...changes }]
      const result = await appraiseNras(text, { ...recordedOptions(jwks), localDevices })
      const check = result.checks.find(({ id }) => id === 'nras.0.same_device')
      return check?.code
    }
    expect(await same({})).toBe('ok')
    expect(await same({ leafSerial: Uint8Array.of(0x41, 7) })).toBe('nras_device_mismatch')
    expect(await same({ driverVersion: '550.90.08' })).toBe('nras_device_mismatch')
    expect(await same({ driverVersion: null })).toBe('nras_device_mismatch')
    expect(await same({ vbiosVersion: '96.00.9F.00.02' })).toBe('nras_device_mismatch')
  })

  test('is refused once its hour is over, and with the key of the staging service', async () => {
    const { text, jwks } = recorded()
    const late = await appraiseNras(text, { ...recordedOptions(jwks), at: 1749605458 + 60 })
    expect(summary(late.checks)['nras.time']).toBe('fail nras_expired')
    const [, staging] = (JSON.parse(Buffer.from(jwks).toString()) as { keys: object[] }).keys
    const only = await appraiseNras(text, recordedOptions(bytes({ keys: [staging] })))
    expect(summary(only.checks)['nras.key']).toBe('fail nras_key_unknown')
  })
})

describe('an answer', () => {
  test.each(PORTS)('about one GPU is accepted, with the %s port', async (_name, crypto) => {
    expect(summary(await checksOf(answer(), { crypto }))).toEqual(GOOD)
  })

  test('is taken as the value that the strict parser made of it too', async () => {
    const { checks } = await appraiseNras(answer(), options({ jwks: JWKS }))
    expect(summary(checks)).toEqual(GOOD)
  })

  test('about eight GPUs is accepted, in whatever order they are listed', async () => {
    const devices = Object.fromEntries(
      [3, 1, 0, 2, 7, 6, 5, 4].map((n) => [`GPU-${n}`, device({ ueid: `100${n}` })]),
    )
    const checks = await checksOf(answer({ devices }), { expectedCount: 8 })
    expect(checks.every(({ status }) => status === 'pass')).toBe(true)
    expect(checks.filter(({ id }) => id.endsWith('.claims')).map(({ id }) => id)).toEqual([
      ...Array.from({ length: 8 }, (_, n) => `nras.${n}.claims`),
      'nras.overall.claims',
    ])
  })

  test('about switches is accepted under ids of its own', async () => {
    const devices = { 'SWITCH-0': device({}, SWITCH_CLAIMS) }
    const checks = await checksOf(answer({ devices }), { kind: 'switch' })
    expect(checks.every(({ status }) => status === 'pass')).toBe(true)
    expect(checks[0]?.id).toBe('nras_switch.structure')
    const localDevices = [
      {
        leafSerial: Uint8Array.from(
          Buffer.from(
            BigInt('509096176156678437554566035365892618958504054724').toString(16),
            'hex',
          ),
        ),
        driverVersion: null,
        vbiosVersion: '96.10.55.00.01',
      },
    ]
    expect(await refusals(answer({ devices }), { kind: 'switch', localDevices })).toEqual([])
  })

  test('with claims 2.0 is accepted where the policy asks for no more', async () => {
    const old = answer({
      devices: { 'GPU-0': device({}, GPU_CLAIMS_2) },
      overall: { 'x-nvidia-ver': '2.0' },
    })
    const policy = policyOf({ claimsVersions: ['2.0', '3.0'] })
    expect(await refusals(old, { policy })).toEqual([])
    expect(await refusals(old)).toEqual([
      'nras.0.claims nras_claims_version_refused',
      'nras.overall.claims nras_claims_version_refused',
    ])
  })

  test('with claims 4.0 is unsupported, not accepted', async () => {
    const checks = await checksOf(answer({ overall: { 'x-nvidia-ver': '4.0' } }))
    expect(summary(checks)['nras.0.claims']).toBe('fail nras_claims_unsupported')
    const verdict = { required: CORE_NRAS_CHECKS, asOf: false, simulated: false }
    expect(decideVerdict(checks, { ...verdict, acceptUnchecked: [] }).verdict).toBe('unsupported')
  })

  test('without a key set proves nothing, and the verdict says what is missing', async () => {
    const checks = await checksOf(answer(), { jwks: null })
    expect(summary(checks)['nras.jwks']).toBe('skip collateral_not_given')
    expect(checks.filter(({ status }) => status === 'pass').map(({ id }) => id)).toEqual([
      'nras.structure',
    ])
    const verdict = { asOf: false, simulated: false, acceptUnchecked: [] }
    expect(decideVerdict(checks, { ...verdict, required: [] }).verdict).toBe('unsupported')
    expect(decideVerdict(checks, { ...verdict, required: CORE_NRAS_CHECKS }).verdict).toBe(
      'rejected',
    )
  })

  test('without an expected number is not counted, which is no pass', async () => {
    const checks = await checksOf(answer(), { expectedCount: null })
    expect(summary(checks)['nras.count']).toBe('skip not_provided')
  })

  test('in a runtime without Web Crypto is unsupported', async () => {
    vi.stubGlobal('crypto', undefined)
    const checks = await checksOf(answer())
    expect(summary(checks)['nras.overall.signature']).toBe('fail nras_signature_unsupported')
    expect(summary(checks)['nras.0.claims']).toBe('skip depends_on_failed')
  })

  test('names no device that nobody signed for', async () => {
    const good = await appraiseNras(answer(), options())
    expect(good.devices).toHaveLength(1)
    const forged = await appraiseNras(answer({ submods: {} }), options())
    expect(forged.devices).toEqual([])
  })
})

describe('options', () => {
  test.each([
    ['a nonce of another length', { expectedNonce: new Uint8Array(31) }],
    ['a time that is none', { at: Number.NaN }],
    ['a policy that was never read', { policy: { ...policyOf(), clockSkewS: '60' } as never }],
  ])('are refused with %s', async (_what, changes) => {
    await expect(appraiseNras(answer(), options(changes))).rejects.toThrow(TypeError)
  })
})

describe('a key set', () => {
  test('with several keys serves the one that the tokens name', async () => {
    const other = { ...KEY.jwk, kid: 'another' }
    expect(await refusals(answer(), { jwks: bytes({ keys: [other, KEY.jwk] }) })).toEqual([])
  })
})
