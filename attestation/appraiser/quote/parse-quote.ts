/**
 * Intel TDX quotes, versions 4 and 5 with a TD 1.0 or TD 1.5 body.
 *
 * Layout: Intel TDX DCAP Quoting Library API, appendix A ("Quote Format"); all integers are little-endian. Every length
 * field must account for the bytes it covers to the last one: what a reader skips could be read differently by another.
 * Only zero padding may follow, because the quoting service hands out a buffer of fixed size.
 *
 * @module
 */
import { toHex } from '../../protocol/hex.ts'
import { fromUtf8 } from '../../protocol/utf8.ts'

/** Longest input accepted, padding included. Real quotes have about 5 kB in buffers of up to 16 KiB. */
export const MAX_QUOTE_BYTES = 32 * 1024

const HEADER_BYTES = 48
const V5_BODY_DESCRIPTOR_BYTES = 6
const TD_10_BODY_BYTES = 584
const TD_15_BODY_BYTES = 648
const V5_TD_10_BODY = 2
const V5_TD_15_BODY = 3
/**
 * 885 bytes: the TD 1.5 body, then VMID, id of the launch, devices and the history of service TDs
 * (`sgx_report2_body_v1_5_ex_t` of Intel's `sgx_quote_5.h`, October 2026). No recorded quote of it is at hand to prove a reader
 * on, and what it says of service TDs would have to be judged as well: a reader of the first 648 bytes would pass it over.
 */
const V5_TD_15_EXTENDED_BODY = 4
const ECDSA_P256 = 2
const TEE_TDX = 0x81
const INTEL_QE_VENDOR_ID = '939a7233f79c4ca9940a0db3957f0607'
const SIGNATURE_BYTES = 64
const KEY_BYTES = 64
const QE_REPORT_BYTES = 384
/** Certification data type 6: QE report certification data; 5, inside it: PCK chain in PEM. */
const CERTIFICATION_QE_REPORT = 6
const CERTIFICATION_PCK_CHAIN = 5

/** A quote that was read, not yet believed. Arrays are slices of one copy of the input. */
export interface Quote {
  readonly version: 4 | 5
  /** Body layout: TD report of TDX 1.0 or 1.5. */
  readonly bodyType: 'td10' | 'td15'
  readonly qeSvn: number
  readonly pceSvn: number
  /** 20 bytes of the header, chosen by the quoting enclave. */
  readonly userData: Uint8Array
  /** 16 bytes; [0] minor and [1] major SVN of the TDX module. */
  readonly teeTcbSvn: Uint8Array
  /** 48 bytes each, like every measurement below. */
  readonly mrSeam: Uint8Array
  readonly mrSignerSeam: Uint8Array
  /** 8 bytes. */
  readonly seamAttributes: Uint8Array
  /** 8 bytes, bit 0 is the lowest bit of byte 0. */
  readonly tdAttributes: Uint8Array
  /** 8 bytes. */
  readonly xfam: Uint8Array
  readonly mrtd: Uint8Array
  readonly mrConfigId: Uint8Array
  readonly mrOwner: Uint8Array
  readonly mrOwnerConfig: Uint8Array
  readonly rtmrs: readonly [Uint8Array, Uint8Array, Uint8Array, Uint8Array]
  /** 64 bytes. */
  readonly reportData: Uint8Array
  /** 16 bytes, null for a TD 1.0 body. */
  readonly teeTcbSvn2: Uint8Array | null
  /** Null for a TD 1.0 body. */
  readonly mrServiceTd: Uint8Array | null
  /** Header and body, as signed. */
  readonly signedBytes: Uint8Array
  /** r ‖ s over `signedBytes`, P-256. */
  readonly signature: Uint8Array
  /** x ‖ y on P-256. */
  readonly attestationKey: Uint8Array
  /** 384 bytes: SGX report body of the quoting enclave. */
  readonly qeReport: Uint8Array
  /** r ‖ s over `qeReport`, P-256. */
  readonly qeReportSignature: Uint8Array
  /** Any length, usually 32. */
  readonly qeAuth: Uint8Array
  /** PCK chain: PEM, leaf first, often ended by NUL. */
  readonly pemChain: string
}

export type QuoteResult =
  | { readonly ok: true; readonly quote: Quote }
  | {
      readonly ok: false
      readonly code: 'quote_malformed' | 'quote_unsupported'
      readonly detail: string
    }

function malformed(detail: string): QuoteResult {
  return { ok: false, code: 'quote_malformed', detail }
}

function unsupported(detail: string): QuoteResult {
  return { ok: false, code: 'quote_unsupported', detail }
}

/** Reads a little-endian integer of 2 or 4 bytes; the caller has checked that they are there. */
function readUint(bytes: Uint8Array, offset: number, size: 2 | 4): number {
  let value = 0
  for (let i = size - 1; i >= 0; i--) value = value * 256 + (bytes[offset + i] ?? 0)
  return value
}

interface Layout {
  readonly bodyType: 'td10' | 'td15'
  readonly bodyOffset: number
  readonly bodyEnd: number
}

