/**
 * What authentic reports say about their devices, for people: model, driver, VBIOS, mode, and how far each proof reaches.
 *
 * @module
 */
import { toHex } from '../../protocol/hex.ts'
import type { DeviceKind } from './device-rules.ts'
import { gpuModeOf } from './gpu-mode.ts'
import { gpuRung, readDeviceRung } from './gpu-ladder.ts'
import type { GpuFacts, GpuRung } from './gpu-ladder.ts'
import type { GpuMode } from './gpu-policy.ts'
import type { ParsedGpuEvidence } from './parse-gpu-evidence.ts'
import type { ListedDevice } from './verify-gpu-evidence.ts'

/** One device. Members that its signed report or its certificates do not say, or that nobody vouches for, are null. */
export interface GpuDevice {
  readonly kind: DeviceKind
  /** Within its kind: `gpu.0`, `switch.0`. */
  readonly index: number
  /** Common name of the device identity, e.g. `GH100 A01 GSP BROM`. */
  readonly model: string | null
  /** Serial number of the device identity, lower-case hex. */
  readonly serial: string | null
  /** Serial number of the attestation certificate, lower-case hex; NVIDIA's tokens have it in decimal (`ueid`). */
  readonly leafSerial: string | null
  readonly driver: string | null
  readonly vbios: string | null
  /** Of GPUs; null also where flags contradict each other. */
  readonly mode: GpuMode | null
  /** Of this device alone; that of the machine can be lower. */
  readonly rung: GpuRung
}

function factsOf({ chain, report }: ParsedGpuEvidence, kind: DeviceKind) {
  const [leaf, identity] = chain
  return {
    model: identity?.subjectCommonName ?? null,
    serial: identity === undefined ? null : toHex(identity.serial),
    leafSerial: leaf === undefined ? null : toHex(leaf.serial),
    driver: report.driverVersion,
    vbios: report.vbiosVersion,
    mode: kind === 'gpu' ? gpuModeOf(report) : null,
  }
}

const NOTHING = {
  ...{ model: null, serial: null, leafSerial: null },
  ...{ driver: null, vbios: null, mode: null },
} as const

/**
 * @param devices of the list that was judged, with `checks` over all of them
 * @param machine what is known of the whole list beside the checks
 */
export function readGpuDevices(
  devices: readonly ListedDevice[],
  machine: Omit<GpuFacts, 'vendorSigned' | 'present'>,
): readonly GpuDevice[] {
  return devices.map(({ kind, index, checks, evidence, authentic }) => {
    const own = readDeviceRung(checks, kind, index)
    const rung = gpuRung({
      ...machine,
      present: true,
      vendorSigned: own.vendorSigned,
      freshForRound: own.freshForRound && machine.freshForRound,
    })
    const facts = authentic && evidence !== null ? factsOf(evidence, kind) : NOTHING
    return Object.freeze({ kind, index, ...facts, rung })
  })
}
