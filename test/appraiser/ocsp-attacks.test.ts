import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { buildOcspRequest } from '../../attestation/appraiser/gpu/ocsp/build-ocsp-request.ts'
import { judgeRevocation } from '../../attestation/appraiser/gpu/ocsp/judge-revocation.ts'
import type {
  RevocationOptions,
  RevocationOutcome,
} from '../../attestation/appraiser/gpu/ocsp/judge-revocation.ts'
import { createOcspMemo } from '../../attestation/appraiser/gpu/ocsp/ocsp-memo.ts'
import { parseOcspResponse } from '../../attestation/appraiser/gpu/ocsp/parse-ocsp-response.ts'
import { revocationVerdict } from '../../attestation/appraiser/gpu/ocsp/revocation-verdict.ts'
import { MAX_NAMED_RESPONDERS } from '../../attestation/appraiser/gpu/ocsp/verify-ocsp-responder.ts'
import { encodeDer } from '../../attestation/appraiser/x509/encode-der.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { MAX_OCSP_BYTES, MAX_OCSP_RESPONSES } from '../../attestation/protocol/gpu-collateral.ts'
import { PORTS } from './gpu.helpers.ts'
import {
  ANY_USAGE,
  AT,
  byKey,
  byName,
  CA,
  certId,
  createOcspPki,
  errorResponse,
  extension,
  generalized,
  GOOD,
  HOUR,
  issue,
  NO_CHECK,
  nonceExtension,
  OCSP_SIGNING,
  reply,
  RESPONDER,
  revoked,
  signBasic,
  single,
  UNKNOWN,
  wrap,
} from './ocsp.helpers.ts'
import type { Answer, Change, Holder, Reply } from './ocsp.helpers.ts'

const PKI = createOcspPki()
const { device, issuer, root, responder, rootResponder } = PKI
const CHAIN = [device.certificate, issuer.certificate]
const ABOUT = certId(device.certificate, issuer.certificate, 'sha384')
const NONCE = new Uint8Array(32).fill(7)

const answer = (change: Partial<Answer> = {}): Answer => ({ id: ABOUT, ...change })
const about = (change: Partial<Answer> = {}, more: Partial<Reply> = {}): Uint8Array =>
  reply({ signer: responder, answers: [answer(change)], ...more })

function judge(
  responses: readonly Uint8Array[],
  change: Partial<RevocationOptions> = {},
): RevocationOutcome | undefined {
  const options = { crypto: nodeCrypto, at: AT, graceS: 0, allowHold: false, ...change }
  return judgeRevocation(CHAIN, responses, options)[0]
}

const code = (outcome: RevocationOutcome | undefined): string =>
  outcome?.status === 'fault' ? outcome.code : (outcome?.status ?? 'none')

