/**
 * The five certificates of a device: attestation key, device identity, provisioner, product, root. All P-384 with SHA-384.
 *
 * @module
 */
import type { CryptoPort } from '../../crypto/port.ts'
import { counted } from '../counted.ts'
import type { CertificateMemo } from '../x509/certificate-memo.ts'
import type { CheckCode } from '../codes.ts'
import type { Certificate } from '../x509/parse-certificate.ts'
import { isSimulatedRoot } from '../x509/verify-chain.ts'
import { failed, PASS } from './device-outcome.ts'
import type { Outcome } from './device-outcome.ts'
import { namesOneModel } from './device-rules.ts'
import type { DeviceRules } from './device-rules.ts'
import type { GpuPolicy } from './gpu-policy.ts'
import type { ParsedGpuEvidence } from './parse-gpu-evidence.ts'
import { readDiceExtension } from './read-dice-extension.ts'
import { signingChainFault } from './signing-chain-fault.ts'
import type { SigningChainFaultKind } from './signing-chain-fault.ts'

export const GPU_CHAIN_LENGTH = 5

const CODES = {
  algorithm: 'gpu_chain_algorithm',
  length: 'gpu_chain_length',
  untrusted_root: 'gpu_chain_untrusted_root',
  time: 'gpu_chain_time',
  simulated: 'gpu_simulated',
  invalid: 'gpu_chain_invalid',
} as const satisfies Record<SigningChainFaultKind, CheckCode>

export interface DeviceChainOptions {
  readonly crypto: CryptoPort
  /** Unix seconds. */
  readonly at: number
  /** SHA-256 of each accepted root certificate. */
  readonly rootSha256: readonly Uint8Array[]
  /** Accept simulated roots that are also among `rootSha256`. */
  readonly allowSimulated: boolean
  readonly memo: CertificateMemo
}

export function judgeDeviceChain(
  chain: readonly Certificate[],
  options: DeviceChainOptions,
): Outcome {
  const fault = signingChainFault(chain, { ...options, length: GPU_CHAIN_LENGTH })
  if (fault !== null) return failed(CODES[fault.kind], fault.detail)
  const simulated = chain.some(isSimulatedRoot)
  return simulated ? { status: 'pass', detail: 'simulated, not hardware' } : PASS
}

/** What the report has to show of such a device, beside its number of blocks. */
function shapeFault({ report }: ParsedGpuEvidence, { kind, blocks }: DeviceRules): string | null {
  const got = report.measurements.length
  if (got !== blocks) return `${counted(got, 'measurement')}, not ${blocks}`
  if (report.vbiosVersion === null) return 'the report states no VBIOS version'
  switch (kind) {
    case 'gpu':
      if (report.driverVersion === null) return 'the report states no driver version'
      return report.pdi === null && report.linkedGpus === null ? null : 'the report of a switch'
    case 'switch':
      if (report.pdi === null) return 'the report does not state which switch it is of'
      return report.driverVersion === null ? null : 'the report of a GPU'
  }
}

/** Certified names and report against the architecture that is claimed beside them, and against the accepted models. */
export function judgeArchitecture(
  evidence: ParsedGpuEvidence,
  rules: DeviceRules,
  policy: GpuPolicy,
): Outcome {
  const { arch, chain } = evidence
  const leaf = chain[0]?.subjectCommonName ?? null
  const model = chain[1]?.subjectCommonName ?? null
  if (!namesOneModel(leaf, model, rules, chain.some(isSimulatedRoot))) {
    const detail = `${arch} claimed, the certificates are of "${model ?? ''}" and "${leaf ?? ''}"`
    return failed('gpu_arch_mismatch', detail)
  }
  const fault = shapeFault(evidence, rules)
  if (fault !== null) return failed('gpu_arch_mismatch', `${arch} claimed: ${fault}`)
  if (policy.hardwareModels !== null && !policy.hardwareModels.includes(model ?? '')) {
    return failed('gpu_model_not_accepted', model ?? '')
  }
  return { status: 'pass', detail: model ?? '' }
}

/** The attestation key's certificate names the device key that certified it. */
export function judgeDeviceKey(chain: readonly Certificate[], crypto: CryptoPort): Outcome {
  const [leaf, identity] = chain
  const dice = leaf === undefined ? null : readDiceExtension(leaf)
  if (dice === null || identity === undefined) {
    return failed('gpu_device_key_mismatch', 'no device identity in the attestation certificate')
  }
  return crypto.equal(dice.deviceKey, identity.spki)
    ? PASS
    : failed('gpu_device_key_mismatch', 'certificate 0 names another key than certificate 1 holds')
}

/** Firmware that signed, as the report states it, and firmware for which the attestation key was certified. */
export function judgeFwid(
  { chain, report }: ParsedGpuEvidence,
  crypto: CryptoPort,
  policy: GpuPolicy,
): Outcome {
  const dice = chain[0] === undefined ? null : readDiceExtension(chain[0])
  if (dice === null) {
    return failed('gpu_fwid_missing', 'the attestation certificate states none')
  }
  if (report.fwid === null) {
    const detail = `driver ${report.driverVersion ?? 'unknown'} states none`
    // NVIDIA's verifiers let such a report pass: leaving the field out would be a way round the comparison.
    return policy.requireFwid
      ? failed('gpu_fwid_missing', detail)
      : { status: 'pass', detail: `${detail}, which the policy allows` }
  }
  return crypto.equal(dice.fwid, report.fwid)
    ? PASS
    : failed('gpu_fwid_mismatch', 'report and attestation certificate differ')
}

/** ECDSA P-384 with SHA-384 over every byte of the report before the signature. */
export function judgeReportSignature(
  { chain, report }: ParsedGpuEvidence,
  crypto: CryptoPort,
): Outcome {
  const key = chain[0]?.publicKey
  const verified =
    key?.curve === 'P-384' &&
    crypto.verifyEcdsa('P-384', key.point, report.signedBytes, report.signature)
  return verified ? PASS : failed('gpu_signature_invalid', 'ECDSA P-384 with SHA-384')
}
