import { describe, expect, test } from 'vitest'
import { fail, info, pass, skip } from '../../attestation/appraiser/check.ts'
import { CHECK_CODES } from '../../attestation/appraiser/codes.ts'
import { POLICIES } from '../../attestation/appraiser/policies.ts'
import { DEFAULT_POLICY, parsePolicy } from '../../attestation/appraiser/policy.ts'
import {
  VERDICT_EXIT_CODES,
  decideVerdict,
  matchesCheckId,
} from '../../attestation/appraiser/verdict.ts'

const PIN = '00'.repeat(32)

describe('a policy', () => {
  test('of nothing is the default one', () => {
    expect(parsePolicy({})).toEqual({ ok: true, policy: DEFAULT_POLICY })
    expect(parsePolicy(DEFAULT_POLICY)).toEqual({ ok: true, policy: DEFAULT_POLICY })
  })

  test('accepts hardware of Intel and NVIDIA only', () => {
    expect(DEFAULT_POLICY).toMatchObject({
      allowSimulated: false,
      allowRemoteUpstream: false,
      sgxRoots: ['44a0196b2b99f889b8e149e95b807a350e7424964399e885a7cbb8ccfab674d3'],
      nvidiaRoots: ['102bf659d5419614c9d8e6aecebc80454eb26b1df6a769ac720b9a690b167b48'],
    })
  })

  test.each<[string, unknown]>([
    ['a member that is not known', { allowSimulatd: true }],
    ['a member of the prototype', JSON.parse('{"__proto__": 1}')],
    ['a text for a switch', { allowSimulated: 'no' }],
    ['upper-case hex', { sgxRoots: ['AA'.repeat(32)] }],
    ['a root of another length', { nvidiaRoots: ['aa'] }],
    ['a key that is no point', { kmsRoots: [`05${'aa'.repeat(32)}`] }],
    ['a negative age', { maxAgeS: -1 }],
    ['an age without end', { maxAgeS: Infinity }],
    ['an id that is none', { require: ['quote..x'] }],
    ['compose hashes that are one', { composeHashes: 'aa'.repeat(32) }],
    ['too many entries', { allowMembers: Array(2000).fill('a') }],
    ['a list', []],
    ['nothing', null],
  ])('with %s is refused', (_name, value) => {
    expect(parsePolicy(value).ok).toBe(false)
  })

  test.each<[string, () => unknown]>([
    [
      'an accessor',
      () => ({
        get composeHashes() {
          return [PIN]
        },
      }),
    ],
    [
      'an accessor further down',
      () => ({
        tdx: {
          get fmspcs() {
            return []
          },
        },
      }),
    ],
    [
      'an accessor in a list',
      () => {
        const composeHashes: string[] = [PIN]
        Object.defineProperty(composeHashes, 0, { enumerable: true, get: () => PIN })
        return { composeHashes }
      },
    ],
    [
      'a class whose members are accessors',
      () =>
        new (class {
          get composeHashes() {
            return [PIN]
          }
        })(),
    ],
    ['restrictions that are inherited', () => Object.create({ composeHashes: [PIN] }) as object],
    [
      'TDX restrictions that are inherited',
      () => ({ tdx: Object.create({ fmspcs: [] }) as object }),
    ],
    [
      'restrictions that are not enumerable',
      () => Object.defineProperty({}, 'composeHashes', { value: [PIN] }),
    ],
    [
      'a hidden toJSON',
      () =>
        Object.defineProperty({}, 'toJSON', { value: () => ({ acceptUnchecked: ['quote.*'] }) }),
    ],
    [
      'a list with a toJSON',
      () => ({ composeHashes: Object.assign([PIN], { toJSON: () => null }) }),
    ],
    ['a Map', () => new Map([['composeHashes', [PIN]]])],
    ['a Map of TDX restrictions', () => ({ tdx: new Map([['fmspcs', []]]) })],
    ['a Date', () => new Date()],
    ['a list with holes', () => ({ composeHashes: new Array(3) })],
    ['a list of another class', () => ({ composeHashes: new (class extends Array<string> {})() })],
    ['a symbol', () => ({ [Symbol('composeHashes')]: [PIN] })],
    ['an undefined restriction', () => ({ composeHashes: undefined })],
    ['a String object', () => ({ composeHashes: [Object('00')] })],
    [
      'a policy in itself',
      () => {
        const tdx: { tdx?: object } = {}
        tdx.tdx = tdx
        return { tdx }
      },
    ],
  ])('with %s is refused, not read as less', (_name, make) => {
    expect(parsePolicy(make()).ok).toBe(false)
  })

  test('is read once: a proxy cannot show one policy to the check and another to the copy', () => {
    let reads = 0
    const turning = new Proxy(
      { require: ['a.b'] },
      {
        getOwnPropertyDescriptor: () => ({
          configurable: true,
          enumerable: true,
          writable: true,
          value: reads++ === 0 ? ['a.b'] : [],
        }),
      },
    )
    expect(parsePolicy(turning)).toMatchObject({ ok: true, policy: { require: ['a.b'] } })
    expect(reads).toBe(1)
  })

  test('in force cannot be changed at any depth', () => {
    const images = [
      {
        osImageHash: PIN,
        mrtd: '00'.repeat(48),
        rtmr0: [],
        rtmr1: '00'.repeat(48),
        rtmr2: '00'.repeat(48),
      },
    ]
    const frozen = (value: unknown): boolean =>
      typeof value !== 'object' ||
      value === null ||
      (Object.isFrozen(value) && Object.values(value).every(frozen))
    const parsed = parsePolicy({ composeHashes: [PIN], tdx: { images } })
    expect(parsed.ok && frozen(parsed.policy)).toBe(true)
    for (const policy of [DEFAULT_POLICY, ...Object.values(POLICIES)])
      expect(frozen(policy)).toBe(true)
  })

  test('is a copy: changing what was given changes nothing', () => {
    const given = { require: ['gpu.*.ocsp'] }
    const parsed = parsePolicy(given)
    given.require.pop()
    expect(parsed.ok && parsed.policy.require).toEqual(['gpu.*.ocsp'])
  })
})

