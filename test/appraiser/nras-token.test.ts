import { describe, expect, test } from 'vitest'
import {
  MAX_TOKEN_LENGTH,
  parseCompactToken,
} from '../../attestation/appraiser/gpu/nras/parse-compact-token.ts'
import { MAX_ANSWER_BYTES } from '../../attestation/appraiser/gpu/nras/parse-nras-answer.ts'
import { MAX_JSON_DEPTH } from '../../attestation/protocol/json.ts'
import {
  HEADER,
  KEY,
  KID,
  answer,
  bytes,
  device,
  hmacSegments,
  refusals,
  segment,
  signSegments,
  signingKey,
} from './nras.helpers.ts'

/** An answer whose only device token is `token`. */
const withToken = (token: string) => answer({ tokens: { 'GPU-0': token } })
const good = () => answer()[1]['GPU-0'] ?? ''

describe('a token is verified in one way only', () => {
  test('refuses tokens of another key under the name of the published one', async () => {
    const stranger = signingKey()
    expect(await refusals(answer({ key: stranger.privateKey }))).toEqual([
      'nras.overall.signature nras_signature_invalid',
      'nras.0.signature nras_signature_invalid',
    ])
    // A genuine overall token beside a device token that a stranger signed.
    const token = signSegments(HEADER, device(), stranger.privateKey)
    expect(await refusals(withToken(token))).toEqual(['nras.0.signature nras_signature_invalid'])
  })

  test('refuses alg none, with and without a signature', async () => {
    for (const alg of ['none', 'None', 'NONE', '']) {
      const header = { kid: KID, alg }
      const bare = `${segment(header)}.${segment(device())}.`
      expect(await refusals(withToken(bare))).toEqual(['nras.structure nras_algorithm_refused'])
      const signed = signSegments(header, device())
      expect(await refusals(withToken(signed))).toEqual(['nras.structure nras_algorithm_refused'])
    }
  })

  test('refuses HS256 and HS384 with the public key as the secret', async () => {
    const secrets = [
      KEY.publicKey.export({ format: 'der', type: 'spki' }),
      Buffer.from(KEY.publicKey.export({ format: 'pem', type: 'spki' })),
      bytes(KEY.jwk),
    ]
    for (const alg of ['HS256', 'HS384']) {
      for (const secret of secrets) {
        const token = hmacSegments({ kid: KID, alg }, device(), secret)
        expect(await refusals(withToken(token))).toEqual(['nras.structure nras_algorithm_refused'])
      }
    }
  })

  test('refuses ES256, ES384 in another spelling, and a list of algorithms', async () => {
    const p256 = signingKey(KID, 'P-256')
    const token = signSegments({ kid: KID, alg: 'ES256' }, device(), p256.privateKey, 'sha256')
    expect(await refusals(withToken(token))).toEqual(['nras.structure nras_algorithm_refused'])
    for (const alg of ['es384', 'ES384 ', ['ES384'], null, undefined]) {
      const odd = signSegments({ kid: KID, alg }, device())
      expect(await refusals(withToken(odd))).toEqual(['nras.structure nras_algorithm_refused'])
    }
  })

  test('refuses a P-384 signature over another hash', async () => {
    const token = signSegments(HEADER, device(), KEY.privateKey, 'sha256')
    expect(await refusals(withToken(token))).toEqual(['nras.0.signature nras_signature_invalid'])
  })

  test.each(['jwk', 'jku', 'x5u', 'x5c', 'x5t', 'crit', 'b64', 'zip', '__proto__'])(
    'refuses a header with %s, though the signature is good',
    async (name) => {
      const value = name === 'jwk' ? KEY.jwk : name === 'b64' ? true : ['https://a.invalid']
      const header = `{"kid":"${KID}","alg":"ES384","${name}":${JSON.stringify(value)}}`
      expect(await refusals(withToken(signSegments(header, device())))).toEqual([
        'nras.structure nras_header_refused',
      ])
    },
  )

  test('takes typ JWT, and no other', async () => {
    expect(await refusals(answer({ header: { ...HEADER, typ: 'JWT' } }))).toEqual([])
    expect(await refusals(answer({ header: { ...HEADER, typ: 'at+jwt' } }))).toEqual([
      'nras.structure nras_header_refused',
    ])
  })

  test('refuses a signature in DER, cut short, or lengthened', async () => {
    const [header, payload, signature = ''] = good().split('.')
    for (const odd of ['', signature.slice(0, -4), `${signature}AAAA`, segment('x'.repeat(102))]) {
      expect(await refusals(withToken(`${header}.${payload}.${odd}`))).toEqual([
        'nras.structure nras_token_malformed',
      ])
    }
  })

  test('refuses r or s of zero', async () => {
    const [header, payload] = good().split('.')
    const zero = Buffer.alloc(96).toString('base64url')
    expect(await refusals(withToken(`${header}.${payload}.${zero}`))).toEqual([
      'nras.0.signature nras_signature_invalid',
    ])
  })
})

