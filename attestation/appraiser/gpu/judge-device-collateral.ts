/**
 * What NVIDIA published about a device: reference values for its firmware, and whether certificates were revoked.
 *
 * @module
 */
import type { RevocationVerdict } from './ocsp/revocation-verdict.ts'
import type { DeviceCollateral } from './device-collateral.ts'
import { failed, skipped } from './device-outcome.ts'
import type { Outcome } from './device-outcome.ts'
import type { DeviceRules } from './device-rules.ts'
import type { GpuPolicy } from './gpu-policy.ts'
import type { ParsedGpuEvidence } from './parse-gpu-evidence.ts'
import { compareMeasurements, rimFault } from './rim/compare-measurements.ts'
import { expectedRims } from './rim/expected-rims.ts'
import type { Rim } from './rim/verify-rim.ts'

/** A manifest of the device, or why there is none to compare with. */
export interface DeviceRim {
  readonly outcome: Outcome
  /** Set where `outcome` is a pass. */
  readonly rim: Rim | null
}

/** The manifests of one device; `driver` is null for switches, which have none. */
export interface DeviceRims {
  readonly driver: DeviceRim | null
  readonly vbios: DeviceRim
}

function without(outcome: Outcome): DeviceRim {
  return { outcome, rim: null }
}

function findRim(
  id: string,
  kind: Rim['kind'],
  { report }: ParsedGpuEvidence,
  collateral: DeviceCollateral,
): DeviceRim {
  const result = collateral.rim(id)
  if (result === null) return without(skipped('collateral_not_given', `no ${id}`))
  if (!result.ok) return without(failed(result.code, `${id}: ${result.detail}`))
  const { rim } = result
  const unfit = rimFault(rim, kind, report)
  return unfit === null
    ? { outcome: { status: 'pass', detail: id }, rim }
    : without(failed(unfit.code, `${id}: ${unfit.detail}`))
}

/** Finds, verifies and fits the manifests that the signed report asks for. @param evidence with a verified signature */
export function findDeviceRims(
  evidence: ParsedGpuEvidence,
  rules: DeviceRules,
  collateral: DeviceCollateral,
): DeviceRims {
  const { arch, report } = evidence
  const isGpu = rules.kind === 'gpu'
  if (!collateral.given) {
    const open = without(skipped('collateral_not_given', 'no GPU collateral'))
    return { driver: isGpu ? open : null, vbios: open }
  }
  const expected = expectedRims(report, arch)
  if ('fault' in expected) {
    const unnamed = without(failed('gpu_rim_unnamed', expected.fault))
    return { driver: isGpu ? unnamed : null, vbios: unnamed }
  }
  const biosKind = isGpu ? 'vbios' : 'switch_bios'
  return {
    driver:
      isGpu && expected.driver !== null
        ? findRim(expected.driver, 'driver', evidence, collateral)
        : null,
    vbios: findRim(expected.vbios, biosKind, evidence, collateral),
  }
}

function listOf({ driver, vbios }: DeviceRims): readonly DeviceRim[] {
  return driver === null ? [vbios] : [driver, vbios]
}

/** What stands in the way of a statement about all manifests of a device. */
function obstacle(rims: DeviceRims): Outcome | null {
  const outcomes = listOf(rims).map(({ outcome }) => outcome)
  if (outcomes.some(({ status }) => status === 'fail')) {
    return skipped('depends_on_failed', 'needs good RIMs')
  }
  return outcomes.find(({ status }) => status === 'skip') ?? null
}

/** A mismatch with the one manifest that is there is said even where the other is missing. */
export function judgeMeasurements(
  { report }: ParsedGpuEvidence,
  rims: DeviceRims,
  policy: GpuPolicy,
): Outcome {
  const { driver, vbios } = rims
  const inTheWay = obstacle(rims)
  if (inTheWay !== null && listOf(rims).every(({ rim }) => rim === null)) return inTheWay
  const compared = compareMeasurements(report, driver?.rim ?? null, vbios.rim, {
    allowedMismatches: policy.allowedMismatches,
  })
  if (!compared.ok) return failed(compared.code, compared.detail)
  return inTheWay ?? { status: 'pass', detail: compared.detail }
}

const WEIGHT = { fail: 0, skip: 1, pass: 2 } as const

/** Revocation of the signers of all manifests of a device: the worst that was found. */
export function judgeRimRevocation(rims: DeviceRims, collateral: DeviceCollateral): Outcome {
  const verdicts: RevocationVerdict[] = listOf(rims)
    .map(({ rim }) => rim)
    .filter((rim) => rim !== null)
    .map((rim) => collateral.rimRevocation(rim))
  const [worst] = verdicts.toSorted((a, b) => WEIGHT[a.status] - WEIGHT[b.status])
  if (worst?.status === 'fail') return worst
  return (
    obstacle(rims) ??
    worst ??
    skipped('collateral_not_given', 'no RIM whose signer could be judged')
  )
}

/** @param evidence with a verified chain */
export function judgeDeviceRevocation(
  { chain }: ParsedGpuEvidence,
  collateral: DeviceCollateral,
): Outcome {
  return collateral.given
    ? collateral.deviceRevocation(chain)
    : skipped('collateral_not_given', 'no GPU collateral')
}
