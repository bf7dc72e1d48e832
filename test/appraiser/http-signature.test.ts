/** HTTP message signatures: what was signed by whom for which request, and every way to show one for something else. */
import { createHash } from 'node:crypto'
import { serializeDictionary } from 'structured-headers'
import { describe, expect, test } from 'vitest'
import {
  HTTP_SIGNATURE_MAX_AGE_S,
  verifyHttpSignature,
} from '../../attestation/appraiser/http-signature/verify-http-signature.ts'
import type {
  SignedAnswer,
  SignedRequest,
} from '../../attestation/appraiser/http-signature/verify-http-signature.ts'
import { DEFAULT_POLICY } from '../../attestation/appraiser/policy.ts'
import { nobleCrypto } from '../../attestation/crypto/noble.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import {
  HTTP_COMPONENTS,
  HTTP_SIGNATURE_TAG,
  REQUEST_DIGEST_COMPONENT,
} from '../../attestation/protocol/http-signature.ts'
import type { HttpComponent } from '../../attestation/protocol/http-signature.ts'
import { createHttpSigner } from '../../enclave/http-signatures/http-signer.ts'
import type { SignatureWish } from '../../enclave/http-signatures/http-signer.ts'
import { createEphemeralAddressKey } from '../../enclave/keys/address-key.ts'
import { createBootKeys } from '../../enclave/keys/boot-keys.ts'

const NOW = 1_800_000_000
const SKEW = DEFAULT_POLICY.clockSkewS
const boot = () =>
  createBootKeys({
    now: NOW,
    subject: null,
    simulated: false,
    address: createEphemeralAddressKey(nodeCrypto),
    crypto: nodeCrypto,
  })
const keys = boot()
const trusted = {
  keyset: keys.keyset,
  keysetDigest: keys.keysetDigest,
  bootId: keys.bootId,
  configDigest: keys.keysetDigest,
  config: {},
  simulated: false,
  notAfter: keys.keyset.not_after,
  address: null,
  log: null,
}

const sha256 = (text: string) => createHash('sha256').update(text).digest()
const digestField = (text: string) => `sha-256=:${sha256(text).toString('base64')}:`
const BODY = '{"answer":42}'
const ALL: readonly HttpComponent[] = [...HTTP_COMPONENTS, REQUEST_DIGEST_COMPONENT]
const EXCHANGE = {
  status: 200,
  contentDigest: digestField(BODY),
  receiptId: 'rcpt-1',
  method: 'POST',
  path: '/v1/chat/completions',
  requestDigest: digestField('{}'),
}
const REQUEST: SignedRequest = {
  label: 'sig1',
  nonce: 'n-1',
  method: 'POST',
  path: '/v1/chat/completions',
  contentDigest: EXCHANGE.requestDigest,
}
const WISH: SignatureWish = { nonce: 'n-1', alg: false, expires: false, components: ALL }

interface Making {
  readonly wish?: Partial<SignatureWish>
  readonly exchange?: Partial<typeof EXCHANGE>
  readonly created?: number
  readonly keyId?: string
  readonly signer?: typeof keys.http
}

/** An answer that was signed for, as it is received. */
function answer({
  wish = {},
  exchange = {},
  created = NOW,
  keyId = keys.httpKeyId,
  signer = keys.http,
}: Making = {}): SignedAnswer {
  const signed = createHttpSigner(signer, keyId, () => created).sign(
    { ...WISH, ...wish },
    { ...EXCHANGE, ...exchange },
  )
  if (signed === null) throw new Error('not signed')
  return {
    status: 200,
    contentDigest: EXCHANGE.contentDigest,
    receiptId: 'rcpt-1',
    signatureInput: `sig1=${signed.input}`,
    signature: `sig1=${signed.signature}`,
    bodyHash: sha256(BODY),
  }
}

function verify(
  received: SignedAnswer,
  {
    request = {},
    at = NOW,
    more = {},
  }: { request?: Partial<SignedRequest>; at?: number; more?: object } = {},
): readonly string[] {
  const options = { crypto: nodeCrypto, at, trusted, policy: DEFAULT_POLICY, ...more }
  return verifyHttpSignature(received, { ...REQUEST, ...request }, options).map(
    ({ status, code }) => (status === 'pass' ? 'pass' : code),
  )
}

const refused = (code: string) => [code, 'depends_on_failed']

