/**
 * What a relying party accepts of answers of NVIDIA's Remote Attestation Service, as plain data.
 *
 * NVIDIA's own default looks at the result of the measurements and at three certificate chains. Here every statement of the
 * service has to hold, whatever this policy says; it adds what depends on the relying party.
 *
 * @module
 */
import { createPolicyPart, isCount, isHex, isListOf, isNullOr, isText } from '../../policy-part.ts'
import type { PartResult } from '../../policy-part.ts'
import { isBios, isDriver, isNrasIssuer } from '../policy-forms.ts'

/** Versions of the claims that are judged. 4.0 is answered as unsupported. */
export const NRAS_CLAIMS_VERSIONS = Object.freeze(['2.0', '3.0'] as const)
export type NrasClaimsVersion = (typeof NRAS_CLAIMS_VERSIONS)[number]

/** NVIDIA's production service, as its tokens spell it in `iss`. */
export const NRAS_ISSUER = 'https://nras.attestation.nvidia.com'

/** Longest clock skew that a policy may allow, in seconds. Tokens live for an hour. */
export const MAX_NRAS_CLOCK_SKEW_S = 300

export interface NrasPolicy {
  /** `iss` of every token, exactly. */
  readonly issuer: string
  /**
   * SHA-256 of the DER of certificates, lower-case hex, one of which the certificates of the signing key must end in: the last
   * one in `x5c`, an intermediate. Empty: the key set is trusted as it was given, which is then said. That is the default
   * because NVIDIA publishes no root for the service, and its intermediates change (003 came in December 2025).
   */
  readonly nrasRoots: readonly string[]
  /** Seconds by which the clock of the service may be ahead or behind; at most {@link MAX_NRAS_CLOCK_SKEW_S}. */
  readonly clockSkewS: number
  /** Seconds between `iat` and `exp`. */
  readonly maxTokenLifetimeS: number
  /** Claims 2.0 say nothing of firmware identity, RIM versions and revocation, so they are accepted on request alone. */
  readonly claimsVersions: readonly NrasClaimsVersion[]
  /** Exact `hwmodel` of GPUs and switches: the common name of the certified device identity. */
  readonly hardwareModels: readonly string[]
  /** Exact driver versions; null: any. */
  readonly drivers: readonly string[] | null
  /** Lowest driver, e.g. `550.54.14`, decimal and compared part by part. */
  readonly minDriver: string | null
  /** Exact VBIOS versions of GPUs, upper case, e.g. `96.00.9F.00.01`; null: any. */
  readonly vbioses: readonly string[] | null
  /** Lowest VBIOS of GPUs, hex and compared part by part. */
  readonly minVbios: string | null
  /** As the two above, of NVSwitches. */
  readonly switchBioses: readonly string[] | null
  readonly minSwitchBios: string | null
  /** Whether GPUs must name NVSwitches, as they do in protected PCIe mode, must not, or may. There NVLink is plaintext. */
  readonly protectedPcie: 'required' | 'refused' | 'any'
}

export const DEFAULT_NRAS_POLICY: NrasPolicy = Object.freeze({
  issuer: NRAS_ISSUER,
  nrasRoots: Object.freeze([]),
  clockSkewS: 60,
  // What the service gives.
  maxTokenLifetimeS: 3600,
  claimsVersions: Object.freeze(['3.0'] as const),
  hardwareModels: Object.freeze(['GH100 A01 GSP BROM', 'LS_10 A01 FSP BROM']),
  drivers: null,
  minDriver: null,
  vbioses: null,
  minVbios: null,
  switchBioses: null,
  minSwitchBios: null,
  protectedPcie: 'any',
})

const PART = createPolicyPart<NrasPolicy>('gpu.nras', DEFAULT_NRAS_POLICY, {
  issuer: isNrasIssuer,
  nrasRoots: isListOf(isHex(32)),
  clockSkewS: (value) => isCount(value) && Number(value) <= MAX_NRAS_CLOCK_SKEW_S,
  maxTokenLifetimeS: isCount,
  claimsVersions: isListOf((value) => NRAS_CLAIMS_VERSIONS.some((version) => version === value)),
  hardwareModels: isListOf(isText(/^[\x21-\x7e](?:[\x20-\x7e]{0,126}[\x21-\x7e])?$/)),
  drivers: isNullOr(isListOf(isDriver)),
  minDriver: isNullOr(isDriver),
  vbioses: isNullOr(isListOf(isBios)),
  minVbios: isNullOr(isBios),
  switchBioses: isNullOr(isListOf(isBios)),
  minSwitchBios: isNullOr(isBios),
  protectedPcie: (value) => ['required', 'refused', 'any'].some((name) => name === value),
})

/** Reads an NRAS policy, which is copied before anything is checked; members that are not given have their default. */
export function readNrasPolicy(value: unknown): PartResult<NrasPolicy> {
  return PART.read(value)
}

/**
 * The policy that {@link appraiseNras} judges by.
 *
 * @throws TypeError for one that {@link readNrasPolicy} refuses
 */
export function requireNrasPolicy(value: unknown): NrasPolicy {
  return PART.require(value)
}