describe.each(PORTS)('an honest responder, %s', (_name, crypto) => {
  const options = { crypto, at: AT, graceS: 0, allowHold: false }

  test('each certificate of a chain is judged by the responder of its own issuer', () => {
    const ofIssuer = reply({
      signer: rootResponder,
      answers: [{ id: certId(issuer.certificate, root.certificate, 'sha1') }],
    })
    const outcomes = judgeRevocation(PKI.chain, [ofIssuer, about()], options)
    expect(outcomes).toEqual([
      { status: 'good', validUntil: AT + HOUR, madeAt: AT - HOUR },
      { status: 'good', validUntil: AT + HOUR, madeAt: AT - HOUR },
    ])
    expect(revocationVerdict(outcomes, 1)).toEqual({
      status: 'pass',
      detail: '2 certificates',
      madeAt: AT - HOUR,
    })
  })

  test.each(['sha1', 'sha256', 'sha384'] as const)('a CertID in %s', (hash) => {
    const id = certId(device.certificate, issuer.certificate, hash)
    expect(judgeRevocation(CHAIN, [about({ id })], options)[0]?.status).toBe('good')
  })

  test('the issuer itself may answer, by name or by key, its certificate enclosed or not', () => {
    for (const by of [byKey(issuer), byName(issuer)]) {
      for (const enclosed of [[], [issuer.certificate]]) {
        const response = about({}, { signer: issuer, responder: by, enclosed })
        expect(judgeRevocation(CHAIN, [response], options)[0]?.status).toBe('good')
      }
    }
  })

  test('a responder named by its name, its certificate among others', () => {
    const enclosed = [issuer.certificate, responder.certificate]
    const response = about({}, { responder: byName(responder), enclosed })
    expect(judgeRevocation(CHAIN, [response], options)[0]?.status).toBe('good')
  })

  test('the nonce that was sent comes back', () => {
    const response = about({}, { extensions: [nonceExtension(NONCE)] })
    const outcome = judgeRevocation(CHAIN, [response], { ...options, nonce: NONCE })[0]
    expect(outcome?.status).toBe('good')
    // Stapled, it is judged by its window, whatever the nonce of whoever fetched it was.
    expect(judgeRevocation(CHAIN, [response], options)[0]?.status).toBe('good')
  })

  test('answers about other certificates beside it are not looked at', () => {
    const other = issue('Another device', issuer, CA).certificate
    const more = { id: certId(other, issuer.certificate, 'sha384'), status: revoked(1) }
    const response = about({}, { answers: [more, answer()] })
    expect(judgeRevocation(CHAIN, [response], options)[0]?.status).toBe('good')
  })

  test('extensions that may stay unread do', () => {
    const note = extension('1.2.3.4', Uint8Array.of(5, 0))
    const response = about({ extensions: [note] }, { extensions: [note] })
    expect(judgeRevocation(CHAIN, [response], options)[0]?.status).toBe('good')
  })

  test('a forged signature is one in both ports', () => {
    const stranger = issue('Test responder', issuer, RESPONDER)
    const response = reply({
      signer: { key: stranger.key, certificate: responder.certificate },
      answers: [answer()],
    })
    expect(code(judgeRevocation(CHAIN, [response], options)[0])).toBe('ocsp_signature_invalid')
  })
})

describe('what is not given', () => {
  test('no response at all, and none about this certificate, are absent and no pass', () => {
    const other = issue('Another device', issuer, CA).certificate
    const stray = about({ id: certId(other, issuer.certificate, 'sha384') })
    for (const responses of [[], [stray]]) {
      const outcome = judge(responses)
      expect(outcome).toEqual({ status: 'absent' })
      expect(revocationVerdict(outcome === undefined ? [] : [outcome], 1)).toMatchObject({
        status: 'skip',
        code: 'collateral_not_given',
      })
    }
    expect(revocationVerdict([], 1).status).toBe('skip')
  })

  test('an equal serial under another issuer, or under another key of the same name, is no answer', () => {
    const elsewhere = issue('Other issuer', root, CA)
    const renamed = issue('Test issuer', root, CA)
    const serial = device.certificate.serial
    for (const authority of [elsewhere, renamed]) {
      const twin = issue('Test device', authority, { ...CA, serial }).certificate
      const id = certId(twin, authority.certificate, 'sha384')
      const own = issue('Their responder', authority, RESPONDER)
      for (const signer of [responder, own])
        expect(judge([about({ id }, { signer })])?.status).toBe('absent')
    }
  })

  test('a CertID in a hash that is not known names nothing', () => {
    const id = certId(device.certificate, issuer.certificate, 'sha512')
    expect(judge([about({ id })])?.status).toBe('absent')
  })
})

