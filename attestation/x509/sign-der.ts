/**
 * The outer shape that certificates and revocation lists share: what is signed, the algorithm, the signature
 * (RFC 5280 §4.1 and §5.1; ECDSA identifiers RFC 5758 §3.2).
 *
 * @module
 */
import { createHash, createPublicKey, sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { bitString, oid, printableString, sequence, set, toDer, utf8String } from './der.ts'
import type { Node } from './der.ts'

/** A distinguished name, as far as one is written here. */
export interface DistinguishedName {
  readonly commonName: string
  readonly organization?: string
  /** Two letters. */
  readonly country?: string
  /** X.520 serialNumber; NVIDIA's device certificates begin with it. */
  readonly serialNumber?: string
}

/** ECDSA with the hash that belongs to the key's curve; RFC 3279 DER or r ‖ s. */
export type SignEcdsa = (
  message: Uint8Array,
  key: KeyObject,
  encoding: 'der' | 'ieee-p1363',
) => Uint8Array

const KEY_IDENTIFIER_BYTES = 20

/** By the length of an uncompressed point: P-256 with SHA-256, P-384 with SHA-384. */
const SIGNATURE_ALGORITHMS = {
  65: { oid: '1.2.840.10045.4.3.2', hash: 'sha256' },
  97: { oid: '1.2.840.10045.4.3.3', hash: 'sha384' },
} as const

function algorithmOf(
  key: KeyObject,
): (typeof SIGNATURE_ALGORITHMS)[keyof typeof SIGNATURE_ALGORITHMS] {
  return SIGNATURE_ALGORITHMS[publicPoint(key).length === 65 ? 65 : 97]
}

/** As every machine signs: with a fresh nonce. A published corpus needs the same bytes in every run and brings its own. */
export const signRandomized: SignEcdsa = (message, key, dsaEncoding) =>
  sign(algorithmOf(key).hash, message, { key, dsaEncoding })

/** AlgorithmIdentifier; the hash follows from the issuer's curve, parameters are absent. */
export function signatureAlgorithm(issuerKey: KeyObject): Node {
  return sequence(oid(algorithmOf(issuerKey).oid))
}

/** @param toBeSigned a TBSCertificate or TBSCertList @returns the signed structure in DER */
export function signDer(
  toBeSigned: Node,
  issuerKey: KeyObject,
  signEcdsa: SignEcdsa = signRandomized,
): Uint8Array {
  const signature = signEcdsa(toDer(toBeSigned), issuerKey, 'der')
  return toDer(sequence(toBeSigned, signatureAlgorithm(issuerKey), bitString(signature)))
}

/** Name (RFC 5280 §4.1.2.4), most significant attribute last as in Intel's and NVIDIA's certificates. */
export function distinguishedName(name: DistinguishedName): Node {
  const attributes = [set(sequence(oid('2.5.4.3'), utf8String(name.commonName)))]
  if (name.serialNumber !== undefined) {
    attributes.unshift(set(sequence(oid('2.5.4.5'), printableString(name.serialNumber))))
  }
  if (name.organization !== undefined) {
    attributes.push(set(sequence(oid('2.5.4.10'), utf8String(name.organization))))
  }
  if (name.country !== undefined) {
    attributes.push(set(sequence(oid('2.5.4.6'), printableString(name.country))))
  }
  return sequence(...attributes)
}

/**
 * Identifier of a public key, 20 bytes: leftmost 160 bits of SHA-256 over the BIT STRING's content (RFC 7093 §2
 * method 1).
 * @param key a public key, or a private one whose public half is meant
 */
export function keyIdentifier(key: KeyObject): Uint8Array {
  return createHash('sha256').update(publicPoint(key)).digest().subarray(0, KEY_IDENTIFIER_BYTES)
}

/** Length of a SubjectPublicKeyInfo in DER, and of the point that ends it: P-256 and P-384 (RFC 5480 §2). */
const POINT_BYTES: ReadonlyMap<number, number> = new Map([
  [91, 65],
  [120, 97],
])

/**
 * The content of subjectPublicKey: the uncompressed point 0x04 ‖ x ‖ y.
 *
 * Read from DER and not from a JWK: Node 20 makes the members of a JWK while it holds the key's lock, and where that collects the
 * garbage of the job that made the key, the job waits for the same lock and the process stands still (seen with 20.20.2).
 */
export function publicPoint(key: KeyObject): Uint8Array {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key
  const spki = publicKey.export({ format: 'der', type: 'spki' })
  const length = POINT_BYTES.get(spki.length)
  if (length === undefined) throw new TypeError('not an EC key on P-256 or P-384')
  return Uint8Array.from(spki.subarray(-length))
}
