import { describe, expect, test } from 'vitest'
import { appraiseQuote } from '../../attestation/appraiser/quote/appraise-quote.ts'
import { INTEL_SGX_ROOT_SHA256 } from '../../attestation/appraiser/quote/intel-sgx-root.ts'
import { DEFAULT_TDX_POLICY } from '../../attestation/appraiser/quote/tdx-policy.ts'
import { parseCollateral } from '../../attestation/protocol/dcap-collateral.ts'
import type { DcapCollateral } from '../../attestation/protocol/dcap-collateral.ts'
import { failed } from './collateral.helpers.ts'
import { fixtureBytes, fixtureText, haveFixtures, hex, PORTS } from './x509.helpers.ts'

describe.runIf(haveFixtures('tdx'))('recorded quotes with recorded collateral', () => {
  const collateralOf = (name: string): DcapCollateral => {
    const parsed = parseCollateral(fixtureBytes(`tdx/${name}.collateral.json`))
    if (!parsed.ok) throw new Error(parsed.detail)
    return parsed.collateral
  }
  const report = JSON.parse(fixtureText('tdx/dstack-quote-report.json')) as { quote: string }
  const spring = collateralOf('v5-td15-outdated')
  const summer = collateralOf('v4-td10')
  const v4 = fixtureBytes('tdx/v4-td10.quote.bin')
  const missing = 'quote.tcb_status tcb_level_missing'
  const recorded: [string, Uint8Array, DcapCollateral, number, string][] = [
    ['v4-td10', v4, summer, 1751328000, 'ok'],
    ['v4-td10 at the first second', v4, summer, 1750329147, 'ok'],
    ['v4-td10 before it', v4, summer, 1750329146, 'quote.qe_identity qe_identity_not_yet_valid'],
    ['v4-td10 at the last second', v4, summer, 1752919235, 'ok'],
    ['v4-td10 after it', v4, summer, 1752919236, 'quote.crl crl_expired'],
    ['v4-td10 under other collateral', v4, spring, 1772600000, 'quote.tcb_info fmspc_mismatch'],
    ['v5-td15', fixtureBytes('tdx/v5-td15.quote.bin'), spring, 1772600000, 'ok'],
    ['outdated', fixtureBytes('tdx/v5-td15-outdated.quote.bin'), spring, 1772600000, missing],
    ['dstack-quote-report', hex(report.quote), spring, 1772600000, 'ok'],
  ]
  const cases = recorded.flatMap((one) =>
    PORTS.map(([name, port]) => [...one, name, port] as const),
  )

  test.each(cases)('%s', (_, quote, collateral, at, expected, __, crypto) => {
    const appraisal = appraiseQuote({
      quote,
      collateral,
      at,
      policy: DEFAULT_TDX_POLICY,
      crypto,
      rootSha256: [INTEL_SGX_ROOT_SHA256],
    })
    expect(failed(appraisal)).toBe(expected)
    expect(appraisal.tcb?.status).toBe(expected === 'ok' ? 'UpToDate' : undefined)
  })
})
