/**
 * Path validation (RFC 5280 §6.1) for chains of a known length that end in a pinned root.
 *
 * Roots are compared by the SHA-256 of their whole encoding: a look-alike root with Intel's or NVIDIA's names and
 * another key is not one of them.
 *
 * @module
 */
import type { CryptoPort } from '../../crypto/port.ts'
import { SIMULATION_OID } from '../../protocol/simulation.ts'
import { counted } from '../counted.ts'
import type { CertificateMemo } from './certificate-memo.ts'
import { OID_BASIC_CONSTRAINTS, OID_KEY_USAGE } from './parse-certificate.ts'
import type { Certificate } from './parse-certificate.ts'

export interface ChainOptions {
  readonly crypto: CryptoPort
  /** Unix seconds at which every certificate must be valid; null: the caller asks {@link validityFault} itself. */
  readonly at: number | null
  /** SHA-256 of the DER of each accepted root. */
  readonly rootSha256: readonly Uint8Array[]
  /** Exact number of certificates, root included. */
  readonly length: number
  /** The pinned certificate may be an intermediate, as where no root is published. Default: false. */
  readonly anyAnchor?: boolean
  /** Accept a chain under a simulated root, which still has to be one of `rootSha256`. Default: false. */
  readonly allowSimulated?: boolean
  /** Signatures that need not be verified again. */
  readonly memo?: CertificateMemo
}

export type ChainFaultCode =
  | 'chain_length'
  | 'chain_untrusted_root'
  | 'chain_signature'
  | 'chain_names'
  | 'chain_not_ca'
  | 'chain_key_usage'
  | 'chain_path_length'
  | 'chain_expired'
  | 'chain_not_yet_valid'
  | 'chain_unknown_critical_extension'

export interface ChainFault {
  readonly code: ChainFaultCode
  /** One line that names the certificate by its place, leaf is 0. */
  readonly detail: string
}

/** Whether the certificate carries the mark of Countersign's simulator. */
export function isSimulatedRoot(certificate: Certificate): boolean {
  return certificate.extensions.has(SIMULATION_OID)
}

function fault(code: ChainFaultCode, index: number, what: string): ChainFault {
  return { code, detail: `certificate ${index}: ${what}` }
}

function extensionFault(
  certificate: Certificate,
  index: number,
  allowSimulated: boolean,
): ChainFault | null {
  for (const [oid, { critical }] of certificate.extensions) {
    if (oid === OID_BASIC_CONSTRAINTS || oid === OID_KEY_USAGE) continue
    if (oid === SIMULATION_OID) {
      // Refused even where somebody re-issued the mark as non-critical.
      if (allowSimulated) continue
      return fault('chain_unknown_critical_extension', index, 'simulated, not hardware')
    }
    // RFC 5280 §4.2: a critical extension that is not understood could say anything, also "not for this use".
    if (critical) return fault('chain_unknown_critical_extension', index, `extension ${oid}`)
  }
  return null
}

function windowFault(certificate: Certificate, index: number, at: number): ChainFault | null {
  // Written so that a clock that is not a number refuses too.
  if (!(at >= certificate.notBefore)) {
    return fault('chain_not_yet_valid', index, `valid from ${certificate.notBefore}`)
  }
  if (!(at <= certificate.notAfter)) {
    return fault('chain_expired', index, `valid until ${certificate.notAfter}`)
  }
  return null
}

/** The first certificate of a chain that is not valid at `at`. */
export function validityFault(chain: readonly Certificate[], at: number): ChainFault | null {
  for (const [index, certificate] of chain.entries()) {
    const fault = windowFault(certificate, index, at)
    if (fault !== null) return fault
  }
  return null
}

function isSignedBy(
  subject: Certificate,
  issuer: Certificate,
  crypto: CryptoPort,
  memo: CertificateMemo | undefined,
): boolean {
  if (memo?.issuers.get(subject) === issuer) return true
  const signed =
    subject.signatureCurve === issuer.publicKey.curve &&
    crypto.verifyEcdsa(
      subject.signatureCurve,
      issuer.publicKey.point,
      subject.tbs,
      subject.signature,
    )
  if (signed) memo?.issuers.set(subject, issuer)
  return signed
}

/** What makes `issuer`, at `index`, unfit to have signed the certificate before it. */
function issuerFault(
  subject: Certificate,
  issuer: Certificate,
  index: number,
  crypto: CryptoPort,
  memo: CertificateMemo | undefined,
): ChainFault | null {
  if (!issuer.isCa) return fault('chain_not_ca', index, 'not a CA')
  // RFC 5280 §4.2.1.3 lets the extension be absent; both vendors always write it, so absence is not trusted.
  if (issuer.keyUsage?.keyCertSign !== true) {
    return fault('chain_key_usage', index, 'may not sign certificates')
  }
  // Intermediates between this issuer and the leaf.
  if (issuer.pathLength !== null && issuer.pathLength < index - 1) {
    return fault('chain_path_length', index, `path length ${issuer.pathLength}`)
  }
  if (!crypto.equal(subject.issuer, issuer.subject)) {
    return fault('chain_names', index - 1, 'issuer is not the next subject')
  }
  return isSignedBy(subject, issuer, crypto, memo)
    ? null
    : fault('chain_signature', index - 1, 'signature does not verify')
}

/**
 * Validates a chain, leaf first, root last. The root's own signature is not looked at: its whole encoding is pinned.
 *
 * @returns the first fault found, or null where the chain is good
 */
export function verifyChain(
  chain: readonly Certificate[],
  options: ChainOptions,
): ChainFault | null {
  const { crypto, at, rootSha256 } = options
  const leaf = chain[0]
  const root = chain.at(-1)
  if (leaf === undefined || root === undefined || chain.length !== options.length) {
    const detail = `expected ${counted(options.length, 'certificate')}, got ${chain.length}`
    return { code: 'chain_length', detail }
  }
  const rootIndex = chain.length - 1
  const digest = crypto.sha256(root.der)
  if (!rootSha256.some((accepted) => crypto.equal(accepted, digest))) {
    return fault('chain_untrusted_root', rootIndex, 'not an accepted root')
  }
  if (options.anyAnchor !== true && !crypto.equal(root.issuer, root.subject)) {
    return fault('chain_names', rootIndex, 'not issued by itself')
  }
  for (const [index, certificate] of chain.entries()) {
    const unfit =
      extensionFault(certificate, index, options.allowSimulated === true) ??
      (at === null ? null : windowFault(certificate, index, at))
    if (unfit !== null) return unfit
    const issuer = chain[index + 1]
    if (issuer === undefined) continue
    const broken = issuerFault(certificate, issuer, index + 1, crypto, options.memo)
    if (broken !== null) return broken
  }
  // A leaf that may only agree on keys must not sign evidence. CA certificates end chains too, those of CRL signers.
  if (!leaf.isCa && leaf.keyUsage !== null && !leaf.keyUsage.digitalSignature) {
    return fault('chain_key_usage', 0, 'may not sign data')
  }
  return null
}
