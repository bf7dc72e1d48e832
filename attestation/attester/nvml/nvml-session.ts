/**
 * One loaded and initialised library, and the questions that are asked of it. Every answer that is not a success becomes
 * a named failure here.
 *
 * @module
 */
import type { CcSettings, CcState, NvmlCallName } from './nvml-calls.ts'
import {
  HANDLE_SYMBOL,
  NVML_CALLS,
  NVML_NOT_SUPPORTED,
  NVML_STRUCT_VERSION,
  NVML_SUCCESS,
  readCcSettings,
  readCcState,
  readCertificateChain,
  readCText,
  readNumber,
  readReport,
} from './nvml-calls.ts'
import type { NvmlCallOptions, NvmlClient } from './nvml-client.ts'
import { NvmlError, failureOfReturn } from './nvml-error.ts'

/** Milliseconds for loading the library and `nvmlInit_v2`, which without nvidia-persistenced wakes every GPU. */
export const INIT_MS = 30_000
/** Milliseconds for any other call; a report takes the GPU about a second. */
export const CALL_MS = 10_000

export interface NvmlTiming {
  readonly initMs: number
  readonly callMs: number
}

export const NVML_TIMING: NvmlTiming = Object.freeze({ initMs: INIT_MS, callMs: CALL_MS })

/** Every method throws {@link NvmlError}. Indexes count from 0; those of one device need its handle first. */
export interface NvmlSession {
  driverVersion(): Promise<string>
  count(): Promise<number>
  /** Null where the driver does not support it. */
  ccState(): Promise<CcState | null>
  /** Null where the driver is too old to have them. */
  ccSettings(): Promise<CcSettings | null>
  /** Whether the GPUs accept work; read, never set. */
  readyState(): Promise<number>
  handle(index: number): Promise<void>
  architecture(index: number): Promise<number>
  vbios(index: number): Promise<string>
  uuid(index: number): Promise<string>
  report(index: number, nonce: Uint8Array): Promise<Uint8Array>
  /** PEM text as bytes. */
  certificateChain(index: number): Promise<Uint8Array>
}

type Extra = Omit<NvmlCallOptions, 'deadlineMs'>

function where(name: NvmlCallName, device?: number): string {
  const { symbol } = NVML_CALLS[name]
  return device === undefined ? symbol : `${symbol} of GPU ${device}`
}

/** Loads the library and initialises it. @throws NvmlError */
export async function openNvmlSession(
  client: NvmlClient,
  library: string,
  timing: NvmlTiming = NVML_TIMING,
): Promise<NvmlSession> {
  const ask = async (name: NvmlCallName, extra: Extra = {}, deadlineMs = timing.callMs) => {
    const { code, out } = await client.call(name, { deadlineMs, ...extra })
    if (code === NVML_SUCCESS) return out
    throw new NvmlError(failureOfReturn(where(name, extra.device), code))
  }
  const text = async (name: NvmlCallName, extra: Extra = {}) => {
    const value = readCText(await ask(name, extra))
    if (value !== null) return value
    throw new NvmlError({ code: 'nvml_answer_malformed', detail: where(name, extra.device) })
  }
  /** Null for the return codes, or the missing function, by which an old driver says that it has no such thing. */
  const optional = async (name: NvmlCallName, without: readonly number[]) => {
    try {
      const { code, out } = await client.call(name, { deadlineMs: timing.callMs })
      if (code === NVML_SUCCESS) return out
      if (without.includes(code)) return null
      throw new NvmlError(failureOfReturn(where(name), code))
    } catch (error) {
      if (error instanceof NvmlError && error.code === 'nvml_function_missing') return null
      throw error
    }
  }
  const sized = async (name: 'report' | 'certificate', extra: Extra) => {
    const out = await ask(name, extra)
    const read = name === 'report' ? readReport : readCertificateChain
    const value = read(out)
    if (value !== null) return value
    throw new NvmlError({ code: 'nvml_size_out_of_bounds', detail: where(name, extra.device) })
  }

  await client.open(library, timing.initMs)
  await ask('init', {}, timing.initMs)
  return {
    driverVersion: () => text('driver'),
    count: async () => readNumber(await ask('count')),
    async ccState() {
      const out = await optional('state', [NVML_NOT_SUPPORTED])
      return out === null ? null : readCcState(out)
    },
    async ccSettings() {
      const out = await optional('settings', [NVML_NOT_SUPPORTED, NVML_STRUCT_VERSION])
      return out === null ? null : readCcSettings(out)
    },
    readyState: async () => readNumber(await ask('ready')),
    async handle(index) {
      const code = await client.device(index, timing.callMs)
      if (code === NVML_SUCCESS) return
      throw new NvmlError(failureOfReturn(`${HANDLE_SYMBOL} of GPU ${index}`, code))
    },
    architecture: async (index) => readNumber(await ask('architecture', { device: index })),
    vbios: (index) => text('vbios', { device: index }),
    uuid: (index) => text('uuid', { device: index }),
    report: (index, nonce) => sized('report', { device: index, nonce }),
    certificateChain: (index) => sized('certificate', { device: index }),
  }
}
