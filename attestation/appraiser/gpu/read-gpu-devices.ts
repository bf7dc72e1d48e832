/**
 * What authentic reports say about their devices, for people: model, driver, VBIOS, mode, and how far each proof reaches.
 *
 * @module
 */
import { toHex } from '../../protocol/hex.ts'
import type { Check } from '../check.ts'
import { gpuModeOf } from './gpu-mode.ts'
import { gpuRung, readDeviceRung } from './gpu-ladder.ts'
import type { DeviceKind, GpuFacts, GpuRung } from './gpu-ladder.ts'
import type { GpuMode } from './gpu-policy.ts'
import { parseGpuEvidence } from './parse-gpu-evidence.ts'
import type { ParsedGpuEvidence } from './parse-gpu-evidence.ts'

/** Architecture of NVSwitches; every other one counts as that of a GPU. */
const SWITCH_ARCHITECTURE = 'LS10'

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

/** Kind and place of each element, as `verifyGpuEvidence` numbers them. */
function placesOf(list: readonly unknown[]): readonly { kind: DeviceKind; index: number }[] {
  const next = { gpu: 0, switch: 0 }
  return list.map((item) => {
    const arch = typeof item === 'object' && item !== null && 'arch' in item ? item.arch : null
    const kind = arch === SWITCH_ARCHITECTURE ? 'switch' : 'gpu'
    return { kind, index: next[kind]++ }
  })
}

/**
 * @param list the elements that were judged
 * @param checks of `verifyGpuEvidence` over them
 * @param machine what is known of the whole list beside the checks
 */
export function readGpuDevices(
  list: readonly unknown[],
  checks: readonly Check[],
  machine: Omit<GpuFacts, 'vendorSigned' | 'present'>,
): readonly GpuDevice[] {
  const passed = new Set(checks.filter(({ status }) => status === 'pass').map(({ id }) => id))
  return placesOf(list).map(({ kind, index }, place) => {
    const id = `${kind}.${index}`
    const authentic = passed.has(`${id}.chain`) && passed.has(`${id}.signature`)
    const parsed = authentic ? parseGpuEvidence(list[place]) : null
    const own = readDeviceRung(checks, kind, index)
    const rung = gpuRung({
      ...machine,
      present: true,
      vendorSigned: own.vendorSigned,
      freshForRound: own.freshForRound && machine.freshForRound,
    })
    const facts = parsed?.ok === true ? factsOf(parsed.evidence, kind) : NOTHING
    return Object.freeze({ kind, index, ...facts, rung })
  })
}
