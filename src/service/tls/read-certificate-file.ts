/**
 * A certificate from an authority, as a file. It is outside the enclave's word: whoever owns the disk chooses what stands there,
 * so nothing is believed but that the certificate is for the enclave's own key.
 *
 * @module
 */
import { X509Certificate } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import type { TlsKey } from '../../../enclave/keys/tls-key.ts'
import { readRegularFile } from '../../read-regular-file.ts'
import { CONTEXT_OPTIONS } from './tls-options.ts'

/** Bytes of the file: a chain of four with room. */
export const MAX_CERTIFICATE_FILE_BYTES = 64 * 1024
/** Certificates of one chain. */
export const MAX_CHAIN = 8

/** What is wrong with a file, by stable code. */
export const TLS_CERTIFICATE_FAULTS = Object.freeze({
  tls_certificate_missing: 'there is no certificate file yet; a self-signed certificate is used',
  tls_certificate_unreadable: 'the certificate file cannot be read, or is no chain in PEM',
  tls_certificate_other_key:
    'the certificate is for another key than this boot’s; ask for one with countersign tls csr',
  tls_certificate_not_in_time: 'the certificate is not valid at this time',
})

export type TlsCertificateFault = keyof typeof TLS_CERTIFICATE_FAULTS

export type CertificateFile =
  | {
      readonly ok: true
      /** PEM, the certificate of the key first. */
      readonly chain: string
      /** Unix milliseconds. */
      readonly notAfter: number
    }
  | { readonly ok: false; readonly fault: TlsCertificateFault }

const BLOCK = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g

async function readText(path: string): Promise<string | TlsCertificateFault> {
  try {
    const file = await readRegularFile(path, MAX_CERTIFICATE_FILE_BYTES)
    return file.ok ? file.bytes.toString('latin1') : 'tls_certificate_unreadable'
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    return code === 'ENOENT' ? 'tls_certificate_missing' : 'tls_certificate_unreadable'
  }
}

function parseBlock(pem: string): X509Certificate | null {
  try {
    return new X509Certificate(pem)
  } catch {
    return null
  }
}

/** OpenSSL takes no chain with weak signatures or keys in it; the listener must not be the one to find out. */
function isUsable(key: TlsKey, chain: string): boolean {
  try {
    createSecureContext({ ...CONTEXT_OPTIONS, ...key.credentials(chain) })
    return true
  } catch {
    return false
  }
}

function isFault(text: string): text is TlsCertificateFault {
  return Object.hasOwn(TLS_CERTIFICATE_FAULTS, text)
}

/** @param atMs unix milliseconds. Never throws */
export async function readCertificateFile(
  path: string,
  key: TlsKey,
  atMs: number,
): Promise<CertificateFile> {
  const refuse = (fault: TlsCertificateFault): CertificateFile => ({ ok: false, fault })
  const text = await readText(path)
  if (isFault(text)) return refuse(text)
  const blocks = text.match(BLOCK) ?? []
  const [leaf, ...issuers] = blocks.slice(0, MAX_CHAIN + 1).map(parseBlock)
  if (leaf === undefined || leaf === null || issuers.includes(null)) {
    return refuse('tls_certificate_unreadable')
  }
  if (blocks.length > MAX_CHAIN) return refuse('tls_certificate_unreadable')
  // The bytes, as clients hash them, and not only the same point in another encoding.
  const spki = leaf.publicKey.export({ format: 'der', type: 'spki' })
  if (!spki.equals(key.spki) || !leaf.raw.includes(spki)) {
    return refuse('tls_certificate_other_key')
  }
  const chain = `${blocks.join('\n')}\n`
  if (!isUsable(key, chain)) return refuse('tls_certificate_unreadable')
  const notAfter = Date.parse(leaf.validTo)
  const inTime = Date.parse(leaf.validFrom) <= atMs && atMs < notAfter
  return inTime ? { ok: true, chain, notAfter } : refuse('tls_certificate_not_in_time')
}
