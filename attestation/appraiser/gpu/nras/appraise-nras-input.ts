/**
 * Appraises an answer of the remote attestation service that is given as one JSON document with everything that the verdict
 * depends on: the form in which vectors for verifiers are written (docs/conformance.md).
 *
 * @module
 */
import type { CryptoPort } from '../../../crypto/port.ts'
import type { Hex32 } from '../../../protocol/hex.ts'
import { parseJson } from '../../../protocol/json.ts'
import type { JsonValue } from '../../../protocol/json.ts'
import { fail } from '../../check.ts'
import { parsePolicy } from '../../policy.ts'
import type { AppraisalPolicy } from '../../policy.ts'
import { hex32Of, integerOf, objectOf, Unreadable } from '../../read-members.ts'
import { decideVerdict } from '../../verdict.ts'
import { appraiseNrasAnswer } from './appraise-nras-answer.ts'
import type { NrasAnswerAppraisal } from './appraise-nras-answer.ts'
import { MAX_ANSWER_BYTES } from './parse-nras-answer.ts'
import { MAX_JWKS_BYTES } from './parse-jwks.ts'

/** Bytes of the document: answer, key set, and a policy with full lists. */
export const MAX_NRAS_INPUT_BYTES = MAX_ANSWER_BYTES + MAX_JWKS_BYTES + 1024 * 1024

const PROVES_STRUCTURE = 'The input can be read in one way only.'

const REQUIRED = ['nras', 'jwks', 'nonce', 'at'] as const
const OPTIONAL = ['gpus', 'policy'] as const

interface NrasInput {
  readonly answer: JsonValue | undefined
  readonly jwks: JsonValue
  readonly nonce: Hex32
  /** Unix seconds. */
  readonly at: number
  readonly count: number | null
  readonly policy: AppraisalPolicy
}

/** @throws Unreadable */
function readInput(bytes: Uint8Array): NrasInput {
  if (bytes.length > MAX_NRAS_INPUT_BYTES) {
    throw new Unreadable(`over ${MAX_NRAS_INPUT_BYTES} bytes`)
  }
  const parsed = parseJson(bytes)
  if (!parsed.ok) throw new Unreadable(`not strict JSON: ${parsed.fault}`)
  const input = objectOf(parsed.value, 'the input', REQUIRED, OPTIONAL)
  const policy = parsePolicy(input['policy'] ?? {})
  if (!policy.ok) throw new Unreadable(policy.detail)
  const count = input['gpus'] ?? null
  return {
    answer: input['nras'],
    jwks: input['jwks'] ?? null,
    nonce: hex32Of(input['nonce'], 'nonce'),
    at: integerOf(input['at'], 'at'),
    count: count === null ? null : integerOf(count, 'gpus'),
    policy: policy.policy,
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
): Promise<NrasAnswerAppraisal> {
  let input: NrasInput
  try {
    input = readInput(bytes)
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error
    const checks = [fail('input.structure', 'report_malformed', PROVES_STRUCTURE, error.message)]
    const none = { required: [], asOf: true, simulated: false, acceptUnchecked: [] }
    return { verdict: decideVerdict(checks, none), devices: [] }
  }
  const { answer, ...options } = input
  return appraiseNrasAnswer(answer, { ...options, crypto, asOf: true })
}
