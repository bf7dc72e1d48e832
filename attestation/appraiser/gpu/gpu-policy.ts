/**
 * What a relying party accepts of NVIDIA GPUs and NVSwitches, as plain data.
 *
 * A list names what is accepted; null accepts anything there. That RIMs and revocation status were not at hand is no matter
 * of this part: such checks are skipped, and the policy's `acceptUnchecked` says which are done without.
 *
 * @module
 */
import { toHex } from '../../protocol/hex.ts'
import {
  createPolicyPart,
  isBoolean,
  isCount,
  isHex,
  isListOf,
  isNullOr,
  isText,
} from '../policy-part.ts'
import type { PartResult } from '../policy-part.ts'
import {
  DEFAULT_NRAS_POLICY,
  MAX_NRAS_CLOCK_SKEW_S,
  NRAS_CLAIMS_VERSIONS,
} from './nras/nras-policy.ts'
import type { NrasClaimsVersion } from './nras/nras-policy.ts'
import { isBios, isDriver, isNrasIssuer } from './policy-forms.ts'
import { NVIDIA_RIM_ROOT_SHA256 } from './rim/nvidia-rim-root.ts'

/**
 * Modes that a signed report states: feature flag 0, 1 and 2 (opaque field 36). `unstated`: the driver states none, as those
 * before 580 do, and no protected PCIe either. A report whose protected PCIe status is on is of that mode.
 */
export const GPU_MODES = Object.freeze([
  'single-pass-through',
  'multiple-pass-through',
  'protected-pcie',
  'unstated',
] as const)
export type GpuMode = (typeof GPU_MODES)[number]

/** Of NVIDIA's tables: RIMs number measurements from 0, reports from 1. */
export const MAX_RIM_INDEX = 254

export interface GpuPolicy {
  /** SHA-256 of the DER of each root that RIM signers may stand under; lower-case hex. */
  readonly rimRoots: readonly string[]
  /** Common names of device identities (certificate 1), e.g. `GH100 A01 GSP BROM`, of GPUs and switches; null: any judged. */
  readonly hardwareModels: readonly string[] | null
  readonly modes: readonly GpuMode[]
  /** Exact driver versions; null: any. */
  readonly drivers: readonly string[] | null
  /** Lowest driver, e.g. `550.54.14`, decimal and compared part by part. A report without a driver version is below it. */
  readonly minDriver: string | null
  /** Exact VBIOS versions of GPUs, upper case, e.g. `96.00.9F.00.01`; null: any. */
  readonly vbioses: readonly string[] | null
  /** Lowest VBIOS of GPUs, hex and compared part by part. Boards have ranges of their own: H100 96.00.5E and up, H200 96.00.CF. */
  readonly minVbios: string | null
  /** As the two above, of NVSwitches. */
  readonly switchBioses: readonly string[] | null
  readonly minSwitchBios: string | null
  /** Refuse GPUs that state no firmware identity, as those of drivers before 550. */
  readonly requireFwid: boolean
  /** Certificate 1 serial numbers of the GPUs that may be listed, lower-case hex as in the certificate; null: any. */
  readonly gpuSerials: readonly string[] | null
  readonly switchSerials: readonly string[] | null
  /** How many NVSwitches must be listed; null: not said, and then those that are listed must fit the GPUs. */
  readonly switches: number | null
  /** RIM indexes, counted from 0, whose measurements may differ from all golden values. Each is firmware nobody vouches for. */
  readonly allowedMismatches: readonly number[]
  /** Accept certificates that the responder reports as on hold (`certificateHold`). Any other revocation is final. */
  readonly allowHold: boolean
  /** Seconds after nextUpdate for which an OCSP response still counts. */
  readonly ocspGraceS: number
  /** Seconds since thisUpdate; null: until nextUpdate. */
  readonly maxOcspAgeS: number | null
  /** Seconds after the end of a certificate of its signer's chain for which a RIM still counts. */
  readonly rimGraceS: number
  /** `iss` of every token of NVIDIA's attestation service, exactly; for those who judge by its word too. */
  readonly nrasIssuer: string
  /** SHA-256 of DER: what the certificates of its signing key must end in; empty: the key set is trusted as it is given. */
  readonly nrasRoots: readonly string[]
  /** Seconds by which its clock may be ahead or behind. */
  readonly nrasClockSkewS: number
  /** Seconds for which one of its tokens may hold. */
  readonly nrasMaxTokenLifetimeS: number
  /** Claims 2.0 say nothing of firmware identity, RIM versions and revocation. */
  readonly nrasClaimsVersions: readonly NrasClaimsVersion[]
  /**
   * SHA-256 of compose texts, lower-case hex, of which the relying party knows that what they start verifies its attached GPUs
   * and refuses to serve with others. They count only on a platform image that the policy knows too: any other can measure
   * a compose text that it does not run.
   */
  readonly gpuCheckingComposes: readonly string[]
}