/** Where the body stands. Version 4 has one layout; version 5 writes type and size in front. */
function layoutOf(bytes: Uint8Array, version: 4 | 5): Layout | QuoteResult {
  if (version === 4) {
    return {
      bodyType: 'td10',
      bodyOffset: HEADER_BYTES,
      bodyEnd: HEADER_BYTES + TD_10_BODY_BYTES,
    }
  }
  const bodyOffset = HEADER_BYTES + V5_BODY_DESCRIPTOR_BYTES
  if (bytes.length < bodyOffset) return malformed('cut inside the body descriptor')
  const type = readUint(bytes, HEADER_BYTES, 2)
  const size = readUint(bytes, HEADER_BYTES + 2, 4)
  if (type === V5_TD_15_EXTENDED_BODY) return unsupported('body type 4, TD 1.5 extended')
  if (type !== V5_TD_10_BODY && type !== V5_TD_15_BODY) return unsupported(`body type ${type}`)
  const expected = type === V5_TD_10_BODY ? TD_10_BODY_BYTES : TD_15_BODY_BYTES
  if (size !== expected) return malformed(`body type ${type} with ${size} bytes`)
  return {
    bodyType: type === V5_TD_10_BODY ? 'td10' : 'td15',
    bodyOffset,
    bodyEnd: bodyOffset + size,
  }
}

type AuthFields = Pick<
  Quote,
  'signature' | 'attestationKey' | 'qeReport' | 'qeReportSignature' | 'qeAuth' | 'pemChain'
>

/** Reads the signature data, which must be used up exactly by what its own lengths say. */
function parseAuth(auth: Uint8Array): AuthFields | QuoteResult {
  const certification = SIGNATURE_BYTES + KEY_BYTES
  const qeReport = certification + 6
  const qeReportSignature = qeReport + QE_REPORT_BYTES
  const qeAuthLength = qeReportSignature + SIGNATURE_BYTES
  const qeAuth = qeAuthLength + 2
  if (auth.length < qeAuth) return malformed('signature data too short')
  const outerType = readUint(auth, certification, 2)
  if (outerType !== CERTIFICATION_QE_REPORT) {
    return unsupported(`certification data type ${outerType}`)
  }
  if (readUint(auth, certification + 2, 4) !== auth.length - qeReport) {
    return malformed('certification data does not fill the signature data')
  }
  const inner = qeAuth + readUint(auth, qeAuthLength, 2)
  const pem = inner + 6
  if (auth.length < pem) return malformed('QE authentication data too long')
  const innerType = readUint(auth, inner, 2)
  if (innerType !== CERTIFICATION_PCK_CHAIN) {
    return unsupported(`certification data type ${innerType} inside the QE report data`)
  }
  if (readUint(auth, inner + 2, 4) !== auth.length - pem) {
    return malformed('the certificate chain does not fill the certification data')
  }
  const pemChain = fromUtf8(auth.subarray(pem))
  if (pemChain === null) return malformed('the certificate chain is not text')
  return {
    signature: auth.subarray(0, SIGNATURE_BYTES),
    attestationKey: auth.subarray(SIGNATURE_BYTES, certification),
    qeReport: auth.subarray(qeReport, qeReportSignature),
    qeReportSignature: auth.subarray(qeReportSignature, qeAuthLength),
    qeAuth: auth.subarray(qeAuth, inner),
    pemChain,
  }
}

/**
 * Parses one quote. Never throws; no signature is looked at.
 *
 * @param input the quote, followed by nothing but zero bytes
 * @returns `quote_malformed` for bytes that break the layout, `quote_unsupported` for a kind of quote not judged here
 */
export function parseQuote(input: Uint8Array): QuoteResult {
  if (input.length > MAX_QUOTE_BYTES) return malformed('longer than 32 KiB')
  // A copy, so that nobody can change between check and use what was checked.
  const bytes = new Uint8Array(input)
  if (bytes.length < HEADER_BYTES) return malformed('cut inside the header')
  const version = readUint(bytes, 0, 2)
  if (version !== 4 && version !== 5) return unsupported(`version ${version}`)
  const keyType = readUint(bytes, 2, 2)
  if (keyType !== ECDSA_P256) return unsupported(`attestation key type ${keyType}`)
  const teeType = readUint(bytes, 4, 4)
  if (teeType !== TEE_TDX) return unsupported(`TEE type ${teeType}`)
  const vendor = toHex(bytes.subarray(12, 28))
  if (vendor !== INTEL_QE_VENDOR_ID) return unsupported(`quoting enclave of vendor ${vendor}`)

  const layout = layoutOf(bytes, version)
  if ('ok' in layout) return layout
  const { bodyType, bodyOffset, bodyEnd } = layout
  if (bytes.length < bodyEnd + 4) return malformed('cut inside the body')
  const authEnd = bodyEnd + 4 + readUint(bytes, bodyEnd, 4)
  if (bytes.length < authEnd) return malformed('cut inside the signature data')
  if (bytes.subarray(authEnd).some((byte) => byte !== 0)) return malformed('bytes after the end')
  const auth = parseAuth(bytes.subarray(bodyEnd + 4, authEnd))
  if ('ok' in auth) return auth

  const field = (offset: number, size: number): Uint8Array =>
    bytes.subarray(bodyOffset + offset, bodyOffset + offset + size)
  return {
    ok: true,
    quote: {
      version,
      bodyType,
      qeSvn: readUint(bytes, 8, 2),
      pceSvn: readUint(bytes, 10, 2),
      userData: bytes.subarray(28, 48),
      teeTcbSvn: field(0, 16),
      mrSeam: field(16, 48),
      mrSignerSeam: field(64, 48),
      seamAttributes: field(112, 8),
      tdAttributes: field(120, 8),
      xfam: field(128, 8),
      mrtd: field(136, 48),
      mrConfigId: field(184, 48),
      mrOwner: field(232, 48),
      mrOwnerConfig: field(280, 48),
      rtmrs: [field(328, 48), field(376, 48), field(424, 48), field(472, 48)],
      reportData: field(520, 64),
      teeTcbSvn2: bodyType === 'td15' ? field(584, 16) : null,
      mrServiceTd: bodyType === 'td15' ? field(600, 48) : null,
      signedBytes: bytes.subarray(0, bodyEnd),
      ...auth,
    },
  }
}
