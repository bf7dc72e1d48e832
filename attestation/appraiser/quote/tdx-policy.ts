/**
 * What a relying party accepts of a TDX platform and of the TD on it, as plain data.
 *
 * A list names what is accepted; null accepts anything there, which the checks then say. All hex is lower-case and in the
 * byte order of the quote.
 *
 * @module
 */
import { isJsonObject } from '../../protocol/json.ts'
import { createPolicyPart, isBoolean, isCount, isHex, isListOf, isNullOr } from '../policy-part.ts'
import type { PartResult, Reader } from '../policy-part.ts'
import { isTcbStatus } from './tcb-status.ts'
import type { TcbStatus } from './tcb-status.ts'

/** The forms that dstack gives mr_config_id: unset, or a digest of version 1, 2 or 3. */
export const MR_CONFIG_ID_KINDS = Object.freeze(['zero', 'v1', 'v2', 'v3'] as const)
export type MrConfigIdKind = (typeof MR_CONFIG_ID_KINDS)[number]

/** Registers of one operating system image, as its maker or `dstack-mr` computes them. */
export interface ImageReference {
  /** 32 bytes: the name under which dstack publishes the image. */
  readonly osImageHash: string
  /** 48 bytes: firmware. */
  readonly mrtd: string
  /** 48 bytes: kernel. */
  readonly rtmr1: string
  /** 48 bytes: command line and initial file system. */
  readonly rtmr2: string
  /** 48 bytes, one for each accepted shape of the virtual machine (processors, memory, devices). */
  readonly rtmr0: readonly string[]
}

export interface TdxPolicy {
  /** Of platform, TDX module and quoting enclave together. */
  readonly acceptedStatuses: readonly Exclude<TcbStatus, 'Revoked'>[]
  /** Every advisory that applies must be among them; null: any. */
  readonly acceptedAdvisories: readonly string[] | null
  /** Lowest tcbEvaluationDataNumber of TCB info and QE identity. Without a floor an old recovery event can be left out. */
  readonly minTcbEvaluationDataNumber: number
  /** Seconds since TCB info, QE identity and revocation lists were issued; null: until their own nextUpdate. */
  readonly maxCollateralAgeS: number | null
  /** Seconds after nextUpdate for which collateral still counts. */
  readonly collateralGraceS: number
  /** 6 bytes each: processor families. */
  readonly fmspcs: readonly string[] | null
  /** 16 bytes each: single platforms. */
  readonly ppids: readonly string[] | null
  /** Accept a TD that its host can debug. Bit 0 of the TD attributes cannot be allowed in any other way. */
  readonly allowDebug: boolean
  /** 8 bytes: bits that must be set. */
  readonly tdAttributesRequired: string
  /** 8 bytes: bits that may be set beside those required. */
  readonly tdAttributesAllowed: string
  /** 8 bytes each, as above, of the extended features. */
  readonly xfamRequired: string
  readonly xfamAllowed: string
  /** 48 bytes each, as is every measurement below: TDX modules. */
  readonly mrSeams: readonly string[] | null
  readonly serviceTds: readonly string[] | null
  readonly mrtds: readonly string[] | null
  readonly rtmr0s: readonly string[] | null
  readonly rtmr1s: readonly string[] | null
  readonly rtmr2s: readonly string[] | null
  readonly rtmr3s: readonly string[] | null
  /** A digest is accepted only where it recomputes from the verified event log. */
  readonly mrConfigIdKinds: readonly MrConfigIdKind[]
  readonly mrConfigIds: readonly string[] | null
  readonly mrOwners: readonly string[] | null
  readonly mrOwnerConfigs: readonly string[] | null
  /** Null: nobody said which images are good, and the check `quote.image` is not made. */
  readonly images: readonly ImageReference[] | null
}

const ZERO_MEASUREMENT = '00'.repeat(48)
const ONLY_ZERO: readonly string[] = Object.freeze([ZERO_MEASUREMENT])

