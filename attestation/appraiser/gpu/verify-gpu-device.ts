/**
 * The checks of one device, in order of dependency: what a later one relies on has passed before it is made, else it
 * is skipped as `depends_on_failed` and never a pass.
 *
 * GPUs and NVSwitches share the steps. A switch has no `fwid`, `mode` and `rim_driver`: its report states neither firmware
 * identity nor mode, and its firmware is one file.
 *
 * @module
 */
import { isJsonObject } from '../../protocol/json.ts'
import type { Check } from '../check.ts'
import type { CertificateMemo } from '../x509/certificate-memo.ts'
import { failed, PASS, skipped, toCheck } from './device-outcome.ts'
import type { Outcome } from './device-outcome.ts'
import type { DeviceCollateral } from './device-collateral.ts'
import { describeUnjudged, rulesOf } from './device-rules.ts'
import type { DeviceKind, DeviceRules } from './device-rules.ts'
import { keepChain, recallChain } from './gpu-cache.ts'
import type { GpuCache } from './gpu-cache.ts'
import type { GpuPolicy } from './gpu-policy.ts'
import {
  judgeArchitecture,
  judgeDeviceChain,
  judgeDeviceKey,
  judgeFwid,
  judgeReportSignature,
} from './judge-device-chain.ts'
import type { DeviceChainOptions } from './judge-device-chain.ts'
import {
  findDeviceRims,
  judgeDeviceRevocation,
  judgeMeasurements,
  judgeRimRevocation,
} from './judge-device-collateral.ts'
import type { DeviceRims } from './judge-device-collateral.ts'
import { judgeMode, judgeVersions } from './judge-device-policy.ts'
import { judgeDeviceSerials } from './judge-device-serials.ts'
import { parseGpuEvidence } from './parse-gpu-evidence.ts'
import type { ParsedGpuEvidence } from './parse-gpu-evidence.ts'

/** What one appraisal judges every device of a list by. */
export interface DeviceOptions extends DeviceChainOptions {
  /** 32 bytes. */
  readonly expectedNonce: Uint8Array
  readonly policy: GpuPolicy
  readonly collateral: DeviceCollateral
  readonly cache?: GpuCache
}

const PROVES = {
  structure:
    'The element holds one SPDM report and one certificate chain of a device kind that is judged here.',
  nonce: 'The report, once its signature holds, was made for the expected nonce.',
  chain:
    'The attestation key belongs to a device whose identity NVIDIA certified, up to the pinned root.',
  arch: 'The certified model and the report are those of the architecture claimed, and the policy accepts the model.',
  serials:
    'Numbers and identifiers of the chain follow from its keys and chip, and the policy accepts the device.',
  device_key: 'The attestation key was certified by exactly this device identity key.',
  fwid: 'The firmware that signed is the firmware for which the attestation key was certified.',
  signature: 'The device signed every byte of the report.',
  versions: 'The policy accepts the driver and VBIOS versions that the signed report states.',
  mode: 'The policy accepts the mode that the signed report states.',
  rim_driver: 'NVIDIA published signed reference values for this driver version.',
  rim_vbios: 'NVIDIA published signed reference values for this VBIOS version and board.',
  measurements: 'Every measurement that the reference values name has one of their values.',
  ocsp: 'NVIDIA has not revoked a certificate of the device chain.',
  rim_ocsp: 'NVIDIA has not revoked a certificate of those that signed the reference values.',
} as const

type Step = keyof typeof PROVES
type LaterStep = Exclude<Step, 'structure'>

/** Which check each step builds on. */
const NEEDS: Readonly<Record<LaterStep, Step>> = {
  nonce: 'structure',
  chain: 'structure',
  arch: 'chain',
  serials: 'chain',
  device_key: 'chain',
  fwid: 'chain',
  signature: 'chain',
  versions: 'signature',
  mode: 'signature',
  rim_driver: 'signature',
  rim_vbios: 'signature',
  measurements: 'signature',
  ocsp: 'chain',
  rim_ocsp: 'signature',
}

const GPU_STEPS = Object.freeze([
  'nonce',
  'chain',
  'arch',
  'serials',
  'device_key',
  'fwid',
  'signature',
  'versions',
  'mode',
  'rim_driver',
  'rim_vbios',
  'measurements',
  'ocsp',
  'rim_ocsp',
] as const satisfies readonly LaterStep[])

const ONLY_GPUS: ReadonlySet<Step> = new Set(['fwid', 'mode', 'rim_driver'])

const STEPS: Readonly<Record<DeviceKind, readonly LaterStep[]>> = {
  gpu: GPU_STEPS,
  switch: GPU_STEPS.filter((step) => !ONLY_GPUS.has(step)),
}