describe('who answers', () => {
  const by = (signer: Holder, more: Partial<Reply> = {}): string =>
    code(judge([about({}, { signer, ...more })]))
  const delegated = (change: Change, curve?: string): Holder =>
    issue('Test responder', issuer, { ...RESPONDER, ...change }, curve)

  test('a responder of another authority of the same hierarchy', () => {
    expect(by(rootResponder)).toBe('ocsp_responder_untrusted')
    const sibling = issue('Sibling issuer', root, CA)
    expect(by(issue('Test responder', sibling, RESPONDER))).toBe('ocsp_responder_untrusted')
  })

  test('a responder of a look-alike of the issuer: its name, another key', () => {
    const lookAlike = issue('Test issuer', null, CA)
    expect(by(issue('Test responder', lookAlike, RESPONDER))).toBe('ocsp_responder_untrusted')
  })

  test('a responder that signed itself', () => {
    expect(by(issue('Test responder', null, RESPONDER))).toBe('ocsp_responder_untrusted')
    expect(by(issue('Test issuer', null, { ...CA, ...RESPONDER }))).toBe('ocsp_responder_untrusted')
  })

  test('the certificate asked about answers for itself', () => {
    expect(by(device)).toBe('ocsp_responder_unauthorized')
    // A subordinate authority that was given the usage could unsay its own revocation.
    expect(by(delegated({ ...CA, extensions: [OCSP_SIGNING] }))).toBe('ocsp_responder_unauthorized')
  })

  test.each<readonly [string, Change]>([
    ['no extended key usage', { extensions: [NO_CHECK] }],
    ['any usage in place of OCSPSigning', { extensions: [ANY_USAGE] }],
    ['a key usage without digitalSignature', { keyUsage: ['crlSign'] }],
    [
      'a critical extension that nobody knows',
      {
        extensions: [OCSP_SIGNING, { oid: '1.2.3.4', critical: true, value: Uint8Array.of(5, 0) }],
      },
    ],
    [
      'an extended key usage that is no list',
      { extensions: [{ ...OCSP_SIGNING, value: Uint8Array.of(5, 0) }] },
    ],
  ])('a responder with %s', (_what, change) => {
    expect(by(delegated(change))).toBe('ocsp_responder_unauthorized')
  })

  test.each<readonly [string, Change]>([
    ['expired', { notAfter: new Date((AT - 1) * 1000) }],
    ['not yet valid', { notBefore: new Date((AT + 1) * 1000) }],
    ['not yet valid when it answered', { notBefore: new Date((AT - HOUR + 1) * 1000) }],
  ])('a responder that is %s', (_what, change) => {
    expect(by(delegated(change))).toBe('ocsp_responder_time')
  })

  test('a responder on P-256', () => {
    const small = delegated({}, 'P-256')
    expect(by(small)).toBe('ocsp_algorithm')
    const onPaper = { key: responder.key, certificate: small.certificate }
    const tbs = encodeDer(0x30, byKey(small), generalized(AT), encodeDer(0x30, single(answer())))
    const basic = signBasic(tbs, { ...onPaper, certificate: responder.certificate }, [
      small.certificate,
    ])
    expect(code(judge([wrap(basic)]))).toBe('ocsp_algorithm')
  })

  test('a certificate that is named and not enclosed', () => {
    expect(by(responder, { enclosed: [] })).toBe('ocsp_responder_missing')
    expect(by(responder, { enclosed: [rootResponder.certificate] })).toBe('ocsp_responder_missing')
    expect(by(responder, { responder: byKey(rootResponder) })).toBe('ocsp_responder_missing')
  })

  test('a stranger who names the issuer', () => {
    const stranger = issue('Test issuer', null, CA)
    for (const name of [byName(issuer), byKey(issuer)]) {
      for (const enclosed of [[], [issuer.certificate]]) {
        const response = about({}, { signer: stranger, responder: name, enclosed })
        expect(code(judge([response]))).toBe('ocsp_signature_invalid')
      }
    }
  })

  test('a stranger who encloses the true responder', () => {
    const stranger = { key: issue('X', null).key, certificate: responder.certificate }
    expect(by(stranger)).toBe('ocsp_signature_invalid')
  })

  test('a responder without nocheck: what is said of it counts, and nothing need be said', () => {
    const signer = delegated({ extensions: [OCSP_SIGNING] })
    const response = about({}, { signer })
    expect(judge([response])?.status).toBe('good')
    const id = certId(signer.certificate, issuer.certificate, 'sha1')
    const said = (status: Uint8Array, by = responder): Uint8Array =>
      reply({ signer: by, answers: [{ id, status }] })
    expect(judge([response, said(GOOD)])?.status).toBe('good')
    for (const status of [revoked(1), revoked(6), UNKNOWN]) {
      expect(code(judge([response, said(status)]))).toBe('ocsp_responder_revoked')
      expect(code(judge([said(status), response], { allowHold: true }))).toBe(
        'ocsp_responder_revoked',
      )
    }
    // What a stranger says of it does not.
    expect(judge([response, said(revoked(1), rootResponder)])?.status).toBe('good')
    // With nocheck the issuer says that nobody need ask.
    const ofResponder = certId(responder.certificate, issuer.certificate, 'sha384')
    const other = issue('Other responder', issuer, RESPONDER)
    const against = reply({ signer: other, answers: [{ id: ofResponder, status: revoked(1) }] })
    expect(judge([about(), against])?.status).toBe('good')
  })
})

