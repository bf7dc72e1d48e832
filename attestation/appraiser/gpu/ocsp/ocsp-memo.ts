/**
 * OCSP responses and signatures that one appraisal meets more than once: the intermediate certificates of sixteen GPUs are
 * the same, and so is what is said about them.
 *
 * Nothing in it depends on a time, a nonce or a policy: the same bytes parse to the same response, and a signature that was
 * good or bad stays so. Keys are digests of whole encodings and the very objects parsed from them.
 *
 * @module
 */
import type { CryptoPort } from '../../../crypto/port.ts'
import { toHex } from '../../../protocol/hex.ts'
import type { Certificate } from '../../x509/parse-certificate.ts'
import { parseOcspResponse } from './parse-ocsp-response.ts'
import type { OcspResponse, OcspResult } from './parse-ocsp-response.ts'

export interface OcspMemo {
  /** By SHA-256 of the bytes. */
  readonly parsed: Map<string, OcspResult>
  /** Enclosed certificates, by SHA-256: one responder answers for all devices of its issuer. */
  readonly certificates: Map<string, Certificate>
  /** By what is signed, and by SHA-256 of a key: whether this key signed it. Also where it did not. */
  readonly signers: Map<OcspResponse | Certificate, Map<string, boolean>>
}

export function createOcspMemo(): OcspMemo {
  return { parsed: new Map(), certificates: new Map(), signers: new Map() }
}

export function parseWithMemo(bytes: Uint8Array, crypto: CryptoPort, memo: OcspMemo): OcspResult {
  const key = toHex(crypto.sha256(bytes))
  const known = memo.parsed.get(key)
  if (known !== undefined) return known
  const read = parseOcspResponse(bytes)
  const result = read.ok
    ? { ...read, response: shareCertificates(read.response, crypto, memo) }
    : read
  memo.parsed.set(key, result)
  return result
}

/** The same bytes become the same object, whose signature and key need then be looked at once. */
function shareCertificates(
  response: OcspResponse,
  crypto: CryptoPort,
  memo: OcspMemo,
): OcspResponse {
  const certificates = response.certificates.map((certificate) => {
    const key = toHex(crypto.sha256(certificate.der))
    const known = memo.certificates.get(key) ?? certificate
    memo.certificates.set(key, known)
    return known
  })
  return { ...response, certificates }
}

/** Whether `signer`'s key signed; ECDSA P-384 with SHA-384 alone. */
export function isSignedBy(
  signed: OcspResponse | Certificate,
  signer: Certificate,
  crypto: CryptoPort,
  memo: OcspMemo,
): boolean {
  if (signer.publicKey.curve !== 'P-384') return false
  const key = toHex(crypto.sha256(signer.publicKey.point))
  const tried = memo.signers.get(signed) ?? new Map<string, boolean>()
  memo.signers.set(signed, tried)
  // A forged response that names the certificates of sixteen devices would otherwise be verified sixteen times.
  const known = tried.get(key)
  if (known !== undefined) return known
  const good = crypto.verifyEcdsa('P-384', signer.publicKey.point, signed.tbs, signed.signature)
  tried.set(key, good)
  return good
}
