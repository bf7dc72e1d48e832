/**
 * Judges a parsed TDX quote: that Intel's root certifies the platform (PCK chain), that the platform certifies the
 * quoting enclave and its attestation key, that this key signed the quote, and that the TD runs as it must.
 *
 * Each step stands on the one before it, so a step after a failed one is skipped, never passed on its own: a signature
 * under a key that nobody vouches for proves nothing. Source: Intel TDX DCAP Quoting Library API, appendix A; Intel TDX
 * Module Base Specification, "TD attributes".
 *
 * @module
 */
import type { CryptoPort } from '../../crypto/port.ts'
import { toHex } from '../../protocol/hex.ts'
import { fail, pass, skip } from '../check.ts'
import type { Check } from '../check.ts'
import type { CheckCode } from '../codes.ts'
import { parsePemChain } from '../x509/parse-pem-chain.ts'
import { isSimulatedRoot, verifyChain } from '../x509/verify-chain.ts'
import type { Certificate } from '../x509/parse-certificate.ts'
import type { Quote } from './parse-quote.ts'

/** SHA-256 of the DER of the Intel SGX Root CA, valid to the end of 2049. */
export const INTEL_SGX_ROOT_SHA256: Uint8Array = Uint8Array.of(
  ...[0x44, 0xa0, 0x19, 0x6b, 0x2b, 0x99, 0xf8, 0x89, 0xb8, 0xe1, 0x49, 0xe9, 0x5b, 0x80, 0x7a],
  ...[0x35, 0x0e, 0x74, 0x24, 0x96, 0x43, 0x99, 0xe8, 0x85, 0xa7, 0xcb, 0xb8, 0xcc, 0xfa, 0xb6],
  ...[0x74, 0xd3],
)

/** Leaf, PCK Platform or Processor CA, root. */
const PCK_CHAIN_LENGTH = 3
/** SGX extension of PCK certificates: Intel SGX PCK Certificate and CRL Profile Specification, §1.3.5. */
const OID_SGX_EXTENSION = '1.2.840.113741.1.13.1'
/** report_data in an SGX report body. */
const QE_REPORT_DATA_OFFSET = 320

const TD_DEBUG = 1n
/** Bits 0 to 7 are the "TD under debug" group: any of them gives the host a way in. */
const TD_UNDER_DEBUG = 0xffn
const SEPT_VE_DISABLE = 1n << 28n
/** PKS, KL and PERFMON change what the guest may use, not what the host may do. */
const HARMLESS_ATTRIBUTES = (1n << 30n) | (1n << 31n) | (1n << 63n)

export interface QuoteOptions {
  readonly crypto: CryptoPort
  /** Unix seconds at which the certificates must be valid. */
  readonly at: number
  /** SHA-256 of the DER of each accepted root; {@link INTEL_SGX_ROOT_SHA256} for hardware. */
  readonly rootSha256: readonly Uint8Array[]
  /** Accept a root that carries the simulator's mark, if it is one of `rootSha256`. Default: false. */
  readonly allowSimulated?: boolean
}

type Step = { readonly code: CheckCode; readonly detail: string } | null

function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0)
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const out = new Uint8Array(a.length + b.length)
  out.set(a)
  out.set(b, a.length)
  return out
}

function pckChainStep(chain: readonly Certificate[], options: QuoteOptions): Step {
  const { crypto, at, rootSha256, allowSimulated = false } = options
  const fault = verifyChain(chain, {
    crypto,
    at,
    rootSha256,
    length: PCK_CHAIN_LENGTH,
    allowSimulated,
  })
  if (fault !== null) return { code: `pck_${fault.code}`, detail: fault.detail }
  // Intel's root certifies other things too: only a PCK certificate speaks for a platform.
  if (chain[0]?.extensions.has(OID_SGX_EXTENSION) !== true) {
    return { code: 'pck_chain_not_pck', detail: 'the leaf has no SGX extension' }
  }
  return null
}

function qeReportStep(quote: Quote, leaf: Certificate | undefined, crypto: CryptoPort): Step {
  const key = leaf?.publicKey
  const signed =
    key?.curve === 'P-256' &&
    crypto.verifyEcdsa('P-256', key.point, quote.qeReport, quote.qeReportSignature)
  return signed ? null : { code: 'qe_report_signature_invalid', detail: '' }
}

function qeBindingStep(quote: Quote, crypto: CryptoPort): Step {
  const reportData = quote.qeReport.subarray(QE_REPORT_DATA_OFFSET)
  const digest = crypto.sha256(concat(quote.attestationKey, quote.qeAuth))
  if (!crypto.equal(reportData.subarray(0, 32), digest)) {
    return { code: 'qe_binding_mismatch', detail: 'digest of key and authentication data' }
  }
  // Without this the second half could carry a claim of its own, which no specification gives a meaning.
  return isZero(reportData.subarray(32))
    ? null
    : { code: 'qe_binding_mismatch', detail: 'report data is not zero-padded' }
}

