/**
 * Appraises an answer of the remote attestation service that is given as one JSON document with everything that the verdict
 * depends on: the form in which vectors for verifiers are written (docs/conformance.md).
 *
 * @module
 */
import type { CryptoPort } from '../../../crypto/port.ts'
import { hex32Bytes } from '../../../protocol/hex.ts'
import { parseJson } from '../../../protocol/json.ts'
import type { JsonValue } from '../../../protocol/json.ts'
import { fail } from '../../check.ts'
import { parsePolicy } from '../../policy.ts'
import type { AppraisalPolicy } from '../../policy.ts'
import { hex32Of, integerOf, objectOf, Unreadable } from '../../read-members.ts'
import { decideVerdict } from '../../verdict.ts'
import type { Verdict } from '../../verdict.ts'
import { appraiseNras, CORE_NRAS_CHECKS } from './appraise-nras.ts'
import type { NrasOptions } from './appraise-nras.ts'
import type { NrasDevice } from './device-claims.ts'
import { readNrasPolicy } from './nras-policy.ts'
import type { NrasPolicy } from './nras-policy.ts'
import { MAX_ANSWER_BYTES } from './parse-nras-answer.ts'
import { MAX_JWKS_BYTES } from './parse-jwks.ts'

/** Bytes of the document: answer, key set, and a policy with full lists. */
export const MAX_NRAS_INPUT_BYTES = MAX_ANSWER_BYTES + MAX_JWKS_BYTES + 1024 * 1024

export interface NrasInputAppraisal {
  readonly verdict: Verdict
  /** As signed tokens describe them; good only where the verdict is. */
  readonly devices: readonly NrasDevice[]
}

const PROVES_STRUCTURE = 'The input can be read in one way only.'
const MEANING =
  'a service under this key found genuine GPUs in an accepted state for this nonce; nothing here says which machine they are in'

const REQUIRED = ['nras', 'jwks', 'nonce', 'at'] as const
const OPTIONAL = ['gpus', 'policy'] as const

interface NrasInput {
  readonly answer: JsonValue | undefined
  readonly options: NrasOptions
  readonly policy: AppraisalPolicy
}

/** The member `nras` beside those of the appraisal policy. */
function policiesOf(value: JsonValue | undefined): { all: AppraisalPolicy; nras: NrasPolicy } {
  const { nras = {}, ...given } = objectOf(value ?? {}, 'the policy', [], Object.keys(value ?? {}))
  const all = parsePolicy(given)
  if (!all.ok) throw new Unreadable(all.detail)
  const own = readNrasPolicy(nras)
  if (!own.ok) throw new Unreadable(own.detail)
  return { all: all.policy, nras: own.policy }
}

/** @throws Unreadable */
function readInput(bytes: Uint8Array, crypto: CryptoPort): NrasInput {
  if (bytes.length > MAX_NRAS_INPUT_BYTES) {
    throw new Unreadable(`over ${MAX_NRAS_INPUT_BYTES} bytes`)
  }
  const parsed = parseJson(bytes)
  if (!parsed.ok) throw new Unreadable(`not strict JSON: ${parsed.fault}`)
  const input = objectOf(parsed.value, 'the input', REQUIRED, OPTIONAL)
  const { all, nras } = policiesOf(input['policy'])
  const count = input['gpus'] ?? null
  return {
    answer: input['nras'],
    policy: all,
    options: {
      crypto,
      at: integerOf(input['at'], 'at'),
      jwks: input['jwks'] ?? null,
      expectedNonce: hex32Bytes(hex32Of(input['nonce'], 'nonce')),
      expectedCount: count === null ? null : integerOf(count, 'gpus'),
      allowSimulated: all.allowSimulated,
      policy: nras,
    },
  }
}

/**
 * Never throws on any bytes.
 *
 * @param bytes the input document of docs/conformance.md
 */
export async function appraiseNrasInput(
  bytes: Uint8Array,
  crypto: CryptoPort,
): Promise<NrasInputAppraisal> {
  let input: NrasInput
  try {
    input = readInput(bytes, crypto)
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error
    const checks = [fail('input.structure', 'report_malformed', PROVES_STRUCTURE, error.message)]
    const none = { required: [], asOf: true, simulated: false, acceptUnchecked: [] }
    return { verdict: decideVerdict(checks, none), devices: [] }
  }
  const { answer, options, policy } = input
  const { checks, devices } = await appraiseNras(answer, options)
  const verdict = decideVerdict(checks, {
    required: [
      ...CORE_NRAS_CHECKS,
      ...(options.expectedCount === null ? [] : ['nras.count']),
      ...policy.require,
    ],
    asOf: true,
    // A simulated service is told by its key; that it was let pass is all that the policy can have asked for.
    simulated: policy.allowSimulated,
    acceptUnchecked: policy.acceptUnchecked,
    meaning: MEANING,
  })
  return { verdict, devices }
}
