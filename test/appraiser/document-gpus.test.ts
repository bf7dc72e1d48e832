import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { fail } from '../../attestation/appraiser/check.ts'
import { isCheckedByGuest } from '../../attestation/appraiser/gpu/checked-by-guest.ts'
import { parsePolicy } from '../../attestation/appraiser/policy.ts'
import type { AppraisalPolicy } from '../../attestation/appraiser/policy.ts'
import { parseQuote } from '../../attestation/appraiser/quote/parse-quote.ts'
import type { Quote } from '../../attestation/appraiser/quote/parse-quote.ts'
import { toHex } from '../../attestation/protocol/hex.ts'
import type { JsonValue } from '../../attestation/protocol/json.ts'
import { appraise, CONFIG, makeWorld, newNonce, tamper } from './document.helpers.ts'

const world = makeWorld()
const nonce = newNonce()
const document = await world.attestor.document(nonce)
const { collateral } = world.guest.pki

function statusOf(checks: ReturnType<typeof appraise>['verdict']['checks'], id: string): string {
  const check = checks.find((candidate) => candidate.id === id)
  return check === undefined ? 'absent' : `${check.status} ${check.code}`
}

const COMPOSE_HASH = createHash('sha256').update(world.guest.composeText).digest('hex')
const OTHER = '11'.repeat(32)

function quoteOf(text: string): Quote {
  const { evidence } = JSON.parse(text) as { evidence: { quote: string } }
  const parsed = parseQuote(Buffer.from(evidence.quote, 'hex'))
  if (!parsed.ok) throw new Error(parsed.detail)
  return parsed.quote
}

function imageOf(text: string): Record<string, unknown> {
  const { mrtd, rtmrs } = quoteOf(text)
  const [rtmr0, rtmr1, rtmr2] = rtmrs.map((rtmr) => toHex(rtmr))
  return {
    osImageHash: osImageHash(text),
    mrtd: toHex(mrtd),
    rtmr0: [rtmr0],
    rtmr1,
    rtmr2,
  }
}

function osImageHash(text: string): string {
  const { evidence } = JSON.parse(text) as { evidence: { vm_config: string } }
  const { os_image_hash: hash } = JSON.parse(evidence.vm_config) as { os_image_hash?: string }
  return hash ?? OTHER
}

function policyOf(changes: object): AppraisalPolicy {
  const result = parsePolicy({ ...world.policy, ...changes })
  if (!result.ok) throw new Error(result.detail)
  return result.policy
}

const IMAGES = [imageOf(document)]
const CHECKING = { gpuCheckingComposes: [COMPOSE_HASH] }

function rungUnder(changes: object, more: object = { collateral }): string | undefined {
  const { verdict, binding } = appraise(world, document, {
    nonce,
    policy: policyOf(changes),
    ...more,
  })
  expect(verdict.verdict).toBe('accepted')
  return binding?.rung
}