function signatureStep(quote: Quote, crypto: CryptoPort): Step {
  const signed = crypto.verifyEcdsa(
    'P-256',
    quote.attestationKey,
    quote.signedBytes,
    quote.signature,
  )
  return signed ? null : { code: 'quote_signature_invalid', detail: '' }
}

function tdAttributesStep(quote: Quote): Step {
  const attributes = quote.tdAttributes.reduceRight((sum, byte) => sum * 256n + BigInt(byte), 0n)
  const detail = `td_attributes ${toHex(quote.tdAttributes)}`
  if ((attributes & TD_DEBUG) !== 0n) return { code: 'td_debug', detail }
  if ((attributes & TD_UNDER_DEBUG) !== 0n) return { code: 'td_attributes_reserved', detail }
  if ((attributes & SEPT_VE_DISABLE) === 0n) return { code: 'td_sept_ve_enabled', detail }
  // Bit 29 makes a TD migratable; whatever the rest will mean, nobody has judged it.
  if ((attributes & ~(SEPT_VE_DISABLE | HARMLESS_ATTRIBUTES)) !== 0n) {
    return { code: 'td_attributes_reserved', detail }
  }
  if (quote.mrServiceTd !== null && !isZero(quote.mrServiceTd)) {
    return { code: 'td_service_td', detail: `mr_service_td ${toHex(quote.mrServiceTd)}` }
  }
  return null
}

function seamStep(quote: Quote): Step {
  // All zero is how the hardware spells "signed by Intel" and "no debug or other attribute".
  if (!isZero(quote.mrSignerSeam)) {
    return {
      code: 'seam_not_production',
      detail: `mr_signer_seam ${toHex(quote.mrSignerSeam)}`,
    }
  }
  if (!isZero(quote.seamAttributes)) {
    return {
      code: 'seam_not_production',
      detail: `seam_attributes ${toHex(quote.seamAttributes)}`,
    }
  }
  return null
}

const PROVES = {
  'quote.pck_chain': 'An accepted root certifies the platform that made the quote.',
  'quote.qe_report': 'The certified platform vouches for its quoting enclave.',
  'quote.qe_binding': 'The quoting enclave vouches for the key that signs the quote.',
  'quote.signature': 'The quote is what the quoting enclave signed, to the bit.',
  'quote.td_attributes': 'The TD is not under debug and the host has no known way into it.',
  'quote.seam': 'The TD runs under a TDX module signed by Intel.',
} as const

const NOT_YET_CHECKED = [
  [
    'quote.crl',
    'No certificate of the platform has been revoked.',
    'revocation lists are not read',
  ],
  [
    'quote.tcb_info',
    "Intel's TCB information covers this platform.",
    'TCB information is not read',
  ],
  [
    'quote.qe_identity',
    "The quoting enclave is Intel's.",
    'the identity of the quoting enclave is not read: any enclave of a certified platform passes',
  ],
  [
    'quote.tdx_module',
    'The TDX module is one that Intel lists.',
    'the identity of the TDX module is not read',
  ],
  ['quote.tcb_status', "The platform's firmware is up to date.", 'TCB levels are not compared'],
  [
    'quote.image',
    'The TD booted a known operating system image.',
    'MRTD and RTMR0 to RTMR2 are not compared with reference values',
  ],
] as const

/**
 * Verifies a quote at one moment against given roots.
 *
 * @returns one check for each step: quote.pck_chain, .qe_report, .qe_binding, .signature, .td_attributes and .seam, then
 *   as `skip` what this version does not look at. The quote is genuine only where the first four pass.
 */
export function verifyQuote(quote: Quote, options: QuoteOptions): Check[] {
  const { crypto } = options
  const checks: Check[] = []
  let broken: string | null = null
  const step = (id: keyof typeof PROVES, judge: () => Step, note = ''): void => {
    if (broken !== null) {
      checks.push(skip(id, 'depends_on_failed', PROVES[id], `after ${broken}`))
      return
    }
    const result = judge()
    if (result === null) {
      checks.push(pass(id, PROVES[id], note))
      return
    }
    broken = id
    checks.push(fail(id, result.code, PROVES[id], result.detail))
  }

  const parsed = parsePemChain(quote.pemChain, PCK_CHAIN_LENGTH)
  const chain = parsed.ok ? parsed.certificates : []
  step(
    'quote.pck_chain',
    () =>
      parsed.ok
        ? pckChainStep(chain, options)
        : { code: 'pck_chain_malformed', detail: parsed.detail },
    chain.some(isSimulatedRoot) ? 'SIMULATED root, accepted because it was allowed' : '',
  )
  step('quote.qe_report', () => qeReportStep(quote, chain[0], crypto))
  step('quote.qe_binding', () => qeBindingStep(quote, crypto))
  step('quote.signature', () => signatureStep(quote, crypto))
  // The two policy checks do not build on each other: both are told.
  const signed = broken
  step('quote.td_attributes', () => tdAttributesStep(quote))
  broken = signed
  step('quote.seam', () => seamStep(quote))
  for (const [id, proves, detail] of NOT_YET_CHECKED) {
    checks.push(skip(id, 'not_yet_checked', proves, detail))
  }
  return checks
}
