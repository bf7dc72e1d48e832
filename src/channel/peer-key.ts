/**
 * The key that the other end of a TLS connection has shown to hold.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import { TLSSocket } from 'node:tls'
import { readDer, TAG } from '../../attestation/appraiser/x509/der.ts'
import { toHex32 } from '../../attestation/protocol/hex.ts'
import type { Hex32 } from '../../attestation/protocol/hex.ts'

/** Longest certificate that is looked into; one of RA-TLS has about 13 kB. */
export const MAX_PEER_CERTIFICATE_BYTES = 64 * 1024

/** Of SubjectPublicKeyInfo among the members of a TBSCertificate of version 3 (RFC 5280 §4.1). */
const SPKI_INDEX = 6
const EXPLICIT_VERSION = 0xa0

/** @returns null where the certificate cannot be read. The bytes are those that stand in it, and not another encoding of the key */
function spkiOf(der: Uint8Array): Uint8Array | null {
  const parsed = readDer(der, MAX_PEER_CERTIFICATE_BYTES)
  const tbs = parsed.ok ? parsed.node.children[0] : undefined
  if (tbs?.tag !== TAG.sequence || tbs.children[0]?.tag !== EXPLICIT_VERSION) return null
  const spki = tbs.children[SPKI_INDEX]
  return spki?.tag === TAG.sequence ? spki.bytes : null
}

/**
 * SHA-256 of the peer's SubjectPublicKeyInfo.
 *
 * @returns null for a socket without TLS, and where the key was not shown on this very connection or cannot be read
 */
export function peerSpkiSha256(socket: unknown): Hex32 | null {
  if (!(socket instanceof TLSSocket)) return null
  // A resumed session shows that the other end knows a secret of an earlier connection, not that it holds a key.
  if (socket.isSessionReused()) return null
  const certificate = socket.getPeerX509Certificate()
  const spki = certificate === undefined ? null : spkiOf(certificate.raw)
  return spki === null ? null : toHex32(createHash('sha256').update(spki).digest())
}
