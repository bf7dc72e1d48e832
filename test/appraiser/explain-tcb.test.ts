import { describe, expect, test } from 'vitest'
import { explainTcb } from '../../attestation/appraiser/quote/explain-tcb.ts'
import type { TcbExplanation } from '../../attestation/appraiser/quote/explain-tcb.ts'
import { DEFAULT_TDX_POLICY } from '../../attestation/appraiser/quote/tdx-policy.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import type { DcapCollateral } from '../../attestation/protocol/dcap-collateral.ts'
import { createIntelPki } from '../../attestation/simulator/intel/create-intel-pki.ts'
import { makeQuote } from '../../attestation/simulator/intel/make-quote.ts'

const NOW = new Date('2026-11-26T12:00:00Z')
const pki = createIntelPki({ now: NOW })
const zero = new Uint8Array(48)

/** @param teeTcbSvn what the simulated quoting enclave reports, as an older module would */
function explain(
  teeTcbSvn: Uint8Array = pki.platform.teeTcbSvn,
  collateral: DcapCollateral | null = pki.collateral,
): TcbExplanation {
  const quote = makeQuote({
    pki: { ...pki, platform: { ...pki.platform, teeTcbSvn } },
    reportData: new Uint8Array(64),
    mrTd: zero,
    rtmrs: [zero, zero, zero, zero],
  })
  return explainTcb({
    quote,
    collateral,
    at: NOW.getTime() / 1000,
    policy: DEFAULT_TDX_POLICY,
    crypto: nodeCrypto,
    rootSha256: [pki.rootSha256],
    allowSimulated: true,
  })
}

function withSvns(module: number, version: number, microcode: number): Uint8Array {
  return Uint8Array.of(module, version, microcode, ...new Uint8Array(13))
}

describe('what a platform is short of', () => {
  test('is nothing where it reaches the newest level', () => {
    const { appraisal, shortfalls } = explain()
    expect(appraisal.tcb?.status).toBe('UpToDate')
    expect(shortfalls).toEqual([])
  })

  test('is named with what it has and what is wanted, module and component apart', () => {
    // The level asks for module SVN 10 and, from the third byte on, 2.
    const { appraisal, shortfalls } = explain(withSvns(7, 1, 1))
    expect(shortfalls).toEqual([
      { part: 'tdx_component', index: 2, have: 1, want: 2 },
      { part: 'tdx_module', index: null, have: 7, want: 10 },
    ])
    expect(appraisal.checks.find(({ id }) => id === 'quote.tcb_status')).toMatchObject({
      status: 'fail',
      code: 'tcb_level_missing',
    })
  })

  test('a module of version 0 is compared by the components alone', () => {
    const { shortfalls } = explain(withSvns(7, 0, 4))
    expect(shortfalls).toEqual([{ part: 'tdx_component', index: 0, have: 7, want: 9 }])
  })

  test('an older module of the same platform is outdated, and short', () => {
    const { appraisal, shortfalls } = explain(withSvns(9, 1, 4))
    expect(appraisal.tcb).toMatchObject({ status: 'OutOfDate', module: { status: 'OutOfDate' } })
    expect(shortfalls).toEqual([{ part: 'tdx_module', index: null, have: 9, want: 10 }])
  })

  test.each<readonly [string, DcapCollateral | null]>([
    ['without collateral', null],
    ['under collateral of another PKI', createIntelPki({ now: NOW }).collateral],
    ['under expired collateral', createIntelPki({ now: new Date(0) }).collateral],
    [
      'where the numbers wanted were changed',
      { ...pki.collateral, tcb_info: pki.collateral.tcb_info.replace('"svn":9', '"svn":1') },
    ],
  ])('is not said %s', (_what, collateral) => {
    expect(explain(undefined, collateral).shortfalls).toBeNull()
  })
})
