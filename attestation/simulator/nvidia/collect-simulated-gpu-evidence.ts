/**
 * What the attester of a real machine collects through NVML, from simulated GPUs: for each, a freshly signed report over
 * the asked nonce with 64 measurements and the opaque fields of a driver of the 580 branch.
 *
 * @module
 */
import { createHash, randomBytes } from 'node:crypto'
import type { GpuEvidence } from '../../appraiser/gpu/parse-gpu-evidence.ts'
import { buildSpdmReport } from './build-spdm-report.ts'
import type { SpdmReportTemplate } from './build-spdm-report.ts'
import type { NvidiaPki, SimulatedGpu } from './create-nvidia-pki.ts'

const NONCE_BYTES = 32
const BLOCKS = 64
const MEASUREMENT_BYTES = 48
/** RIM indexes that NVIDIA's reference values for Hopper make active; the other blocks are zero. */
const ACTIVE = new Set([
  ...[0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12],
  ...Array.from({ length: 20 }, (_, i) => 21 + i),
  7,
])
const STATUS_OFF = 0x55

function measurement(index: number): Uint8Array {
  if (!ACTIVE.has(index)) return new Uint8Array(MEASUREMENT_BYTES)
  return createHash('sha384').update(`countersign simulated measurement ${index}`).digest()
}

function text(value: string, size = value.length + 1): Uint8Array {
  const field = new Uint8Array(size)
  field.set(Buffer.from(value, 'ascii'))
  return field
}

function counters(): Uint8Array {
  const field = new Uint8Array(4 * BLOCKS)
  for (const index of ACTIVE) field[4 * index] = 1
  return field
}

function hex(digits: string): Uint8Array {
  return Uint8Array.from(Buffer.from(digits, 'hex'))
}

/** Fields of opaque data version 1 in the order of real reports. */
function opaqueFields(gpu: SimulatedGpu): SpdmReportTemplate['opaque'] {
  return [
    [6, hex('009f009601000000')],
    [14, hex('b1030000')],
    [15, text('882', 9)],
    [16, text('0', 5)],
    [17, text('1010')],
    [18, text('0200')],
    [19, new Uint8Array(2)],
    [3, text('580.159.03')],
    [4, hex('8001000000000000')],
    [12, counters()],
    [13, hex('00c00100')],
    [11, Uint8Array.of(STATUS_OFF)],
    [20, gpu.fwid],
    [21, Uint8Array.of(STATUS_OFF)],
    [34, Uint8Array.of(1, 0)],
    [36, Uint8Array.of(0, 0)],
  ]
}

/** The report that a simulated GPU would sign, before it is signed; attacks start from it. */
export function simulatedReportTemplate(gpu: SimulatedGpu, nonce: Uint8Array): SpdmReportTemplate {
  return {
    requestNonce: nonce,
    responderNonce: Uint8Array.from(randomBytes(NONCE_BYTES)),
    measurements: Array.from({ length: BLOCKS }, (_, index) => measurement(index)),
    opaque: opaqueFields(gpu),
    key: gpu.key,
  }
}

/** One element of the served list. @param report its bytes */
export function toGpuEvidence(gpu: SimulatedGpu, report: Uint8Array): GpuEvidence {
  return {
    arch: 'HOPPER',
    certificate: Buffer.from(gpu.chainPem, 'utf8').toString('base64'),
    evidence: Buffer.from(report).toString('base64'),
  }
}

/**
 * Collects evidence from every simulated GPU under one nonce.
 * @param nonce 32 bytes
 * @throws RangeError for any other length, as NVML refuses it
 */
export function collectSimulatedGpuEvidence(pki: NvidiaPki, nonce: Uint8Array): GpuEvidence[] {
  if (nonce.length !== NONCE_BYTES) throw new RangeError('a GPU nonce has 32 bytes')
  return pki.gpus.map((gpu) =>
    toGpuEvidence(gpu, buildSpdmReport(simulatedReportTemplate(gpu, nonce))),
  )
}
