/**
 * The checks of one device, in order of dependency: what a later one relies on has passed before it is made, else it
 * is skipped as `depends_on_failed` and never a pass.
 *
 * @module
 */
import type { CryptoPort } from '../../crypto/port.ts'
import { fail, info, pass, skip } from '../check.ts'
import type { Check } from '../check.ts'
import type { CheckCode } from '../codes.ts'
import type { Certificate } from '../x509/parse-certificate.ts'
import { isSimulatedRoot, verifyChain } from '../x509/verify-chain.ts'
import { parseGpuEvidence } from './parse-gpu-evidence.ts'
import type { ParsedGpuEvidence } from './parse-gpu-evidence.ts'
import type { SpdmReport } from './parse-spdm-report.ts'
import { readDiceExtension } from './read-dice-extension.ts'

/** Leaf, device identity, provisioner, product identity, root. */
export const GPU_CHAIN_LENGTH = 5

/** By claimed architecture: how the certified device identity names its model, and the size of a full report. */
const ARCHITECTURES: ReadonlyMap<string, { readonly model: string; readonly blocks: number }> =
  new Map([['HOPPER', { model: 'GH100 ', blocks: 64 }]])

/** Names of the values of opaque field 36. */
const FEATURES: ReadonlyMap<number, string> = new Map([
  [0, 'single pass-through'],
  [1, 'multiple pass-through'],
  [2, 'protected PCIe'],
])

export interface GpuOptions {
  readonly crypto: CryptoPort
  /** Unix seconds. */
  readonly at: number
  /** 32 bytes. */
  readonly expectedNonce: Uint8Array
  /** SHA-256 of each accepted root certificate. */
  readonly rootSha256: readonly Uint8Array[]
  /** Accept simulated roots that are also among `rootSha256`. */
  readonly allowSimulated: boolean
}

const PROVES = {
  structure:
    'The element holds one SPDM report and one certificate chain of a device kind that is judged here.',
  nonce: 'The report, once its signature holds, was made for the expected nonce.',
  chain:
    'The attestation key belongs to a device whose identity NVIDIA certified, up to the pinned root.',
  arch: 'The certified model and the report are those of the architecture claimed.',
  device_key: 'The attestation key was certified by exactly this device identity key.',
  fwid: 'The firmware that signed is the firmware for which the attestation key was certified.',
  signature: 'The device signed every byte of the report.',
  mode: 'What the signed report says about driver, VBIOS and mode.',
  rim_driver: 'The driver measurements are those NVIDIA published for this driver version.',
  rim_vbios: 'The VBIOS measurements are those NVIDIA published for this VBIOS version.',
  ocsp: 'NVIDIA has not revoked a certificate of the device chain.',
} as const

type Step = keyof typeof PROVES

/** Which check each step builds on. */
const NEEDS: Readonly<Record<Exclude<Step, 'structure'>, Step>> = {
  nonce: 'structure',
  chain: 'structure',
  arch: 'chain',
  device_key: 'chain',
  fwid: 'chain',
  signature: 'chain',
  mode: 'signature',
  rim_driver: 'structure',
  rim_vbios: 'structure',
  ocsp: 'structure',
}

type Outcome =
  | { readonly status: 'pass'; readonly detail?: string }
  | { readonly status: 'fail' | 'skip' | 'info'; readonly code: CheckCode; readonly detail: string }

const PASS: Outcome = { status: 'pass' }

function failed(code: CheckCode, detail: string): Outcome {
  return { status: 'fail', code, detail }
}

function toCheck(id: string, step: Step, outcome: Outcome): Check {
  const proves = PROVES[step]
  switch (outcome.status) {
    case 'pass':
      return pass(id, proves, outcome.detail)
    case 'fail':
      return fail(id, outcome.code, proves, outcome.detail)
    case 'skip':
      return skip(id, outcome.code, proves, outcome.detail)
    case 'info':
      return info(id, outcome.code, proves, outcome.detail)
  }
}

