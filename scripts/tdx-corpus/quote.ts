/**
 * Quotes byte by byte, after Intel's layout (TDX DCAP Quoting Library API, appendix A), with every field open to a case.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import {
  QE_PRODUCT_ID,
  QE_SVN,
  SIMULATED_MODULE_MEASUREMENT,
  SIMULATED_QE_MEASUREMENT,
  SIMULATED_QE_SIGNER,
  SIMULATED_TEE_TCB_SVN,
} from '../../attestation/simulator/intel/simulated-platform.ts'
import { keyOf, seeded, signRaw } from './keys.ts'
import type { Key } from './keys.ts'
import { PCK, pemOf, PLATFORM, PLATFORM_CA, ROOT } from './pki.ts'

export const HEADER_BYTES = 48
export const BODY_BYTES = { td10: 584, td15: 648 } as const

/** Offsets in a TD report. */
export const BODY = {
  teeTcbSvn: 0,
  mrSeam: 16,
  mrSignerSeam: 64,
  seamAttributes: 112,
  tdAttributes: 120,
  xfam: 128,
  mrtd: 136,
  mrConfigId: 184,
  mrOwner: 232,
  mrOwnerConfig: 280,
  rtmr0: 328,
  rtmr1: 376,
  rtmr2: 424,
  rtmr3: 472,
  reportData: 520,
  teeTcbSvn2: 584,
  mrServiceTd: 600,
} as const

/** Offsets in the report of the quoting enclave (SGX report body). */
export const QE = {
  miscSelect: 16,
  attributes: 48,
  mrEnclave: 64,
  mrSigner: 128,
  isvProdId: 256,
  isvSvn: 258,
  reportData: 320,
} as const

type Puts = Readonly<Record<number, Uint8Array>>

export interface QuoteParts {
  readonly version?: 4 | 5
  readonly body?: 'td10' | 'td15'
  /** Bytes to replace before anything is signed, by offset in header, body and report of the quoting enclave. */
  readonly putHeader?: Puts
  readonly put?: Puts
  readonly putQe?: Puts
  /** Of a version 5 quote. */
  readonly bodyType?: number
  readonly bodySize?: number
  readonly qeAuth?: Uint8Array
  readonly pem?: string | Uint8Array
  readonly outerType?: number
  readonly innerType?: number
  readonly attestationKey?: Key
  /** 64 bytes in place of the point of `attestationKey`. */
  readonly attestationPoint?: Uint8Array
  /** Signs the quote in place of the attestation key. */
  readonly signer?: Key
  /** Signs the report of the quoting enclave in place of the PCK key. */
  readonly qeSigner?: Key
  /** First half of its report data, in place of the digest of key and authentication data. */
  readonly endorsed?: Uint8Array
}

export function u16(value: number): Uint8Array {
  return Uint8Array.of(value & 0xff, (value >>> 8) & 0xff)
}

export function u32(value: number): Uint8Array {
  return Uint8Array.of(...u16(value & 0xffff), ...u16(value >>> 16))
}

export function join(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts))
}

export function bytes(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex, 'hex'))
}

export function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(
    createHash('sha256')
      .update(join(...parts))
      .digest(),
  )
}

const ATTESTATION_KEY = keyOf('attestation key')
export const QE_AUTH = Uint8Array.from({ length: 32 }, (_, index) => index)
export const PCK_PEM = pemOf(PCK, PLATFORM_CA, ROOT)
export const REPORT_DATA = join(seeded('report data', 32), seeded('report data, second half', 32))

function filled(length: number, ...puts: readonly (Puts | undefined)[]): Uint8Array {
  const out = new Uint8Array(length)
  for (const put of puts) {
    for (const [offset, value] of Object.entries(put ?? {})) out.set(value, Number(offset))
  }
  return out
}

const measured = (name: string): Uint8Array =>
  new Uint8Array(createHash('sha384').update(`sim: ${name}`).digest())

export const MRTD = measured('mrtd')

/** A TD that a default policy accepts: SEPT_VE_DISABLE alone, the features of dstack's guests, firmware registers set. */
const STANDARD_BODY: Puts = {
  [BODY.teeTcbSvn]: SIMULATED_TEE_TCB_SVN,
  [BODY.mrSeam]: SIMULATED_MODULE_MEASUREMENT,
  [BODY.tdAttributes]: bytes('0000001000000000'),
  [BODY.xfam]: bytes('e702060000000000'),
  [BODY.mrtd]: MRTD,
  [BODY.rtmr0]: measured('rtmr0'),
  [BODY.rtmr1]: measured('rtmr1'),
  [BODY.rtmr2]: measured('rtmr2'),
  [BODY.rtmr3]: measured('rtmr3'),
  [BODY.reportData]: REPORT_DATA,
}

