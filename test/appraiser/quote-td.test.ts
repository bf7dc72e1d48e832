import { describe, expect, test } from 'vitest'
import { DEFAULT_TDX_POLICY } from '../../attestation/appraiser/quote/tdx-policy.ts'
import type { TdxPolicy } from '../../attestation/appraiser/quote/tdx-policy.ts'
import type { QuoteParts } from './quote.helpers.ts'
import { forged } from './quote-outcome.helpers.ts'
import { hex } from './x509.helpers.ts'

describe('TD attributes and TDX module', () => {
  const attributes = (text: string): Partial<QuoteParts> => ({ put: { 120: hex(text) } })
  test.each([
    ['0000001000000000', 'ok'],
    ['0000005000000080', 'ok'],
    // Bit 31 was KL; by the specification of 2026 it is reserved.
    ['0000009000000000', 'quote.td_attributes td_attributes_reserved'],
    ['0100001000000000', 'quote.td_attributes td_debug'],
    ['0200001000000000', 'quote.td_attributes td_attributes_reserved'],
    ['0000000000000000', 'quote.td_attributes td_sept_ve_enabled'],
    ['0000003000000000', 'quote.td_attributes td_attributes_reserved'],
    ['0000001001000000', 'quote.td_attributes td_attributes_reserved'],
  ])('td_attributes %s: %s', (text, expected) => {
    expect(forged(attributes(text))).toBe(expected)
  })

  test('debug is accepted only where the policy names it, and no other bit of its group ever', () => {
    const policy: TdxPolicy = { ...DEFAULT_TDX_POLICY, allowDebug: true }
    expect(forged(attributes('0100001000000000'), { policy })).toBe('ok')
    expect(forged(attributes('0300001000000000'), { policy })).toBe(
      'quote.td_attributes td_attributes_reserved',
    )
  })

  test('what a policy requires must be there, and what it allows may be', () => {
    const perfmon = '0000001000000080'
    const required: TdxPolicy = { ...DEFAULT_TDX_POLICY, tdAttributesRequired: perfmon }
    expect(forged(attributes(perfmon), { policy: required })).toBe('ok')
    expect(forged({}, { policy: required })).toBe('quote.td_attributes td_attributes_missing')
    const keyLocker: TdxPolicy = { ...DEFAULT_TDX_POLICY, tdAttributesAllowed: '0000008000000000' }
    expect(forged(attributes('0000009000000000'), { policy: keyLocker })).toBe('ok')
    const none: TdxPolicy = { ...DEFAULT_TDX_POLICY, tdAttributesAllowed: '0000000000000000' }
    expect(forged(attributes(perfmon), { policy: none })).toBe(
      'quote.td_attributes td_attributes_reserved',
    )
  })

  test.each([
    ['without SSE', '0100000000000000', 'quote.xfam td_xfam_not_accepted'],
    ['with a feature that nobody has named', '0300000000000001', 'quote.xfam td_xfam_not_accepted'],
    ['with all that are named', 'e7db060000000000', 'ok'],
  ])('xfam %s: %s gives %s', (_, text, expected) => {
    expect(forged({ put: { 128: hex(text) } })).toBe(expected)
  })

  const one = Uint8Array.of(1)
  test.each<[string, number, keyof TdxPolicy, string]>([
    ['mr_owner', 232, 'mrOwners', 'quote.owner mr_owner_not_accepted'],
    ['mr_owner_config', 280, 'mrOwnerConfigs', 'quote.owner mr_owner_not_accepted'],
  ])('%s is zero unless the policy says otherwise', (_, offset, member, expected) => {
    const put = { [offset]: one }
    const value = `01${'00'.repeat(47)}`
    expect(forged({ put })).toBe(expected)
    expect(forged({ put }, { policy: { ...DEFAULT_TDX_POLICY, [member]: [value] } })).toBe('ok')
    expect(forged({ put }, { policy: { ...DEFAULT_TDX_POLICY, [member]: null } })).toBe('ok')
    expect(forged({}, { policy: { ...DEFAULT_TDX_POLICY, [member]: [value] } })).toBe(expected)
  })

  test.each([
    ['v1', 1],
    ['v2', 2],
    ['v3', 3],
  ] as const)('mr_config_id of kind %s can be refused, and one of no kind is', (kind, first) => {
    const put = { 184: Uint8Array.of(first, 9) }
    const code = 'quote.mr_config_id mr_config_id_not_accepted'
    expect(forged({ put })).toBe('ok')
    const only = (kinds: TdxPolicy['mrConfigIdKinds']) => ({
      policy: { ...DEFAULT_TDX_POLICY, mrConfigIdKinds: kinds },
    })
    expect(forged({ put }, only([kind]))).toBe('ok')
    expect(forged({ put }, only(['zero']))).toBe(code)
    expect(forged({}, only([kind]))).toBe(code)
    expect(forged({ put: { 184: Uint8Array.of(4) } })).toBe(code)
    expect(forged({ put: { 185: one } })).toBe(code)
    const pinned: TdxPolicy = { ...DEFAULT_TDX_POLICY, mrConfigIds: ['00'.repeat(48)] }
    expect(forged({ put }, { policy: pinned })).toBe(code)
  })

  test('a TDX module can be pinned', () => {
    const policy: TdxPolicy = { ...DEFAULT_TDX_POLICY, mrSeams: ['00'.repeat(48)] }
    expect(forged({}, { policy })).toBe('ok')
    expect(forged({ put: { 16: one } }, { policy })).toBe('quote.seam mr_seam_not_accepted')
  })

  test('a bound service TD can be named', () => {
    const policy: TdxPolicy = { ...DEFAULT_TDX_POLICY, serviceTds: [`01${'00'.repeat(47)}`] }
    const parts: Partial<QuoteParts> = { version: 5, body: 'td15', put: { 600: one } }
    expect(forged(parts, { policy })).toBe('ok')
    expect(forged({ version: 5, body: 'td15' }, { policy })).toBe(
      'quote.td_attributes td_service_td',
    )
  })

  test('fails where a service TD is bound', () => {
    const put = { 647: Uint8Array.of(1) }
    expect(forged({ version: 5, body: 'td15', put })).toBe('quote.td_attributes td_service_td')
  })

  test('fails for a module of another signer or with attributes, and tells both policy faults', () => {
    expect(forged({ put: { 64: Uint8Array.of(1) } })).toBe('quote.seam seam_not_production')
    expect(forged({ put: { 119: Uint8Array.of(1) } })).toBe('quote.seam seam_not_production')
    expect(forged({ put: { 64: Uint8Array.of(1), 120: Uint8Array.of(1) } })).toBe(
      'quote.td_attributes td_debug, quote.seam seam_not_production',
    )
  })
})
