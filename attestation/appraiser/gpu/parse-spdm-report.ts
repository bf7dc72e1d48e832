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
import {
  FWID_BYTES,
  OPAQUE_FIELD,
  readNumber16,
  readStatus,
  readText,
  readVbiosVersion,
} from './opaque-fields.ts'

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
const OPAQUE_HEAD_BYTES = 4
/** First bytes of the successor format, which drivers of CUDA 13.5 and later may emit. */
const NVDAOD = [0x4e, 0x56, 0x44, 0x41, 0x4f, 0x44] as const

export interface Measurement {
  /** SPDM block index, counted from 1; a RIM counts the same block from 0. */
  readonly index: number
  /** SHA-384, 48 bytes; all zero where the block is unused. */
  readonly value: Uint8Array
}

export interface SpdmReport {
  /** 32 bytes: what the requester asked the device to sign. */
  readonly requestNonce: Uint8Array
  /** 32 bytes chosen by the device; compared with nothing. */
  readonly responderNonce: Uint8Array
  readonly measurements: readonly Measurement[]
  /** Opaque fields by type, unknown ones included. */
  readonly opaque: ReadonlyMap<number, Uint8Array>
  /** e.g. `550.90.07`; null on switches. */
  readonly driverVersion: string | null
  /** e.g. `96.00.9F.00.01`, upper case. */
  readonly vbiosVersion: string | null
  /** 48 bytes; null in reports of the 535 driver era and of switches. */
  readonly fwid: Uint8Array | null
  /** 0 single pass-through, 1 multiple pass-through, 2 protected PCIe; null before driver 580. */
  readonly featureFlag: number | null
  readonly protectedPcie: boolean | null
  readonly nvdec0: boolean | null
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

function startsWith(bytes: Uint8Array, offset: number, expected: readonly number[]): boolean {
  return expected.every((value, i) => bytes[offset + i] === value)
}

function number16(bytes: Uint8Array, offset: number): number {
  return (bytes[offset] ?? 0) | ((bytes[offset + 1] ?? 0) << 8)
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

function readOpaque(data: Uint8Array): ReadonlyMap<number, Uint8Array> | Failure {
  const fields = new Map<number, Uint8Array>()
  let offset = 0
  while (offset < data.length) {
    if (data.length - offset < OPAQUE_HEAD_BYTES) return malformed('opaque data ends in a header')
    const type = number16(data, offset)
    const size = number16(data, offset + 2)
    offset += OPAQUE_HEAD_BYTES
    if (size > data.length - offset) return malformed(`opaque field ${type} ends past the data`)
    // With two fields of one type each reader picks another one: FWID and topology checks would disagree.
    if (fields.has(type)) return malformed(`opaque field ${type} appears twice`)
    fields.set(type, data.subarray(offset, offset + size))
    offset += size
  }
  return fields
}

/** A field that is absent is null; one that is present and unreadable makes the report malformed (`undefined`). */
function read<T>(
  fields: ReadonlyMap<number, Uint8Array>,
  type: number,
  reader: (field: Uint8Array) => T | null,
): T | null | undefined {
  const field = fields.get(type)
  if (field === undefined) return null
  return reader(field) ?? undefined
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
  const recordLength = number16(report, response + 5) | ((report[response + 7] ?? 0) << 16)
  if (blocks === 0 || recordLength !== blocks * MEASUREMENT_BLOCK_BYTES) {
    return malformed(`${blocks} measurement blocks do not fill a record of ${recordLength} bytes`)
  }
  const nonce = record + recordLength
  const opaqueStart = nonce + NONCE_BYTES + 2
  if (report.length < opaqueStart) return malformed('ends inside the measurement record or nonce')
  const opaqueLength = number16(report, opaqueStart - 2)
  const signature = opaqueStart + opaqueLength
  if (report.length !== signature + REPORT_SIGNATURE_BYTES) {
    return malformed(`${report.length} bytes where its length fields make another number`)
  }

  const measurements = readMeasurements(report.subarray(record, nonce))
  if ('ok' in measurements) return measurements
  const opaqueData = report.subarray(opaqueStart, signature)
  if (startsWith(opaqueData, 0, NVDAOD)) {
    return { ok: false, code: 'gpu_report_unsupported', detail: 'opaque data in NVDAOD format' }
  }
  const opaque = readOpaque(opaqueData)
  if ('ok' in opaque) return opaque

  const driverVersion = read(opaque, OPAQUE_FIELD.driverVersion, readText)
  const vbiosVersion = read(opaque, OPAQUE_FIELD.vbiosVersion, readVbiosVersion)
  const fwid = read(opaque, OPAQUE_FIELD.fwid, (f) => (f.length === FWID_BYTES ? f : null))
  const featureFlag = read(opaque, OPAQUE_FIELD.featureFlag, readNumber16)
  const protectedPcie = read(opaque, OPAQUE_FIELD.protectedPcieStatus, readStatus)
  const nvdec0 = read(opaque, OPAQUE_FIELD.nvdec0Status, readStatus)
  if (driverVersion === undefined) return malformed('driver version is not printable text')
  if (vbiosVersion === undefined) return malformed('VBIOS version has no known form')
  if (fwid === undefined) return malformed(`firmware identity is not ${FWID_BYTES} bytes long`)
  if (featureFlag === undefined) return malformed('feature flag is not two bytes long')
  if (protectedPcie === undefined) return malformed('protected PCIe status is neither on nor off')
  if (nvdec0 === undefined) return malformed('NVDEC0 status is neither on nor off')

  return {
    ok: true,
    report: {
      requestNonce: report.subarray(4, 4 + NONCE_BYTES),
      responderNonce: report.subarray(nonce, nonce + NONCE_BYTES),
      measurements,
      opaque,
      driverVersion,
      vbiosVersion,
      fwid,
      featureFlag,
      protectedPcie,
      nvdec0,
      signedBytes: report.subarray(0, signature),
      signature: report.subarray(signature),
    },
  }
}