describe('the binding of a document’s GPUs', () => {
  test('is told for the machine and for each of them, in words', () => {
    const { devices, binding } = appraise(world, document, { nonce })
    expect(binding?.rung).toBe('digest-in-quote')
    expect(binding?.doesNotProve).toMatch(/code that is not known/)
    expect(devices).toMatchObject(
      [0, 1].map((index) => ({
        kind: 'gpu',
        index,
        driver: '580.159.03',
        vbios: '96.00.9F.00.01',
        mode: 'single-pass-through',
        rung: 'digest-in-quote',
      })),
    )
  })

  test('reaches the guest’s own check where image and compose text are those of the policy', () => {
    expect(rungUnder({ tdx: { images: IMAGES }, gpu: CHECKING })).toBe('checked-by-guest')
  })

  test.each<[string, object, object?]>([
    ['a compose text that nobody vouches for', { tdx: { images: IMAGES } }],
    ['another compose text', { tdx: { images: IMAGES }, gpu: { gpuCheckingComposes: [OTHER] } }],
    ['an image that the policy says nothing about', { gpu: CHECKING }],
    [
      'a platform of which no collateral is at hand',
      { tdx: { images: IMAGES }, gpu: CHECKING },
      {},
    ],
    [
      'checks that the policy does without',
      { tdx: { images: IMAGES }, gpu: CHECKING, acceptUnchecked: ['quote.*'] },
      {},
    ],
  ])('stays below with %s', (_, changes, more) => {
    expect(rungUnder(changes, more)).toBe('digest-in-quote')
  })

  test('stays below where the TD can be debugged or one check did not pass, whatever a policy allows', () => {
    const { gpu } = policyOf({ gpu: CHECKING })
    const composeHash = Buffer.from(COMPOSE_HASH, 'hex')
    const { checks } = appraise(world, document, {
      nonce,
      policy: policyOf({ tdx: { images: IMAGES } }),
      collateral,
    }).verdict
    const quote = quoteOf(document)
    expect(isCheckedByGuest({ checks, quote, composeHash }, gpu)).toBe(true)
    const debug = { ...quote, tdAttributes: Uint8Array.of(1, ...quote.tdAttributes.subarray(1)) }
    expect(isCheckedByGuest({ checks, quote: debug, composeHash }, gpu)).toBe(false)
    expect(isCheckedByGuest({ checks, quote, composeHash: null }, gpu)).toBe(false)
    expect(isCheckedByGuest({ checks, quote: null, composeHash }, gpu)).toBe(false)
    expect(isCheckedByGuest({ checks: [], quote, composeHash }, gpu)).toBe(false)
    for (const id of ['quote.signature', 'quote.image', 'quote.qe_identity', 'eventlog.rtmr3']) {
      const without = checks.filter((check) => check.id !== id)
      expect(isCheckedByGuest({ checks: without, quote, composeHash }, gpu)).toBe(false)
      const failed = [...checks, fail(id, 'quote_malformed', '')]
      expect(isCheckedByGuest({ checks: failed, quote, composeHash }, gpu)).toBe(false)
    }
    const refused = [...checks, fail('quote.measurements', 'quote_malformed', '')]
    expect(isCheckedByGuest({ checks: refused, quote, composeHash }, gpu)).toBe(false)
  })

  test('stays below where the configuration asks for no GPU', async () => {
    const lax = makeWorld({ config: { ...CONFIG, gpu: { required: 0, nvswitches: 0 } } })
    const text = await lax.attestor.document(nonce)
    const policy = { ...policyOf({ tdx: { images: [imageOf(text)] }, gpu: CHECKING }) }
    const { binding, verdict } = appraise(lax, text, {
      nonce,
      policy: { ...policy, sgxRoots: lax.policy.sgxRoots, nvidiaRoots: lax.policy.nvidiaRoots },
      collateral: lax.guest.pki.collateral,
    })
    expect(verdict.verdict).toBe('accepted')
    expect(statusOf(verdict.checks, 'quote.image')).toBe('pass ok')
    expect(binding?.rung).toBe('digest-in-quote')
  })
})

describe('GPU collateral of a document', () => {
  const value = { rims: [], ocsp: [] }
  const stapled = (list: JsonValue): string =>
    tamper(document, (draft) => {
      draft.evidence['collateral'] = list
    })

  test('that is stapled is read, and the caller’s own counts before it', () => {
    const one = stapled([{ type: 'dcap2' }, { type: 'nvidia', value }])
    const read = appraise(world, one, { nonce }).verdict.checks
    expect(read.find(({ id }) => id === 'gpu.collateral')?.detail).toBe('stapled')
    // Put there on the way: the quote does not vouch for it.
    expect(statusOf(read, 'statement.binding')).toBe('fail statement_mismatch')
    const bad = stapled([{ type: 'nvidia', value: null }])
    const own = appraise(world, bad, { nonce, gpuCollateral: value }).verdict.checks
    expect(own.find(({ id }) => id === 'gpu.collateral')?.detail).toBe('given by the caller')
  })

  test.each<[string, JsonValue]>([
    ['twice', [...Array<JsonValue>(2).fill({ type: 'nvidia', value })]],
    ['without a value', [{ type: 'nvidia' }]],
    ['with more than a value', [{ type: 'nvidia', value, more: 1 }]],
    ['in another form', [{ type: 'nvidia', value: { rims: [] } }]],
  ])('that is stapled %s is malformed', (_, list) => {
    const { checks } = appraise(world, stapled(list), { nonce }).verdict
    expect(statusOf(checks, 'gpu.collateral')).toBe('fail gpu_collateral_malformed')
  })

  test('that is nowhere is not spoken of', () => {
    const { checks } = appraise(world, document, { nonce }).verdict
    expect(statusOf(checks, 'gpu.collateral')).toBe('absent')
  })
})
