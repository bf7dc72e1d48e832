/**
 * Answers of the remote attestation service: forged, exchanged, incomplete, old, for somebody else, or saying no.
 * Source: RFC 7515, RFC 7519, RFC 8725; NVIDIA, Attestation claims guide (GPU and switch claims 2.0 and 3.0), 2026-11.
 *
 * @module
 */
import { createHash, createHmac } from 'node:crypto'
import {
  goodGpuClaims,
  overallClaims,
  signToken,
  tokenFrame,
} from '../../../attestation/simulator/nvidia/create-attestation-service.ts'
import type {
  AnswerOptions,
  AttestationService,
  Claims,
  NrasAnswer,
} from '../../../attestation/simulator/nvidia/create-attestation-service.ts'
import { SIMULATED_GPU_FIRMWARE } from '../../../attestation/simulator/nvidia/simulated-firmware.ts'
import { toDer, octetString } from '../../../attestation/x509/der.ts'
import { keyOf, seeded } from '../entropy.ts'
import type { Vector, VectorCode, VectorVerdict } from '../vector.ts'
import {
  AT,
  base64,
  DAY,
  flipped,
  gpuOf,
  HOUR,
  NONCE,
  SERVICE,
  sha256Hex,
  STRANGER_SERVICE,
  toHex,
} from '../world.ts'

/** What a case changes about one answer. */
interface AnswerChange {
  readonly service?: AttestationService
  readonly gpus?: number
  readonly version?: '2.0' | '3.0'
  readonly options?: Partial<AnswerOptions>
  /** Claims of every device token. */
  readonly claims?: Claims
  /** Claims of the device tokens that are dropped. */
  readonly without?: readonly string[]
  readonly overall?: Claims
  readonly header?: object
  readonly overallHeader?: object
  /** Changes the device tokens after the overall token named them. */
  readonly tokens?: (tokens: Record<string, string>) => Record<string, string>
  readonly overallToken?: (token: string) => string
}

interface Input {
  readonly answer?: unknown
  readonly jwks?: unknown
  readonly nonce?: Uint8Array
  readonly at?: number
  readonly gpus?: number
  readonly gpu?: object
  readonly policy?: object
}

const SERIALS = [0, 1, 2].map((index) =>
  createHash('sha1')
    .update(gpuOf(index).pdi)
    .digest()
    .map((b, i) => (i === 0 ? (b & 0x3f) | 0x40 : b)),
)
const MODEL = 'GH100 A01 GSP BROM SIMULATED'

function without(claims: Claims, names: readonly string[]): Claims {
  return Object.fromEntries(Object.entries(claims).filter(([name]) => !names.includes(name)))
}

function makeAnswer(change: AnswerChange = {}): NrasAnswer {
  const { service = SERVICE, gpus = 1, version = '3.0' } = change
  const frame: AnswerOptions = {
    at: AT - 60,
    nonce: toHex(NONCE),
    devices: [],
    version,
    ...change.options,
  }
  const names = Array.from({ length: gpus }, (_, i) => `GPU-${i}`)
  const tokens = Object.fromEntries(
    names.map((name, index) => {
      const { driver, vbios } = SIMULATED_GPU_FIRMWARE
      const serial = SERIALS[index] ?? new Uint8Array(20)
      const good = goodGpuClaims({ version, driver, vbios, hwmodel: MODEL, serial })
      const claims = {
        ...good,
        ...tokenFrame(service, frame),
        jti: `sim-${name}`,
        ...change.claims,
      }
      return [name, signToken(service, without(claims, change.without ?? []), change.header)]
    }),
  )
  const overall = signToken(
    service,
    { ...overallClaims(service, frame, tokens), ...change.overall },
    change.overallHeader,
  )
  return [['JWT', change.overallToken?.(overall) ?? overall], change.tokens?.(tokens) ?? tokens]
}

function inputOf(input: Input): object {
  return {
    nras: input.answer ?? makeAnswer(),
    jwks: input.jwks === undefined ? SERVICE.jwks : input.jwks,
    nonce: toHex(input.nonce ?? NONCE),
    at: input.at ?? AT,
    ...(input.gpus === undefined ? {} : { gpus: input.gpus }),
    policy: {
      allowSimulated: true,
      ...input.policy,
      gpu: { nrasIssuer: SERVICE.issuer, hardwareModels: [MODEL], ...input.gpu },
    },
  }
}

