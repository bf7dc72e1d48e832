/**
 * The key that TLS connections end on. Its certificate may change, by renewal or by the hand of an authority; the key does not
 * for as long as the process lives, and the keyset names the key.
 *
 * @module
 */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
} from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { toHex32 } from '../../attestation/protocol/hex.ts'
import type { Hex32 } from '../../attestation/protocol/hex.ts'
import { buildCertificate, toPem, toPemBlock } from '../../attestation/x509/build-certificate.ts'
import { buildCertificationRequest } from '../../attestation/x509/build-request.ts'
import {
  altNamesExtension,
  serverAuthExtension,
} from '../../attestation/x509/server-certificate.ts'
import type { DistinguishedName } from '../../attestation/x509/sign-der.ts'

/**
 * `boot`: made in this process. `agent`: made by dstack's guest agent, outside this process and in the same confidential VM, and
 * handed over its socket together with an RA-TLS certificate.
 */
export const TLS_KEY_SOURCES = ['boot', 'agent'] as const
export type TlsKeySource = (typeof TLS_KEY_SOURCES)[number]

/** Milliseconds that a certificate of our own is valid. It says nothing that the keyset does not say, so it need not last. */
export const SELF_SIGNED_MS = 7 * 24 * 3600 * 1000
/** Milliseconds that it is dated back, for clients whose clocks are behind. */
export const BACKDATE_MS = 3600 * 1000
const SERIAL_BYTES = 16
/** Length of a SubjectPublicKeyInfo on P-256 with its point uncompressed (RFC 5480 §2). */
const P256_SPKI_BYTES = 91

const SUBJECT = 'countersign'
/** For people: the key of a simulation is as good as any other for TLS, and what it is listed beside proves nothing. */
const SIMULATED = 'SIMULATED - PROVES NOTHING'

export interface TlsKey {
  readonly source: TlsKeySource
  /** DER SubjectPublicKeyInfo. */
  readonly spki: Uint8Array
  /** SHA-256 of it: what the keyset lists and clients pin. */
  readonly spkiSha256: Hex32
  /** PEM chain that came with the key; null where none did. */
  readonly issued: string | null
  /** A certificate of its own, PEM. @param names at least one */
  selfSign(names: readonly string[], at: Date): string
  /** A request to certify it (PKCS #10), PEM. @param names at least one */
  request(names: readonly string[]): string
  /** What `node:tls` takes. The key is in it: it goes nowhere else. */
  credentials(chain: string): { readonly key: string; readonly cert: string }
}

/** A new key on P-256, in memory alone. */
export function createTlsKey(simulated: boolean): TlsKey {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return holdKey(privateKey, 'boot', null, simulated)
}

/**
 * A key that the guest agent made.
 *
 * @param pem PKCS #8
 * @param chain PEM, the certificate of the key first
 * @returns null where it is no key on P-256
 */
export function importTlsKey(pem: string, chain: string, simulated: boolean): TlsKey | null {
  try {
    const held = holdKey(createPrivateKey(pem), 'agent', chain, simulated)
    return held.spki.length === P256_SPKI_BYTES ? held : null
  } catch {
    // What OpenSSL says of a key that it cannot read may quote it.
    return null
  }
}

function holdKey(
  key: KeyObject,
  source: TlsKeySource,
  issued: string | null,
  simulated: boolean,
): TlsKey {
  const publicKey = createPublicKey(key)
  const spki = Uint8Array.from(publicKey.export({ format: 'der', type: 'spki' }))
  const subject: DistinguishedName = simulated
    ? { commonName: SUBJECT, organization: SIMULATED }
    : { commonName: SUBJECT }
  return Object.freeze({
    source,
    spki,
    spkiSha256: toHex32(createHash('sha256').update(spki).digest()),
    issued,
    selfSign: (names: readonly string[], at: Date) =>
      toPem(
        buildCertificate({
          subject,
          issuer: subject,
          serial: randomBytes(SERIAL_BYTES),
          notBefore: new Date(at.getTime() - BACKDATE_MS),
          notAfter: new Date(at.getTime() + SELF_SIGNED_MS),
          publicKey,
          issuerKey: key,
          keyUsage: ['digitalSignature'],
          extensions: [serverAuthExtension(), altNamesExtension(names)],
        }),
      ),
    request: (names: readonly string[]) =>
      toPemBlock('CERTIFICATE REQUEST', buildCertificationRequest({ subject, names, key })),
    credentials: (chain: string) => ({
      key: key.export({ format: 'pem', type: 'pkcs8' }).toString(),
      cert: chain,
    }),
  })
}
