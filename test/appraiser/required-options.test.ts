/** What a caller without types can hand to a public verb, and what of it must not open the verifier. */
import { describe, expect, test } from 'vitest'
import {
  appraiseDocument,
  appraiseEventLog,
  appraiseQuote,
  appraiseRaTls,
  appraiseReport,
  DEFAULT_POLICY,
  DEFAULT_TDX_POLICY,
  verifyReceipt,
} from '../../attestation/appraiser/index.ts'
import type { AppraisalPolicy, Quote } from '../../attestation/appraiser/index.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { failed, makeIntelWorld } from './collateral.helpers.ts'
import { trust } from './document.helpers.ts'
import { world } from './report.helpers.ts'
import { AT } from './x509.helpers.ts'

const intel = makeIntelWorld()
const trusted = await trust(world)
const none = new Uint8Array(0)

/** Each with a time and a policy of the given form. */
const VERBS: Readonly<Record<string, (at: number, policy: AppraisalPolicy) => unknown>> = {
  appraiseDocument: (at, policy) =>
    appraiseDocument(none, { crypto: nodeCrypto, at, policy, nonce: null }),
  appraiseReport: (at, policy) =>
    appraiseReport(none, { crypto: nodeCrypto, at, policy, nonce: null, collateral: null }),
  appraiseRaTls: (at, policy) =>
    appraiseRaTls('', { crypto: nodeCrypto, at, policy, collateral: null }),
  appraiseQuote: (at, policy) => intel.appraise({ input: { at, policy: policy.tdx } }),
  verifyReceipt: (at, policy) =>
    verifyReceipt('', { crypto: nodeCrypto, at, policy, trusted, expected: {} }),
}

describe.each(Object.entries(VERBS))('%s', (_name, call) => {
  test('refuses a time that would switch off every validity window', () => {
    expect(() => call(AT, DEFAULT_POLICY)).not.toThrow()
    for (const at of [null, undefined, NaN, Infinity, -Infinity, String(AT), [AT], BigInt(AT)]) {
      expect(() => call(at as number, DEFAULT_POLICY)).toThrow(TypeError)
    }
    const dated: unknown = { valueOf: () => AT }
    expect(() => call(dated as number, DEFAULT_POLICY)).toThrow(TypeError)
  })

  test.each([
    ['a grace that is a text, which would be appended to the time', { collateralGraceS: '0' }],
    ['an age that is no number', { maxCollateralAgeS: NaN }],
    ['an age in words', { maxCollateralAgeS: '7d' }],
    ['an age that is not there', { maxCollateralAgeS: undefined }],
    ['a floor that is not there', { minTcbEvaluationDataNumber: undefined }],
    ['statuses that are one text', { acceptedStatuses: 'OutOfDateConfigurationNeeded' }],
    ['a status that no policy accepts', { acceptedStatuses: ['Revoked'] }],
    ['a misspelt restriction', { mrtd: [] }],
    ['a Map', new Map()],
  ])('refuses a policy with %s', (_what, change) => {
    const tdx: unknown =
      change instanceof Map ? change : { ...DEFAULT_TDX_POLICY, ...(change as object) }
    expect(() => call(AT, { ...DEFAULT_POLICY, tdx } as AppraisalPolicy)).toThrow(TypeError)
  })

  test('refuses a policy that is none', () => {
    for (const policy of [null, undefined, 'node', []] as unknown[]) {
      const whole = policy as AppraisalPolicy
      expect(() => call(AT, whole)).toThrow(TypeError)
    }
  })
})

test('a policy made by hand counts as it reads', () => {
  expect(failed(intel.appraise({ policy: { maxCollateralAgeS: 1 } }))).toBe(
    'quote.collateral_age collateral_too_old',
  )
})

test('a policy that turns milder between two looks is looked at once', () => {
  let looks = 0
  const options = {
    quote: intel.quote(),
    collateral: intel.pki.collateral,
    at: AT,
    crypto: nodeCrypto,
    rootSha256: [intel.pki.rootSha256],
    allowSimulated: true,
    get policy() {
      return looks++ === 0
        ? { ...DEFAULT_TDX_POLICY, maxCollateralAgeS: 1 }
        : { ...DEFAULT_TDX_POLICY }
    },
  }
  expect(failed(appraiseQuote(options))).not.toBe('ok')
})

test('appraiseEventLog refuses a pin that is a text, of which a part would match', () => {
  const { report } = intel.appraise()
  const policy: unknown = { ...DEFAULT_POLICY, composeHashes: '00'.repeat(64) }
  expect(() =>
    appraiseEventLog({ eventLog: '[]', appCompose: null, vmConfig: null }, report as Quote, {
      crypto: nodeCrypto,
      policy: policy as AppraisalPolicy,
      genuine: true,
    }),
  ).toThrow(TypeError)
})
