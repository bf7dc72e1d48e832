import { describe, expect, test } from 'vitest'
import { isGenuine } from '../../attestation/appraiser/quote/only-if-genuine.ts'
import { failed, makeIntelWorld } from './collateral.helpers.ts'

describe('a quote is not genuine', () => {
  test('where Intel revoked the TCB of its platform, whose keys may be anybody’s', () => {
    const revoked = makeIntelWorld({ tcbStatus: 'Revoked' }).appraise()
    expect(failed(revoked)).toBe('quote.tcb_status tcb_revoked')
    expect(isGenuine(revoked.checks)).toBe(false)
  })

  test('only for what lets somebody else make it, not for what a policy refuses', () => {
    const outdated = makeIntelWorld({ tcbStatus: 'OutOfDate' }).appraise()
    expect(failed(outdated)).toBe('quote.tcb_status tcb_status_not_accepted')
    expect(isGenuine(outdated.checks)).toBe(true)
    const old = makeIntelWorld().appraise({ policy: { maxCollateralAgeS: 1 } })
    expect(failed(old)).toBe('quote.collateral_age collateral_too_old')
    expect(isGenuine(old.checks)).toBe(true)
  })
})
