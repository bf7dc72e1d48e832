/**
 * Judges the GPU evidence of one machine: each device by itself, then that they are as many as expected, all different,
 * all alike, and, where there are NVSwitches, linked to each other and to nobody else.
 *
 * What passing does not prove: that the GPUs are attached to the machine that was quoted. Hopper reports name no
 * enclave; see `gpu-ladder.ts` for what each further fact adds.
 *
 * @module
 */
import type { CryptoPort } from '../../crypto/port.ts'
import type { GpuCollateral } from '../../protocol/gpu-collateral.ts'
import { fail } from '../check.ts'
import type { Check } from '../check.ts'
import { createCertificateMemo } from '../x509/certificate-memo.ts'
import type { CertificateMemo } from '../x509/certificate-memo.ts'
import { createDeviceCollateral } from './device-collateral.ts'
import type { DeviceKind } from './device-rules.ts'
import type { GpuCache } from './gpu-cache.ts'
import type { GpuPolicy } from './gpu-policy.ts'
import {
  COUNT_PROVES,
  judgeCount,
  judgeSwitchCount,
  judgeUniform,
  judgeUnique,
} from './judge-device-list.ts'
import { judgeTopology } from './judge-topology.ts'
import { MAX_GPUS } from './parse-gpu-evidence.ts'
import { kindOfElement, verifyGpuDevice } from './verify-gpu-device.ts'
import type { DeviceOptions, DeviceVerdict } from './verify-gpu-device.ts'

export interface GpuListOptions {
  readonly crypto: CryptoPort
  /** Unix seconds. */
  readonly at: number
  /** 32 bytes, recomputed by the caller and never taken from the evidence. */
  readonly expectedNonce: Uint8Array
  /** How many GPUs the measured configuration asks for; null where the policy does not say. */
  readonly expectedCount: number | null
  /** As many NVSwitches does it promise; null where it does not say. What the policy says holds as well. Default: null. */
  readonly expectedSwitches?: number | null
  /** SHA-256 of each accepted root certificate of devices. */
  readonly rootSha256: readonly Uint8Array[]
  /** Accept simulated roots of devices and RIMs that are also among the accepted ones. */
  readonly allowSimulated: boolean
  readonly policy: GpuPolicy
  /** RIMs and OCSP responses; null: none is at hand, and the checks that need them are skipped. */
  readonly collateral: GpuCollateral | null
  /** What earlier appraisals verified. */
  readonly cache?: GpuCache
}

/** A device with its place among those of its kind. */
export interface ListedDevice extends DeviceVerdict {
  readonly kind: DeviceKind
  readonly index: number
}

function verifyDevices(elements: readonly unknown[], options: DeviceOptions): ListedDevice[] {
  const next: Record<DeviceKind, number> = { gpu: 0, switch: 0 }
  return elements.map((value) => {
    const kind = kindOfElement(value)
    const index = next[kind]++
    return { kind, index, ...verifyGpuDevice(value, `${kind}.${index}`, options) }
  })
}

/** What was found of a list, and of each of its devices. */
export interface GpuListVerdict {
  readonly checks: readonly Check[]
  /** In the order of the list; empty where it is no list. */
  readonly devices: readonly ListedDevice[]
  /** See {@link DeviceCollateral.revocationDate}. */
  readonly revocationDate: number | null
}

/**
 * @param list the served list (parsed JSON): at most 16 elements, each a `GpuEvidence`, GPUs and NVSwitches in any order.
 *   Each kind is counted by itself, `gpu.0`, `switch.0`; an element that does not claim to be a switch is a GPU
 * @returns `gpu.count`, `switch.count` (where switches are listed or expected), `gpu.unique`, `gpu.uniform`, `gpu.topology`
 *   (where switches are listed or a GPU is in protected PCIe mode), then the checks of every device (see
 *   {@link verifyGpuDevice}); `gpu.count` alone with `gpu_list_malformed` where `list` is no list. Never throws
 */
export function verifyGpuEvidence(list: unknown, options: GpuListOptions): readonly Check[] {
  return judgeGpuList(list, options, createCertificateMemo()).checks
}

/**
 * {@link verifyGpuEvidence} with what stands behind the checks.
 *
 * @param memo certificates of the list that were parsed before
 */
export function judgeGpuList(
  list: unknown,
  options: GpuListOptions,
  memo: CertificateMemo,
): GpuListVerdict {
  if (!Array.isArray(list) || list.length > MAX_GPUS) {
    const detail = `not a list of at most ${MAX_GPUS}`
    const checks = [fail('gpu.count', 'gpu_list_malformed', COUNT_PROVES, detail)]
    return { checks, devices: [], revocationDate: null }
  }
  const { expectedCount, expectedSwitches = null, policy } = options
  const collateral = createDeviceCollateral(options.collateral, options)
  // Holes of a sparse list are elements too.
  const devices = verifyDevices(Array.from<unknown>(list), { ...options, collateral, memo })
  collateral.keep()
  const gpus = devices.filter(({ kind }) => kind === 'gpu')
  const switches = devices.filter(({ kind }) => kind === 'switch')
  const checks = [
    judgeCount(gpus.length, expectedCount),
    ...judgeSwitchCount(switches.length, expectedSwitches, policy.switches),
    judgeUnique(devices),
    judgeUniform(gpus),
    ...judgeTopology(gpus, switches),
    ...devices.flatMap((device) => device.checks),
  ]
  return { checks, devices, revocationDate: collateral.revocationDate() }
}