describe('when it was said', () => {
  test.each<readonly [string, Partial<Answer>, number, string]>([
    ['the last second', { nextUpdate: AT }, 0, 'good'],
    ['stale', { nextUpdate: AT - 1 }, 0, 'ocsp_stale'],
    ['stale within the grace', { nextUpdate: AT - 60 }, 60, 'good'],
    ['stale beyond the grace', { nextUpdate: AT - 61 }, 60, 'ocsp_stale'],
    ['no nextUpdate, an hour old', { thisUpdate: AT - HOUR, nextUpdate: null }, 0, 'good'],
    [
      'no nextUpdate, older than an hour',
      { thisUpdate: AT - HOUR - 1, nextUpdate: null },
      0,
      'ocsp_stale',
    ],
    ['a clock five minutes ahead', { thisUpdate: AT + 300 }, 0, 'good'],
    ['of the future', { thisUpdate: AT + 301 }, 0, 'ocsp_not_yet_valid'],
  ])('%s', (_what, change, graceS, expected) => {
    expect(code(judge([about(change)], { graceS }))).toBe(expected)
  })

  test('signed in the future about the past', () => {
    expect(code(judge([about({}, { producedAt: AT + 301 })]))).toBe('ocsp_not_yet_valid')
  })

  test('a time that is no number', () => {
    expect(code(judge([about()], { at: Number.NaN }))).toBe('ocsp_responder_time')
    expect(code(judge([about({}, { signer: issuer })], { at: Number.NaN }))).toBe(
      'ocsp_not_yet_valid',
    )
  })

  test('a nonce that was sent must come back', () => {
    const other = new Uint8Array(32).fill(8)
    expect(code(judge([about()], { nonce: NONCE }))).toBe('ocsp_nonce_missing')
    for (const wrong of [other, NONCE.subarray(1), Uint8Array.of(...NONCE, 0)]) {
      const response = about({}, { extensions: [nonceExtension(wrong)] })
      expect(code(judge([response], { nonce: NONCE }))).toBe('ocsp_nonce_mismatch')
    }
  })

  test('a replayed answer beside a new one is not what counts', () => {
    const old = about({}, { extensions: [nonceExtension(new Uint8Array(32))] })
    const fresh = about({ status: revoked(1) }, { extensions: [nonceExtension(NONCE)] })
    for (const responses of [
      [old, fresh],
      [fresh, old],
    ]) {
      expect(judge(responses, { nonce: NONCE })?.status).toBe('revoked')
    }
  })
})

