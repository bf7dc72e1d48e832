/**
 * OCSP responses (RFC 6960 §4.2.1) in strict DER: the basic type, version 1. What is read is not yet trusted.
 *
 * @module
 */
import { MAX_OCSP_BYTES } from '../../../protocol/gpu-collateral.ts'
import { oidOf, readDer, TAG } from '../../x509/der.ts'
import type { DerNode } from '../../x509/der.ts'
import { ecdsaSignatureOf, signatureCurveOf } from '../../x509/ecdsa-signature.ts'
import { parseCertificate } from '../../x509/parse-certificate.ts'
import type { Certificate, Extension } from '../../x509/parse-certificate.ts'
import { OID_OCSP_NONCE } from './build-ocsp-request.ts'
import type { OcspCode } from './codes.ts'
import {
  CONTEXT_0,
  CONTEXT_1,
  CONTEXT_2,
  explicit,
  instant,
  members,
  octets,
  readExtensions,
  Refused,
} from './ocsp-members.ts'
import { readSingleResponse } from './read-single-response.ts'
import type { SingleResponse } from './read-single-response.ts'

/** Answers in one response. */
export const MAX_SINGLE_RESPONSES = 64
/** Certificates enclosed in one response: the responder's, and perhaps those above it. */
export const MAX_RESPONDER_CERTIFICATES = 8
/** RFC 9654 §2.1 lets a nonce have 1 to 128 octets. */
const MAX_NONCE_BYTES = 128

const OID_BASIC = '1.3.6.1.5.5.7.48.1.1'
const KEY_HASH_BYTES = 20

/** OCSPResponseStatus; 4 is not used. */
const ERROR_STATUS: ReadonlyMap<number, string> = new Map([
  [1, 'malformedRequest'],
  [2, 'internalError'],
  [3, 'tryLater'],
  [5, 'sigRequired'],
  [6, 'unauthorized'],
])

export type ResponderId =
  | { readonly by: 'name'; readonly name: Uint8Array }
  | { readonly by: 'key'; readonly sha1: Uint8Array }

/** All arrays are slices of one copy of the input. */
export interface OcspResponse {
  /** The signed bytes: tbsResponseData. */
  readonly tbs: Uint8Array
  readonly responder: ResponderId
  /** Unix seconds. */
  readonly producedAt: number
  readonly answers: readonly SingleResponse[]
  readonly nonce: Uint8Array | null
  /** r ‖ s, 96 bytes. */
  readonly signature: Uint8Array
  /** As enclosed; nothing about them is signed by the responder. */
  readonly certificates: readonly Certificate[]
}

export type OcspResult =
  | { readonly ok: true; readonly response: OcspResponse }
  | { readonly ok: false; readonly code: OcspCode; readonly detail: string }

function readResponder(node: DerNode | undefined): ResponderId {
  switch (node?.tag) {
    case CONTEXT_1: {
      const name = explicit(node, 'responder name')
      members(name, 'responder name')
      return { by: 'name', name: name.bytes }
    }
    case CONTEXT_2: {
      const sha1 = octets(explicit(node, 'responder key hash'), 'responder key hash')
      if (sha1.length !== KEY_HASH_BYTES) throw new Refused('malformed responder key hash')
      return { by: 'key', sha1 }
    }
    default:
      throw new Refused('no responder')
  }
}

/** RFC 9654 §2.1: an OCTET STRING inside extnValue. */
function readNonce(extensions: ReadonlyMap<string, Extension>): Uint8Array | null {
  const extension = extensions.get(OID_OCSP_NONCE)
  if (extension === undefined) return null
  const parsed = readDer(extension.value, MAX_OCSP_BYTES)
  const nonce = parsed.ok ? octets(parsed.node, 'nonce') : null
  if (nonce === null || nonce.length === 0 || nonce.length > MAX_NONCE_BYTES) {
    throw new Refused('malformed nonce')
  }
  return nonce
}

