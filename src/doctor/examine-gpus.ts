/**
 * The GPUs: what the container was given of them, what the driver says, and how many there should be.
 *
 * @module
 */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { counted } from '../../attestation/appraiser/counted.ts'
import type { GpuEvidence, GpuEvidenceSource } from '../../attestation/attester/evidence-source.ts'
import { checkCcMode } from '../../attestation/attester/nvml/check-cc-mode.ts'
import { NvmlError } from '../../attestation/attester/nvml/nvml-error.ts'
import type { NvmlErrorCode, NvmlFailure } from '../../attestation/attester/nvml/nvml-error.ts'
import type { GpuFacts } from '../../attestation/attester/nvml/read-gpu-facts.ts'
import { isJsonObject, parseJsonText } from '../../attestation/protocol/json.ts'
import { measuredGpus } from '../compose/measured-gpus.ts'
import { finding, good, gpuFailure, nvmlFailure, unreached } from './doctor-row.ts'
import type { DoctorRow } from './doctor-row.ts'
import type { GuestTexts } from './guest-texts.ts'
import { examineNvswitches } from './examine-nvswitches.ts'
import type { NvswitchInput } from './examine-nvswitches.ts'
import { mayUse } from './may-use.ts'
import type { MayUse } from './may-use.ts'

/** GPUs from which on they are joined by NVSwitches, which the fabric manager sets up. */
export const FABRIC_GPUS = 8

export interface GpuPlaces {
  /** Folder of the device nodes. */
  readonly devices: string
  /** Sockets and pid files of which one shows that the daemon runs. */
  readonly persistence: readonly string[]
  readonly fabric: readonly string[]
}

/** As the drivers make them and libnvidia-container (1.17) mounts them. */
export const GPU_PLACES: GpuPlaces = Object.freeze({
  devices: '/dev',
  persistence: [
    '/run/nvidia-persistenced/socket',
    '/run/nvidia-persistenced/nvidia-persistenced.pid',
  ],
  fabric: [
    '/run/nvidia-fabricmanager/socket',
    '/run/nvidia-fabricmanager/nv-fabricmanager.pid',
    '/run/nvidia-fabricmanager/nvlsm.pid',
  ],
})

export interface GpuInput {
  /** Null where the configuration does not say. */
  readonly required: number | null
  readonly facts: () => Promise<GpuFacts>
  readonly source: GpuEvidenceSource
  /** Null where none are required. */
  readonly switches: NvswitchInput | null
  /** There is no driver to ask. */
  readonly simulated: boolean
  /** 32 random bytes. */
  readonly nonce: Uint8Array
  readonly info: GuestTexts | null
  readonly places?: GpuPlaces
  readonly mayUse?: MayUse
}

export interface GpuFindings {
  readonly rows: readonly DoctorRow[]
  /** Null where none was collected. */
  readonly evidence: readonly GpuEvidence[] | null
}

const DRIVER_CHECKS = ['gpu.driver', 'gpu.cc', 'gpu.devtools', 'gpu.ready', 'gpu.count']
/** Failures that are there before any driver is spoken to. */
const LIBRARY_CODES: readonly NvmlErrorCode[] = [
  'nvml_library_absent',
  'nvml_library_unloadable',
  'nvml_binding_missing',
  'nvml_function_missing',
]

function examineNodes(required: number | null, folder: string, may: MayUse): DoctorRow {
  const check = 'gpu.nodes'
  let names: string[]
  try {
    names = readdirSync(folder).filter((name) => /^nvidia(?:\d+|ctl)$/.test(name))
  } catch {
    names = []
  }
  const gpus = names.filter((name) => name !== 'nvidiactl').length
  if (gpus === 0 || !names.includes('nvidiactl')) {
    const control = names.includes('nvidiactl') ? 'nvidiactl' : 'no nvidiactl'
    return finding(check, 'gpu_nodes_absent', `${control}, ${counted(gpus, 'GPU')} in ${folder}`)
  }
  const denied = names.filter((name) => !may(join(folder, name)))
  if (denied.length > 0) return finding(check, 'gpu_nodes_denied', denied.toSorted().join(', '))
  return required !== null && gpus < required
    ? finding(check, 'gpu_nodes_missing', `${gpus} where ${required} are required`)
    : good(check, `nvidiactl and ${counted(gpus, 'GPU')}`)
}

