/**
 * All that the driver says of itself and its GPUs, for the operator: each answer or why there is none.
 *
 * @module
 */
import { architectureName } from './architecture-name.ts'
import { MAX_DEVICES } from './nvml-calls.ts'
import type { CcSettings, CcState } from './nvml-calls.ts'
import { NvmlError } from './nvml-error.ts'
import type { NvmlFailure } from './nvml-error.ts'
import type { NvmlSession } from './nvml-session.ts'

export type Reading<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly failure: NvmlFailure }

export interface GpuDeviceFacts {
  readonly index: number
  /** NVML's number; 9 is Hopper. */
  readonly architecture: Reading<number>
  /** `HOPPER`, …; null where it has no name here or was not read. */
  readonly architectureName: string | null
  readonly vbios: Reading<string>
  /** Names one piece of hardware: not for logs. */
  readonly uuid: Reading<string>
}

export interface GpuFacts {
  /** Path of the library. */
  readonly library: string
  readonly driverVersion: Reading<string>
  readonly count: Reading<number>
  /** Null: the driver does not support it. */
  readonly ccState: Reading<CcState | null>
  /** Null: the driver is too old to have them. */
  readonly ccSettings: Reading<CcSettings | null>
  /** 1: the GPUs accept work. */
  readonly readyState: Reading<number>
  readonly devices: readonly GpuDeviceFacts[]
}

async function read<T>(ask: () => Promise<T>): Promise<Reading<T>> {
  try {
    return { ok: true, value: await ask() }
  } catch (error) {
    if (!(error instanceof NvmlError)) throw error
    return { ok: false, failure: { code: error.code, detail: error.detail } }
  }
}

async function readDevice(session: NvmlSession, index: number): Promise<GpuDeviceFacts> {
  const handle = await read(() => session.handle(index))
  if (!handle.ok) {
    return { index, architecture: handle, architectureName: null, vbios: handle, uuid: handle }
  }
  const architecture = await read(() => session.architecture(index))
  return {
    index,
    architecture,
    architectureName: architecture.ok ? architectureName(architecture.value) : null,
    vbios: await read(() => session.vbios(index)),
    uuid: await read(() => session.uuid(index)),
  }
}

/** One call after the other; where the process ends on the way, the rest says so. Never throws {@link NvmlError}. */
export async function readGpuFacts(session: NvmlSession, library: string): Promise<GpuFacts> {
  const driverVersion = await read(() => session.driverVersion())
  const ccState = await read(() => session.ccState())
  const ccSettings = await read(() => session.ccSettings())
  const readyState = await read(() => session.readyState())
  const count = await read(() => session.count())
  const devices: GpuDeviceFacts[] = []
  for (let index = 0; count.ok && index < Math.min(count.value, MAX_DEVICES); index++) {
    devices.push(await readDevice(session, index))
  }
  return { library, driverVersion, count, ccState, ccSettings, readyState, devices }
}
