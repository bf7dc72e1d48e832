import { createHash, createHmac, generateKeyPairSync, sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import type { Check } from '../../attestation/appraiser/check.ts'
import { appraiseNras } from '../../attestation/appraiser/gpu/nras/appraise-nras.ts'
import type { NrasOptions } from '../../attestation/appraiser/gpu/nras/appraise-nras.ts'
import { readNrasPolicy } from '../../attestation/appraiser/gpu/nras/nras-policy.ts'
import type { NrasPolicy } from '../../attestation/appraiser/gpu/nras/nras-policy.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'

/** 2026-11-23, as in the tests of evidence. */
export const AT = 1795392000
export const NONCE = '5b'.repeat(32)
export const ISSUER = 'https://nras.attestation.nvidia.com'
export const KID = 'nv-eat-kid-test'

export type Claims = Readonly<Record<string, unknown>>

export interface SigningKey {
  readonly kid: string
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
  readonly jwk: Claims
}

/** Not by an export as JWK: see `publicPoint` of the simulator. */
const COORDINATE_BYTES: Readonly<Record<string, number>> = {
  'P-256': 32,
  'P-384': 48,
  'P-521': 66,
  secp256k1: 32,
}

export function signingKey(kid = KID, namedCurve = 'P-384'): SigningKey {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve })
  const spki = publicKey.export({ format: 'der', type: 'spki' })
  const point = spki.subarray(-2 * (COORDINATE_BYTES[namedCurve] ?? 0))
  const [x, y] = [point.subarray(0, point.length / 2), point.subarray(point.length / 2)]
  const jwk = { kty: 'EC', crv: namedCurve, x: x.toString('base64url'), y: y.toString('base64url') }
  return { kid, publicKey, privateKey, jwk: { ...jwk, kid } }
}

export const KEY = signingKey()
export const JWKS = { keys: [KEY.jwk] }

export const segment = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')

