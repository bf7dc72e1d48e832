/**
 * The one synchronous cryptography port of the verifier and of the wire formats.
 *
 * Two implementations exist: `node.ts` (node:crypto, fast) and `noble.ts` (@noble, any JavaScript runtime). Both give
 * the same answers; a test holds them to it. Every function is total over its inputs: a malformed key or signature
 * makes a verification `false`, never an exception, because such bytes come from the party being judged.
 *
 * @module
 */

/** NIST curves used by Intel (P-256 with SHA-256) and NVIDIA (P-384 with SHA-384). The hash follows from the curve. */
export type NistCurve = 'P-256' | 'P-384'

export interface CryptoPort {
  /**
   * 20 bytes. Broken against collisions, so it only recomputes names that others made with it (RFC 5280 §4.2.1.2 key
   * identifiers, RFC 6960 CertID, the serial numbers of NVIDIA's attestation keys) and nothing is trusted because of it.
   */
  sha1(data: Uint8Array): Uint8Array
  /** 32 bytes. */
  sha256(data: Uint8Array): Uint8Array
  /**
   * SHA-256 of prefix ‖ UTF-8(text), as 64 lower-case hex digits: one call for what every receipt does a dozen times.
   * @param text well-formed Unicode
   */
  sha256Text(prefix: Uint8Array, text: string): string
  /** 48 bytes. */
  sha384(data: Uint8Array): Uint8Array
  /** 64 bytes. */
  sha512(data: Uint8Array): Uint8Array
  /** 32 bytes; the original Keccak padding that Ethereum uses, not SHA3-256. */
  keccak256(data: Uint8Array): Uint8Array
  /** 32 bytes. */
  hmacSha256(key: Uint8Array, data: Uint8Array): Uint8Array
  /**
   * Pure Ed25519 (RFC 8032 §5.1), without the cofactor.
   * @param publicKey 32 bytes; one of small order or with an unreduced y verifies nothing
   * @param signature 64 bytes
   */
  verifyEd25519(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean
  /**
   * ECDSA over `message` with the curve's own hash.
   * @param publicKey uncompressed point without prefix: x ‖ y, big-endian (64 or 96 bytes)
   * @param signature r ‖ s, big-endian (64 or 96 bytes)
   */
  verifyEcdsa(
    curve: NistCurve,
    publicKey: Uint8Array,
    message: Uint8Array,
    signature: Uint8Array,
  ): boolean
  /**
   * secp256k1 public key recovery.
   * @param digest 32 bytes
   * @param signature r ‖ s, 64 bytes
   * @param recovery 0 or 1
   * @returns the uncompressed point without prefix (x ‖ y, 64 bytes), or null where none exists
   */
  recoverSecp256k1(digest: Uint8Array, signature: Uint8Array, recovery: number): Uint8Array | null
  /** Constant time for equal lengths; false for different ones. */
  equal(a: Uint8Array, b: Uint8Array): boolean
}