const STANDARD_QE: Puts = {
  0: Uint8Array.from(PLATFORM.components),
  // INIT, PROVISION_KEY and MODE64BIT, debug off; x87 to AMX.
  [QE.attributes]: bytes('1500000000000000e700000000000000'),
  [QE.mrEnclave]: SIMULATED_QE_MEASUREMENT,
  [QE.mrSigner]: SIMULATED_QE_SIGNER,
  [QE.isvProdId]: u16(QE_PRODUCT_ID),
  [QE.isvSvn]: u16(QE_SVN),
}

/** Where each part of a quote begins, and where the last ends. */
export interface QuoteLayout {
  readonly body: number
  readonly authLength: number
  readonly signature: number
  readonly attestationKey: number
  readonly outerType: number
  readonly outerSize: number
  readonly qeReport: number
  readonly qeReportSignature: number
  readonly qeAuthLength: number
  readonly qeAuth: number
  readonly innerType: number
  readonly innerSize: number
  readonly pem: number
  readonly end: number
}

export function layoutOf(quote: Uint8Array, parts: QuoteParts = {}): QuoteLayout {
  const body = parts.version === 5 ? HEADER_BYTES + 6 : HEADER_BYTES
  const authLength = body + BODY_BYTES[parts.body ?? 'td10']
  const signature = authLength + 4
  const qeAuth = signature + 64 + 64 + 6 + 384 + 64 + 2
  const innerType = qeAuth + (parts.qeAuth ?? QE_AUTH).length
  return {
    body,
    authLength,
    signature,
    attestationKey: signature + 64,
    outerType: signature + 128,
    outerSize: signature + 130,
    qeReport: signature + 134,
    qeReportSignature: signature + 518,
    qeAuthLength: signature + 582,
    qeAuth,
    innerType,
    innerSize: innerType + 2,
    pem: innerType + 6,
    end: quote.length,
  }
}

/** Header, descriptor and body: what the attestation key signs. */
function signedPart(parts: QuoteParts): Uint8Array {
  const { version = 4, body = 'td10' } = parts
  const header = filled(
    HEADER_BYTES,
    {
      0: u16(version),
      2: u16(2),
      4: u32(0x81),
      12: bytes('939a7233f79c4ca9940a0db3957f0607'),
      28: PLATFORM.instanceId,
    },
    parts.putHeader,
  )
  const size = BODY_BYTES[body]
  const second = body === 'td15' ? { [BODY.teeTcbSvn2]: SIMULATED_TEE_TCB_SVN } : {}
  const report = filled(size, STANDARD_BODY, second, parts.put)
  const type = parts.bodyType ?? (body === 'td10' ? 2 : 3)
  const descriptor =
    version === 4 ? new Uint8Array(0) : join(u16(type), u32(parts.bodySize ?? size))
  return join(header, descriptor, report)
}

export function makeQuote(parts: QuoteParts = {}): Uint8Array {
  const { attestationKey = ATTESTATION_KEY, qeAuth = QE_AUTH } = parts
  const signed = signedPart(parts)
  const point = parts.attestationPoint ?? attestationKey.point
  const endorsed = { [QE.reportData]: parts.endorsed ?? sha256(point, qeAuth) }
  const qeReport = filled(384, STANDARD_QE, endorsed, parts.putQe)
  const { pem = PCK_PEM } = parts
  const chain = typeof pem === 'string' ? new Uint8Array(Buffer.from(pem, 'utf8')) : pem
  const certification = join(
    qeReport,
    signRaw(qeReport, parts.qeSigner ?? PCK.key),
    u16(qeAuth.length),
    qeAuth,
    u16(parts.innerType ?? 5),
    u32(chain.length),
    chain,
  )
  const auth = join(
    signRaw(signed, parts.signer ?? attestationKey),
    point,
    u16(parts.outerType ?? 6),
    u32(certification.length),
    certification,
  )
  return join(signed, u32(auth.length), auth)
}

/** A copy with other bytes at `offset`, signed by nobody. */
export function patched(quote: Uint8Array, offset: number, value: Uint8Array): Uint8Array {
  const out = new Uint8Array(quote)
  out.set(value, offset)
  return out
}

/** A copy with one bit flipped. */
export function flipped(quote: Uint8Array, offset: number, bit = 0): Uint8Array {
  return patched(quote, offset, Uint8Array.of((quote[offset] ?? 0) ^ (1 << bit)))
}