interface Device {
  readonly evidence: ParsedGpuEvidence
  readonly rules: DeviceRules
  /** What is known of its certificates. */
  readonly memo: CertificateMemo
  /** Looked for at most once. */
  rims(this: void): DeviceRims
}

/** The chain as it stands in the element. */
function chainTextOf(value: unknown): string {
  const text = isJsonObject(value) ? value['certificate'] : null
  return typeof text === 'string' ? text : ''
}

function judge(
  step: LaterStep,
  { evidence, rules, memo, rims }: Device,
  o: DeviceOptions,
): Outcome {
  const { crypto, policy, collateral } = o
  switch (step) {
    case 'nonce':
      return crypto.equal(evidence.report.requestNonce, o.expectedNonce)
        ? PASS
        : failed('gpu_nonce_mismatch', 'the device answered another nonce')
    case 'chain':
      return judgeDeviceChain(evidence.chain, { ...o, memo })
    case 'arch':
      return judgeArchitecture(evidence, rules, policy)
    case 'serials':
      return judgeDeviceSerials(evidence.chain, rules, policy, crypto)
    case 'device_key':
      return judgeDeviceKey(evidence.chain, crypto)
    case 'fwid':
      return judgeFwid(evidence, crypto, policy)
    case 'signature':
      return judgeReportSignature(evidence, crypto)
    case 'versions':
      return judgeVersions(evidence.report, rules, policy)
    case 'mode':
      return judgeMode(evidence.report, policy)
    case 'rim_driver':
      return rims().driver?.outcome ?? skipped('collateral_not_given', 'no driver RIM')
    case 'rim_vbios':
      return rims().vbios.outcome
    case 'measurements':
      return judgeMeasurements(evidence, rims(), policy)
    case 'ocsp':
      return judgeDeviceRevocation(evidence, collateral)
    case 'rim_ocsp':
      return judgeRimRevocation(rims(), collateral)
  }
}

function readDevice(
  value: unknown,
  { memo: shared, collateral, cache, crypto }: DeviceOptions,
): { readonly device: Device } | { readonly outcome: Outcome } {
  const memo = recallChain(cache, chainTextOf(value), crypto) ?? shared
  const parsed = parseGpuEvidence(value, memo)
  if (!parsed.ok) return { outcome: failed(parsed.code, parsed.detail) }
  const { evidence } = parsed
  const rules = rulesOf(evidence.arch)
  if (rules === null) {
    return { outcome: failed('gpu_arch_unsupported', describeUnjudged(evidence.arch)) }
  }
  let found: DeviceRims | null = null
  const rims = (): DeviceRims => (found ??= findDeviceRims(evidence, rules, collateral))
  return { device: { evidence, rules, memo, rims } }
}

/** The kind under which an element is counted, by its claimed architecture. */
export function kindOfElement(value: unknown): DeviceKind {
  const arch = isJsonObject(value) ? value['arch'] : null
  return typeof arch === 'string' ? (rulesOf(arch)?.kind ?? 'gpu') : 'gpu'
}

/** The verdicts on one device. */
export interface DeviceVerdict {
  /** e.g. `gpu.0` */
  readonly name: string
  readonly checks: readonly Check[]
  /** Null where the structure failed. */
  readonly evidence: ParsedGpuEvidence | null
  /** Whether chain and report signature passed, so that what the certificates and the report say may be used. */
  readonly authentic: boolean
}

/**
 * Checks one element of the list. Ids are `<name>.structure` and those of the steps of its kind; each is always present.
 * Never throws.
 * @param name e.g. `gpu.0`
 */
export function verifyGpuDevice(
  value: unknown,
  name: string,
  options: DeviceOptions,
): DeviceVerdict {
  const read = readDevice(value, options)
  const device = 'device' in read ? read.device : null
  const passed = new Set<Step>(device === null ? [] : ['structure'])
  const structure = 'outcome' in read ? read.outcome : PASS
  const checks = [toCheck(`${name}.structure`, PROVES.structure, structure)]
  for (const step of STEPS[kindOfElement(value)]) {
    const need = NEEDS[step]
    const outcome =
      device === null || !passed.has(need)
        ? skipped('depends_on_failed', `needs ${name}.${need}`)
        : judge(step, device, options)
    if (outcome.status === 'pass') passed.add(step)
    checks.push(toCheck(`${name}.${step}`, PROVES[step], outcome))
  }
  if (device !== null && passed.has('chain')) {
    keepChain(options.cache, chainTextOf(value), device.evidence.chain, device.memo, options.crypto)
  }
  return {
    name,
    checks,
    evidence: device?.evidence ?? null,
    authentic: passed.has('chain') && passed.has('signature'),
  }
}