export const DEFAULT_TDX_POLICY: TdxPolicy = Object.freeze({
  acceptedStatuses: Object.freeze(['UpToDate'] as const),
  acceptedAdvisories: Object.freeze([]),
  minTcbEvaluationDataNumber: 0,
  maxCollateralAgeS: null,
  collateralGraceS: 0,
  fmspcs: null,
  ppids: null,
  allowDebug: false,
  // SEPT_VE_DISABLE, bit 28: without it the host can inject faults by taking pages away.
  tdAttributesRequired: '0000001000000000',
  // PKS and PERFMON (bits 30, 63) change what the guest may use, not what the host may do. Bit 31, once KL (Key Locker), is
  // reserved since revision 008 of the ABI specification (348551, May 2026, table 3.23): a module that sets it means what
  // nobody has judged. No module was seen to set it, and a policy can name it.
  tdAttributesAllowed: '0000004000000080',
  // x87 and SSE, which the TDX module always sets.
  xfamRequired: '0300000000000000',
  // AVX, AVX-512, PT, PKRU, CET, user interrupts, LBR, AMX: state of the guest that the module saves and restores.
  xfamAllowed: 'e4db060000000000',
  mrSeams: null,
  serviceTds: ONLY_ZERO,
  mrtds: null,
  rtmr0s: null,
  rtmr1s: null,
  rtmr2s: null,
  rtmr3s: null,
  mrConfigIdKinds: MR_CONFIG_ID_KINDS,
  mrConfigIds: null,
  mrOwners: ONLY_ZERO,
  mrOwnerConfigs: ONLY_ZERO,
  images: null,
})

const isAdvisory: Reader = (value) =>
  typeof value === 'string' && /^[A-Z0-9][A-Z0-9-]{0,63}$/.test(value)
/** Bits 0 to 7 are the "TD under debug" group: `allowDebug` alone speaks of them. */
const isAttributes: Reader = (value) =>
  isHex(8)(value) && typeof value === 'string' && value.startsWith('00')
const isMeasurements = isNullOr(isListOf(isHex(48)))

const IMAGE_READERS: Readonly<Record<keyof ImageReference, Reader>> = {
  osImageHash: isHex(32),
  mrtd: isHex(48),
  rtmr1: isHex(48),
  rtmr2: isHex(48),
  rtmr0: isListOf(isHex(48)),
}

const isImage: Reader = (value) =>
  isJsonObject(value) &&
  Object.keys(value).length === Object.keys(IMAGE_READERS).length &&
  Object.entries(IMAGE_READERS).every(([name, read]) => read(value[name]))

const PART = createPolicyPart<TdxPolicy>('tdx', DEFAULT_TDX_POLICY, {
  // Intel revokes what is broken beyond repair: that is for no policy to accept.
  acceptedStatuses: isListOf((value) => isTcbStatus(value) && value !== 'Revoked'),
  acceptedAdvisories: isNullOr(isListOf(isAdvisory)),
  minTcbEvaluationDataNumber: isCount,
  maxCollateralAgeS: isNullOr(isCount),
  collateralGraceS: isCount,
  fmspcs: isNullOr(isListOf(isHex(6))),
  ppids: isNullOr(isListOf(isHex(16))),
  allowDebug: isBoolean,
  tdAttributesRequired: isAttributes,
  tdAttributesAllowed: isAttributes,
  xfamRequired: isHex(8),
  xfamAllowed: isHex(8),
  mrSeams: isMeasurements,
  serviceTds: isMeasurements,
  mrtds: isMeasurements,
  rtmr0s: isMeasurements,
  rtmr1s: isMeasurements,
  rtmr2s: isMeasurements,
  rtmr3s: isMeasurements,
  mrConfigIdKinds: isListOf((value) => MR_CONFIG_ID_KINDS.some((kind) => kind === value)),
  mrConfigIds: isMeasurements,
  mrOwners: isMeasurements,
  mrOwnerConfigs: isMeasurements,
  images: isNullOr(isListOf(isImage)),
})

/** Reads a TDX policy, which is copied before anything is checked; members that are not given have their default. */
export function readTdxPolicy(value: unknown): PartResult<TdxPolicy> {
  return PART.read(value)
}

/**
 * The TDX policy that a verb judges by.
 *
 * @throws TypeError for one that {@link readTdxPolicy} refuses
 */
export function requireTdxPolicy(value: unknown): TdxPolicy {
  return PART.require(value)
}
