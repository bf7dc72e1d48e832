/**
 * Verifies the HTTP message signature of an answer (RFC 9421, docs/protocol.md §9.2) and its `Content-Digest` (RFC 9530): that
 * the attested service sent this status, this body and this receipt id in answer to this request.
 *
 * @module
 */
import { isInnerList, parseDictionary, serializeInnerList, serializeItem } from 'structured-headers'
import type { Dictionary, InnerList, Parameters } from 'structured-headers'
import type { CryptoPort } from '../../crypto/port.ts'
import { fromHex } from '../../protocol/hex.ts'
import {
  HTTP_SIGNATURE_TAG,
  MAX_STRUCTURED_HEADER,
  REQUEST_DIGEST_COMPONENT,
  isCovered,
  signatureBase,
} from '../../protocol/http-signature.ts'
import { HTTP_ALGO, keyOfRole } from '../../protocol/keyset.ts'
import { toUtf8 } from '../../protocol/utf8.ts'
import type { TrustedKeyset } from '../appraise-document.ts'
import { fail, pass, skip } from '../check.ts'
import type { Check } from '../check.ts'
import type { CheckCode } from '../codes.ts'
import { counted } from '../counted.ts'
import type { AppraisalPolicy } from '../policy.ts'
import { requireOptions } from '../required-options.ts'

/** Seconds that a signature may be old, the policy's clock skew besides. */
export const HTTP_SIGNATURE_MAX_AGE_S = 300
const SIGNATURE_BYTES = 64

/** What was received. Values of fields, null where they are missing. */
export interface SignedAnswer {
  readonly status: number
  readonly contentDigest: string | null
  readonly receiptId: string | null
  readonly signatureInput: string | null
  readonly signature: string | null
  /** SHA-256 of the body, 32 bytes. */
  readonly bodyHash: Uint8Array
}

/** What was asked, as the client knows it. */
export interface SignedRequest {
  /** Of the member of `Accept-Signature`. */
  readonly label: string
  readonly nonce: string
  readonly method: string
  /** Without query. */
  readonly path: string
  /** The `Content-Digest` that was sent; null where none was. */
  readonly contentDigest: string | null
}

export interface HttpSignatureOptions {
  readonly crypto: CryptoPort
  /** Unix seconds. */
  readonly at: number
  readonly trusted: TrustedKeyset
  readonly policy: AppraisalPolicy
  /** Default {@link HTTP_SIGNATURE_MAX_AGE_S}. */
  readonly maxAgeS?: number
}

const PROVES_SIGNATURE =
  'A key of this boot of the attested service signed this status, digest and receipt id for this request.'
const PROVES_DIGEST = 'The body is the one of the Content-Digest.'

/** Thrown inside this file only. */
class Refused extends Error {
  readonly code: CheckCode
  constructor(code: CheckCode, detail = '') {
    super(detail)
    this.code = code
  }
}

function dictionaryOf(text: string): Dictionary | null {
  if (text.length > MAX_STRUCTURED_HEADER) return null
  try {
    return parseDictionary(text)
  } catch {
    return null
  }
}

function bytesOf(text: string | null, member: string): Uint8Array | null {
  const [value] = (text === null ? null : dictionaryOf(text))?.get(member) ?? []
  return value instanceof ArrayBuffer ? new Uint8Array(value) : null
}

function readInput(answer: SignedAnswer, label: string): InnerList {
  const { signatureInput, signature } = answer
  if (signatureInput === null || signature === null) throw new Refused('http_signature_missing')
  const inputs = dictionaryOf(signatureInput)
  const signatures = dictionaryOf(signature)
  if (inputs === null || signatures === null) throw new Refused('http_signature_malformed')
  const input = inputs.get(label)
  if (input === undefined || !signatures.has(label)) throw new Refused('http_signature_missing')
  if (!isInnerList(input)) throw new Refused('http_signature_malformed')
  return input
}