type Row = readonly [id: string, code: VectorCode, title: string, input: Input]

function row(verdict: VectorVerdict) {
  return ([id, code, title, input]: Row): Vector => ({
    id: verdict === 'accepted-as-of' ? `ok-nras-${id}` : `nras-${id}`,
    input: inputOf(input),
    expected: { verdict, code, title },
  })
}

const answer = (change: AnswerChange): Input => ({ answer: makeAnswer(change) })
const segment = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')

/** The token with one of its three parts changed. */
function withPart(token: string, index: 0 | 1 | 2, change: (part: string) => string): string {
  return token
    .split('.')
    .map((part, i) => (i === index ? change(part) : part))
    .join('.')
}

const payloadOf = (token: string): Record<string, unknown> =>
  JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as Record<
    string,
    unknown
  >

/** The first device token changed, and the overall token, which is signed, made to name the changed one. */
function deviceToken(change: (token: string) => string): Input {
  const [, tokens] = makeAnswer()
  const changed = { 'GPU-0': change(tokens['GPU-0'] ?? '') }
  const frame: AnswerOptions = { at: AT - 60, nonce: toHex(NONCE), devices: [] }
  return {
    answer: [['JWT', signToken(SERVICE, overallClaims(SERVICE, frame, changed))], changed],
  }
}