function judgeChain(chain: readonly Certificate[], options: GpuOptions): Outcome {
  const foreign = chain.findIndex(
    ({ publicKey, signatureCurve }) => publicKey.curve !== 'P-384' || signatureCurve !== 'P-384',
  )
  if (foreign !== -1) {
    return failed('gpu_chain_algorithm', `certificate ${foreign} is not P-384 with SHA-384`)
  }
  const simulated = chain.some(isSimulatedRoot)
  const fault = verifyChain(chain, { ...options, length: GPU_CHAIN_LENGTH })
  switch (fault?.code) {
    case undefined:
      break
    case 'chain_length':
      return failed('gpu_chain_length', fault.detail)
    case 'chain_untrusted_root':
      return failed('gpu_chain_untrusted_root', fault.detail)
    case 'chain_expired':
    case 'chain_not_yet_valid':
      return failed('gpu_chain_time', fault.detail)
    case 'chain_signature':
    case 'chain_names':
    case 'chain_not_ca':
    case 'chain_key_usage':
    case 'chain_path_length':
    case 'chain_unknown_critical_extension':
      if (simulated && !options.allowSimulated) return failed('gpu_simulated', fault.detail)
      return failed('gpu_chain_invalid', `${fault.code}: ${fault.detail}`)
  }
  // A certification key must not sign reports: the layer that holds it runs before the firmware that is measured.
  if (chain[0]?.isCa !== false || chain[0].keyUsage?.digitalSignature !== true) {
    return failed('gpu_chain_invalid', 'certificate 0 is not one of a signing key')
  }
  return simulated ? { status: 'pass', detail: 'simulated, not hardware' } : PASS
}

function judgeArchitecture({ arch, chain, report }: ParsedGpuEvidence): Outcome {
  const expected = ARCHITECTURES.get(arch)
  const model = chain[1]?.subjectCommonName ?? ''
  if (expected === undefined || !model.startsWith(expected.model)) {
    return failed('gpu_arch_mismatch', `${arch} claimed, the certified model is "${model}"`)
  }
  if (report.measurements.length !== expected.blocks) {
    const got = report.measurements.length
    return failed('gpu_arch_mismatch', `${got} measurements where ${arch} has ${expected.blocks}`)
  }
  return { status: 'pass', detail: model }
}

function judgeDeviceKey(chain: readonly Certificate[], crypto: CryptoPort): Outcome {
  const [leaf, identity] = chain
  const dice = leaf === undefined ? null : readDiceExtension(leaf)
  if (dice === null || identity === undefined) {
    return failed('gpu_device_key_mismatch', 'no device identity in the attestation certificate')
  }
  return crypto.equal(dice.deviceKey, identity.spki)
    ? PASS
    : failed('gpu_device_key_mismatch', 'certificate 0 names another key than certificate 1 holds')
}

function judgeFwid({ chain, report }: ParsedGpuEvidence, crypto: CryptoPort): Outcome {
  const dice = chain[0] === undefined ? null : readDiceExtension(chain[0])
  if (report.fwid === null) {
    return failed('gpu_fwid_missing', `driver ${report.driverVersion ?? 'unknown'} states none`)
  }
  if (dice === null) return failed('gpu_fwid_missing', 'the attestation certificate states none')
  return crypto.equal(dice.fwid, report.fwid)
    ? PASS
    : failed('gpu_fwid_mismatch', 'report and attestation certificate differ')
}

function judgeSignature({ chain, report }: ParsedGpuEvidence, crypto: CryptoPort): Outcome {
  const key = chain[0]?.publicKey
  const verified =
    key?.curve === 'P-384' &&
    crypto.verifyEcdsa('P-384', key.point, report.signedBytes, report.signature)
  return verified ? PASS : failed('gpu_signature_invalid', 'ECDSA P-384 with SHA-384')
}

