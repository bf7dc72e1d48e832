import { describe, expect, test } from 'vitest'
import { createCollateralCache } from '../../attestation/appraiser/quote/collateral-cache.ts'
import type { JsonValue } from '../../attestation/protocol/json.ts'
import { createIntelPki } from '../../attestation/simulator/intel/create-intel-pki.ts'
import { appraise, failures, makeWorld, newNonce, NOW, tamper } from './document.helpers.ts'

const world = makeWorld()
const { collateral } = world.guest.pki
const nonce = newNonce()
const document = await world.attestor.document(nonce)

function statusOf(checks: ReturnType<typeof appraise>['verdict']['checks'], id: string): string {
  const check = checks.find((candidate) => candidate.id === id)
  return check === undefined ? 'absent' : `${check.status} ${check.code}`
}

describe('collateral of a document', () => {
  test('that the caller gives is judged, and the state of the platform is told', () => {
    const cache = createCollateralCache()
    for (const options of [{ collateral }, { collateral, cache }, { collateral, cache }]) {
      const { verdict, tcb } = appraise(world, document, { nonce, ...options })
      expect(verdict.verdict).toBe('accepted')
      expect(tcb?.status).toBe('UpToDate')
      expect(statusOf(verdict.checks, 'quote.tcb_status')).toBe('pass ok')
    }
    expect(cache.entries.size).toBe(1)
  })

  test('that speaks against the platform rejects the document, and the quote binds nothing', () => {
    const revoking = createIntelPki({ now: new Date(NOW * 1000) }).collateral
    const { verdict, trusted } = appraise(world, document, { nonce, collateral: revoking })
    expect(verdict.verdict).toBe('rejected')
    expect(trusted).toBeNull()
    expect(failures(verdict.checks)['quote.crl']).toBe('collateral_chain_untrusted_root')
    expect(statusOf(verdict.checks, 'statement.binding')).toBe('skip depends_on_failed')
  })

  const stapled = (list: JsonValue): string =>
    tamper(document, (draft) => {
      draft.evidence['collateral'] = list
    })
  const value = { ...collateral }

  test('that is stapled is judged where the caller has none', () => {
    const one = stapled([{ type: 'other' }, { type: 'dcap', value }])
    const { checks } = appraise(world, one, { nonce }).verdict
    expect(statusOf(checks, 'quote.collateral')).toBe('pass ok')
    expect(statusOf(checks, 'quote.crl')).toBe('pass ok')
    // Put there on the way: the quote does not vouch for it.
    expect(statusOf(checks, 'statement.binding')).toBe('fail statement_mismatch')
  })

  test.each<[string, JsonValue]>([
    [
      'twice',
      [
        { type: 'dcap', value },
        { type: 'dcap', value },
      ],
    ],
    ['without a value', [{ type: 'dcap' }]],
    ['with more than a value', [{ type: 'dcap', value, more: 1 }]],
    ['in another form', [{ type: 'dcap', value: { ...value, tcb_info: 1 } }]],
  ])('that is stapled %s is malformed', (_, list) => {
    const { checks } = appraise(world, stapled(list), { nonce }).verdict
    expect(statusOf(checks, 'quote.collateral')).toBe('fail collateral_malformed')
  })

  test('that is nowhere leaves its checks open', () => {
    const { checks } = appraise(world, document, { nonce }).verdict
    expect(statusOf(checks, 'quote.collateral')).toBe('absent')
    expect(statusOf(checks, 'quote.crl')).toBe('skip collateral_not_given')
  })
})