function keys(): Row[] {
  const nobody = { ...SERVICE, key: keyOf('nobody').privateKey }
  const hmac = (token: string): string => {
    const [, payload = ''] = token.split('.')
    const signed = `${segment({ kid: SERVICE.kid, alg: 'HS256' })}.${payload}`
    // The public key as the secret, which a verifier falls for that lets the token choose (RFC 8725 §2.1).
    const secret = JSON.stringify(SERVICE.jwks.keys[0])
    return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`
  }
  const none = (token: string): string =>
    `${segment({ kid: SERVICE.kid, alg: 'none' })}.${token.split('.')[1] ?? ''}.`
  const refused = 'nras_algorithm_refused'
  const header = 'nras_header_refused'
  const [jwk] = SERVICE.jwks.keys
  return [
    [
      'wrong-key',
      'nras_signature_invalid',
      'signed by another key under the known id',
      answer({ service: nobody }),
    ],
    [
      'wrong-key-device',
      'nras_signature_invalid',
      'the device token alone is signed by another key',
      deviceToken((token) => signToken(nobody, payloadOf(token))),
    ],
    [
      'of-a-stranger',
      'nras_key_unknown',
      'a whole answer by somebody who runs the same simulator',
      answer({ service: { ...STRANGER_SERVICE, issuer: SERVICE.issuer } }),
    ],
    [
      'key-id-other',
      'nras_key_unknown',
      'a key id that is not in the set',
      answer({
        header: { kid: 'sim-other', alg: 'ES384' },
        overallHeader: { kid: 'sim-other', alg: 'ES384' },
      }),
    ],
    [
      'key-id-mixed',
      'nras_key_mixed',
      'device token and overall token name different keys',
      answer({ header: { kid: 'sim-other', alg: 'ES384' } }),
    ],
    [
      'signature-bit',
      'nras_signature_invalid',
      'a bit of the overall signature flipped',
      answer({
        overallToken: (token) =>
          withPart(token, 2, (part) =>
            Buffer.from(flipped(Buffer.from(part, 'base64url'), 5)).toString('base64url'),
          ),
      }),
    ],
    [
      'signature-zero',
      'nras_signature_invalid',
      'r and s zero',
      answer({
        overallToken: (token) => withPart(token, 2, () => Buffer.alloc(96).toString('base64url')),
      }),
    ],
    [
      'payload-changed',
      'nras_signature_invalid',
      'a failed result made a good one after it was signed',
      answer({
        overall: { 'x-nvidia-overall-att-result': false },
        overallToken: (token) =>
          withPart(token, 1, () =>
            segment({ ...payloadOf(token), 'x-nvidia-overall-att-result': true }),
          ),
      }),
    ],
    ['algorithm-none', refused, 'the overall token is not signed', answer({ overallToken: none })],
    ['algorithm-none-device', refused, 'the device token is not signed', deviceToken(none)],
    [
      'algorithm-hs256',
      refused,
      'the overall token under HMAC with the public key',
      answer({ overallToken: hmac }),
    ],
    [
      'algorithm-hs256-device',
      refused,
      'the device token under HMAC with the public key',
      deviceToken(hmac),
    ],
    [
      'algorithm-es256',
      refused,
      'ES256',
      answer({ overallHeader: { kid: SERVICE.kid, alg: 'ES256' } }),
    ],
    [
      'algorithm-es384-lower-case',
      refused,
      'es384',
      answer({ overallHeader: { kid: SERVICE.kid, alg: 'es384' } }),
    ],
    ['algorithm-absent', refused, 'no algorithm', answer({ overallHeader: { kid: SERVICE.kid } })],
    [
      'header-jwk',
      header,
      'a token that brings its own key',
      answer({ overallHeader: { kid: SERVICE.kid, alg: 'ES384', jwk } }),
    ],
    [
      'header-jku',
      header,
      'a token that says where its key is',
      answer({
        overallHeader: { kid: SERVICE.kid, alg: 'ES384', jku: 'https://evil.invalid/jwks' },
      }),
    ],
    [
      'header-x5c',
      header,
      'a token that brings its own certificates',
      answer({ overallHeader: { kid: SERVICE.kid, alg: 'ES384', x5c: [] } }),
    ],
    [
      'header-crit',
      header,
      'a token with an extension that has to be understood',
      answer({ overallHeader: { kid: SERVICE.kid, alg: 'ES384', crit: ['b64'], b64: false } }),
    ],
    [
      'key-certificate-of-other-key',
      'nras_key_certificate_mismatch',
      'the key set gives the key with the certificate of another',
      {
        jwks: {
          keys: [{ ...jwk, x5c: STRANGER_SERVICE.chain.slice(0, 2).map(({ der }) => base64(der)) }],
        },
      },
    ],
    [
      'key-certificate-cut',
      'nras_key_certificate_invalid',
      'the certificate of the key ends early',
      {
        jwks: {
          keys: [
            { ...jwk, x5c: [base64((SERVICE.chain[0]?.der ?? new Uint8Array(0)).subarray(0, -9))] },
          ],
        },
      },
    ],
    [
      'key-certificate-expired',
      'nras_key_certificate_time',
      'the certificate of the key has expired, the tokens have not',
      { answer: makeAnswer({ options: { at: AT + 2 * DAY - 60 } }), at: AT + 2 * DAY },
    ],
    [
      'key-not-pinned',
      'nras_key_untrusted',
      'another intermediate is pinned',
      { gpu: { nrasRoots: [sha256Hex(STRANGER_SERVICE.chain[1]?.der ?? new Uint8Array(0))] } },
    ],
    [
      'simulation-not-allowed',
      'nras_simulated',
      'simulations are not allowed',
      { policy: { allowSimulated: false } },
    ],
  ]
}

function answers(): Row[] {
  const [, tokens] = makeAnswer({ gpus: 2 })
  const old = makeAnswer({ options: { nonce: toHex(seeded('old nonce', 32)) } })
  return [
    [
      'digest-mismatch',
      'nras_digest_mismatch',
      'the device token of another answer of the same day',
      answer({
        tokens: (own) => ({
          ...own,
          'GPU-0': makeAnswer({ claims: { jti: 'sim-other' } })[1]['GPU-0'] ?? '',
        }),
      }),
    ],
    [
      'digests-exchanged',
      'nras_digest_mismatch',
      'two device tokens exchanged',
      answer({
        gpus: 2,
        tokens: (own) => ({ 'GPU-0': own['GPU-1'] ?? '', 'GPU-1': own['GPU-0'] ?? '' }),
      }),
    ],
    [
      'digest-sha384',
      'nras_digest_mismatch',
      'digests of another algorithm',
      answer({
        overall: {
          submods: {
            'GPU-0': [
              'DIGEST',
              [
                'SHA-384',
                createHash('sha384')
                  .update(makeAnswer()[1]['GPU-0'] ?? '')
                  .digest('hex'),
              ],
            ],
          },
        },
      }),
    ],
    [
      'device-missing',
      'nras_device_set_mismatch',
      'one device token of two left out',
      answer({
        gpus: 2,
        tokens: (own) => ({ 'GPU-0': own['GPU-0'] ?? '' }),
      }),
    ],
    [
      'device-added',
      'nras_device_set_mismatch',
      'a device token that the overall token does not name',
      answer({
        tokens: (own) => ({ ...own, 'GPU-1': tokens['GPU-1'] ?? '' }),
      }),
    ],
    [
      'submods-absent',
      'nras_device_set_mismatch',
      'an overall token that names no devices',
      answer({ overall: { submods: {} } }),
    ],
    [
      'device-twice',
      'nras_duplicate_device',
      'two tokens on one device',
      answer({ gpus: 2, claims: { ueid: '12345678901234567890' } }),
    ],
    ['count-less', 'nras_count_mismatch', 'one GPU of two', { gpus: 2 }],
    ['count-more', 'nras_count_mismatch', 'two GPUs of one', { ...answer({ gpus: 2 }), gpus: 1 }],
    ['nonce-other', 'nras_nonce_mismatch', 'an answer for another nonce', { answer: old }],
    [
      'nonce-expected-other',
      'nras_nonce_mismatch',
      'another nonce is expected',
      { nonce: seeded('other nonce', 32) },
    ],
    [
      'nonce-of-device',
      'nras_nonce_mismatch',
      'the device token alone is for another nonce',
      answer({ claims: { eat_nonce: toHex(seeded('old nonce', 32)) } }),
    ],
    [
      'nonce-absent',
      'nras_nonce_mismatch',
      'tokens without a nonce',
      answer({ without: ['eat_nonce'] }),
    ],
    [
      'issuer-other',
      'nras_issuer_mismatch',
      'an answer of the staging service',
      answer({ service: { ...SERVICE, issuer: 'https://nras.attestation-stg.nvidia.com' } }),
    ],
    [
      'issuer-of-device',
      'nras_issuer_mismatch',
      'the device token alone is of another issuer',
      answer({ claims: { iss: 'https://evil.invalid' } }),
    ],
    [
      'issuer-prefix',
      'nras_issuer_mismatch',
      'an issuer that begins with the right one',
      answer({ service: { ...SERVICE, issuer: `${SERVICE.issuer}.evil.invalid` } }),
    ],
    [
      'expired',
      'nras_expired',
      'tokens of two hours ago',
      answer({ options: { at: AT - 2 * HOUR } }),
    ],
    [
      'expired-device',
      'nras_expired',
      'the device token alone has expired',
      answer({ claims: { nbf: AT - 2 * HOUR, iat: AT - 2 * HOUR, exp: AT - HOUR } }),
    ],
    [
      'not-yet',
      'nras_not_yet_valid',
      'tokens of in an hour',
      answer({ options: { at: AT + HOUR } }),
    ],
    [
      'without-expiry',
      'nras_time_malformed',
      'a device token without an end',
      answer({ without: ['exp'] }),
    ],
    [
      'expiry-text',
      'nras_time_malformed',
      'an end that is a text',
      answer({ claims: { exp: String(AT + HOUR) } }),
    ],
    [
      'lifetime-long',
      'nras_lifetime_refused',
      'tokens that are good for a year',
      answer({ claims: { exp: AT + 365 * DAY } }),
    ],
  ]
}

function claims(): Row[] {
  const claim = (change: Claims): Input => answer({ claims: change })
  const chain = (change: object): Claims => ({
    'x-nvidia-gpu-driver-rim-cert-chain': {
      'x-nvidia-cert-status': 'valid',
      'x-nvidia-cert-ocsp-status': 'good',
      'x-nvidia-cert-revocation-reason': null,
      ...change,
    },
  })
  const booleans = [
    'x-nvidia-gpu-arch-check',
    'x-nvidia-gpu-attestation-report-nonce-match',
    'x-nvidia-gpu-attestation-report-signature-verified',
    'x-nvidia-gpu-attestation-report-cert-chain-fwid-match',
    'x-nvidia-gpu-driver-rim-signature-verified',
    'x-nvidia-gpu-vbios-rim-version-match',
    'x-nvidia-gpu-vbios-index-no-conflict',
  ]
  return [
    [
      'result-false',
      'nras_result_false',
      'the overall result is false',
      answer({ options: { result: false } }),
    ],
    [
      'result-text',
      'nras_result_false',
      'the overall result is the text “true”',
      answer({ overall: { 'x-nvidia-overall-att-result': 'true' } }),
    ],
    [
      'measurements-fail',
      'nras_measurements_mismatch',
      'the measurements do not match, the overall result is true all the same',
      claim({ measres: 'fail' }),
    ],
    [
      'mismatch-records',
      'nras_measurements_mismatch',
      'a list of differing measurements beside “success”',
      claim({
        'x-nvidia-mismatch-measurement-records': [
          { index: 9, goldenSize: 48, runtimeSize: 48, measurementSource: 'VBIOS' },
        ],
      }),
    ],
    ['debug', 'nras_debug_enabled', 'a device under a debugger', claim({ dbgstat: 'enabled' })],
    [
      'debug-absent',
      'nras_debug_enabled',
      'nothing is said of debuggers',
      answer({ without: ['dbgstat'] }),
    ],
    [
      'secure-boot',
      'nras_secure_boot_off',
      'a device that did not boot securely',
      claim({ secboot: false }),
    ],
    ...booleans.map((name): Row => [
      `claim-${name.replace('x-nvidia-gpu-', '')}`,
      'nras_claim_refused',
      `${name} is false`,
      claim({ [name]: false }),
    ]),
    [
      'claim-absent',
      'nras_claim_refused',
      'nothing is said of the signature',
      answer({ without: ['x-nvidia-gpu-attestation-report-signature-verified'] }),
    ],
    [
      'claim-text',
      'nras_claim_refused',
      'the text “true” in place of a truth value',
      claim({ 'x-nvidia-gpu-arch-check': 'true' }),
    ],
    [
      'chain-expired',
      'nras_certificate_refused',
      'a RIM chain that has expired',
      claim(chain({ 'x-nvidia-cert-status': 'expired' })),
    ],
    [
      'chain-revoked',
      'nras_certificate_refused',
      'a RIM chain that is revoked',
      claim(chain({ 'x-nvidia-cert-ocsp-status': 'revoked' })),
    ],
    [
      'chain-hold',
      'nras_certificate_refused',
      'a chain on hold that the service let pass',
      claim(chain({ 'x-nvidia-cert-revocation-reason': 'certificateHold' })),
    ],
    [
      'warning',
      'nras_warning',
      'a warning of the service',
      claim({ 'x-nvidia-attestation-warning': 'driver is old' }),
    ],
    [
      'model-other',
      'nras_model_refused',
      'another model',
      claim({ hwmodel: 'GB100 A01 GSP BROM SIMULATED' }),
    ],
    [
      'driver-old',
      'nras_version_refused',
      'a newer driver is asked for',
      { gpu: { minDriver: '590' } },
    ],
    [
      'vbios-other',
      'nras_version_refused',
      'another VBIOS is accepted',
      { gpu: { vbioses: ['96.00.9F.00.02'] } },
    ],
    [
      'mode-unprotected',
      'nras_mode_refused',
      'protected PCIe is asked for',
      { gpu: { modes: ['protected-pcie'] } },
    ],
    [
      'service-error',
      'nras_service_error',
      'an error inside a good answer: the nonce does not match',
      claim({
        'x-nvidia-error-details': {
          code: 4010,
          httpStatus: 400,
          message: 'nonce mismatch',
          description: '',
        },
      }),
    ],
    [
      'claims-2-0',
      'nras_claims_version_refused',
      'claims 2.0, which say nothing of firmware identity and revocation, under the default policy',
      answer({ version: '2.0' }),
    ],
  ]
}

const MALFORMED: readonly Row[] = [
  [
    'answer-object',
    'nras_answer_malformed',
    'an object in place of the pair',
    { answer: { error: 'try later' } },
  ],
  ['answer-empty', 'nras_answer_malformed', 'no device tokens', answer({ tokens: () => ({}) })],
  [
    'answer-label',
    'nras_answer_malformed',
    'another label than JWT',
    { answer: [['CWT', makeAnswer()[0][1]], makeAnswer()[1]] },
  ],
  [
    'answer-name',
    'nras_answer_malformed',
    'a device under a second spelling of its number',
    answer({ tokens: (own) => ({ 'GPU-00': own['GPU-0'] ?? '' }) }),
  ],
  [
    'token-two-parts',
    'nras_token_malformed',
    'a token of two parts',
    answer({ overallToken: (token) => token.split('.').slice(0, 2).join('.') }),
  ],
  [
    'token-padding',
    'nras_token_malformed',
    'base64 in place of base64url',
    answer({ overallToken: (token) => withPart(token, 1, (part) => `${part}==`) }),
  ],
  [
    'token-claim-twice',
    'nras_token_malformed',
    'a claim twice in one token, with both results',
    answer({
      overallToken: (token) =>
        withPart(token, 1, () => {
          const text = JSON.stringify(payloadOf(token))
          return Buffer.from(text.replace('{', '{"x-nvidia-overall-att-result":false,')).toString(
            'base64url',
          )
        }),
    }),
  ],
  [
    'token-signature-der',
    'nras_token_malformed',
    'a signature in DER',
    answer({
      overallToken: (token) =>
        withPart(token, 2, (part) =>
          Buffer.from(toDer(octetString(Buffer.from(part, 'base64url')))).toString('base64url'),
        ),
    }),
  ],
  [
    'jwks-private',
    'nras_jwks_malformed',
    'a key set with a private part',
    { jwks: { keys: [{ ...SERVICE.jwks.keys[0], d: 'AA' }] } },
  ],
  [
    'jwks-id-twice',
    'nras_jwks_malformed',
    'two keys of one id',
    { jwks: { keys: [SERVICE.jwks.keys[0], SERVICE.jwks.keys[0]] } },
  ],
  [
    'jwks-p256',
    'nras_jwks_malformed',
    'a key on P-256',
    { jwks: { keys: [{ ...SERVICE.jwks.keys[0], crv: 'P-256' }] } },
  ],
]

const UNSUPPORTED: readonly Row[] = [
  [
    'claims-4-0',
    'nras_claims_unsupported',
    'claims of version 4.0',
    answer({ overall: { 'x-nvidia-ver': '4.0' } }),
  ],
]

const ACCEPTED: readonly Row[] = [
  ['claims-3-0', 'ok', 'one GPU, claims 3.0', { gpus: 1 }],
  [
    'claims-2-0',
    'ok',
    'one GPU, claims 2.0, which the policy accepts',
    { ...answer({ version: '2.0' }), gpu: { nrasClaimsVersions: ['2.0'] } },
  ],
  ['two-gpus', 'ok', 'two GPUs', { ...answer({ gpus: 2 }), gpus: 2 }],
  [
    'pinned',
    'ok',
    'the intermediate is pinned',
    { gpu: { nrasRoots: [sha256Hex(SERVICE.chain[1]?.der ?? new Uint8Array(0))] } },
  ],
  [
    'last-second',
    'ok',
    'tokens that end in a second',
    { ...answer({ options: { at: AT - HOUR + 1 } }), gpu: { nrasClockSkewS: 0 } },
  ],
  [
    'clock-ahead',
    'ok',
    'the service’s clock is ahead by less than the skew',
    answer({ options: { at: AT + 30 } }),
  ],
  [
    'claim-unknown',
    'ok',
    'a claim that nobody knows',
    answer({ claims: { 'x-nvidia-new': 'text' } }),
  ],
]

export function nrasCases(): Vector[] {
  return [
    ...[...keys(), ...answers(), ...claims()].map(row('rejected')),
    ...MALFORMED.map(row('malformed')),
    ...UNSUPPORTED.map(row('unsupported')),
    ...ACCEPTED.map(row('accepted-as-of')),
  ]
}
