/**
 * The signatures of a quote: that an accepted root certifies the platform (PCK chain), that the platform certifies the
 * quoting enclave and its attestation key, and that this key signed the quote.
 *
 * Source: Intel TDX DCAP Quoting Library API, appendix A.
 *
 * @module
 */
import type { CryptoPort } from '../../crypto/port.ts'
import type { CertificateMemo } from '../x509/certificate-memo.ts'
import type { Certificate } from '../x509/parse-certificate.ts'
import { parsePemChain } from '../x509/parse-pem-chain.ts'
import { verifyChain } from '../x509/verify-chain.ts'
import type { Fault } from './evaluate-tcb.ts'
import type { Quote } from './parse-quote.ts'
import { OID_SGX_EXTENSION, readSgxExtension } from './read-sgx-extension.ts'
import type { PckPlatform } from './read-sgx-extension.ts'

/** Leaf, PCK Platform or Processor CA, root. */
const PCK_CHAIN_LENGTH = 3
/** report_data in an SGX report body. */
const QE_REPORT_DATA_OFFSET = 320

export interface ChainRoots {
  readonly crypto: CryptoPort
  /** Unix seconds at which the certificates must be valid. */
  readonly at: number
  /** SHA-256 of the DER of each accepted root; `INTEL_SGX_ROOT_SHA256` for hardware. */
  readonly rootSha256: readonly Uint8Array[]
  /** Accept a root that carries the simulator's mark, if it is one of `rootSha256`. Default: false. */
  readonly allowSimulated?: boolean
}

/** The verified chain of a quote and what its leaf says of the platform. */
export interface CertifiedPlatform {
  /** Leaf, authority, root. */
  readonly chain: readonly Certificate[]
  readonly leaf: Certificate
  readonly platform: PckPlatform
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const out = new Uint8Array(a.length + b.length)
  out.set(a)
  out.set(b, a.length)
  return out
}

/** Reads and verifies the chain in the quote. */
export function certifyPlatform(
  quote: Quote,
  roots: ChainRoots,
  memo: CertificateMemo,
): CertifiedPlatform | Fault {
  const parsed = parsePemChain(quote.pemChain, PCK_CHAIN_LENGTH, memo)
  if (!parsed.ok) return { code: 'pck_chain_malformed', detail: parsed.detail }
  const chain = parsed.certificates
  const fault = verifyChain(chain, { ...roots, length: PCK_CHAIN_LENGTH, memo })
  if (fault !== null) return { code: `pck_${fault.code}`, detail: fault.detail }
  // Intel's root certifies other things too: only a PCK certificate speaks for a platform.
  const [leaf] = chain
  if (leaf?.extensions.has(OID_SGX_EXTENSION) !== true) {
    return { code: 'pck_chain_not_pck', detail: 'the leaf has no SGX extension' }
  }
  // An authority has no report to sign, and would vouch for platforms of its own making.
  if (leaf.isCa) return { code: 'pck_chain_not_pck', detail: 'the leaf is an authority' }
  const platform = readSgxExtension(leaf)
  return platform === null
    ? { code: 'pck_extension_malformed', detail: '' }
    : { chain, leaf, platform }
}

export function qeReportFault(quote: Quote, leaf: Certificate, crypto: CryptoPort): Fault | null {
  const { curve, point } = leaf.publicKey
  const signed =
    curve === 'P-256' && crypto.verifyEcdsa('P-256', point, quote.qeReport, quote.qeReportSignature)
  return signed ? null : { code: 'qe_report_signature_invalid', detail: '' }
}

export function qeBindingFault(quote: Quote, crypto: CryptoPort): Fault | null {
  const reportData = quote.qeReport.subarray(QE_REPORT_DATA_OFFSET)
  const digest = crypto.sha256(concat(quote.attestationKey, quote.qeAuth))
  if (!crypto.equal(reportData.subarray(0, 32), digest)) {
    return { code: 'qe_binding_mismatch', detail: 'digest of key and authentication data' }
  }
  // Without this the second half could carry a claim of its own, which no specification gives a meaning.
  return reportData.subarray(32).every((byte) => byte === 0)
    ? null
    : { code: 'qe_binding_mismatch', detail: 'report data is not zero-padded' }
}

export function quoteSignatureFault(quote: Quote, crypto: CryptoPort): Fault | null {
  const { attestationKey, signedBytes, signature } = quote
  return crypto.verifyEcdsa('P-256', attestationKey, signedBytes, signature)
    ? null
    : { code: 'quote_signature_invalid', detail: '' }
}
