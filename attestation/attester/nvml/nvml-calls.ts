/**
 * The functions of libnvidia-ml that are called, each with the flat buffer it fills (nvml.h of driver 550 and newer).
 *
 * Buffers are plain zeroed bytes, not declared structures: an offset can be read off this page, a wrong packing rule of a
 * binding cannot. All fields are 32-bit in the machine's order, which is little-endian wherever NVIDIA has a driver.
 *
 * ```
 * nvmlConfComputeSystemState_t (12)            nvmlConfComputeGpuAttestationReport_t (12332)
 *   0 environment   4 ccFeature                   0 isCecAttestationReportPresent
 *   8 devToolsMode                                4 attestationReportSize   8 cecAttestationReportSize
 * nvmlSystemConfComputeSettings_v1_t (20)        12 nonce[32], in           44 attestationReport[0x2000]
 *   0 version, in   4 environment              8236 cecAttestationReport[0x1000]
 *   8 ccFeature    12 devToolsMode             nvmlConfComputeGpuCertificate_t (9224)
 *  16 multiGpuMode                                0 certChainSize           4 attestationCertChainSize
 *                                                 8 certChain[0x1000]    4104 attestationCertChain[0x1400]
 * ```
 *
 * @module
 */

/** `nvmlReturn_t`: 0 is success. */
export type NvmlReturn = number

export const NVML_SUCCESS: NvmlReturn = 0
export const NVML_NOT_SUPPORTED: NvmlReturn = 3
export const NVML_STRUCT_VERSION: NvmlReturn = 25

export interface NvmlCall {
  readonly symbol: string
  /** Takes the handle of a GPU first. */
  readonly device: boolean
  /** Size of the buffer that is filled; 0: takes none. */
  readonly bytes: number
  /** Takes the buffer's size after it, as the calls that fill in text do. */
  readonly sized: boolean
}

const system = (symbol: string, bytes: number, sized = false): NvmlCall => ({
  symbol,
  device: false,
  bytes,
  sized,
})
const device = (symbol: string, bytes: number, sized = false): NvmlCall => ({
  ...system(symbol, bytes, sized),
  device: true,
})

/** The `_v2` are part of the symbols: nvml.h adds them by macros. */
export const NVML_CALLS = Object.freeze({
  init: system('nvmlInit_v2', 0),
  shutdown: system('nvmlShutdown', 0),
  state: system('nvmlSystemGetConfComputeState', 12),
  settings: system('nvmlSystemGetConfComputeSettings', 20),
  ready: system('nvmlSystemGetConfComputeGpusReadyState', 4),
  driver: system('nvmlSystemGetDriverVersion', 80, true),
  count: system('nvmlDeviceGetCount_v2', 4),
  architecture: device('nvmlDeviceGetArchitecture', 4),
  vbios: device('nvmlDeviceGetVbiosVersion', 32, true),
  uuid: device('nvmlDeviceGetUUID', 80, true),
  report: device('nvmlDeviceGetConfComputeGpuAttestationReport', 12_332),
  certificate: device('nvmlDeviceGetConfComputeGpuCertificate', 9_224),
})

export type NvmlCallName = keyof typeof NVML_CALLS

/** Gives the handle that the calls of one device take; an opaque pointer. */
export const HANDLE_SYMBOL = 'nvmlDeviceGetHandleByIndex_v2'
export const HANDLE_BYTES = 8

/** More than the largest machine with Hopper GPUs holds. */
export const MAX_DEVICES = 16

/** `NVML_STRUCT_VERSION(SystemConfComputeSettings, 1)`: size 20, version 1. */
export const SETTINGS_VERSION = 0x0100_0014

export const NVML_NONCE_BYTES = 32
export const REPORT_NONCE_OFFSET = 12

const REPORT_SIZE_OFFSET = 4
const REPORT_OFFSET = 44
const MAX_REPORT = 0x2000
const CHAIN_SIZE_OFFSET = 4
const CHAIN_OFFSET = 4_104
const MAX_CHAIN = 0x1400

export function isNvmlCallName(value: unknown): value is NvmlCallName {
  return typeof value === 'string' && Object.hasOwn(NVML_CALLS, value)
}

/** What the driver says of itself. Signed by nobody: good for refusing early, never for accepting. */
export interface CcState {
  /** 0 unavailable, 1 simulation, 2 production. */
  readonly environment: number
  /** 0 off, 1 on. */
  readonly ccFeature: number
  /** 0 off; anything else lets the host debug. */
  readonly devToolsMode: number
}

export interface CcSettings extends CcState {
  /** 0 none, 1 protected PCIe, 2 encrypted NVLink. */
  readonly multiGpuMode: number
}

function view(out: Uint8Array): DataView {
  return new DataView(out.buffer, out.byteOffset, out.length)
}

export function readNumber(out: Uint8Array): number {
  return view(out).getUint32(0, true)
}

export function readCcState(out: Uint8Array): CcState {
  const fields = view(out)
  return {
    environment: fields.getUint32(0, true),
    ccFeature: fields.getUint32(4, true),
    devToolsMode: fields.getUint32(8, true),
  }
}

export function readCcSettings(out: Uint8Array): CcSettings {
  return { ...readCcState(out.subarray(4)), multiGpuMode: view(out).getUint32(16, true) }
}

/** @returns the text before the first NUL; null where it is empty, has no end, or is not printable ASCII */
export function readCText(out: Uint8Array): string | null {
  const end = out.indexOf(0)
  if (end < 1) return null
  const text = out.subarray(0, end)
  if (!text.every((byte) => byte >= 0x20 && byte < 0x7f)) return null
  return String.fromCharCode(...text)
}

/** Of which as many bytes are handed out as are stated, and at least one; null where the number is impossible. */
function readSized(out: Uint8Array, sizeAt: number, at: number, max: number): Uint8Array | null {
  const size = view(out).getUint32(sizeAt, true)
  return size > 0 && size <= max ? out.slice(at, at + size) : null
}

/** @returns SPDM request and response, at most 0x2000 bytes; null where the stated size is out of bounds */
export function readReport(out: Uint8Array): Uint8Array | null {
  return readSized(out, REPORT_SIZE_OFFSET, REPORT_OFFSET, MAX_REPORT)
}

/**
 * The chain of the attestation key, not `certChain`, which ends in the device's identity.
 * @returns PEM text, leaf first, at most 0x1400 bytes; null where the stated size is out of bounds
 */
export function readCertificateChain(out: Uint8Array): Uint8Array | null {
  return readSized(out, CHAIN_SIZE_OFFSET, CHAIN_OFFSET, MAX_CHAIN)
}
