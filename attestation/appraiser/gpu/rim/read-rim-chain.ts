/**
 * The certificates that a RIM brings along, unverified.
 *
 * @module
 */
import { decodeBase64 } from '../../../protocol/base64.ts'
import { parseCertificate } from '../../x509/parse-certificate.ts'
import type { Certificate } from '../../x509/parse-certificate.ts'
import { parseXml } from './parse-xml.ts'
import { elementsOf } from './read-element.ts'
import { isSignature, readSignature } from './read-signature.ts'

/** @returns none where one of them, or the RIM, cannot be read */
export function readRimChain(bytes: Uint8Array): readonly Certificate[] {
  const document = parseXml(bytes)
  const last = document.ok ? elementsOf(document.root)?.at(-1) : undefined
  const read = last !== undefined && isSignature(last) ? readSignature(last) : null
  if (read?.ok !== true) return []
  const chain: Certificate[] = []
  for (const text of read.signature.certificates) {
    const parsed = parseCertificate(decodeBase64(text) ?? new Uint8Array())
    if (!parsed.ok) return []
    chain.push(parsed.certificate)
  }
  return chain
}
