import { expect } from 'vitest'
import type { Check } from '../../attestation/appraiser/check.ts'
import {
  COLLATERAL_CHECKS,
  appraiseQuote,
} from '../../attestation/appraiser/quote/appraise-quote.ts'
import type { QuoteInput } from '../../attestation/appraiser/quote/appraise-quote.ts'
import { INTEL_SGX_ROOT_SHA256 } from '../../attestation/appraiser/quote/intel-sgx-root.ts'
import { GENUINE_QUOTE } from '../../attestation/appraiser/quote/only-if-genuine.ts'
import { DEFAULT_TDX_POLICY } from '../../attestation/appraiser/quote/tdx-policy.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { forgeQuote, makePlatform } from './quote.helpers.ts'
import type { QuoteParts } from './quote.helpers.ts'
import { AT } from './x509.helpers.ts'

const TD_CHECKS = [
  'quote.td_attributes',
  'quote.xfam',
  'quote.seam',
  'quote.owner',
  'quote.mr_config_id',
]
/** Of these the default policy names nothing to compare with. */
const UNPINNED = ['quote.platform', 'quote.measurements', 'quote.image']

export type Options = Partial<QuoteInput>

export function judge(bytes: Uint8Array, options: Options = {}): readonly Check[] {
  return appraiseQuote({
    quote: bytes,
    collateral: null,
    policy: DEFAULT_TDX_POLICY,
    crypto: nodeCrypto,
    at: AT,
    rootSha256: [INTEL_SGX_ROOT_SHA256],
    ...options,
  }).checks
}

/** `ok` where all judged steps pass, otherwise the failed ones; asserts that only the right ones are skipped. */
export function outcome(checks: readonly Check[]): string {
  const failed = checks.filter(({ status }) => status === 'fail')
  if (checks.length === 1) return failed[0]?.code ?? 'no check'
  expect(checks.map(({ id }) => id).toSorted()).toEqual(
    [
      ...['quote.structure', ...GENUINE_QUOTE, ...TD_CHECKS],
      ...[...COLLATERAL_CHECKS, ...UNPINNED],
    ].toSorted(),
  )
  const statusOf = (id: string) => checks.find((check) => check.id === id)
  for (const id of COLLATERAL_CHECKS) {
    expect(statusOf(id)).toMatchObject({ status: 'skip', code: 'collateral_not_given' })
  }
  for (const id of UNPINNED) expect(statusOf(id)?.status).toMatch(/^(info|skip)$/)
  const broken = GENUINE_QUOTE.findIndex((id) => statusOf(id)?.status === 'fail')
  const after = broken === -1 ? [] : [...GENUINE_QUOTE.slice(broken + 1), ...TD_CHECKS]
  for (const id of [...GENUINE_QUOTE, ...TD_CHECKS]) {
    if (after.includes(id)) {
      expect(statusOf(id)).toMatchObject({ status: 'skip', code: 'depends_on_failed' })
    } else expect(['pass', 'fail']).toContain(statusOf(id)?.status)
  }
  return failed.length === 0 ? 'ok' : failed.map(({ id, code }) => `${id} ${code}`).join(', ')
}

export const platform = makePlatform()

export function forged(parts: Partial<QuoteParts>, options: Options = {}): string {
  const used = parts.platform ?? platform
  const quote = forgeQuote({ platform: used, ...parts })
  return outcome(judge(quote, { rootSha256: [used.rootSha256], ...options }))
}