describe('an HTTP message signature', () => {
  test('of this answer to this request verifies, with either cryptography and each wish', () => {
    expect(verify(answer())).toEqual(['pass', 'pass'])
    expect(verify(answer(), { more: { crypto: nobleCrypto } })).toEqual(['pass', 'pass'])
    expect(verify(answer({ wish: { alg: true, expires: true } }))).toEqual(['pass', 'pass'])
    const components = HTTP_COMPONENTS.toReversed()
    const bare = answer({ wish: { components }, exchange: { requestDigest: null as never } })
    expect(verify(bare, { request: { contentDigest: null } })).toEqual(['pass', 'pass'])
  })

  test('beside those of others is found by its label', () => {
    const good = answer()
    const other = answer({ signer: boot().http })
    const received = {
      ...good,
      signatureInput: `${String(other.signatureInput).replace('sig1=', 'proxy=')}, ${String(good.signatureInput)}`,
      signature: `${String(other.signature).replace('sig1=', 'proxy=')}, ${String(good.signature)}`,
    }
    expect(verify(received)).toEqual(['pass', 'pass'])
    expect(verify(received, { request: { label: 'proxy' } })).toEqual(
      refused('http_signature_invalid'),
    )
  })

  test.each<[string, Partial<SignedAnswer>]>([
    ['another status', { status: 402 }],
    ['another receipt id', { receiptId: 'rcpt-2' }],
    ['no receipt id', { receiptId: null }],
    ['another digest', { contentDigest: digestField('other') }],
    ['no digest', { contentDigest: null }],
    [
      'a digest that ends in a line of its own',
      { contentDigest: `${EXCHANGE.contentDigest}\n"@status": 200` },
    ],
    [
      'a signature of other bytes',
      { signature: `sig1=:${Buffer.alloc(64, 1).toString('base64')}:` },
    ],
    [
      'that of another answer',
      { signature: answer({ exchange: { receiptId: 'rcpt-2' } }).signature },
    ],
  ])('with %s is invalid', (_name, changed) => {
    expect(verify({ ...answer(), ...changed })).toEqual(refused('http_signature_invalid'))
  })

  test.each<[string, Partial<SignedRequest>]>([
    ['another method', { method: 'GET' }],
    ['another path', { path: '/v1/completions' }],
    ['another body', { contentDigest: digestField('other') }],
  ])('for %s is invalid', (_name, request) => {
    expect(verify(answer(), { request })).toEqual(refused('http_signature_invalid'))
  })

  test('of an answer whose body was changed afterwards is good, and the digest is not', () => {
    expect(verify({ ...answer(), bodyHash: sha256('other') })).toEqual([
      'pass',
      'http_digest_mismatch',
    ])
    for (const contentDigest of ['sha-512=:AAAA:', 'sha-256=1', 'sha-256=:AAAA:', '(((']) {
      const [signature, digest] = verify({
        ...answer({ exchange: { contentDigest } }),
        contentDigest,
      })
      expect(signature).toBe('pass')
      expect(['http_digest_missing', 'http_digest_mismatch']).toContain(digest)
    }
  })

  test('that was asked for and is not there is a failure', () => {
    const good = answer()
    for (const received of [
      { ...good, signature: null },
      { ...good, signatureInput: null },
      { ...good, signature: 'sig2=:AAAA:' },
      { ...good, signatureInput: 'sig2=()' },
      { ...good, signature: '', signatureInput: '' },
    ]) {
      expect(verify(received)).toEqual(refused('http_signature_missing'))
    }
  })

  test.each([
    ['signatureInput', 'sig1=1'],
    ['signatureInput', '((('],
    ['signatureInput', `sig1=${'('.repeat(5000)}`],
    ['signature', 'sig1="text"'],
    ['signature', 'sig1=:AAAA:'],
    ['signature', ':::'],
  ])('whose %s is %s is malformed', (name, value) => {
    expect(verify({ ...answer(), [name]: value })).toEqual(refused('http_signature_malformed'))
  })

  test.each([
    [
      'leaves the status out',
      '("content-digest" "x-receipt-id" "@method";req "@path";req "content-digest";req)',
    ],
    ['leaves the request’s digest out', `(${HTTP_COMPONENTS.join(' ')})`],
    ['covers nothing', '()'],
    ['covers something twice', `(${ALL.join(' ')} "@status")`],
    ['covers something else as well', `(${ALL.join(' ')} "date")`],
    ['covers the response’s method', `(${ALL.join(' ').replace('"@method";req', '"@method"')})`],
    [
      'covers a digest re-encoded',
      `(${ALL.join(' ').replace('"content-digest"', '"content-digest";sf')})`,
    ],
  ])('that %s is incomplete', (_name, list) => {
    const received = answer()
    const signatureInput = String(received.signatureInput).replace(/\(.*?\)/, list)
    expect(verify({ ...received, signatureInput })).toEqual(refused('http_signature_incomplete'))
  })

  test('that covers a request digest which was not sent is incomplete', () => {
    expect(verify(answer(), { request: { contentDigest: null } })).toEqual(
      refused('http_signature_incomplete'),
    )
  })

  test('for another request is told by its nonce', () => {
    expect(verify(answer({ wish: { nonce: 'n-2' } }))).toEqual(
      refused('http_signature_nonce_mismatch'),
    )
    expect(verify(answer({ wish: { nonce: null } }))).toEqual(
      refused('http_signature_nonce_mismatch'),
    )
  })

  test('has its time: not in the future, not too old, not past its end or that of its keyset', () => {
    const made = (created: number, expires = false) => answer({ created, wish: { expires } })
    expect(verify(made(NOW + SKEW))).toEqual(['pass', 'pass'])
    expect(verify(made(NOW + SKEW + 1))).toEqual(refused('http_signature_from_future'))
    const oldest = NOW - HTTP_SIGNATURE_MAX_AGE_S - SKEW
    expect(verify(made(oldest))).toEqual(['pass', 'pass'])
    expect(verify(made(oldest - 1))).toEqual(refused('http_signature_expired'))
    const long = { maxAgeS: 1e9 }
    expect(verify(made(oldest - 1), { more: long })).toEqual(['pass', 'pass'])
    expect(verify(made(oldest - 1, true), { more: long })).toEqual(
      refused('http_signature_expired'),
    )
    const end = keys.keyset.not_after
    expect(verify(made(end + 1), { at: end + 1 })).toEqual(refused('http_signature_expired'))
    for (const text of ['created=1.5', 'created="1"', 'created', 'created=1;expires="x"']) {
      const received = answer()
      const signatureInput = String(received.signatureInput).replace(/created=\d+/, text)
      expect(verify({ ...received, signatureInput })).toEqual(refused('http_signature_malformed'))
    }
  })

  test('by a key of another role, of another boot or under another name is refused', () => {
    for (const signer of [keys.receipt, keys.legacy, keys.log, boot().http]) {
      expect(verify(answer({ signer }))).toEqual(refused('http_signature_invalid'))
    }
    for (const { key_id } of keys.keyset.receipt_signing_keys) {
      if (key_id === keys.httpKeyId) continue
      const [role] = key_id.split('-')
      const signer = role === 'receipt' ? keys.receipt : role === 'legacy' ? keys.legacy : keys.log
      expect(verify(answer({ keyId: key_id, signer }))).toEqual(refused('http_signature_other_key'))
    }
  })

  test('under another tag, algorithm or without a tag is for something else', () => {
    const received = answer({ wish: { alg: true } })
    for (const [from, to] of [
      [`;tag="${HTTP_SIGNATURE_TAG}"`, ';tag="web-bot-auth"'],
      [`;tag="${HTTP_SIGNATURE_TAG}"`, ''],
      ['alg="ed25519"', 'alg="hmac-sha256"'],
    ] as const) {
      const signatureInput = String(received.signatureInput).replace(from, to)
      expect(verify({ ...received, signatureInput })).toEqual(
        refused('http_signature_other_purpose'),
      )
    }
  })

  test('with a parameter more or less, or in another order, is invalid', () => {
    const received = answer()
    const input = String(received.signatureInput)
    for (const signatureInput of [
      `${input};x=1`,
      input.replace(/;created=(\d+)(;keyid="[^"]*")/, '$2;created=$1'),
    ]) {
      expect(signatureInput).not.toBe(input)
      expect(verify({ ...received, signatureInput })).toEqual(refused('http_signature_invalid'))
    }
  })

  test('cannot be made to sign two lines where there is one', () => {
    const signer = createHttpSigner(keys.http, keys.httpKeyId, () => NOW)
    for (const path of ['/v1/x\n"@status": 200', '/é', '/\0']) {
      expect(signer.sign(WISH, { ...EXCHANGE, path })).toBeNull()
    }
    // A quote or backslash in a nonce is escaped, and comes back as it was.
    const nonce = 'a"b\\c";keyid="other'
    expect(verify(answer({ wish: { nonce } }), { request: { nonce } })).toEqual(['pass', 'pass'])
  })

  test('is refused with a time that is none', () => {
    expect(() => verify(answer(), { at: Number.NaN })).toThrow(TypeError)
  })
})

test('structured fields are written as the library reads them', () => {
  const { signature } = answer()
  expect(
    serializeDictionary(
      new Map([
        [
          'sig1',
          [
            Uint8Array.from(Buffer.from(String(signature).slice(6, -1), 'base64')).buffer,
            new Map(),
          ],
        ],
      ]),
    ),
  ).toBe(signature)
})
