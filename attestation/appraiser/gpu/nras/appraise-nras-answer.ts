/**
 * One verdict on an answer of NVIDIA's attestation service, for those who judge by its word.
 *
 * @module
 */
import type { CryptoPort } from '../../../crypto/port.ts'
import { hex32Bytes, isHex32 } from '../../../protocol/hex.ts'
import type { Hex32 } from '../../../protocol/hex.ts'
import { fail } from '../../check.ts'
import type { AppraisalPolicy } from '../../policy.ts'
import { requireOptions } from '../../required-options.ts'
import { decideVerdict } from '../../verdict.ts'
import type { Verdict } from '../../verdict.ts'
import { appraiseNras, CORE_NRAS_CHECKS } from './appraise-nras.ts'
import type { NrasDevice } from './device-claims.ts'
import type { NrasLocalDevice } from './judge-same-device.ts'
import { nrasPolicyOf } from './nras-policy-of.ts'
import type { NrasKind } from './parse-nras-answer.ts'
import { unjudgedRestriction } from './unjudged-restriction.ts'

export interface NrasAnswerOptions {
  readonly crypto: CryptoPort
  /** Unix seconds. */
  readonly at: number
  /** `at` is not the present; the verdict then says so. Default: false. */
  readonly asOf?: boolean
  /** What the caller had the devices sign. */
  readonly nonce: Hex32
  readonly kind?: NrasKind
  /** How many devices there must be; null: not said, and of switches as many as the policy says. Default: null. */
  readonly count?: number | null
  readonly policy: AppraisalPolicy
  /** Key set as fetched or archived: bytes, or the value that `parseJson` made of them. Null: none is at hand. */
  readonly jwks: unknown
  /** Devices of which evidence was appraised here; null: the service's word stands alone. Default: null. */
  readonly localDevices?: readonly NrasLocalDevice[] | null
}

export interface NrasAnswerAppraisal {
  readonly verdict: Verdict
  readonly devices: readonly NrasDevice[]
}

const PROVES_POLICY = 'The answer says all that the policy asks of the devices.'

const MEANING =
  'NVIDIA’s service says under its signature that it found these devices genuine for this nonce; nothing here says which machine they are in'

/**
 * Never throws on any answer or key set.
 *
 * @param answer bytes as received, or the value that `parseJson` made of them
 * @throws TypeError for a nonce or time that is none, or a policy that `parsePolicy` refuses
 */
export async function appraiseNrasAnswer(
  answer: unknown,
  given: NrasAnswerOptions,
): Promise<NrasAnswerAppraisal> {
  const options = requireOptions(given)
  const { asOf = false, nonce, kind = 'gpu', count = null, policy, localDevices = null } = options
  if (!isHex32(nonce)) throw new TypeError('nonce: not 64 lower-case hex digits')
  const prefix = kind === 'gpu' ? 'nras' : 'nras_switch'
  // Switches are counted by the policy too, where the caller names no number.
  const expected = kind === 'switch' ? (count ?? policy.gpu.switches) : count
  const found = await appraiseNras(answer, {
    crypto: options.crypto,
    at: options.at,
    kind,
    jwks: options.jwks,
    expectedNonce: hex32Bytes(nonce),
    expectedCount: expected,
    allowSimulated: policy.allowSimulated,
    policy: nrasPolicyOf(policy.gpu),
    localDevices,
  })
  const { devices, simulated } = found
  const checks = [...found.checks]
  // With evidence at hand its own appraisal looks at the rest.
  const unjudged = localDevices === null ? unjudgedRestriction(policy.gpu, kind) : null
  if (unjudged !== null) {
    checks.push(fail(`${prefix}.policy`, 'nras_policy_unjudged', PROVES_POLICY, `gpu.${unjudged}`))
  }
  const own = (id: string): string => id.replace(/^nras\./, `${prefix}.`)
  const verdict = decideVerdict(checks, {
    required: [
      ...CORE_NRAS_CHECKS.map(own),
      ...(expected === null ? [] : [`${prefix}.count`]),
      ...(localDevices === null ? [] : [`${prefix}.*.same_device`]),
      ...policy.require,
    ],
    asOf,
    simulated,
    acceptUnchecked: policy.acceptUnchecked,
    meaning: MEANING,
  })
  return { verdict, devices }
}
