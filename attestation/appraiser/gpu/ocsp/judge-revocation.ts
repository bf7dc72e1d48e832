/**
 * Whether the issuers of a chain still stand by its certificates, by OCSP responses that somebody fetched (RFC 6960 §3.2).
 *
 * Of several answers about one certificate the worst that is authentic and current counts: who chooses the responses must
 * not be able to outvote a revocation with an answer from before it. Leaving it out is always possible to them, and is
 * answered with `absent`, which is no pass, and with the shortness of an answer's life.
 *
 * @module
 */
import type { CryptoPort } from '../../../crypto/port.ts'
import { MAX_OCSP_RESPONSES } from '../../../protocol/gpu-collateral.ts'
import { counted } from '../../counted.ts'
import type { Certificate } from '../../x509/parse-certificate.ts'
import { namesCertificate } from './cert-id.ts'
import type { CertId, CertIdHash } from './cert-id.ts'
import type { OcspCode } from './codes.ts'
import { instantText } from './instant-text.ts'
import { createOcspMemo, parseWithMemo } from './ocsp-memo.ts'
import type { OcspMemo } from './ocsp-memo.ts'
import type { OcspResponse } from './parse-ocsp-response.ts'
import { REVOCATION_REASONS } from './read-single-response.ts'
import type { SingleResponse } from './read-single-response.ts'
import { verifyOcspResponder } from './verify-ocsp-responder.ts'
import type { OcspFault } from './verify-ocsp-responder.ts'

/** Seconds that an answer without nextUpdate counts, from its thisUpdate: what NVIDIA's C++ SDK caches such a one for. */
export const NO_NEXT_UPDATE_S = 3600
/** Seconds by which a responder's clock may be ahead. An answer signed ahead of time can hide nothing older than itself. */
export const MAX_RESPONDER_LEAD_S = 300

const CERTIFICATE_HOLD = 6

export interface RevocationOptions {
  readonly crypto: CryptoPort
  /** Unix seconds. */
  readonly at: number
  /** What was sent with the requests: each response must repeat it. Null or absent: stapled, judged by their window. */
  readonly nonce?: Uint8Array | null
  /** Seconds that an answer counts beyond its end. */
  readonly graceS: number
  /** Seconds since thisUpdate for which an answer counts; null or absent: until its end. */
  readonly maxAgeS?: number | null
  /** A certificate on hold is let pass; it stays `hold` and says so. */
  readonly allowHold: boolean
  /** What is known of responses judged before. */
  readonly memo?: OcspMemo
}

/** Of one certificate. Unix seconds; `validUntil` inclusive, without grace; `madeAt` the later of thisUpdate and producedAt. */
export type RevocationOutcome =
  | { readonly status: 'good'; readonly validUntil: number; readonly madeAt: number }
  | {
      readonly status: 'hold'
      readonly allowed: boolean
      readonly since: number
      readonly validUntil: number
      readonly madeAt: number
    }
  | { readonly status: 'revoked'; readonly since: number; readonly reason: string }
  | { readonly status: 'unknown'; readonly detail: string }
  /** No response says anything about it. */
  | { readonly status: 'absent' }
  /** There was an answer and it does not count. */
  | ({ readonly status: 'fault' } & OcspFault)

/** Worst first. A hold that the policy allows passes: it must not hide that another answer knows no such certificate. */
const ORDER: readonly ((outcome: RevocationOutcome) => boolean)[] = [
  ({ status }) => status === 'revoked',
  (outcome) => outcome.status === 'hold' && !outcome.allowed,
  ({ status }) => status === 'unknown',
  ({ status }) => status === 'hold',
  ({ status }) => status === 'good',
  ({ status }) => status === 'fault',
]

function fault(code: OcspCode, detail: string): RevocationOutcome {
  return { status: 'fault', code, detail }
}

function endOf({ thisUpdate, nextUpdate }: SingleResponse): number {
  return nextUpdate ?? thisUpdate + NO_NEXT_UPDATE_S
}

function windowFault(
  answer: SingleResponse,
  producedAt: number,
  { at, graceS, maxAgeS = null }: RevocationOptions,
): RevocationOutcome | null {
  const latest = Math.max(answer.thisUpdate, producedAt)
  // Written so that a clock that is not a number refuses too.
  if (!(latest <= at + MAX_RESPONDER_LEAD_S)) {
    return fault('ocsp_not_yet_valid', `made at ${instantText(latest)}`)
  }
  if (maxAgeS !== null && !(at - answer.thisUpdate <= maxAgeS)) {
    return fault(
      'ocsp_stale',
      `made at ${instantText(answer.thisUpdate)}, more than ${maxAgeS} s ago`,
    )
  }
  return at <= endOf(answer) + graceS
    ? null
    : fault('ocsp_stale', `counts until ${instantText(endOf(answer))}`)
}

function nonceFault(
  { nonce: found }: OcspResponse,
  { crypto, nonce = null }: RevocationOptions,
): RevocationOutcome | null {
  if (nonce === null) return null
  if (found === null) return fault('ocsp_nonce_missing', 'no nonce in the response')
  return crypto.equal(found, nonce) ? null : fault('ocsp_nonce_mismatch', 'another nonce')
}