function readCertificates(wrapper: DerNode | undefined): readonly Certificate[] {
  if (wrapper === undefined) return []
  if (wrapper.tag !== CONTEXT_0) throw new Refused('malformed BasicOCSPResponse')
  const list = members(explicit(wrapper, 'certificates'), 'certificates')
  if (list.length > MAX_RESPONDER_CERTIFICATES) throw new Refused('too many certificates')
  return list.map(({ bytes }, index) => {
    const parsed = parseCertificate(bytes)
    if (!parsed.ok) throw new Refused(`enclosed certificate ${index}: ${parsed.detail}`)
    return parsed.certificate
  })
}

function readBasic(der: Uint8Array): OcspResponse {
  const parsed = readDer(der, MAX_OCSP_BYTES)
  if (!parsed.ok) throw new Refused(`BasicOCSPResponse: ${parsed.detail}`)
  const [tbs, algorithm, signatureNode, certificates, ...more] = members(
    parsed.node,
    'BasicOCSPResponse',
  )
  if (more.length > 0) throw new Refused('malformed BasicOCSPResponse')
  if (signatureCurveOf(algorithm) !== 'P-384') {
    throw new Refused('not signed with ecdsa-with-SHA384', 'ocsp_algorithm')
  }
  const signature = ecdsaSignatureOf(signatureNode, 'P-384')
  if (signature === null) throw new Refused('malformed signature value')
  // A version is not encoded: there is only the default (RFC 6960 §4.2.1, X.690 §11.5).
  const [responder, producedAt, list, wrapper, ...rest] = members(tbs, 'ResponseData')
  if (tbs === undefined || rest.length > 0) throw new Refused('malformed ResponseData')
  const answers = members(list, 'list of answers')
  if (answers.length === 0 || answers.length > MAX_SINGLE_RESPONSES) {
    throw new Refused(`${answers.length} answers`)
  }
  if (wrapper !== undefined && wrapper.tag !== CONTEXT_1) {
    throw new Refused('malformed ResponseData')
  }
  return {
    tbs: tbs.bytes,
    responder: readResponder(responder),
    producedAt: instant(producedAt, 'producedAt'),
    answers: answers.map(readSingleResponse),
    nonce: wrapper === undefined ? null : readNonce(readExtensions(wrapper)),
    signature,
    certificates: readCertificates(certificates),
  }
}

function readResponse(der: Uint8Array): OcspResponse {
  const parsed = readDer(der, MAX_OCSP_BYTES)
  if (!parsed.ok) throw new Refused(parsed.detail)
  const [statusNode, wrapper, ...more] = members(parsed.node, 'OCSPResponse')
  const [status] = statusNode?.tag === TAG.enumerated ? statusNode.content : []
  if (status === undefined || statusNode?.content.length !== 1 || more.length > 0) {
    throw new Refused('not an OCSPResponse')
  }
  if (status !== 0) {
    const name = ERROR_STATUS.get(status)
    if (name === undefined || wrapper !== undefined) throw new Refused('malformed error')
    throw new Refused(name, 'ocsp_not_successful')
  }
  if (wrapper?.tag !== CONTEXT_0) throw new Refused('no response bytes')
  const [type, content, ...rest] = members(explicit(wrapper, 'response bytes'), 'response bytes')
  if (oidOf(type) !== OID_BASIC || rest.length > 0) throw new Refused('not a basic response')
  return readBasic(octets(content, 'basic response'))
}

/**
 * Reads one OCSPResponse that fills `input` exactly. Never throws; nothing about trust is judged here.
 *
 * @param input DER, at most {@link MAX_OCSP_BYTES}
 */
export function parseOcspResponse(input: Uint8Array): OcspResult {
  if (input.length > MAX_OCSP_BYTES) {
    const detail = `longer than ${MAX_OCSP_BYTES} bytes`
    return { ok: false, code: 'ocsp_malformed', detail }
  }
  try {
    // A copy, so that nobody can change between check and use what was checked.
    return { ok: true, response: readResponse(new Uint8Array(input)) }
  } catch (error) {
    if (!(error instanceof Refused)) throw error
    return { ok: false, code: error.code, detail: error.message }
  }
}
