/**
 * The attestation report of an NVIDIA device: the SPDM 1.1 GET_MEASUREMENTS request (37 bytes) followed by the
 * MEASUREMENTS response (DMTF DSP0274 1.1, §10.11), with NVIDIA's legacy type-length-value opaque data.
 *
 * ```
 * 0   1   0x11 version          37  1  0x11 version
 * 1   1   0xE0 GET_MEASUREMENTS 38  1  0x60 MEASUREMENTS
 * 2   1   0x01 sign             39  2  0
 * 3   1   0xFF all blocks       41  1  number of blocks n
 * 4  32   requester's nonce     42  3  record length L, little-endian
 * 36  1   slot 0                45  L  n blocks of 55 bytes
 *                               …  32  responder's nonce
 *                               …   2  opaque length O, little-endian
 *                               …   O  opaque data
 *                               …  96  signature r ‖ s over everything before it
 * ```
 *
 * @module
 */
import { toHex } from '../../protocol/hex.ts'
import { isNvdaod, parseNvdaod } from './parse-nvdaod.ts'
import { readOpaqueData } from './read-opaque-data.ts'
import type { OpaqueData } from './read-opaque-data.ts'
import { number16At } from './read-tlv.ts'

/** NVML's report buffer (`nvmlConfComputeGpuAttestationReport_t.attestationReport`). */
export const MAX_REPORT_BYTES = 0x2000
export const NONCE_BYTES = 32
/** ECDSA P-384, r ‖ s. */
export const REPORT_SIGNATURE_BYTES = 96
/** Two header bytes, two size bytes, three DMTF bytes, a SHA-384 digest. */
export const MEASUREMENT_BLOCK_BYTES = 55

const REQUEST_BYTES = 37
const REQUEST_HEAD = [0x11, 0xe0, 0x01, 0xff] as const
const RESPONSE_HEAD = [0x11, 0x60, 0x00, 0x00] as const
const MEASUREMENT_BYTES = 48
/** DMTF specification, block size 51, digest of mutable firmware, digest size 48: the same in every block. */
const BLOCK_HEAD = [0x01, 51, 0, 0x01, MEASUREMENT_BYTES, 0] as const

export interface Measurement {
  /** SPDM block index, counted from 1; a RIM counts the same block from 0. */
  readonly index: number
  /** SHA-384, 48 bytes; all zero where the block is unused. */
  readonly value: Uint8Array
}

export interface SpdmReport extends OpaqueData {
  /** 32 bytes: what the requester asked the device to sign. */
  readonly requestNonce: Uint8Array
  /** 32 bytes chosen by the device; compared with nothing. */
  readonly responderNonce: Uint8Array
  readonly measurements: readonly Measurement[]
  /** What the signature covers: every byte before it. */
  readonly signedBytes: Uint8Array
  /** r ‖ s, 96 bytes. */
  readonly signature: Uint8Array
}

export type SpdmReportResult =
  | { readonly ok: true; readonly report: SpdmReport }
  | {
      readonly ok: false
      readonly code: 'gpu_report_malformed' | 'gpu_report_unsupported'
      readonly detail: string
    }

type Failure = Extract<SpdmReportResult, { ok: false }>

function malformed(detail: string): Failure {
  return { ok: false, code: 'gpu_report_malformed', detail }
}

/** Names what the device states, unverified, so that its owner knows which driver to blame. */
function unsupported(opaqueData: Uint8Array, requestNonce: Uint8Array): Failure {
  const result = parseNvdaod(opaqueData)
  if (!result.ok) return malformed(result.detail)
  const { format, model, driverVersion } = result.nvdaod
  const detail =
    `opaque data in NVDAOD format ${format}, which driver ${driverVersion} of board ${model} states; ` +
    `it answers the nonce ${toHex(requestNonce)}`
  return { ok: false, code: 'gpu_report_unsupported', detail }
}

function startsWith(bytes: Uint8Array, offset: number, expected: readonly number[]): boolean {
  return expected.every((value, i) => bytes[offset + i] === value)
}

/** Every block has one fixed size, so the record's length follows from the number of blocks. */
function readMeasurements(record: Uint8Array): readonly Measurement[] | Failure {
  const measurements: Measurement[] = []
  for (let offset = 0; offset < record.length; offset += MEASUREMENT_BLOCK_BYTES) {
    const index = measurements.length + 1
    // A gap or a repeated index would let two readers assign one digest to different firmware.
    if (record[offset] !== index) return malformed(`measurement block ${index} is out of order`)
    if (!startsWith(record, offset + 1, BLOCK_HEAD)) {
      return malformed(`measurement block ${index} is not a SHA-384 digest in DMTF form`)
    }
    const end = offset + MEASUREMENT_BLOCK_BYTES
    measurements.push({ index, value: record.subarray(end - MEASUREMENT_BYTES, end) })
  }
  return measurements
}

/**
 * Parses one report. Accepts exactly the layout above: no byte may be left over, at any level.
 * @param bytes at most {@link MAX_REPORT_BYTES}; copied before it is read
 * @returns `gpu_report_malformed`, or `gpu_report_unsupported` for NVDAOD opaque data
 */
export function parseSpdmReport(bytes: Uint8Array): SpdmReportResult {
  if (bytes.length > MAX_REPORT_BYTES) return malformed(`longer than ${MAX_REPORT_BYTES} bytes`)
  const report = Uint8Array.from(bytes)
  const response = REQUEST_BYTES
  const record = response + 8
  if (report.length < record) return malformed('shorter than its two headers')
  if (!startsWith(report, 0, REQUEST_HEAD) || report[REQUEST_BYTES - 1] !== 0) {
    return malformed('does not start with a GET_MEASUREMENTS request for all signed measurements')
  }
  if (!startsWith(report, response, RESPONSE_HEAD)) {
    return malformed('holds no SPDM 1.1 MEASUREMENTS response after the request')
  }
  const blocks = report[response + 4] ?? 0
  const recordLength = number16At(report, response + 5) | ((report[response + 7] ?? 0) << 16)
  if (blocks === 0 || recordLength !== blocks * MEASUREMENT_BLOCK_BYTES) {
    return malformed(`${blocks} measurement blocks do not fill a record of ${recordLength} bytes`)
  }
  const nonce = record + recordLength
  const opaqueStart = nonce + NONCE_BYTES + 2
  if (report.length < opaqueStart) return malformed('ends inside the measurement record or nonce')
  const opaqueLength = number16At(report, opaqueStart - 2)
  const signature = opaqueStart + opaqueLength
  if (report.length !== signature + REPORT_SIGNATURE_BYTES) {
    return malformed(`${report.length} bytes where its length fields make another number`)
  }

  const measurements = readMeasurements(report.subarray(record, nonce))
  if ('ok' in measurements) return measurements
  const opaqueData = report.subarray(opaqueStart, signature)
  const requestNonce = report.subarray(4, 4 + NONCE_BYTES)
  if (isNvdaod(opaqueData)) return unsupported(opaqueData, requestNonce)
  const opaque = readOpaqueData(opaqueData)
  if (!opaque.ok) return opaque
  return {
    ok: true,
    report: {
      ...opaque.data,
      requestNonce,
      responderNonce: report.subarray(nonce, nonce + NONCE_BYTES),
      measurements,
      signedBytes: report.subarray(0, signature),
      signature: report.subarray(signature),
    },
  }
}