function outcomeOf(
  answer: SingleResponse,
  producedAt: number,
  { allowHold }: RevocationOptions,
): RevocationOutcome {
  const { status } = answer
  const madeAt = Math.max(answer.thisUpdate, producedAt)
  const validUntil = endOf(answer)
  switch (status.is) {
    case 'good':
      return { status: 'good', validUntil, madeAt }
    case 'unknown':
      return { status: 'unknown', detail: 'the responder does not know the certificate' }
    case 'revoked': {
      const { since, reason } = status
      if (reason !== CERTIFICATE_HOLD) {
        const name = reason === null ? 'unspecified' : REVOCATION_REASONS.get(reason)
        return { status: 'revoked', since, reason: name ?? 'unspecified' }
      }
      // RFC 6960 §2.2: a hold since 1970 is how a responder says that nobody issued such a certificate. It must not pass
      // for a hold that a policy allows.
      if (since === 0) return { status: 'unknown', detail: 'no such certificate was issued' }
      return { status: 'hold', allowed: allowHold, since, validUntil, madeAt }
    }
  }
}

/** Thirty certificates ask each response: parsed once, whichever of them it is about. */
interface Responses {
  readonly readable: readonly OcspResponse[]
  /** The first that could not be read or is an error, which names no certificate. */
  readonly unreadable: OcspFault | null
}

function readResponses(
  responses: readonly Uint8Array[],
  crypto: CryptoPort,
  memo: OcspMemo,
): Responses {
  if (responses.length > MAX_OCSP_RESPONSES) {
    const detail = counted(responses.length, 'response')
    return { readable: [], unreadable: { code: 'ocsp_malformed', detail } }
  }
  const readable: OcspResponse[] = []
  let unreadable: OcspFault | null = null
  for (const [index, bytes] of responses.entries()) {
    const parsed = parseWithMemo(bytes, crypto, memo)
    if (parsed.ok) readable.push(parsed.response)
    else unreadable ??= { code: parsed.code, detail: `response ${index}: ${parsed.detail}` }
  }
  return { readable, unreadable }
}

/**
 * RFC 6960 §4.2.2.2.1 leaves it to the client what to do about a responder's own revocation where its certificate has no
 * id-pkix-ocsp-nocheck. Ours: an answer about the responder that is there counts, and one need not be there. It would come
 * from the same authority, and neither of NVIDIA's verifiers asks for one (Python 2.7.0, C++ 2.0.0).
 */
function responderFault(
  responder: Certificate,
  issuer: Certificate,
  responses: Responses,
  options: RevocationOptions & { readonly memo: OcspMemo },
): RevocationOutcome | null {
  const own = judgeCertificate(responder, issuer, responses, options, false)
  switch (own.status) {
    case 'good':
    case 'absent':
    case 'fault':
      return null
    case 'revoked':
    case 'hold':
    case 'unknown':
      return fault('ocsp_responder_revoked', `the responder is ${own.status}`)
  }
}

/** A certificate, with its ids as far as a response made us compute them. */
interface Asked {
  readonly certificate: Certificate
  readonly issuer: Certificate
  readonly ids: Map<CertIdHash, CertId>
}

function judgeAnswer(
  response: OcspResponse,
  { certificate, issuer, ids }: Asked,
  responses: Responses,
  options: RevocationOptions & { readonly memo: OcspMemo },
  askAboutResponder: boolean,
): RevocationOutcome {
  const { crypto } = options
  const [answer, ...others] = response.answers.filter(({ certId }) =>
    namesCertificate(certId, certificate, issuer, crypto, ids),
  )
  if (answer === undefined) return { status: 'absent' }
  // Whether they agree or not: readers of one and of the other would see two responses.
  if (others.length > 0) return fault('ocsp_duplicate', `${others.length + 1} answers`)
  const responder = verifyOcspResponder(response, issuer, options)
  if (!responder.ok) return fault(responder.code, responder.detail)
  const refused = nonceFault(response, options) ?? windowFault(answer, response.producedAt, options)
  if (refused !== null) return refused
  if (askAboutResponder && responder.unchecked !== null) {
    const unfit = responderFault(responder.unchecked, issuer, responses, options)
    if (unfit !== null) return unfit
  }
  return outcomeOf(answer, response.producedAt, options)
}

function judgeCertificate(
  certificate: Certificate,
  issuer: Certificate,
  responses: Responses,
  options: RevocationOptions & { readonly memo: OcspMemo },
  askAboutResponder: boolean,
): RevocationOutcome {
  const asked: Asked = { certificate, issuer, ids: new Map() }
  const outcomes = responses.readable.map((response) =>
    judgeAnswer(response, asked, responses, options, askAboutResponder),
  )
  for (const is of ORDER) {
    const found = outcomes.find(is)
    if (found !== undefined) return found
  }
  // What cannot be read may have been about this certificate.
  const { unreadable } = responses
  return unreadable === null ? { status: 'absent' } : { status: 'fault', ...unreadable }
}

/**
 * Never throws.
 *
 * @param chain certificates to be judged, each followed by its issuer; the last is an issuer only. It must already have been
 * verified up to its root: issuers are trusted here. Of a GPU all but the leaf, which is made on the device and which no
 * responder knows; of a RIM the whole chain
 * @param responses DER OCSPResponse each, in any order, also about other certificates
 * @returns one outcome for each certificate of `chain` but the last
 */
export function judgeRevocation(
  chain: readonly Certificate[],
  responses: readonly Uint8Array[],
  options: RevocationOptions,
): readonly RevocationOutcome[] {
  const memo = options.memo ?? createOcspMemo()
  const read = readResponses(responses, options.crypto, memo)
  return chain.slice(0, -1).map((certificate, index) => {
    const issuer = chain[index + 1]
    if (issuer === undefined) throw new TypeError('each certificate but the last has an issuer')
    return judgeCertificate(certificate, issuer, read, { ...options, memo }, true)
  })
}
