/**
 * CertID: how OCSP names a certificate (RFC 6960 §4.1.1), by hashes of its issuer's name and key and by its serial.
 *
 * Requests are made with SHA-384: NVIDIA's own Python verifier (nv-local-gpu-verifier 2.7.0) and Edgeless' Privatemode ask
 * NVIDIA's service so, and it keeps the older hash out of what we write. Responses are also taken with SHA-1, which NVIDIA's
 * documentation and its C++ SDK use, and with SHA-256, the one of RFC 9919: somebody else may have fetched a stapled one.
 *
 * SHA-1 is an identifier here and no security rests on it: a response counts only under a key that the very issuer
 * authorised, so what a collision could achieve is to name the same issuer twice.
 *
 * @module
 */
import type { CryptoPort } from '../../../crypto/port.ts'
import type { Certificate } from '../../x509/parse-certificate.ts'

export type CertIdHash = 'SHA-1' | 'SHA-256' | 'SHA-384'

/** RFC 3279 §2.1 and RFC 5754 §2. */
export const CERT_ID_HASH_OIDS: Readonly<Record<CertIdHash, string>> = Object.freeze({
  'SHA-1': '1.3.14.3.2.26',
  'SHA-256': '2.16.840.1.101.3.4.2.1',
  'SHA-384': '2.16.840.1.101.3.4.2.2',
})

export const CERT_ID_HASHES: ReadonlyMap<string, CertIdHash> = new Map(
  (['SHA-1', 'SHA-256', 'SHA-384'] as const).map((hash) => [CERT_ID_HASH_OIDS[hash], hash]),
)

export interface CertId {
  /** Null: one that is not known here, so that it names no certificate. */
  readonly hash: CertIdHash | null
  readonly nameHash: Uint8Array
  readonly keyHash: Uint8Array
  /** Content bytes of the serial INTEGER. */
  readonly serial: Uint8Array
}

const UNCOMPRESSED = 0x04

/** Content of the BIT STRING that holds the key, without the octet of unused bits (RFC 6960 §4.1.1, §4.2.1). */
function keyBits({ publicKey }: Certificate): Uint8Array {
  const out = new Uint8Array(1 + publicKey.point.length)
  out[0] = UNCOMPRESSED
  out.set(publicKey.point, 1)
  return out
}

/** KeyHash of ResponderID: always SHA-1 (RFC 6960 §4.2.1), and like above a name only. */
export function responderKeyHash(certificate: Certificate, crypto: CryptoPort): Uint8Array {
  return crypto.sha1(keyBits(certificate))
}

function digest(hash: CertIdHash, data: Uint8Array, crypto: CryptoPort): Uint8Array {
  switch (hash) {
    case 'SHA-1':
      return crypto.sha1(data)
    case 'SHA-256':
      return crypto.sha256(data)
    case 'SHA-384':
      return crypto.sha384(data)
  }
}

export function certIdOf(
  certificate: Certificate,
  issuer: Certificate,
  hash: CertIdHash,
  crypto: CryptoPort,
): CertId {
  return {
    hash,
    nameHash: digest(hash, certificate.issuer, crypto),
    keyHash: digest(hash, keyBits(issuer), crypto),
    serial: certificate.serial,
  }
}

/**
 * Whether `id` names `certificate` as issued by `issuer`.
 *
 * @param known what was computed before of these two: thousands of answers may bear the serial of one certificate
 */
export function namesCertificate(
  id: CertId,
  certificate: Certificate,
  issuer: Certificate,
  crypto: CryptoPort,
  known = new Map<CertIdHash, CertId>(),
): boolean {
  // The serial first: it tells nearly all others apart, and costs no hash.
  if (id.hash === null || !crypto.equal(id.serial, certificate.serial)) return false
  const expected = known.get(id.hash) ?? certIdOf(certificate, issuer, id.hash, crypto)
  known.set(id.hash, expected)
  return crypto.equal(id.nameHash, expected.nameHash) && crypto.equal(id.keyHash, expected.keyHash)
}
