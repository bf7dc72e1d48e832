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
import type { Hex32 } from '../../attestation/protocol/hex.ts'
import { createCollateralCache } from '../../attestation/appraiser/quote/collateral-cache.ts'
import { DAY, failed, makeIntelWorld } from './collateral.helpers.ts'
import { trust } from './document.helpers.ts'
import { dstackReport, failures, isAccepted, judge, world } from './report.helpers.ts'
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

describe('a nonce', () => {
  const report = dstackReport(new Uint8Array(0))
  test('that is none, or hex of another spelling or length, is no reason to go without', () => {
    // The report is good, of report data that are zeros, and answers nobody.
    expect(isAccepted(judge(report, { nonce: null }))).toBe(true)
    const digits = 'ab'.repeat(32)
    const odd: unknown[] = [
      '',
      'none',
      digits.toUpperCase(),
      `0x${digits}`,
      `${digits} `,
      digits.slice(2),
    ]
    for (const nonce of [...odd, undefined, 0, false, [digits], new Uint8Array(32)]) {
      expect(() => judge(report, { nonce: nonce as Hex32 })).toThrow(TypeError)
      expect(() =>
        appraiseDocument(none, {
          crypto: nodeCrypto,
          at: AT,
          policy: DEFAULT_POLICY,
          nonce: nonce as Hex32,
        }),
      ).toThrow(TypeError)
    }
    expect(failures(judge(report))).toEqual(['report.nonce report_data_mismatch'])
  })

  test('in place of which report data are given must be bytes, and some', () => {
    const given = (reportData: unknown): (() => unknown) => {
      return () => judge(report, { nonce: null, reportData: reportData as Uint8Array })
    }
    // Read as an array, each of these is a row of zeros.
    for (const text of [
      'feed',
      '',
      { length: 3 },
      ['x'],
      new ArrayBuffer(32),
      new DataView(new ArrayBuffer(8)),
    ]) {
      expect(given(text)).toThrow(TypeError)
    }
    expect(given(new Uint8Array(0))).toThrow(RangeError)
    expect(given(new Uint8Array(65))).toThrow(RangeError)
    expect(failures(judge(report, { nonce: null, reportData: Uint8Array.of(1) }))).toEqual([
      'report.nonce report_data_mismatch',
    ])
    expect(isAccepted(judge(report, { nonce: null, reportData: Buffer.alloc(32) }))).toBe(true)
  })
})

test('a flag must be one: a text that says false is true', () => {
  const asOf = 'false' as unknown as boolean
  expect(() => judge(dstackReport(new Uint8Array(0)), { nonce: null, asOf })).toThrow(TypeError)
  const { report } = intel.appraise()
  expect(() =>
    appraiseEventLog({ eventLog: '[]', appCompose: null, vmConfig: null }, report as Quote, {
      crypto: nodeCrypto,
      policy: DEFAULT_POLICY,
      genuine: 'no' as unknown as boolean,
    }),
  ).toThrow(TypeError)
})

describe('bytes', () => {
  const quote = intel.quote()
  const outcome = (bytes: unknown): string =>
    failed(intel.appraise({ input: { quote: bytes as Uint8Array } }))

  test('can be a Buffer, part of a larger one, of a subclass or of shared memory', () => {
    class Lying extends Uint8Array {
      override get length(): number {
        return 48
      }
      override [Symbol.iterator](): ArrayIterator<number> {
        return new Uint8Array(48)[Symbol.iterator]()
      }
    }
    const padded = Buffer.concat([Buffer.from('before'), quote, Buffer.from('after')])
    const shared = new Uint8Array(new SharedArrayBuffer(quote.length))
    shared.set(quote)
    const whole = [
      Buffer.from(quote),
      padded.subarray(6, 6 + quote.length),
      shared,
      new Lying(quote),
    ]
    for (const bytes of whole) expect(outcome(bytes)).toBe('ok')
  })

  test('are nothing else', () => {
    const look: unknown = new Proxy(quote, {})
    const numbers: unknown[] = [...quote]
    const texts = [Buffer.from(quote).toString('hex'), quote.buffer, new Uint16Array(quote), 5006]
    for (const odd of [look, numbers, ...texts, null, undefined, Object.create(quote) as unknown]) {
      expect(() => outcome(odd)).toThrow(TypeError)
      expect(() =>
        appraiseDocument(odd as Uint8Array, {
          crypto: nodeCrypto,
          at: AT,
          policy: DEFAULT_POLICY,
          nonce: null,
        }),
      ).toThrow(TypeError)
    }
  })

  test('that change while a policy is read are judged as they are then, and not half of each', () => {
    const bytes = Uint8Array.from(quote)
    const broken = quote.map((byte, index) => (index === 600 ? byte ^ 1 : byte))
    const policy = new Proxy(
      { ...DEFAULT_TDX_POLICY },
      {
        ownKeys: (target) => {
          bytes.set(broken)
          return Reflect.ownKeys(target)
        },
      },
    )
    expect(failed(intel.appraise({ quote: bytes, input: { policy } }))).toBe(
      'quote.signature quote_signature_invalid',
    )
  })

  test('that change once they were copied change nothing', () => {
    const bytes = Uint8Array.from(quote)
    const verifyEcdsa: typeof nodeCrypto.verifyEcdsa = (...given) => {
      bytes.fill(0)
      return nodeCrypto.verifyEcdsa(...given)
    }
    const crypto = { ...nodeCrypto, verifyEcdsa }
    const { checks, report } = intel.appraise({ quote: bytes, input: { crypto } })
    expect(failed({ checks })).toBe('ok')
    expect(report?.signedBytes).toEqual(quote.subarray(0, 632))
  })
})

test('collateral that answers otherwise the second time is not kept under the name of the first', () => {
  const [now, old] = [
    intel.pki.collateral,
    makeIntelWorld({ now: new Date((AT - 60 * DAY) * 1000) }),
  ]
  const cache = createCollateralCache()
  let looks = 0
  const collateral = {
    ...old.pki.collateral,
    get tcb_info() {
      return looks++ === 0 ? old.pki.collateral.tcb_info : now.tcb_info
    },
  }
  appraiseQuote({
    quote: intel.quote(),
    collateral,
    at: AT,
    policy: DEFAULT_TDX_POLICY,
    crypto: nodeCrypto,
    rootSha256: [intel.pki.rootSha256, old.pki.rootSha256],
    allowSimulated: true,
    cache,
  })
  expect(looks).toBe(1)
  expect(cache.entries.size).toBe(1)
})
