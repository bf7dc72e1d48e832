/**
 * From the answers of a service to the members of a collateral document. No signature is looked at here: what a lying
 * service sends in the right shape is for the appraiser to refuse.
 *
 * @module
 */
import { readDer, TAG } from '../appraiser/x509/der.ts'
import { parsePemChain } from '../appraiser/x509/parse-pem-chain.ts'
import { MAX_CRL_BYTES } from '../protocol/dcap-collateral.ts'
import { fromHex, toHex } from '../protocol/hex.ts'
import { isJsonObject, parseJson } from '../protocol/json.ts'
import { fromUtf8 } from '../protocol/utf8.ts'
import { CollateralError } from './collateral-error.ts'
import type { Answer } from './http-request.ts'
import { MAX_CHAIN_HEADER_LENGTH } from './limits.ts'
import { rawMember } from './raw-member.ts'

const SIGNATURE = /^[0-9a-fA-F]{128}$/
/** Issuing certificate, root. */
const CHAIN_LENGTH = 2

function malformed(what: string, why: string): CollateralError {
  return new CollateralError('collateral_malformed', `${what}: ${why}`)
}

/**
 * The issuer chain of a header: PEM, URL-encoded (PCS API v4, "TCB-Info-Issuer-Chain" and the like).
 *
 * @param names of the header, newest first; where several are there they must agree
 * @throws CollateralError
 */
export function readIssuerChain(answer: Answer, what: string, names: readonly string[]): string {
  const values = new Set(names.map((name) => answer.header(name)).filter((value) => value !== null))
  const [value, ...others] = values
  if (value === undefined) throw malformed(what, `the answer has no header ${names.join(' or ')}`)
  if (others.length > 0) throw malformed(what, 'two headers name two issuer chains')
  if (value.length > MAX_CHAIN_HEADER_LENGTH) throw malformed(what, 'the issuer chain is too long')
  let pem: string
  try {
    pem = decodeURIComponent(value)
  } catch {
    throw malformed(what, 'the issuer chain is not URL-encoded')
  }
  const chain = parsePemChain(pem, CHAIN_LENGTH)
  if (!chain.ok) throw malformed(what, `the issuer chain: ${chain.detail}`)
  if (chain.certificates.length !== CHAIN_LENGTH) {
    throw malformed(what, `the issuer chain has not ${CHAIN_LENGTH} certificates`)
  }
  return pem
}

export interface SignedText {
  /** Exactly what is signed. */
  readonly text: string
  /** Lower-case hex of r ‖ s. */
  readonly signature: string
}

/**
 * `{"<member>": {…}, "signature": "<hex>"}`.
 *
 * @throws CollateralError
 */
export function readSignedText(answer: Answer, what: string, member: string): SignedText {
  const parsed = parseJson(answer.body)
  if (!parsed.ok) throw malformed(what, `not strict JSON (${parsed.fault})`)
  const { value } = parsed
  if (!isJsonObject(value) || !isJsonObject(value[member])) {
    throw malformed(what, `not an object with ${member}`)
  }
  const unknown = Object.keys(value).filter((name) => name !== member && name !== 'signature')
  if (unknown.length > 0) throw malformed(what, 'the answer has an unknown member')
  const signature = value['signature']
  if (typeof signature !== 'string' || !SIGNATURE.test(signature)) {
    throw malformed(what, 'the signature is not 64 bytes in hex')
  }
  const text = rawMember(fromUtf8(answer.body) ?? '', member)
  if (text === null) throw new TypeError('a parsed member stands in its text')
  return { text, signature: signature.toLowerCase() }
}

/**
 * A revocation list in DER, or in hex of it as a PCCS sends its `rootcacrl`. The first byte of DER is 30, that of its hex
 * is the digit 3, so neither can be taken for the other.
 *
 * @returns lower-case hex
 * @throws CollateralError
 */
export function readRevocationList(answer: Answer, what: string): string {
  const { body } = answer
  const der = body[0] === TAG.sequence ? body : fromHex(fromUtf8(body)?.trim().toLowerCase() ?? '-')
  if (der === null) throw malformed(what, 'neither DER nor hex of it')
  if (der.length > MAX_CRL_BYTES) {
    throw new CollateralError('collateral_too_large', `${what}: longer than ${MAX_CRL_BYTES} bytes`)
  }
  const parsed = readDer(der, MAX_CRL_BYTES)
  if (!parsed.ok) throw malformed(what, `not DER: ${parsed.detail}`)
  return toHex(der)
}