describe('a verdict', () => {
  const options = { required: [], asOf: false, simulated: false, acceptUnchecked: [] }
  const fine = pass('a.b', 'x')

  test.each<[string, Parameters<typeof decideVerdict>[0], string, number]>([
    ['only passes', [fine], 'accepted', 0],
    [
      'notes and skips',
      [fine, info('c', 'receipt_is_view', ''), skip('d', 'not_provided', '')],
      'accepted',
      0,
    ],
    ['evidence that is bad', [fine, fail('c', 'nonce_mismatch', '')], 'rejected', 10],
    ['evidence that the policy refuses', [fail('c', 'statement_stale', '')], 'rejected', 10],
    ['evidence that is not there', [fail('c', 'receipt_missing', '')], 'rejected', 10],
    ['an unknown kind', [fine, fail('c', 'quote_unsupported', '')], 'unsupported', 20],
    ['what cannot be read', [fine, fail('c', 'quote_malformed', '')], 'malformed', 30],
    [
      'all of these',
      [
        fail('c', 'quote_unsupported', ''),
        fail('d', 'quote_malformed', ''),
        fail('e', 'nonce_mismatch', ''),
      ],
      'rejected',
      10,
    ],
    [
      'what cannot be read and what is not known',
      [fail('c', 'quote_unsupported', ''), fail('d', 'quote_malformed', '')],
      'malformed',
      30,
    ],
  ])('on %s', (_name, checks, name, exit) => {
    const { verdict, sentence } = decideVerdict(checks, options)
    expect(verdict).toBe(name)
    expect(VERDICT_EXIT_CODES[verdict]).toBe(exit)
    expect(sentence).toMatch(/^[A-Z].*\.$/)
  })

  test('needs every required check to have passed', () => {
    const decide = (required: string[], ...more: Parameters<typeof decideVerdict>[0][number][]) =>
      decideVerdict([fine, ...more], { ...options, required }).verdict
    expect(decide(['a.b'])).toBe('accepted')
    expect(decide(['a.*'])).toBe('accepted')
    expect(decide(['a.c'])).toBe('rejected')
    expect(decide(['a.*'], skip('a.c', 'not_provided', ''))).toBe('rejected')
    expect(decide(['a.*'], info('a.c', 'receipt_is_view', ''))).toBe('rejected')
    expect(decide(['a.b'], skip('a.b', 'not_provided', ''))).toBe('rejected')
  })

  test('a star is one part of an id, neither none nor two', () => {
    expect(matchesCheckId('gpu.*.nonce', 'gpu.10.nonce')).toBe(true)
    expect(matchesCheckId('gpu.*', 'gpu.0.nonce')).toBe(false)
    expect(matchesCheckId('gpu.*.nonce', 'gpu.nonce')).toBe(false)
    expect(matchesCheckId('*', 'a.b')).toBe(false)
  })

  test('every code has a meaning that ends a sentence', () => {
    for (const { meaning } of Object.values(CHECK_CODES)) expect(meaning).not.toMatch(/[.\n]$/)
  })
})
