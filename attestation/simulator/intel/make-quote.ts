/**
 * TDX quotes version 4 over a TD 1.0 report (Intel TDX DCAP Quoting Library API, appendix "Version 4 Quote Format"),
 * truly signed by the simulated platform. Little-endian throughout.
 *
 * ```
 * 0   header 48        version 4, key type 2 (ECDSA P-256), TEE type 0x81
 * 48  TD report 584    report_data at 568
 * 632 u32 length of what follows
 *     signature 64 ‖ attestation key 64 ‖ type 6 ‖ u32 size
 *       QE report 384 ‖ its signature 64 ‖ u16 length ‖ QE auth data ‖ type 5 ‖ u32 size ‖ PEM chain
 * ```
 *
 * @module
 */
import { createHash, sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { publicPoint } from '../../x509/sign-der.ts'
import type { IntelPki } from './create-intel-pki.ts'
import {
  QE_PRODUCT_ID,
  QE_SVN,
  SIMULATED_MODULE_MEASUREMENT,
  SIMULATED_QE_MEASUREMENT,
  SIMULATED_QE_SIGNER,
} from './simulated-platform.ts'

export const REPORT_DATA_BYTES = 64
export const MEASUREMENT_BYTES = 48

export interface QuoteRequest {
  readonly pki: IntelPki
  /** 64 bytes. */
  readonly reportData: Uint8Array
  /** 48 bytes. */
  readonly mrTd: Uint8Array
  /** RTMR0 to RTMR3, 48 bytes each. */
  readonly rtmrs: readonly [Uint8Array, Uint8Array, Uint8Array, Uint8Array]
  /** 48 bytes; default zeros. */
  readonly mrConfigId?: Uint8Array
  /** 8 bytes; default: only SEPT_VE_DISABLE (bit 28) set, so debug (bit 0) is off. */
  readonly tdAttributes?: Uint8Array
}

const HEADER_BYTES = 48
const BODY_BYTES = 584
const QE_REPORT_BYTES = 384
const QE_AUTH_DATA = Uint8Array.from({ length: 32 }, (_, index) => index)
const INTEL_VENDOR_ID = Buffer.from('939a7233f79c4ca9940a0db3957f0607', 'hex')
const SEPT_VE_DISABLE = Uint8Array.of(0, 0, 0, 0x10, 0, 0, 0, 0)
/** x87, SSE, AVX, AVX-512, PKRU, AMX: what dstack's guests run with. */
const XFAM = Buffer.from('e702060000000000', 'hex')
const KEY_TYPE_ECDSA_P256 = 2
const TEE_TYPE_TDX = 0x81
const CERTIFICATION_QE_REPORT = 6
const CERTIFICATION_PCK_CHAIN = 5

/** @returns the quote, without the zero padding that some drivers add */
export function makeQuote(request: QuoteRequest): Uint8Array {
  const signed = Buffer.concat([header(request.pki), body(request)])
  const { pki } = request
  const attestationKey = point(pki.attestationKey)
  const qeReport = makeQeReport(pki, attestationKey)
  const chain = Buffer.from(pki.pckChain, 'latin1')
  const certification = Buffer.concat([
    qeReport,
    signBytes(qeReport, pki.pckKey),
    u16(QE_AUTH_DATA.length),
    QE_AUTH_DATA,
    u16(CERTIFICATION_PCK_CHAIN),
    u32(chain.length),
    chain,
  ])
  const authentication = Buffer.concat([
    signBytes(signed, pki.attestationKey),
    attestationKey,
    u16(CERTIFICATION_QE_REPORT),
    u32(certification.length),
    certification,
  ])
  return Uint8Array.from(Buffer.concat([signed, u32(authentication.length), authentication]))
}

function header(pki: IntelPki): Buffer {
  const out = Buffer.alloc(HEADER_BYTES)
  out.writeUInt16LE(4, 0)
  out.writeUInt16LE(KEY_TYPE_ECDSA_P256, 2)
  out.writeUInt32LE(TEE_TYPE_TDX, 4)
  INTEL_VENDOR_ID.copy(out, 12)
  // User data begins with the id of the platform's quoting enclave, in practice 16 opaque bytes.
  out.set(pki.platform.instanceId, 28)
  return out
}

/** TD report 1.0 as quoted: 584 bytes; MRs that dstack leaves at zero stay so. */
function body(request: QuoteRequest): Buffer {
  const out = Buffer.alloc(BODY_BYTES)
  const put = (name: string, bytes: Uint8Array, offset: number, length: number): void => {
    if (bytes.length !== length) throw new TypeError(`${name} holds ${length} bytes`)
    out.set(bytes, offset)
  }
  const [rtmr0, rtmr1, rtmr2, rtmr3] = request.rtmrs
  put('teeTcbSvn', request.pki.platform.teeTcbSvn, 0, 16)
  put('mrSeam', SIMULATED_MODULE_MEASUREMENT, 16, MEASUREMENT_BYTES)
  put('tdAttributes', request.tdAttributes ?? SEPT_VE_DISABLE, 120, 8)
  put('xfam', XFAM, 128, 8)
  put('mrTd', request.mrTd, 136, MEASUREMENT_BYTES)
  put('mrConfigId', request.mrConfigId ?? new Uint8Array(48), 184, MEASUREMENT_BYTES)
  put('rtmr0', rtmr0, 328, MEASUREMENT_BYTES)
  put('rtmr1', rtmr1, 376, MEASUREMENT_BYTES)
  put('rtmr2', rtmr2, 424, MEASUREMENT_BYTES)
  put('rtmr3', rtmr3, 472, MEASUREMENT_BYTES)
  put('reportData', request.reportData, 520, REPORT_DATA_BYTES)
  return out
}

/** SGX report of the quoting enclave; its report_data vouches for the attestation key. */
function makeQeReport(pki: IntelPki, attestationKey: Uint8Array): Buffer {
  const out = Buffer.alloc(QE_REPORT_BYTES)
  out.set(pki.platform.components, 0)
  // Attributes: INIT and PROVISION_KEY, 64-bit mode, debug off.
  out.set(Buffer.from('1500000000000000e700000000000000', 'hex'), 48)
  out.set(SIMULATED_QE_MEASUREMENT, 64)
  out.set(SIMULATED_QE_SIGNER, 128)
  out.writeUInt16LE(QE_PRODUCT_ID, 256)
  out.writeUInt16LE(QE_SVN, 258)
  out.set(createHash('sha256').update(attestationKey).update(QE_AUTH_DATA).digest(), 320)
  return out
}

/** x ‖ y, 64 bytes. */
function point(privateKey: KeyObject): Uint8Array {
  return publicPoint(privateKey).subarray(1)
}

/** r ‖ s, 64 bytes. */
function signBytes(bytes: Uint8Array, key: KeyObject): Uint8Array {
  return sign('sha256', bytes, { key, dsaEncoding: 'ieee-p1363' })
}

function u16(value: number): Buffer {
  const out = Buffer.alloc(2)
  out.writeUInt16LE(value)
  return out
}

function u32(value: number): Buffer {
  const out = Buffer.alloc(4)
  out.writeUInt32LE(value)
  return out
}
