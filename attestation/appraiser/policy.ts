/**
 * What a relying party accepts, as plain data. Everything that the checks do not decide by themselves stands here.
 *
 * @module
 */
import { isJsonObject } from '../protocol/json.ts'
import { toHex } from '../protocol/hex.ts'
import { DEFAULT_GPU_POLICY, readGpuPolicy } from './gpu/gpu-policy.ts'
import type { GpuPolicy } from './gpu/gpu-policy.ts'
import { NVIDIA_DEVICE_ROOT_SHA256 } from './gpu/nvidia-device-root.ts'
import { snapshot } from './plain-data.ts'
import { isBoolean, isCount } from './policy-part.ts'
import { DEFAULT_TDX_POLICY, readTdxPolicy } from './quote/tdx-policy.ts'
import type { TdxPolicy } from './quote/tdx-policy.ts'
import { INTEL_SGX_ROOT_SHA256 } from './quote/intel-sgx-root.ts'
import { DEFAULT_TAPP_POLICY, readTappPolicy } from './tapp/tapp-policy.ts'
import type { TappPolicy } from './tapp/tapp-policy.ts'

/** Entries of one list in a policy, and the length of one. */
export const MAX_POLICY_ENTRIES = 1024
export const MAX_POLICY_TEXT = 256

/** What started the measured app: the guest of dstack, or 0G's TAPP (Cryptopilot). */
export const PLATFORMS = Object.freeze(['dstack', 'tapp'] as const)
export type Platform = (typeof PLATFORMS)[number]

export interface AppraisalPolicy {
  /** Evidence of another kind of machine is refused, whatever else it says. */
  readonly platform: Platform
  /** Accept evidence under the simulator's marked roots. */
  readonly allowSimulated: boolean
  /**
   * Which marked roots: those in `sgxRoots` and `nvidiaRoots`, or any. Simulated evidence proves nothing in either case;
   * a listed root only tells one simulation from another. Without `allowSimulated` of no effect.
   */
  readonly simulatedRoots: 'listed' | 'any'
  /** SHA-256 of the DER of each accepted root, lower-case hex. */
  readonly sgxRoots: readonly string[]
  readonly nvidiaRoots: readonly string[]
  /**
   * Compressed secp256k1 points, lower-case hex; empty: custody of the address key is not judged. Otherwise the evidence must
   * lead the address key to one of them, and evidence that cannot (an ephemeral key, a report without custody) is refused.
   */
  readonly kmsRoots: readonly string[]
  /** SHA-256 of accepted compose texts, lower-case hex; null: any, which is then said. */
  readonly composeHashes: readonly string[] | null
  /**
   * Accepted `config.weights.digest` of attestation documents, `sha256:` and 64 hex, as `countersign weights` prints them; null:
   * any, measured or not, which is then said. Evidence of other kinds says nothing of weights and is refused where this is set.
   */
  readonly weightsDigests: readonly string[] | null
  /** Accepted app ids of the event log, 20 bytes in lower-case hex; null: any. */
  readonly appIds: readonly string[] | null
  /** Accepted ids of the key provider in the event log, lower-case hex; null: any. */
  readonly keyProviderIds: readonly string[] | null
  /** What is accepted of platform, TDX module, quoting enclave and TD. */
  readonly tdx: TdxPolicy
  /** What is accepted of GPUs, their firmware, and what NVIDIA says of it. */
  readonly gpu: GpuPolicy
  /** What is accepted of an app that TAPP started; of no effect for another platform. */
  readonly tapp: TappPolicy
  /** Seconds between the document's time and the end of its keyset. */
  readonly maxKeysetLifetimeS: number
  /** Age of a document in seconds, where a nonce was given and where not. */
  readonly maxAgeWithNonceS: number
  readonly maxAgeS: number
  /** Seconds by which the enclave's clock may be ahead. */
  readonly clockSkewS: number
  readonly allowRemoteUpstream: boolean
  /**
   * Where a connection has to end. `bound`: on a TLS key of the keyset; a document of which nobody saw the connection is then
   * refused too. `any`: a broker or gateway may stand between and read along, which is then said.
   */
  readonly channel: 'any' | 'bound'
  /** Top-level request members that may be added, dropped or changed on the way. */
  readonly allowMembers: readonly string[]
  /** Members inside a choice of an answer that may stand there without being covered, e.g. `message.annotations`. */
  readonly allowUncovered: readonly string[]
  /**
   * Checks that are done without where they could not be made, `*` as in `require`: for want of collateral (`quote.crl`,
   * `.tcb_info`, `.qe_identity`, `.tdx_module`, `.tcb_status`, `.collateral_age`), of reference values (`quote.image`), or
   * because this version does not make them. Real evidence is not accepted while one is missing that does not stand here:
   * without the identity of the quoting enclave, for one, any enclave of a certified platform could have made the quote.
   */
  readonly acceptUnchecked: readonly string[]
  /** Ids of checks that must pass beside the core ones; `*` stands for one part of an id: `gpu.*.ocsp`. */
  readonly require: readonly string[]
}