function describeMode(report: SpdmReport): Outcome {
  const feature =
    report.featureFlag === null
      ? 'not stated'
      : (FEATURES.get(report.featureFlag) ?? `unknown (${report.featureFlag})`)
  const pcie =
    report.protectedPcie === null ? 'not stated' : report.protectedPcie ? 'protected' : 'plain'
  const detail =
    `driver ${report.driverVersion ?? 'not stated'}, VBIOS ${report.vbiosVersion ?? 'not stated'}, ` +
    `feature ${feature}, PCIe ${pcie}`
  return { status: 'info', code: 'gpu_mode_reported', detail }
}

function notYet(what: string): Outcome {
  return { status: 'skip', code: 'not_yet_checked', detail: what }
}

function judge(
  step: Exclude<Step, 'structure'>,
  evidence: ParsedGpuEvidence,
  o: GpuOptions,
): Outcome {
  const { crypto } = o
  switch (step) {
    case 'nonce':
      return crypto.equal(evidence.report.requestNonce, o.expectedNonce)
        ? PASS
        : failed('gpu_nonce_mismatch', 'the device answered another nonce')
    case 'chain':
      return judgeChain(evidence.chain, o)
    case 'arch':
      return judgeArchitecture(evidence)
    case 'device_key':
      return judgeDeviceKey(evidence.chain, crypto)
    case 'fwid':
      return judgeFwid(evidence, crypto)
    case 'signature':
      return judgeSignature(evidence, crypto)
    case 'mode':
      return describeMode(evidence.report)
    case 'rim_driver':
      return notYet('measurements are not yet compared with the driver RIM')
    case 'rim_vbios':
      return notYet('measurements are not yet compared with the VBIOS RIM')
    case 'ocsp':
      return notYet('the revocation status of the device chain is not yet checked')
  }
}

const STEPS = Object.freeze([
  'nonce',
  'chain',
  'arch',
  'device_key',
  'fwid',
  'signature',
  'mode',
  'rim_driver',
  'rim_vbios',
  'ocsp',
] as const satisfies readonly (keyof typeof NEEDS)[])

function judgeStructure(value: unknown): { outcome: Outcome; evidence: ParsedGpuEvidence | null } {
  const parsed = parseGpuEvidence(value)
  if (!parsed.ok) return { outcome: failed(parsed.code, parsed.detail), evidence: null }
  const { evidence } = parsed
  if (!ARCHITECTURES.has(evidence.arch)) {
    return {
      outcome: failed('gpu_arch_unsupported', `architecture ${evidence.arch}`),
      evidence: null,
    }
  }
  return { outcome: PASS, evidence }
}

/** The verdicts on one device; `evidence` is null where its structure failed. */
export interface GpuDeviceVerdict {
  readonly checks: readonly Check[]
  readonly evidence: ParsedGpuEvidence | null
  /** Whether chain and report signature passed, so that what the certificates and the report say may be used. */
  readonly authentic: boolean
}

/**
 * Checks one element of the list, with ids `<prefix>.structure`, `.nonce`, `.chain`, `.arch`, `.device_key`, `.fwid`,
 * `.signature`, `.mode`, `.rim_driver`, `.rim_vbios` and `.ocsp`; each id is always present. Never throws.
 * @param prefix e.g. `gpu.0`
 */
export function verifyGpuDevice(
  value: unknown,
  prefix: string,
  options: GpuOptions,
): GpuDeviceVerdict {
  const { outcome, evidence } = judgeStructure(value)
  const passed = new Set<Step>(evidence === null ? [] : ['structure'])
  const checks = [toCheck(`${prefix}.structure`, 'structure', outcome)]
  for (const step of STEPS) {
    const id = `${prefix}.${step}`
    const need = NEEDS[step]
    if (evidence === null || !passed.has(need)) {
      const code = 'depends_on_failed'
      checks.push(toCheck(id, step, { status: 'skip', code, detail: `needs ${prefix}.${need}` }))
      continue
    }
    const verdict = judge(step, evidence, options)
    if (verdict.status === 'pass') passed.add(step)
    checks.push(toCheck(id, step, verdict))
  }
  return { checks, evidence, authentic: passed.has('chain') && passed.has('signature') }
}
