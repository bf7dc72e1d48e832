import { describe, expect, test } from 'vitest'
import { fail, info, pass, skip } from '../../attestation/appraiser/check.ts'
import { decideVerdict, matchesCheckId } from '../../attestation/appraiser/verdict.ts'
import type { VerdictOptions } from '../../attestation/appraiser/verdict.ts'

const REAL: VerdictOptions = { required: [], asOf: false, simulated: false, acceptUnchecked: [] }
const good = pass('quote.signature', 'x')
const gap = skip('quote.qe_identity', 'not_yet_checked', 'x', 'the identity is not read')

describe('the verdict', () => {
  test('real evidence with a check that this version does not make is unsupported, not accepted', () => {
    const { verdict, sentence } = decideVerdict([good, gap], REAL)
    expect(verdict).toBe('unsupported')
    expect(sentence).toContain('quote.qe_identity')
  })

  test.each(['collateral_not_given', 'image_references_not_given'] as const)(
    'so is real evidence of which a check was not made because of %s',
    (code) => {
      const open = skip('quote.crl', code, 'x')
      expect(decideVerdict([good, open], REAL).verdict).toBe('unsupported')
      const accepting = { ...REAL, acceptUnchecked: ['quote.crl'] }
      expect(decideVerdict([good, open], accepting).verdict).toBe('accepted')
    },
  )

  test('a policy that does without the check is told so in the sentence', () => {
    const { verdict, sentence } = decideVerdict([good, gap], {
      ...REAL,
      acceptUnchecked: ['quote.*'],
    })
    expect(verdict).toBe('accepted')
    expect(sentence).toContain('without the checks quote.qe_identity')
  })

  test('the sentence names all checks that are open', () => {
    const other = skip('gpu.0.ocsp', 'not_yet_checked', 'x')
    const { sentence } = decideVerdict([good, gap, other], REAL)
    expect(sentence).toContain('quote.qe_identity, gpu.0.ocsp')
  })

  test('doing without one check is not doing without another', () => {
    const other = skip('gpu.0.ocsp', 'not_yet_checked', 'x')
    const options = { ...REAL, acceptUnchecked: ['quote.*'] }
    expect(decideVerdict([good, gap, other], options).verdict).toBe('unsupported')
  })

  test('a simulation is accepted as one, gaps or not: it proves nothing anyway', () => {
    const { verdict, sentence } = decideVerdict([good, gap], { ...REAL, simulated: true })
    expect(verdict).toBe('accepted')
    expect(sentence).toContain('SIMULATION')
  })

  test('evidence without gaps is accepted in full', () => {
    const { verdict, sentence } = decideVerdict([good], REAL)
    expect(verdict).toBe('accepted')
    expect(sentence).not.toContain('without')
  })

  test('bad evidence outweighs every gap', () => {
    const bad = fail('quote.signature', 'quote_signature_invalid', 'x')
    expect(decideVerdict([bad, gap], REAL).verdict).toBe('rejected')
  })

  test.each([
    ['is absent', []],
    ['is skipped', [skip('gpu.0.ocsp', 'not_provided', 'x')]],
    ['only informs', [info('gpu.0.ocsp', 'ok', 'x')]],
  ])('a required check that %s rejects', (_how, checks) => {
    const options = { ...REAL, required: ['gpu.*.ocsp'] }
    expect(decideVerdict([good, ...checks], options).verdict).toBe('rejected')
  })

  test('a star stands for one part of an id, never for none or two', () => {
    expect(matchesCheckId('gpu.*.chain', 'gpu.0.chain')).toBe(true)
    expect(matchesCheckId('gpu.*', 'gpu.0.chain')).toBe(false)
    expect(matchesCheckId('gpu.*.chain', 'gpu.chain')).toBe(false)
  })
})