function examineDaemon(
  check: string,
  code: 'gpu_persistence_unseen' | 'gpu_fabric_unseen',
  paths: readonly string[],
): DoctorRow {
  const found = paths.find((path) => existsSync(path))
  return found === undefined
    ? finding(check, code, `none of ${paths.join(', ')}`)
    : good(check, found)
}

function examineModes({ ccState, ccSettings }: GpuFacts): readonly DoctorRow[] {
  const unread = !ccState.ok ? ccState : !ccSettings.ok ? ccSettings : null
  if (unread !== null) {
    return ['gpu.cc', 'gpu.devtools'].map((check) => nvmlFailure(check, unread.failure))
  }
  const state = ccState.ok ? ccState.value : null
  const settings = ccSettings.ok ? ccSettings.value : null
  const whole = checkCcMode(state, settings)
  // Each of the two by itself: with both wrong, both are to be mended.
  const mode = checkCcMode(
    state === null ? null : { ...state, devToolsMode: 0 },
    settings === null ? null : { ...settings, devToolsMode: 0 },
  )
  const tools = whole?.code === 'nvml_devtools_on' ? whole : null
  const multi = settings?.multiGpuMode === 1 ? ', protected PCIe' : ''
  return [
    mode === null ? good('gpu.cc', `on${multi}`) : nvmlFailure('gpu.cc', mode),
    tools === null ? good('gpu.devtools', 'off') : nvmlFailure('gpu.devtools', tools),
  ]
}

function examineCount(facts: GpuFacts, required: number | null): DoctorRow {
  const check = 'gpu.count'
  if (!facts.count.ok) return nvmlFailure(check, facts.count.failure)
  const lost = facts.devices.find(({ architecture }) => !architecture.ok)
  if (lost !== undefined && !lost.architecture.ok)
    return nvmlFailure(check, lost.architecture.failure)
  const kinds = [...new Set(facts.devices.map((one) => one.architectureName ?? 'unnamed'))].join(
    ', ',
  )
  const seen = `${facts.count.value} (${kinds})`
  if (required === null || facts.count.value === required) return good(check, seen)
  return nvmlFailure(check, {
    code: 'nvml_count_mismatch',
    detail: `${seen} where ${required} are required`,
  })
}

function examineReady({ readyState }: GpuFacts): DoctorRow {
  if (!readyState.ok) return nvmlFailure('gpu.ready', readyState.failure)
  return readyState.value === 1
    ? good('gpu.ready', 'the GPUs accept work')
    : finding('gpu.ready', 'gpu_not_ready', `ready state ${readyState.value}`)
}

function driverRows(facts: GpuFacts, required: number | null): readonly DoctorRow[] {
  const { library, driverVersion } = facts
  return [
    good('gpu.library', library),
    driverVersion.ok
      ? good('gpu.driver', driverVersion.value)
      : nvmlFailure('gpu.driver', driverVersion.failure),
    ...examineModes(facts),
    examineReady(facts),
    examineCount(facts, required),
  ]
}

function withoutDriver(failure: NvmlFailure): readonly DoctorRow[] {
  if (LIBRARY_CODES.includes(failure.code)) {
    return [nvmlFailure('gpu.library', failure), ...unreached(DRIVER_CHECKS, failure.code)]
  }
  return [
    good('gpu.library', 'found'),
    nvmlFailure('gpu.driver', failure),
    ...unreached(DRIVER_CHECKS.slice(1), failure.code),
  ]
}

interface DriverFindings {
  readonly rows: readonly DoctorRow[]
  /** Null where the driver does not say. */
  readonly protectedPcie: boolean | null
}

