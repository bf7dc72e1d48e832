/**
 * Evidence of one device as Countersign serves it and NVIDIA's tools exchange it: the architecture's name, the
 * certificate chain and the attestation report.
 *
 * @module
 */
import { isJsonObject } from '../../protocol/json.ts'
import { fromUtf8 } from '../../protocol/utf8.ts'
import { decodeBase64 } from '../../protocol/base64.ts'
import type { CertificateMemo } from '../x509/certificate-memo.ts'
import type { Certificate } from '../x509/parse-certificate.ts'
import { parsePemChain } from '../x509/parse-pem-chain.ts'
import { MAX_REPORT_BYTES, parseSpdmReport } from './parse-spdm-report.ts'
import type { SpdmReport } from './parse-spdm-report.ts'

/** Elements of a list, GPUs and switches together; more than the largest machine with Hopper GPUs holds (8 and 4). */
export const MAX_GPUS = 16

/** NVML's chain buffer (`nvmlConfComputeGpuCertificate_t.attestationCertChain`). */
export const MAX_CHAIN_TEXT_BYTES = 0x1400

/** More than any chain holds, so that a wrong number of certificates is told apart from unreadable ones. */
const MAX_CHAIN_CERTIFICATES = 8
const ARCHITECTURE = /^[A-Z0-9_]{1,16}$/
const MEMBERS = ['arch', 'certificate', 'evidence'] as const

/** One element of the served list. */
export interface GpuEvidence {
  /** NVML's or NSCQ's architecture name, `HOPPER` or `LS10`. Not signed by anyone. */
  readonly arch: string
  /** Base64 of the PEM chain text, leaf first, root last. */
  readonly certificate: string
  /** Base64 of the report, see {@link parseSpdmReport}. */
  readonly evidence: string
}

/** Read, not yet trusted. */
export interface ParsedGpuEvidence {
  readonly arch: string
  readonly chain: readonly Certificate[]
  readonly report: SpdmReport
}

export type GpuEvidenceResult =
  | { readonly ok: true; readonly evidence: ParsedGpuEvidence }
  | {
      readonly ok: false
      readonly code:
        | 'gpu_evidence_malformed'
        | 'gpu_chain_malformed'
        | 'gpu_report_malformed'
        | 'gpu_report_unsupported'
      readonly detail: string
    }

function malformed(detail: string): GpuEvidenceResult {
  return { ok: false, code: 'gpu_evidence_malformed', detail }
}

/** Bounded before decoding, so that a huge text costs nothing. */
function decodeBounded(text: unknown, maxBytes: number): Uint8Array | null {
  if (typeof text !== 'string' || text.length > Math.ceil(maxBytes / 3) * 4) return null
  const bytes = decodeBase64(text)
  return bytes === null || bytes.length > maxBytes ? null : bytes
}

/**
 * Parses one element; members other than the three are refused, because the digest in the quote would cover them and
 * no check would. Never throws.
 * @param value parsed JSON of the served list, or a {@link GpuEvidence}
 * @param memo certificates that need not be parsed again
 */
export function parseGpuEvidence(value: unknown, memo?: CertificateMemo): GpuEvidenceResult {
  if (!isJsonObject(value)) return malformed('not an object')
  const names = Object.keys(value)
  if (names.length !== MEMBERS.length || !MEMBERS.every((name) => names.includes(name))) {
    return malformed(`the members must be exactly ${MEMBERS.join(', ')}`)
  }
  const { arch, certificate, evidence } = value as Readonly<Record<string, unknown>>
  if (typeof arch !== 'string' || !ARCHITECTURE.test(arch)) {
    return malformed('arch is not an architecture name')
  }
  const chainBytes = decodeBounded(certificate, MAX_CHAIN_TEXT_BYTES)
  if (chainBytes === null) return malformed('certificate is not bounded base64')
  const reportBytes = decodeBounded(evidence, MAX_REPORT_BYTES)
  if (reportBytes === null) return malformed('evidence is not bounded base64')

  const chainText = fromUtf8(chainBytes)
  if (chainText === null) {
    return { ok: false, code: 'gpu_chain_malformed', detail: 'the chain is not text' }
  }
  const chain = parsePemChain(chainText, MAX_CHAIN_CERTIFICATES, memo)
  if (!chain.ok) return { ok: false, code: 'gpu_chain_malformed', detail: chain.detail }
  const report = parseSpdmReport(reportBytes)
  if (!report.ok) return report
  return { ok: true, evidence: { arch, chain: chain.certificates, report: report.report } }
}