describe('what was said', () => {
  test('revoked, with its reason and without one', () => {
    expect(judge([about({ status: revoked(1) })])).toEqual({
      status: 'revoked',
      since: AT - 86_400,
      reason: 'keyCompromise',
    })
    const plain = judge([about({ status: revoked(null) })], { allowHold: true })
    expect(plain).toMatchObject({ status: 'revoked', reason: 'unspecified' })
    for (const reason of [0, 2, 3, 4, 5, 8, 9, 10]) {
      const outcome = judge([about({ status: revoked(reason) })], { allowHold: true })
      expect(outcome?.status).toBe('revoked')
      expect(revocationVerdict(outcome === undefined ? [] : [outcome], 1)).toMatchObject({
        status: 'fail',
        code: 'ocsp_revoked',
      })
    }
  })

  test('a hold fails, and passes by name where the policy allows it', () => {
    const response = about({ status: revoked(6) })
    const refused = judge([response])
    const allowed = judge([response], { allowHold: true })
    expect(refused).toMatchObject({ status: 'hold', allowed: false })
    expect(allowed).toMatchObject({ status: 'hold', allowed: true })
    if (refused === undefined || allowed === undefined) throw new Error('one outcome each')
    expect(revocationVerdict([refused], 1)).toMatchObject({ status: 'fail', code: 'ocsp_hold' })
    const passed = revocationVerdict([allowed], 1)
    expect(passed.status).toBe('pass')
    expect(passed.detail).toContain('on hold and allowed: certificate 1')
  })

  test('a hold since 1970 says that no such certificate was issued, and no policy allows that', () => {
    const response = about({ status: revoked(6, 0) })
    const outcome = judge([response], { allowHold: true })
    expect(outcome?.status).toBe('unknown')
  })

  test('unknown', () => {
    const outcome = judge([about({ status: UNKNOWN })])
    expect(outcome?.status).toBe('unknown')
    expect(revocationVerdict(outcome === undefined ? [] : [outcome], 1)).toMatchObject({
      status: 'fail',
      code: 'ocsp_unknown',
    })
  })

  test('of several current answers the worst counts, whatever their order', () => {
    const all = [GOOD, UNKNOWN, revoked(6), revoked(1)].map((status) => about({ status }))
    const ranks = ['good', 'unknown', 'hold', 'revoked']
    for (let end = 1; end <= all.length; end++) {
      const some = all.slice(0, end)
      expect(judge(some)?.status).toBe(ranks[end - 1])
      expect(judge(some.toReversed())?.status).toBe(ranks[end - 1])
    }
  })

  test('a hold that is allowed does not hide that another answer knows no such certificate', () => {
    const responses = [about({ status: revoked(6) }), about({ status: UNKNOWN })]
    for (const some of [responses, responses.toReversed()]) {
      expect(judge(some, { allowHold: true })?.status).toBe('unknown')
      expect(judge([...some, about()], { allowHold: true })?.status).toBe('unknown')
    }
    expect(judge([about(), about({ status: revoked(6) })], { allowHold: true })?.status).toBe(
      'hold',
    )
  })

  test('a response that does not count takes nothing from one that does', () => {
    const forged = about({ status: revoked(1) }, { signer: rootResponder })
    const stale = about({ nextUpdate: AT - 1 })
    expect(judge([forged, stale, errorResponse(3), Uint8Array.of(1), about()])?.status).toBe('good')
    expect(code(judge([stale]))).toBe('ocsp_stale')
  })

  test('the verdict names the worst of a chain', () => {
    const good = { status: 'good', validUntil: AT, madeAt: AT } as const
    const fault = { status: 'fault', code: 'ocsp_stale', detail: 'x' } as const
    const hold = { status: 'hold', allowed: false, since: AT, validUntil: AT, madeAt: AT } as const
    const gone = { status: 'revoked', since: AT, reason: 'keyCompromise' } as const
    const absent = { status: 'absent' } as const
    expect(revocationVerdict([good, absent], 1)).toMatchObject({ status: 'skip' })
    expect(revocationVerdict([absent, fault], 1)).toMatchObject({ code: 'ocsp_stale' })
    expect(revocationVerdict([fault, hold], 1)).toMatchObject({ code: 'ocsp_hold' })
    const verdict = revocationVerdict([good, fault, hold, gone], 1)
    expect(verdict).toMatchObject({ status: 'fail', code: 'ocsp_revoked' })
    expect(verdict.detail).toMatch(/^certificate 4: keyCompromise, since 2026-11-26T12:00:00Z$/)
  })
})

