import { existsSync, readFileSync } from 'node:fs'
import type { Check } from '../../attestation/appraiser/check.ts'
import type { GpuEvidence } from '../../attestation/appraiser/gpu/parse-gpu-evidence.ts'
import { DEFAULT_GPU_POLICY } from '../../attestation/appraiser/gpu/gpu-policy.ts'
import { NVIDIA_DEVICE_ROOT_SHA256 } from '../../attestation/appraiser/gpu/nvidia-device-root.ts'
import type { GpuListOptions } from '../../attestation/appraiser/gpu/verify-gpu-evidence.ts'
import { nobleCrypto } from '../../attestation/crypto/noble.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'

export const PORTS = [
  ['node', nodeCrypto],
  ['noble', nobleCrypto],
] as const

const FIXTURES = new URL('../../../shared/fixtures/', import.meta.url)
export const haveFixtures = existsSync(new URL('nvidia/evidence/', FIXTURES))
if (!haveFixtures) {
  console.warn('SKIPPED: recorded NVIDIA evidence is not on this machine, see fixtures MANIFEST.md')
}

/** 2026-11-23, the day on which the recorded chains were last checked by hand. */
export const AT = 1795392000

export function fixtureText(path: string): string {
  return readFileSync(new URL(path, FIXTURES), 'utf8')
}

export function fixtureJson(path: string): unknown {
  return JSON.parse(fixtureText(path))
}

export function hexBytes(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex.trim(), 'hex'))
}

export function recordedReport(name: string): Uint8Array {
  return hexBytes(fixtureText(`nvidia/evidence/${name}`))
}

export function element(report: Uint8Array, chainPem: string, arch = 'HOPPER'): GpuEvidence {
  return {
    arch,
    certificate: Buffer.from(chainPem).toString('base64'),
    evidence: Buffer.from(report).toString('base64'),
  }
}

/** Recorded with NVIDIA's collector, which adds the nonce that Countersign's list does not carry. */
export function recordedList(path: string): { nonce: Uint8Array; list: GpuEvidence[] } {
  const items = fixtureJson(path) as (GpuEvidence & { nonce: string })[]
  const nonce = hexBytes(items[0]?.nonce ?? '')
  const list = items.map(({ arch, certificate, evidence }) => ({ arch, certificate, evidence }))
  return { nonce, list }
}

export function realOptions(
  expectedNonce: Uint8Array,
  changes: Partial<GpuListOptions> = {},
): GpuListOptions {
  return {
    crypto: nodeCrypto,
    at: AT,
    expectedNonce,
    rootSha256: [NVIDIA_DEVICE_ROOT_SHA256],
    allowSimulated: false,
    expectedCount: 1,
    policy: DEFAULT_GPU_POLICY,
    collateral: null,
    ...changes,
  }
}

/** `id` → `status`, with the code where it is not a plain pass. */
export function summary(checks: readonly Check[]): Record<string, string> {
  return Object.fromEntries(
    checks.map(({ id, status, code }) => [id, status === 'pass' ? 'pass' : `${status} ${code}`]),
  )
}

/** Every check that failed, as `id code`. */
export function failures(checks: readonly Check[]): string[] {
  return checks.filter(({ status }) => status === 'fail').map(({ id, code }) => `${id} ${code}`)
}

/** What a good device shows where neither RIMs nor OCSP responses are at hand. */
export const GOOD_DEVICE = {
  'gpu.count': 'pass',
  'gpu.unique': 'pass',
  'gpu.uniform': 'pass',
  'gpu.0.structure': 'pass',
  'gpu.0.nonce': 'pass',
  'gpu.0.chain': 'pass',
  'gpu.0.arch': 'pass',
  'gpu.0.serials': 'pass',
  'gpu.0.device_key': 'pass',
  'gpu.0.fwid': 'pass',
  'gpu.0.signature': 'pass',
  'gpu.0.versions': 'pass',
  'gpu.0.mode': 'pass',
  'gpu.0.rim_driver': 'skip collateral_not_given',
  'gpu.0.rim_vbios': 'skip collateral_not_given',
  'gpu.0.measurements': 'skip collateral_not_given',
  'gpu.0.ocsp': 'skip collateral_not_given',
  'gpu.0.rim_ocsp': 'skip collateral_not_given',
}

/** The same of a good switch. */
export const GOOD_SWITCH = {
  'switch.0.structure': 'pass',
  'switch.0.nonce': 'pass',
  'switch.0.chain': 'pass',
  'switch.0.arch': 'pass',
  'switch.0.serials': 'pass',
  'switch.0.device_key': 'pass',
  'switch.0.signature': 'pass',
  'switch.0.versions': 'pass',
  'switch.0.rim_vbios': 'skip collateral_not_given',
  'switch.0.measurements': 'skip collateral_not_given',
  'switch.0.ocsp': 'skip collateral_not_given',
  'switch.0.rim_ocsp': 'skip collateral_not_given',
}