export const DEFAULT_GPU_POLICY: GpuPolicy = Object.freeze({
  rimRoots: Object.freeze([toHex(NVIDIA_RIM_ROOT_SHA256)]),
  hardwareModels: null,
  modes: GPU_MODES,
  drivers: null,
  minDriver: null,
  vbioses: null,
  minVbios: null,
  switchBioses: null,
  minSwitchBios: null,
  requireFwid: true,
  gpuSerials: null,
  switchSerials: null,
  switches: null,
  allowedMismatches: Object.freeze([]),
  allowHold: false,
  ocspGraceS: 0,
  maxOcspAgeS: null,
  rimGraceS: 0,
  nrasIssuer: DEFAULT_NRAS_POLICY.issuer,
  nrasRoots: DEFAULT_NRAS_POLICY.nrasRoots,
  nrasClockSkewS: DEFAULT_NRAS_POLICY.clockSkewS,
  nrasMaxTokenLifetimeS: DEFAULT_NRAS_POLICY.maxTokenLifetimeS,
  nrasClaimsVersions: DEFAULT_NRAS_POLICY.claimsVersions,
  gpuCheckingComposes: Object.freeze([]),
})

const isModel = isText(/^[A-Z0-9_]{1,16}(?: [A-Z0-9_]{1,16}){0,7}$/)
const isSerial = isText(/^(?:[0-9a-f]{2}){1,20}$/)

const PART = createPolicyPart<GpuPolicy>('gpu', DEFAULT_GPU_POLICY, {
  rimRoots: isListOf(isHex(32)),
  hardwareModels: isNullOr(isListOf(isModel)),
  modes: isListOf((value) => GPU_MODES.some((mode) => mode === value)),
  drivers: isNullOr(isListOf(isDriver)),
  minDriver: isNullOr(isDriver),
  vbioses: isNullOr(isListOf(isBios)),
  minVbios: isNullOr(isBios),
  switchBioses: isNullOr(isListOf(isBios)),
  minSwitchBios: isNullOr(isBios),
  requireFwid: isBoolean,
  gpuSerials: isNullOr(isListOf(isSerial)),
  switchSerials: isNullOr(isListOf(isSerial)),
  switches: isNullOr(isCount),
  allowedMismatches: isListOf((value) => isCount(value) && Number(value) <= MAX_RIM_INDEX),
  allowHold: isBoolean,
  ocspGraceS: isCount,
  maxOcspAgeS: isNullOr(isCount),
  rimGraceS: isCount,
  nrasIssuer: isNrasIssuer,
  nrasRoots: isListOf(isHex(32)),
  nrasClockSkewS: (value) => isCount(value) && Number(value) <= MAX_NRAS_CLOCK_SKEW_S,
  nrasMaxTokenLifetimeS: isCount,
  nrasClaimsVersions: isListOf((value) => NRAS_CLAIMS_VERSIONS.some((known) => known === value)),
  gpuCheckingComposes: isListOf(isHex(32)),
})

/** Reads a GPU policy, which is copied before anything is checked; members that are not given have their default. */
export function readGpuPolicy(value: unknown): PartResult<GpuPolicy> {
  return PART.read(value)
}

/**
 * The GPU policy that a verb judges by.
 *
 * @throws TypeError for one that {@link readGpuPolicy} refuses
 */
export function requireGpuPolicy(value: unknown): GpuPolicy {
  return PART.require(value)
}
