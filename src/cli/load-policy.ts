/**
 * Which policy a command judges by.
 *
 * @module
 */
import { POLICIES, UNCHECKED, isPolicyName } from '../../attestation/appraiser/policies.ts'
import { DEFAULT_POLICY, parsePolicy } from '../../attestation/appraiser/policy.ts'
import type { AppraisalPolicy } from '../../attestation/appraiser/policy.ts'
import { isHex32 } from '../../attestation/protocol/hex.ts'
import { isJsonObject, parseJson } from '../../attestation/protocol/json.ts'
import type { JsonObject } from '../../attestation/protocol/json.ts'
import { readBounded } from './read-bounded.ts'
import { Refusal } from './refusal.ts'

async function readObject(path: string): Promise<JsonObject> {
  const parsed = parseJson(await readBounded(path))
  if (!parsed.ok || !isJsonObject(parsed.value)) throw new Refusal(`${path} is not a JSON object.`)
  return parsed.value
}

/** What of a command line says which evidence is accepted. */
export interface PolicyOptions {
  /** A file, or the name of a policy that ships. */
  readonly policy?: string
  readonly roots?: string
  readonly allowSimulated?: boolean
  readonly acceptUnchecked?: boolean
  readonly require?: readonly string[]
}

function read(value: unknown): AppraisalPolicy {
  const result = parsePolicy(value)
  if (!result.ok) {
    throw new Refusal(`The policy is wrong: ${result.detail} (see docs/policy.schema.json).`)
  }
  return result.policy
}

/** @param fallback where none is named */
export async function loadPolicy(
  options: PolicyOptions,
  fallback: AppraisalPolicy = DEFAULT_POLICY,
): Promise<AppraisalPolicy> {
  let policy = fallback
  if (options.policy !== undefined && isPolicyName(options.policy)) {
    policy = POLICIES[options.policy]
  } else if (options.policy !== undefined) {
    policy = read(await readObject(options.policy))
  }
  if (options.roots !== undefined) {
    const { sgx, nvidia, kms = null, rim = null, ...more } = await readObject(options.roots)
    if (!isHex32(sgx) || !isHex32(nvidia) || Object.keys(more).length > 0) {
      throw new Refusal(`${options.roots} does not hold the roots of a simulation.`)
    }
    policy = { ...policy, sgxRoots: [sgx], nvidiaRoots: [nvidia] }
    if (rim !== null) policy = read({ ...policy, gpu: { ...policy.gpu, rimRoots: [rim] } })
    // A simulation without a KMS names no root of one; what the policy pins stays pinned.
    if (kms !== null) policy = read({ ...policy, kmsRoots: [kms] })
  }
  if (options.allowSimulated === true) {
    // Without named roots any simulation will do: it proves nothing either way.
    const simulatedRoots = options.roots === undefined ? 'any' : 'listed'
    policy = { ...policy, allowSimulated: true, simulatedRoots }
  }
  if (options.acceptUnchecked === true) {
    policy = { ...policy, acceptUnchecked: UNCHECKED }
  }
  if (options.require !== undefined) {
    policy = { ...policy, require: [...policy.require, ...options.require] }
  }
  return read(policy)
}
