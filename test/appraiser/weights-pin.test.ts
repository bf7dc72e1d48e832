/** A policy that names weights, and documents that name others, none, or something that is no measured folder. */
import { describe, expect, test } from 'vitest'
import { parsePolicy } from '../../attestation/appraiser/policy.ts'
import type { JsonValue } from '../../attestation/protocol/json.ts'
import { appraise, CONFIG, failures, makeWorld, tamper } from './document.helpers.ts'
import { dstackReport, judge, POLICY } from './report.helpers.ts'

const DIGEST = `sha256:${'ab'.repeat(32)}`
const OTHER = `sha256:${'cd'.repeat(32)}`
const LABEL = 'measured-by-sidecar: directory'
const WEIGHTS = { label: LABEL, digest: DIGEST, files: 2, bytes: 9 }

async function judged(weights: JsonValue | undefined, weightsDigests: readonly string[] | null) {
  const world = makeWorld({ config: weights === undefined ? CONFIG : { ...CONFIG, weights } })
  const text = await world.attestor.document(null)
  return appraise(world, text, { policy: { ...world.policy, weightsDigests } })
}

describe('weights that a policy names', () => {
  test('are those of the document, among others', async () => {
    const { verdict, trusted } = await judged(WEIGHTS, [OTHER, DIGEST])
    expect(verdict.verdict).toBe('accepted')
    expect(verdict.checks).toContainEqual(
      expect.objectContaining({ id: 'config.weights', status: 'pass', detail: DIGEST }),
    )
    expect(trusted?.config['weights']).toEqual(WEIGHTS)
  })

  test.each<[string, JsonValue | undefined, string, string]>([
    ['are others', { ...WEIGHTS, digest: OTHER }, 'rejected', 'weights_not_accepted'],
    ['are absent', undefined, 'rejected', 'weights_not_measured'],
    ['were not measured', null, 'rejected', 'weights_not_measured'],
    [
      'stand under the label of another measurement',
      { ...WEIGHTS, label: 'loaded-by-model-server' },
      'unsupported',
      'weights_label_unknown',
    ],
    ['have no label', { digest: DIGEST }, 'unsupported', 'weights_label_unknown'],
    ['are a digest alone', DIGEST, 'malformed', 'weights_malformed'],
    ['are a list with the digest in it', [WEIGHTS], 'malformed', 'weights_malformed'],
    [
      'have a digest in upper case',
      { ...WEIGHTS, digest: `sha256:${'AB'.repeat(32)}` },
      'malformed',
      'weights_malformed',
    ],
    ['have a list of digests', { ...WEIGHTS, digest: [DIGEST] }, 'malformed', 'weights_malformed'],
  ])('%s: refused', async (_what, weights, wanted, code) => {
    const { verdict, trusted } = await judged(weights, [DIGEST])
    expect(failures(verdict.checks)).toEqual({ 'config.weights': code })
    expect(verdict.verdict).toBe(wanted)
    expect(trusted).toBeNull()
  })

  test('a list of none accepts no weights', async () => {
    expect(failures((await judged(WEIGHTS, [])).verdict.checks)).toEqual({
      'config.weights': 'weights_not_accepted',
    })
  })

  test('are not met by writing the digest into a document after it was quoted', async () => {
    const world = makeWorld({ config: { ...CONFIG, weights: { ...WEIGHTS, digest: OTHER } } })
    const text = tamper(await world.attestor.document(null), (value) => {
      value.config = { ...(value.config as object), weights: WEIGHTS }
    })
    const policy = { ...world.policy, weightsDigests: [DIGEST] }
    const { verdict } = appraise(world, text, { policy })
    expect(failures(verdict.checks)).toEqual({ 'statement.binding': 'statement_mismatch' })
  })

  test('are not met by a report that says nothing of weights', () => {
    const report = dstackReport(new Uint8Array(0))
    expect(judge(report, { nonce: null }).verdict.verdict).toMatch(/^accepted/)
    const pinned = judge(report, { nonce: null, policy: { ...POLICY, weightsDigests: [DIGEST] } })
    expect(pinned.verdict.sentence).toBe(
      'Rejected: config.weights is required, and the evidence holds nothing to check for it.',
    )
  })
})

test('where a policy names none, that is said, with the digest to compare', async () => {
  const { verdict } = await judged(WEIGHTS, null)
  expect(verdict.verdict).toBe('accepted')
  expect(verdict.checks.find(({ id }) => id === 'config.weights')).toMatchObject({
    status: 'info',
    code: 'weights_not_pinned',
    detail: DIGEST,
  })
  const none = (await judged(null, null)).verdict
  expect(none.verdict).toBe('accepted')
  expect(none.checks.find(({ id }) => id === 'config.weights')?.detail).not.toContain('sha256')
})

test.each([[['ab'.repeat(32)]], [[DIGEST.toUpperCase()]], [DIGEST], [[`${DIGEST} `]], [[null]]])(
  'a policy with weights %j is refused',
  (weightsDigests) => {
    expect(parsePolicy({ weightsDigests }).ok).toBe(false)
  },
)
