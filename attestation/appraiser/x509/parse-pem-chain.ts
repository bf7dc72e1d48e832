/**
 * A chain of PEM certificates (RFC 7468 §5.1), leaf first, as Intel puts it into quotes and NVIDIA into evidence.
 *
 * @module
 */
import { decodeBase64 } from '../../protocol/base64.ts'
import { counted } from '../counted.ts'
import type { CertificateMemo } from './certificate-memo.ts'
import { MAX_CERTIFICATE_BYTES, parseCertificate } from './parse-certificate.ts'
import type { Certificate } from './parse-certificate.ts'

export type PemChainResult =
  | { readonly ok: true; readonly certificates: Certificate[] }
  | { readonly ok: false; readonly detail: string }

// No explanatory text, headers or other kinds of block: what one reader skips another may read.
const BLOCK =
  /-----BEGIN CERTIFICATE-----\r?\n((?:[A-Za-z0-9+/=]{1,76}\r?\n)+)-----END CERTIFICATE-----[ \t\r\n]*/y
const LEADING = /^[ \t\r\n]*/
/** Intel's quote library ends the text with one NUL and pads it with more. */
const TRAILING = /^[ \t\r\n\0]*$/
/** Base64 grows by 4/3, line ends and markers take the rest. */
const MAX_BLOCK_CHARACTERS = 2 * MAX_CERTIFICATE_BYTES

/**
 * Parses every certificate of `text`, in its order. Never throws.
 *
 * @param maxCertificates more of them are refused, none too
 * @param memo certificates that need not be parsed again
 */
export function parsePemChain(
  text: string,
  maxCertificates: number,
  memo?: CertificateMemo,
): PemChainResult {
  if (text.length > maxCertificates * MAX_BLOCK_CHARACTERS) {
    return { ok: false, detail: 'the chain is too long' }
  }
  const certificates: Certificate[] = []
  let offset = LEADING.exec(text)?.[0].length ?? 0
  while (!TRAILING.test(text.slice(offset))) {
    if (certificates.length === maxCertificates) {
      return { ok: false, detail: `more than ${counted(maxCertificates, 'certificate')}` }
    }
    BLOCK.lastIndex = offset
    const [block, body] = BLOCK.exec(text) ?? []
    if (block === undefined || body === undefined) {
      return { ok: false, detail: `no PEM certificate at character ${offset}` }
    }
    offset += block.length
    const base64 = body.replaceAll(/\r?\n/g, '')
    const known = memo?.parsed.get(base64)
    if (known !== undefined) {
      certificates.push(known)
      continue
    }
    const der = decodeBase64(base64)
    if (der === null) return { ok: false, detail: 'a certificate is not base64' }
    const parsed = parseCertificate(der)
    if (!parsed.ok) {
      return { ok: false, detail: `certificate ${certificates.length}: ${parsed.detail}` }
    }
    certificates.push(parsed.certificate)
    memo?.parsed.set(base64, parsed.certificate)
  }
  if (certificates.length === 0) return { ok: false, detail: 'no certificate' }
  return { ok: true, certificates }
}