/** Signs whatever text stands for header and payload, so that forgeries can be put together freely. */
export function signSegments(
  header: unknown,
  payload: unknown,
  key: KeyObject = KEY.privateKey,
  hash = 'sha384',
): string {
  const signed = `${segment(header)}.${segment(payload)}`
  const signature = sign(hash, Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' })
  return `${signed}.${signature.toString('base64url')}`
}

export function hmacSegments(header: unknown, payload: unknown, secret: Uint8Array): string {
  const signed = `${segment(header)}.${segment(payload)}`
  return `${signed}.${createHmac('sha384', secret).update(signed).digest('base64url')}`
}

export const HEADER = { kid: KID, alg: 'ES384' }

export const frame = (): Claims => ({
  iss: ISSUER,
  eat_nonce: NONCE,
  nbf: AT,
  iat: AT,
  exp: AT + 3600,
  jti: 'test',
})

const CHAIN = {
  'x-nvidia-cert-status': 'valid',
  'x-nvidia-cert-ocsp-status': 'good',
  'x-nvidia-cert-expiration-date': '9999-12-31T23:59:59Z',
  'x-nvidia-cert-revocation-reason': null,
}

const allTrue = (prefix: string, names: string): Claims =>
  Object.fromEntries(names.split(' ').map((name) => [`${prefix}-${name}`, true]))

/** Written down from NVIDIA's claims guide, not from the code under test. */
export const GPU_CLAIMS: Claims = {
  measres: 'success',
  secboot: true,
  dbgstat: 'disabled',
  hwmodel: 'GH100 A01 GSP BROM',
  ueid: '478176379286082186618948445787393647364802107249',
  oemid: '5703',
  'x-nvidia-gpu-driver-version': '550.90.07',
  'x-nvidia-gpu-vbios-version': '96.00.9F.00.01',
  ...allTrue('x-nvidia-gpu', 'arch-check vbios-index-no-conflict'),
  ...allTrue(
    'x-nvidia-gpu-attestation-report',
    'parsed nonce-match signature-verified cert-chain-fwid-match',
  ),
  ...allTrue(
    'x-nvidia-gpu-driver-rim',
    'fetched schema-validated signature-verified version-match measurements-available',
  ),
  ...allTrue(
    'x-nvidia-gpu-vbios-rim',
    'fetched schema-validated signature-verified version-match measurements-available',
  ),
  'x-nvidia-gpu-attestation-report-cert-chain': CHAIN,
  'x-nvidia-gpu-driver-rim-cert-chain': CHAIN,
  'x-nvidia-gpu-vbios-rim-cert-chain': CHAIN,
  'x-nvidia-attestation-warning': null,
}

/** Claims 2.0 as integrators print them. */
export const GPU_CLAIMS_2: Claims = {
  measres: 'success',
  secboot: true,
  dbgstat: 'disabled',
  hwmodel: 'GH100 A01 GSP BROM',
  ueid: '478176379286082186618948445787393647364802107249',
  oemid: '5703',
  'x-nvidia-gpu-driver-version': '570.133.20',
  'x-nvidia-gpu-vbios-version': '96.00.CF.00.02',
  ...allTrue('x-nvidia-gpu', 'arch-check vbios-index-no-conflict'),
  ...allTrue(
    'x-nvidia-gpu-attestation-report',
    'parsed nonce-match signature-verified cert-chain-validated',
  ),
  ...allTrue(
    'x-nvidia-gpu-driver-rim',
    'fetched schema-validated cert-validated signature-verified measurements-available',
  ),
  ...allTrue(
    'x-nvidia-gpu-vbios-rim',
    'fetched schema-validated cert-validated signature-verified measurements-available',
  ),
  'x-nvidia-attestation-warning': null,
}

export const SWITCH_CLAIMS: Claims = {
  measres: 'success',
  secboot: true,
  dbgstat: 'disabled',
  hwmodel: 'LS_10 A01 FSP BROM',
  ueid: '509096176156678437554566035365892618958504054724',
  oemid: '5703',
  'x-nvidia-switch-bios-version': '96.10.55.00.01',
  ...allTrue('x-nvidia-switch', 'arch-check'),
  ...allTrue(
    'x-nvidia-switch-attestation-report',
    'parsed nonce-match signature-verified cert-chain-fwid-match',
  ),
  ...allTrue(
    'x-nvidia-switch-bios-rim',
    'fetched schema-validated signature-verified version-match measurements-available',
  ),
  'x-nvidia-switch-attestation-report-cert-chain': CHAIN,
  'x-nvidia-switch-bios-rim-cert-chain': CHAIN,
}

/** What to change about a good answer about one GPU. */
export interface Plan {
  /** By name, each in place of the good claims; `undefined` members are left out. */
  readonly devices?: Readonly<Record<string, Claims>>
  /** Finished tokens, in place of those of `devices`. */
  readonly tokens?: Readonly<Record<string, string>>
  readonly overall?: Claims
  readonly submods?: Readonly<Record<string, unknown>>
  readonly key?: KeyObject
  readonly header?: unknown
}

export const device = (changes: Claims = {}, base: Claims = GPU_CLAIMS): Claims => ({
  ...base,
  ...frame(),
  ...changes,
})

export const digestEntry = (token: string): unknown => [
  'DIGEST',
  ['SHA-256', createHash('sha256').update(token).digest('hex')],
]

export type Answer = readonly [readonly [string, string], Readonly<Record<string, string>>]

export function answer(plan: Plan = {}): Answer {
  const { key = KEY.privateKey, header = HEADER } = plan
  const signed = (claims: unknown): string => signSegments(header, claims, key)
  const tokens =
    plan.tokens ??
    Object.fromEntries(
      Object.entries(plan.devices ?? { 'GPU-0': device() }).map(([name, claims]) => [
        name,
        signed(claims),
      ]),
    )
  const submods =
    plan.submods ??
    Object.fromEntries(Object.entries(tokens).map(([name, token]) => [name, digestEntry(token)]))
  const overall = {
    sub: 'NVIDIA-PLATFORM-ATTESTATION',
    'x-nvidia-ver': '3.0',
    'x-nvidia-overall-att-result': true,
    ...frame(),
    submods,
    ...plan.overall,
  }
  return [['JWT', signed(overall)], tokens]
}

export const bytes = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value))

export function policyOf(changes: Partial<NrasPolicy> = {}): NrasPolicy {
  const read = readNrasPolicy(changes)
  if (!read.ok) throw new Error(read.detail)
  return read.policy
}

export function options(changes: Partial<NrasOptions> = {}): NrasOptions {
  return {
    crypto: nodeCrypto,
    at: AT + 60,
    jwks: bytes(JWKS),
    expectedNonce: Uint8Array.from(Buffer.from(NONCE, 'hex')),
    expectedCount: 1,
    allowSimulated: false,
    policy: policyOf(),
    ...changes,
  }
}

export async function checksOf(
  given: unknown,
  changes: Partial<NrasOptions> = {},
): Promise<readonly Check[]> {
  const input = given instanceof Uint8Array ? given : bytes(given)
  return (await appraiseNras(input, options(changes))).checks
}

/** What speaks against an answer: every check that failed, as `id code`. */
export async function refusals(
  given: unknown,
  changes: Partial<NrasOptions> = {},
): Promise<string[]> {
  const checks = await checksOf(given, changes)
  return checks.filter(({ status }) => status === 'fail').map(({ id, code }) => `${id} ${code}`)
}