describe('what forged responses cost', () => {
  /** A responder of nobody's under the name of the issuer, so that every certificate of it has to be tried. */
  const stranger = issue('Test issuer', null, RESPONDER)
  const forged = (certificates: number, producedAt = AT): Uint8Array => {
    const enclosed = Array.from(
      { length: certificates },
      () => issue('Test issuer', stranger, RESPONDER).certificate,
    )
    return about({}, { signer: stranger, responder: byName(issuer), enclosed, producedAt })
  }

  test('each signature is tried once, however many devices the responses name', () => {
    let verifications = 0
    const crypto: typeof nodeCrypto = {
      ...nodeCrypto,
      verifyEcdsa: (...args) => {
        verifications++
        return nodeCrypto.verifyEcdsa(...args)
      },
    }
    const responses = [forged(2), forged(2, AT - 1), forged(2, AT - 2)]
    const options = { crypto, memo: createOcspMemo() }
    for (let devices = 1; devices <= 16; devices++) {
      expect(code(judge(responses, options))).toBe('ocsp_signature_invalid')
      // The response under the key of the issuer, and the issuer's signature under each of two responders.
      expect(verifications).toBe(3 * responses.length)
    }
    expect(judge([...responses, about()], options)?.status).toBe('good')
  })

  test('the id of a certificate is computed once, however many answers bear its serial', () => {
    let digests = 0
    const crypto: typeof nodeCrypto = {
      ...nodeCrypto,
      sha1: (data) => {
        digests++
        return nodeCrypto.sha1(data)
      },
    }
    const other = issue('Test issuer', null, CA).certificate
    const id = certId(device.certificate, other, 'sha1')
    const answers = Array.from({ length: 64 }, () => answer({ id }))
    const responses = [0, 1, 2].map((age) => about({}, { answers, producedAt: AT - age }))
    expect(judge(responses, { crypto })?.status).toBe('absent')
    expect(digests).toBe(2)
  })

  test('three certificates of one name are refused before any is tried', () => {
    const outcome = judge([forged(MAX_NAMED_RESPONDERS + 1)])
    expect(code(outcome)).toBe('ocsp_responder_untrusted')
    expect(
      judge([about({}, { enclosed: [responder.certificate, responder.certificate] })]),
    ).toMatchObject({ status: 'good', validUntil: AT + HOUR })
  })
})

describe('two answers in one response', () => {
  const twice = (second: Partial<Answer>): string =>
    code(judge([about({}, { answers: [answer(), answer(second)] })]))

  test('are refused, whether they agree or not', () => {
    expect(twice({})).toBe('ocsp_duplicate')
    expect(twice({ status: revoked(1) })).toBe('ocsp_duplicate')
  })

  test('also where the second names the certificate by another hash', () => {
    const id = certId(device.certificate, issuer.certificate, 'sha1')
    expect(twice({ id, status: revoked(1) })).toBe('ocsp_duplicate')
  })
})