async function examineDriver({ facts, required }: GpuInput): Promise<DriverFindings> {
  try {
    const read = await facts()
    const settings = read.ccSettings.ok ? read.ccSettings.value : null
    const protectedPcie = settings === null ? null : settings.multiGpuMode === 1
    return { rows: driverRows(read, required), protectedPcie }
  } catch (error) {
    if (!(error instanceof NvmlError)) throw error
    return { rows: withoutDriver(error), protectedPcie: null }
  }
}

/** What the measured texts say of the number. */
function examineStated(required: number | null, info: GuestTexts | null): readonly DoctorRow[] {
  if (info === null || required === null) {
    const why =
      info === null
        ? 'the agent does not say what it serves'
        : 'the configuration does not say how many GPUs there must be'
    return unreached(['gpu.compose', 'gpu.vm_config'], why)
  }
  const measured = measuredGpus(info.appCompose, info.platform)
  const vm = parseJsonText(info.vmConfig === '' ? '{}' : info.vmConfig)
  const machine = vm.ok && isJsonObject(vm.value) ? vm.value['num_gpus'] : undefined
  const compose = 'gpu.compose'
  const wanted = `${required} are configured`
  const stated =
    measured.length === 0
      ? finding(compose, 'gpu_compose_unstated', 'no --require-gpu in the measured compose file')
      : measured.every((count) => count === required)
        ? good(compose, `--require-gpu=${required}`)
        : finding(compose, 'gpu_compose_mismatch', `${measured.join(', ')} where ${wanted}`)
  // A machine of TAPP says nothing of the kind.
  if (info.platform === 'tapp') return [stated]
  return [
    stated,
    typeof machine !== 'number'
      ? finding('gpu.vm_config', 'gpu_vm_config_unstated', 'no num_gpus')
      : machine === required
        ? good('gpu.vm_config', String(machine))
        : finding('gpu.vm_config', 'gpu_vm_config_mismatch', `${machine} where ${wanted}`),
  ]
}

async function collect({ source, nonce }: GpuInput): Promise<GpuFindings> {
  try {
    const evidence = await source.collect(nonce)
    const seen = `of ${counted(evidence.length, 'device')}, under a fresh nonce`
    return { rows: [good('gpu.evidence', seen)], evidence }
  } catch (error) {
    return { rows: [gpuFailure('gpu.evidence', error)], evidence: null }
  }
}

export async function examineGpus(input: GpuInput): Promise<GpuFindings> {
  const { required, places = GPU_PLACES } = input
  if (required === 0) {
    return {
      rows: [finding('gpu.required', 'gpu_none_required', '0'), ...examineStated(0, input.info)],
      evidence: null,
    }
  }
  if (input.simulated) {
    const { rows, evidence } = await collect(input)
    const simulated = finding('gpu.simulated', 'gpu_simulated', 'no driver is asked')
    return { rows: [simulated, ...examineStated(required, input.info), ...rows], evidence }
  }
  const driver = await examineDriver(input)
  const collected =
    required === null
      ? {
          rows: unreached(['gpu.evidence'], 'nothing says how many GPUs there must be'),
          evidence: null,
        }
      : await collect(input)
  const { info, nonce } = input
  // After the GPUs: nvattest shares the driver with whatever else asks it.
  const switches =
    required === null
      ? { rows: [], evidence: [] }
      : await examineNvswitches(input.switches, {
          gpus: required,
          protectedPcie: driver.protectedPcie,
          info,
          nonce,
        })
  const rows = [
    examineNodes(required, places.devices, input.mayUse ?? mayUse),
    ...driver.rows,
    examineDaemon('gpu.persistence', 'gpu_persistence_unseen', places.persistence),
    ...((required ?? 0) >= FABRIC_GPUS
      ? [examineDaemon('gpu.fabric', 'gpu_fabric_unseen', places.fabric)]
      : []),
    ...examineStated(required, input.info),
    ...collected.rows,
    ...switches.rows,
  ]
  const evidence =
    collected.evidence === null ? null : [...collected.evidence, ...switches.evidence]
  return { rows, evidence }
}