export const DEFAULT_POLICY: AppraisalPolicy = Object.freeze({
  platform: 'dstack',
  allowSimulated: false,
  simulatedRoots: 'listed',
  sgxRoots: Object.freeze([toHex(INTEL_SGX_ROOT_SHA256)]),
  nvidiaRoots: Object.freeze([toHex(NVIDIA_DEVICE_ROOT_SHA256)]),
  kmsRoots: Object.freeze([]),
  composeHashes: null,
  weightsDigests: null,
  appIds: null,
  keyProviderIds: null,
  tdx: DEFAULT_TDX_POLICY,
  gpu: DEFAULT_GPU_POLICY,
  tapp: DEFAULT_TAPP_POLICY,
  maxKeysetLifetimeS: 92 * 24 * 3600,
  maxAgeWithNonceS: 600,
  maxAgeS: 3600,
  clockSkewS: 300,
  allowRemoteUpstream: false,
  channel: 'any',
  // Every broker that bills streams asks for usage; it changes what is counted, not what is answered.
  allowMembers: Object.freeze(['stream_options']),
  // vLLM states here which of the caller's own stop texts or tokens ended the text. Somebody on the way may change it, but
  // neither what was said nor the finish reason, which are covered; without it no answer with `stop` would reach content.
  allowUncovered: Object.freeze(['choices.stop_reason']),
  acceptUnchecked: Object.freeze([]),
  require: Object.freeze([]),
})

export type PolicyResult =
  | { readonly ok: true; readonly policy: AppraisalPolicy }
  | { readonly ok: false; readonly detail: string }

const SHA256_HEX = /^[0-9a-f]{64}$/
const SHA256_DIGEST = /^sha256:[0-9a-f]{64}$/
const APP_ID_HEX = /^[0-9a-f]{40}$/
const ANY_HEX = /^(?:[0-9a-f]{2})+$/
const POINT_HEX = /^0[23][0-9a-f]{64}$/
const CHECK_ID = /^[a-z0-9_*]+(?:\.[a-z0-9_*]+)*$/
const ANY_TEXT = /^[^]+$/

function isTexts(value: unknown, form: RegExp): value is readonly string[] {
  return (
    Array.isArray(value) &&
    value.length <= MAX_POLICY_ENTRIES &&
    value.every(
      (item) => typeof item === 'string' && item.length <= MAX_POLICY_TEXT && form.test(item),
    )
  )
}

/** Of all members but the three that have readers of their own. */
const READERS: Readonly<
  Record<Exclude<keyof AppraisalPolicy, 'tdx' | 'gpu' | 'tapp'>, (value: unknown) => boolean>
> = {
  platform: (value) => PLATFORMS.some((platform) => platform === value),
  allowSimulated: isBoolean,
  simulatedRoots: (value) => value === 'listed' || value === 'any',
  sgxRoots: (value) => isTexts(value, SHA256_HEX),
  nvidiaRoots: (value) => isTexts(value, SHA256_HEX),
  kmsRoots: (value) => isTexts(value, POINT_HEX),
  composeHashes: (value) => value === null || isTexts(value, SHA256_HEX),
  weightsDigests: (value) => value === null || isTexts(value, SHA256_DIGEST),
  appIds: (value) => value === null || isTexts(value, APP_ID_HEX),
  keyProviderIds: (value) => value === null || isTexts(value, ANY_HEX),
  maxKeysetLifetimeS: isCount,
  maxAgeWithNonceS: isCount,
  maxAgeS: isCount,
  clockSkewS: isCount,
  allowRemoteUpstream: isBoolean,
  channel: (value) => value === 'any' || value === 'bound',
  allowMembers: (value) => isTexts(value, ANY_TEXT),
  allowUncovered: (value) => isTexts(value, ANY_TEXT),
  acceptUnchecked: (value) => isTexts(value, CHECK_ID),
  require: (value) => isTexts(value, CHECK_ID),
}

function isPolicyMember(name: string): name is keyof typeof READERS {
  return Object.hasOwn(READERS, name)
}

/** Policies that were read here and are frozen throughout: they need not be read again. */
const READ = new WeakSet<AppraisalPolicy>([DEFAULT_POLICY])

/**
 * Reads a policy; members that are not given have their default.
 *
 * An unknown member is refused: a misspelt restriction must not silently be none.
 *
 * @param value plain data, see `snapshot`; copied before anything is checked, and only once
 */
export function parsePolicy(value: unknown): PolicyResult {
  const copied = snapshot(value, 'the policy')
  if (!copied.ok) return copied
  if (!isJsonObject(copied.value)) return { ok: false, detail: 'the policy is not an object' }
  const { tdx = {}, gpu = {}, tapp = {}, ...given } = copied.value
  const platform = readTdxPolicy(tdx)
  if (!platform.ok) return platform
  const devices = readGpuPolicy(gpu)
  if (!devices.ok) return devices
  const apps = readTappPolicy(tapp)
  if (!apps.ok) return apps
  for (const [name, member] of Object.entries(given)) {
    if (!isPolicyMember(name)) {
      return { ok: false, detail: `unknown member ${name.slice(0, MAX_POLICY_TEXT)}` }
    }
    if (!READERS[name](member)) return { ok: false, detail: `${name} is malformed` }
  }
  const policy = Object.freeze({
    ...DEFAULT_POLICY,
    ...given,
    tdx: platform.policy,
    gpu: devices.policy,
    tapp: apps.policy,
  })
  READ.add(policy)
  return { ok: true, policy }
}

/**
 * The policy that a verb judges by: one that did not come from {@link parsePolicy} is read now, because a member of the wrong
 * type would make a comparison that nothing fails (an age of `"7d"` is below none).
 *
 * @throws TypeError for a policy that `parsePolicy` refuses
 */
export function requirePolicy(value: unknown): AppraisalPolicy {
  if (isRead(value)) return value
  const result = parsePolicy(value)
  if (!result.ok) throw new TypeError(`policy: ${result.detail}`)
  return result.policy
}

function isRead(value: unknown): value is AppraisalPolicy {
  return typeof value === 'object' && value !== null && READ.has(value as AppraisalPolicy)
}