describe('how it is written', () => {
  test.each([1, 2, 3, 5, 6])('an error, status %i, is no answer', (status) => {
    expect(code(judge([errorResponse(status)]))).toBe('ocsp_not_successful')
  })

  test('an error that brings an answer along', () => {
    expect(code(judge([about({}, { status: 3 })]))).toBe('ocsp_malformed')
    expect(code(judge([errorResponse(0)]))).toBe('ocsp_malformed')
    expect(code(judge([errorResponse(4)]))).toBe('ocsp_malformed')
  })

  test('a critical extension that nobody knows, of the response or of the answer', () => {
    const odd = extension('1.2.3.4', Uint8Array.of(5, 0), true)
    expect(code(judge([about({ extensions: [odd] })]))).toBe('ocsp_unknown_extension')
    expect(code(judge([about({}, { extensions: [odd] })]))).toBe('ocsp_unknown_extension')
    const archived = extension('1.3.6.1.5.5.7.48.1.6', generalized(AT), true)
    expect(code(judge([about({ extensions: [archived] })]))).toBe('ocsp_unknown_extension')
  })

  const parts = (...list: readonly Uint8Array[]): Uint8Array => {
    const tbs = encodeDer(0x30, ...list)
    return wrap(signBasic(tbs, responder, [responder.certificate]))
  }
  const body = encodeDer(0x30, single(answer()))
  const id = byKey(responder)
  const made = generalized(AT)

  test.each<readonly [string, Uint8Array]>([
    ['an explicit version', parts(encodeDer(0xa0, encodeDer(2, Uint8Array.of(0))), id, made, body)],
    ['another version', parts(encodeDer(0xa0, encodeDer(2, Uint8Array.of(1))), id, made, body)],
    ['no responder', parts(made, body)],
    ['two responders', parts(id, id, made, body)],
    ['a responder key hash of 32 bytes', parts(encodeDer(0xa2, encodeDer(4, NONCE)), made, body)],
    ['no answers', parts(id, made, encodeDer(0x30))],
    [
      '65 answers',
      parts(id, made, encodeDer(0x30, ...Array<Uint8Array>(65).fill(single(answer())))),
    ],
    ['UTCTime', parts(id, encodeDer(0x17, Buffer.from('261126120000Z')), body)],
    ['fractions of a second', parts(id, encodeDer(0x18, Buffer.from('20261126120000.5Z')), body)],
    ['31 November', parts(id, encodeDer(0x18, Buffer.from('20261131120000Z')), body)],
    ['something behind the extensions', parts(id, made, body, encodeDer(0xa1), made)],
    ['an empty list of extensions', parts(id, made, body, encodeDer(0xa1, encodeDer(0x30)))],
    ['two nonces', about({}, { extensions: [nonceExtension(NONCE), nonceExtension(NONCE)] })],
    [
      'a nonce that is no OCTET STRING',
      about({}, { extensions: [extension('1.3.6.1.5.5.7.48.1.2', NONCE)] }),
    ],
    ['an empty nonce', about({}, { extensions: [nonceExtension(new Uint8Array())] })],
    ['a nonce of 129 bytes', about({}, { extensions: [nonceExtension(new Uint8Array(129))] })],
    ['nextUpdate before thisUpdate', about({ thisUpdate: AT, nextUpdate: AT - 1 })],
    ['a reason that does not exist', about({ status: revoked(7) })],
    ['a status that does not exist', about({ status: encodeDer(0x83) })],
    ['a good with content', about({ status: encodeDer(0x80, Uint8Array.of(1)) })],
    ['another response type', wrap(Uint8Array.of(5, 0), 0, '1.2.3')],
    ['nine certificates', about({}, { enclosed: Array(9).fill(responder.certificate) })],
    ['a byte behind it', Uint8Array.of(...about(), 0)],
    [
      'a byte behind the basic response',
      wrap(Uint8Array.of(...signBasic(encodeDer(0x30, id, made, body), responder, []), 0)),
    ],
    ['more than the limit', new Uint8Array(MAX_OCSP_BYTES + 1)],
    ['nothing', new Uint8Array()],
    ['text', Buffer.from('<html>')],
  ])('%s', (_what, response) => {
    expect(code(judge([response]))).toBe('ocsp_malformed')
  })

  test('ecdsa-with-SHA256 by a P-384 key', () => {
    const basic = signBasic(encodeDer(0x30, id, made, body), responder, [responder.certificate])
    const text = Buffer.from(wrap(basic)).toString('hex')
    // 1.2.840.10045.4.3.3 and .2: the last byte of the identifier. The certificate comes after it.
    const weak = text.replace('2a8648ce3d040303', '2a8648ce3d040302')
    expect(code(judge([Buffer.from(weak, 'hex')]))).toBe('ocsp_algorithm')
  })

  test('more responses than anybody needs are none', () => {
    const many = Array<Uint8Array>(MAX_OCSP_RESPONSES + 1).fill(about())
    expect(code(judge(many))).toBe('ocsp_malformed')
    expect(judge(many.slice(1))?.status).toBe('good')
  })

  test('BER in place of DER', () => {
    const [head, size] = about()
    expect([head, size]).toEqual([0x30, 0x82])
    const long = Uint8Array.of(0x30, 0x83, 0, ...about().subarray(2))
    expect(code(judge([long]))).toBe('ocsp_malformed')
  })
})