describe('a token has one spelling', () => {
  const refused = async (token: string) => {
    expect(await refusals(withToken(token))).toEqual(['nras.structure nras_token_malformed'])
  }

  test('refuses padded base64url', async () => {
    const [header = '', payload = '', signature] = good().split('.')
    await refused(`${header}==.${payload}.${signature}`)
    await refused(`${header}.${payload}=.${signature}`)
    await refused(`${header}.${payload}.${signature}====`)
  })

  test('refuses the alphabet of base64, white space, and other characters', async () => {
    const [header = '', payload = '', signature = ''] = good().split('.')
    await refused(`${header}.${payload}.+/${signature.slice(2)}`)
    await refused(`${header}.${payload}\n.${signature}`)
    await refused(`${header}.${payload}.${signature.slice(0, -1)}é`)
  })

  test('refuses non-zero bits behind the last byte, which decoders ignore', async () => {
    // 97 bytes need 130 digits, the last of which carries 4 unused bits.
    const header = '{"alg":"ES384","kid":"nv-eat-kid-test"}'
    const padded = header.length % 3 === 0 ? `${header} ` : header
    const text = segment(padded)
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    const last = alphabet[alphabet.indexOf(text.at(-1) ?? '') + 1] ?? ''
    const other = text.slice(0, -1) + last
    expect(Buffer.from(other, 'base64url').toString()).toBe(padded)
    const [, payload = '', signature = ''] = signSegments(padded, device()).split('.')
    expect(parseCompactToken(`${text}.${payload}.${signature}`).ok).toBe(true)
    await refused(`${other}.${payload}.${signature}`)
  })

  test('refuses duplicate members in header and claims, though they are signed', async () => {
    await refused(signSegments(`{"kid":"${KID}","alg":"none","alg":"ES384"}`, device()))
    const claims = JSON.stringify(device())
    await refused(signSegments(HEADER, `{"secboot":false,${claims.slice(1)}`))
    await refused(signSegments(HEADER, claims.replace('"valid"', '"expired","x":1,"x":2')))
  })

  test('refuses what is no object, no JSON and no UTF-8', async () => {
    await refused(signSegments(HEADER, '[]'))
    await refused(signSegments(HEADER, 'null'))
    await refused(signSegments(HEADER, '{'))
    await refused(signSegments('""', device()))
    const [header, , signature] = good().split('.')
    await refused(`${header}.${Buffer.from([0x22, 0xff, 0x22]).toString('base64url')}.${signature}`)
  })

  test('refuses another number of parts', async () => {
    await refused(good().split('.').slice(0, 2).join('.'))
    await refused(`${good()}.`)
    await refused('')
    // JWE in compact form has five.
    await refused(`${good()}.AAAA.AAAA`)
  })

  test('refuses a header that names no key', async () => {
    await refused(signSegments({ alg: 'ES384' }, device()))
    await refused(signSegments({ alg: 'ES384', kid: '' }, device()))
    await refused(signSegments({ alg: 'ES384', kid: 7 }, device()))
    await refused(signSegments({ alg: 'ES384', kid: 'k'.repeat(257) }, device()))
  })

  test('refuses deep nesting and oversize before they cost anything', async () => {
    const deep = '['.repeat(MAX_JSON_DEPTH + 1) + ']'.repeat(MAX_JSON_DEPTH + 1)
    await refused(signSegments(HEADER, `{"a":${deep}}`))
    await refused(signSegments(HEADER, { ...device(), pad: 'x'.repeat(MAX_TOKEN_LENGTH) }))
    const huge = new Uint8Array(MAX_ANSWER_BYTES + 1).fill(0x20)
    expect(await refusals(huge)).toEqual(['nras.structure nras_answer_malformed'])
  })
})

describe('an answer has one shape', () => {
  test.each([
    ['an object', {}],
    ['no pair', [['JWT', 'x']]],
    ['three elements', [...answer(), {}]],
    ['another label', [['JWS', answer()[0][1]], answer()[1]]],
    ['a bare overall token', [answer()[0][1], answer()[1]]],
    ['no device', [answer()[0], {}]],
    ['a list of devices', [answer()[0], [good()]]],
    ['a device that is no token', [answer()[0], { 'GPU-0': 7 }]],
    ['a device of another name', [answer()[0], { GPU0: good() }]],
    ['a second spelling of a device', [answer()[0], { 'GPU-0': good(), 'GPU-00': good() }]],
    ['a switch among GPUs', [answer()[0], { 'GPU-0': good(), 'SWITCH-0': good() }]],
    [
      'more devices than any machine holds',
      [answer()[0], Object.fromEntries(Array.from({ length: 17 }, (_, n) => [`GPU-${n}`, good()]))],
    ],
  ])('refuses %s', async (_what, value) => {
    expect(await refusals(value)).toEqual(['nras.structure nras_answer_malformed'])
  })

  test('refuses a device that is listed twice, of which each reader takes another one', async () => {
    const text = JSON.stringify(answer()).replace('{"GPU-0":', `{"GPU-0":"x","GPU-0":`)
    expect(await refusals(new TextEncoder().encode(text))).toEqual([
      'nras.structure nras_answer_malformed',
    ])
  })
})