function judgeTimes(
  params: Parameters,
  { at, trusted, policy, maxAgeS = HTTP_SIGNATURE_MAX_AGE_S }: HttpSignatureOptions,
): void {
  const created = params.get('created')
  const expires = params.get('expires')
  if (typeof created !== 'number' || !Number.isSafeInteger(created)) {
    throw new Refused('http_signature_malformed', 'created')
  }
  if (expires !== undefined && (typeof expires !== 'number' || !Number.isSafeInteger(expires))) {
    throw new Refused('http_signature_malformed', 'expires')
  }
  const { clockSkewS } = policy
  if (created > at + clockSkewS) {
    throw new Refused('http_signature_from_future', `${counted(created - at, 'second')} ahead`)
  }
  const over =
    created > trusted.notAfter ||
    at - created > maxAgeS + clockSkewS ||
    (typeof expires === 'number' && at > expires + clockSkewS)
  if (over) throw new Refused('http_signature_expired', `${counted(at - created, 'second')} old`)
}

function judgeSignature(
  answer: SignedAnswer,
  request: SignedRequest,
  options: HttpSignatureOptions,
): void {
  const { label, nonce, contentDigest } = request
  const input = readInput(answer, label)
  const [items, params] = input
  const components = items.map((item) => serializeItem(item))
  const digests = components.includes(REQUEST_DIGEST_COMPONENT) === (contentDigest !== null)
  if (!isCovered(components) || !digests) throw new Refused('http_signature_incomplete')
  const key = keyOfRole(options.trusted.keyset, HTTP_ALGO)
  if (key === null || params.get('keyid') !== key.key_id) {
    throw new Refused('http_signature_other_key')
  }
  // Else a signature that the key made for something else, or under another algorithm, could stand here.
  const purpose = params.get('tag') === HTTP_SIGNATURE_TAG
  if (!purpose || (params.has('alg') && params.get('alg') !== 'ed25519')) {
    throw new Refused('http_signature_other_purpose')
  }
  if (params.get('nonce') !== nonce) throw new Refused('http_signature_nonce_mismatch')
  judgeTimes(params, options)
  const base = signatureBase(
    components,
    {
      status: answer.status,
      contentDigest: answer.contentDigest ?? '',
      receiptId: answer.receiptId ?? '',
      method: request.method,
      path: request.path,
      requestDigest: contentDigest,
    },
    serializeInnerList(input),
  )
  const signature = bytesOf(answer.signature, label)
  if (signature?.length !== SIGNATURE_BYTES) throw new Refused('http_signature_malformed')
  const publicKey = fromHex(key.public_key)
  const signed =
    base !== null &&
    publicKey !== null &&
    options.crypto.verifyEd25519(publicKey, toUtf8(base), signature)
  if (!signed) throw new Refused('http_signature_invalid')
}

/**
 * Verifies the signature that was asked for by `Accept-Signature`. One that was asked for and is not there is a failure.
 *
 * @returns `http.signature` and `http.digest`. Never throws on any answer
 * @throws TypeError for a time that is no finite number or a policy that `parsePolicy` refuses
 */
export function verifyHttpSignature(
  answer: SignedAnswer,
  request: SignedRequest,
  given: HttpSignatureOptions,
): readonly Check[] {
  const options = requireOptions(given)
  try {
    judgeSignature(answer, request, options)
  } catch (error) {
    if (!(error instanceof Refused)) throw error
    return [
      fail('http.signature', error.code, PROVES_SIGNATURE, error.message),
      skip('http.digest', 'depends_on_failed', PROVES_DIGEST),
    ]
  }
  const stated = bytesOf(answer.contentDigest, 'sha-256')
  const code: CheckCode | null =
    stated === null
      ? 'http_digest_missing'
      : options.crypto.equal(stated, answer.bodyHash)
        ? null
        : 'http_digest_mismatch'
  return [
    pass('http.signature', PROVES_SIGNATURE),
    code === null ? pass('http.digest', PROVES_DIGEST) : fail('http.digest', code, PROVES_DIGEST),
  ]
}