describe('what is remembered', () => {
  test('signatures, and never a time, a nonce or a policy', () => {
    const memo = createOcspMemo()
    let verified = 0
    const counting = {
      ...nodeCrypto,
      verifyEcdsa: (...given: Parameters<typeof nodeCrypto.verifyEcdsa>) => {
        verified++
        return nodeCrypto.verifyEcdsa(...given)
      },
    }
    const response = about({ status: revoked(6) }, { extensions: [nonceExtension(NONCE)] })
    const with_ = (change: Partial<RevocationOptions>): string =>
      code(judge([response], { crypto: counting, memo, ...change }))
    expect(with_({ allowHold: true, nonce: NONCE })).toBe('hold')
    expect(verified).toBe(2)
    expect(with_({ at: AT + 2 * HOUR })).toBe('ocsp_stale')
    expect(with_({ nonce: new Uint8Array(32) })).toBe('ocsp_nonce_mismatch')
    expect(judge([response], { crypto: counting, memo })).toMatchObject({ allowed: false })
    expect(verified).toBe(2)
  })

  test('a responder that answers for several is verified once', () => {
    let verified = 0
    const crypto = {
      ...nodeCrypto,
      verifyEcdsa: (...given: Parameters<typeof nodeCrypto.verifyEcdsa>) => {
        verified++
        return nodeCrypto.verifyEcdsa(...given)
      },
    }
    expect(judge([about(), about({ status: UNKNOWN }), about()], { crypto })?.status).toBe(
      'unknown',
    )
    expect(verified).toBe(1 + 3)
  })

  test('a signature under one issuer is not one under another of its name', () => {
    const memo = createOcspMemo()
    expect(judge([about()], { memo })?.status).toBe('good')
    const lookAlike = issue('Test issuer', root, CA)
    const chain = [device.certificate, lookAlike.certificate]
    const id = certId(device.certificate, lookAlike.certificate, 'sha384')
    const options = { crypto: nodeCrypto, at: AT, graceS: 0, allowHold: false, memo }
    const both = about({}, { answers: [answer(), { id }] })
    expect(judge([both], { memo })?.status).toBe('good')
    expect(code(judgeRevocation(chain, [both], options)[0])).toBe('ocsp_responder_untrusted')
  })

  test('bytes that are changed after they were judged change nothing', () => {
    const memo = createOcspMemo()
    const response = about()
    expect(judge([response], { memo })?.status).toBe('good')
    const before = [...memo.parsed.values()]
    response.fill(0)
    expect(code(judge([response], { memo }))).toBe('ocsp_malformed')
    const [kept] = before
    expect(kept?.ok === true && kept.response.tbs.some((byte) => byte !== 0)).toBe(true)
  })
})

describe('mutations of an accepted response', () => {
  const good = about({}, { extensions: [nonceExtension(NONCE)] })
  const accepted = (mutant: Uint8Array): boolean => {
    const status = judge([mutant], { nonce: NONCE })?.status
    return status === 'good' || status === 'hold'
  }

  test('it is accepted as it is', () => expect(accepted(good)).toBe(true))

  test('none with one byte changed is', () => {
    const survivors: number[] = []
    for (let offset = 0; offset < good.length; offset++) {
      for (const flip of [0x01, 0x80, 0xff]) {
        const mutant = Uint8Array.from(good)
        mutant[offset] = (mutant[offset] ?? 0) ^ flip
        if (accepted(mutant)) survivors.push(offset)
      }
    }
    expect(survivors).toEqual([])
  })

  test('none that is cut, or has a byte more or less, is', () => {
    const survivors: string[] = []
    for (let end = 0; end < good.length; end++) {
      if (accepted(good.subarray(0, end))) survivors.push(`cut at ${end}`)
      const without = Uint8Array.of(...good.subarray(0, end), ...good.subarray(end + 1))
      if (accepted(without)) survivors.push(`without ${end}`)
    }
    expect(survivors).toEqual([])
  })

  test('the reader is total over any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (noise) => {
        expect(parseOcspResponse(noise).ok).toBe(false)
      }),
      { numRuns: 300 },
    )
    const splice = fc.tuple(fc.nat(good.length - 1), fc.uint8Array({ minLength: 1, maxLength: 8 }))
    fc.assert(
      fc.property(splice, ([offset, patch]) => {
        const mutant = Uint8Array.from(good)
        mutant.set(patch.subarray(0, good.length - offset), offset)
        fc.pre(!Buffer.from(mutant).equals(good))
        expect(accepted(mutant)).toBe(false)
      }),
      { numRuns: 300 },
    )
  })
})

describe('requests', () => {
  const pair = { certificate: device.certificate, issuer: issuer.certificate }

  test('a wrong nonce or number of certificates is a bug of the caller', () => {
    expect(() => buildOcspRequest([], null, nodeCrypto)).toThrow(RangeError)
    expect(() => buildOcspRequest(Array(17).fill(pair), null, nodeCrypto)).toThrow(RangeError)
    expect(() => buildOcspRequest([pair], new Uint8Array(16), nodeCrypto)).toThrow(RangeError)
  })

  test('both ports write the same bytes', () => {
    const [first, second] = PORTS.map(([, crypto]) => buildOcspRequest([pair], NONCE, crypto))
    expect(first).toEqual(second)
  })
})
