/**
 * Whether the GPUs and NVSwitches of a list are those of one board. In protected PCIe mode GPUs send each other plain text
 * over NVLink, so a device of somebody else at that fabric could read it.
 *
 * Every device signs whom it is linked to, and the device identifiers it signs are those in the serial numbers of the
 * certified identities. NVIDIA's own check (nvtrust ppcie-verifier) compares the signed statements among each other only, so
 * that a GPU of another machine could stand in for one of them; here each must be the certificate of a device in the list.
 *
 * @module
 */
import { fail, pass, skip } from '../check.ts'
import type { Check } from '../check.ts'
import type { CheckCode } from '../codes.ts'
import { counted } from '../counted.ts'
import { unprovenCheck } from './judge-device-list.ts'
import { pdiOf } from './judge-device-serials.ts'
import type { DeviceVerdict } from './verify-gpu-device.ts'

/** Devices of a Hopper board with NVSwitches (HGX, DGX): NVIDIA supports protected PCIe on the whole board only. */
const BOARD_GPUS = 8
const BOARD_SWITCHES = 4

const ID = 'gpu.topology'
const PROVES =
  'GPUs and NVSwitches of the list are linked to each other and to nobody else, by what each of them signed.'

interface Fault {
  readonly code: CheckCode
  readonly detail: string
}

function mismatch(detail: string): Fault {
  return { code: 'gpu_topology_mismatch', detail }
}

function isSameSet(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return a.size === b.size && [...a].every((one) => b.has(one))
}

/** Identifiers by the certificates: an identity without one, or two of one, makes the set too small. */
function certifiedPdis(devices: readonly DeviceVerdict[]): ReadonlySet<string> {
  const pdis = devices.map(({ evidence }) => pdiOf(evidence?.chain[1]))
  return new Set(pdis.filter((pdi) => pdi !== null))
}

/** Each GPU is linked to the listed switches, all of them and no other. */
function gpuFault(gpus: readonly DeviceVerdict[], switches: ReadonlySet<string>): Fault | null {
  for (const { name, evidence } of gpus) {
    const linked = evidence?.report.linkedSwitches ?? null
    if (linked === null) return mismatch(`${name} names no switches`)
    if (!isSameSet(new Set(linked), switches)) {
      return mismatch(`${name} is linked to other switches than those listed`)
    }
  }
  return null
}

/** Each switch is the one that its certificate names, and holds the listed GPUs, each once and no other. */
function switchFault(switches: readonly DeviceVerdict[], gpus: ReadonlySet<string>): Fault | null {
  for (const { name, evidence } of switches) {
    const own = evidence?.report.pdi ?? null
    if (own === null || own !== pdiOf(evidence?.chain[1])) {
      return mismatch(`${name} reports as another switch than it is certified as`)
    }
    const linked = evidence?.report.linkedGpus ?? []
    if (linked.length !== gpus.size || !isSameSet(new Set(linked), gpus)) {
      return mismatch(`${name} is linked to other GPUs than those listed`)
    }
  }
  return null
}

function boardFault(
  gpus: readonly DeviceVerdict[],
  switches: readonly DeviceVerdict[],
): Fault | null {
  const [gpuPdis, switchPdis] = [certifiedPdis(gpus), certifiedPdis(switches)]
  if (gpuPdis.size !== BOARD_GPUS || gpus.length !== BOARD_GPUS) {
    return mismatch(`${counted(gpus.length, 'GPU')}, a board with switches has ${BOARD_GPUS}`)
  }
  if (switchPdis.size !== BOARD_SWITCHES || switches.length !== BOARD_SWITCHES) {
    return mismatch(
      `${counted(switches.length, 'switch', 'switches')}, such a board has ${BOARD_SWITCHES}`,
    )
  }
  return gpuFault(gpus, switchPdis) ?? switchFault(switches, gpuPdis)
}

function isProtected({ evidence }: DeviceVerdict): boolean {
  const report = evidence?.report
  return report?.protectedPcie === true || (report?.linkedSwitches ?? null) !== null
}

/**
 * @returns none where no switch is listed and no GPU is in protected PCIe mode. One GPU in that mode alone is left open
 *   (`gpu_topology_unproven`): it has no peer to send plain text to, and `switches` of the policy can ask for more
 */
export function judgeTopology(
  gpus: readonly DeviceVerdict[],
  switches: readonly DeviceVerdict[],
): readonly Check[] {
  const linked = gpus.find(isProtected)
  if (switches.length === 0 && linked === undefined) return []
  const unproven = unprovenCheck(ID, PROVES, [...gpus, ...switches])
  if (unproven !== null) return [unproven]
  if (gpus.length === 0) {
    return [skip(ID, 'gpu_topology_unproven', PROVES, 'switches without a GPU')]
  }
  if (switches.length === 0) {
    const code = gpus.length === 1 ? 'gpu_topology_unproven' : 'gpu_switches_missing'
    const detail = `${gpus.length} in protected PCIe mode, no evidence of switches`
    return [gpus.length === 1 ? skip(ID, code, PROVES, detail) : fail(ID, code, PROVES, detail)]
  }
  const fault = boardFault(gpus, switches)
  return [
    fault === null
      ? pass(
          ID,
          PROVES,
          `${counted(gpus.length, 'GPU')}, ${counted(switches.length, 'switch', 'switches')}`,
        )
      : fail(ID, fault.code, PROVES, fault.detail),
  ]
}
