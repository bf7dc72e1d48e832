import { X509Certificate } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { Check } from '../../attestation/appraiser/check.ts'
import { appraiseQuote } from '../../attestation/appraiser/quote/appraise-quote.ts'
import { INTEL_SGX_ROOT_SHA256 } from '../../attestation/appraiser/quote/intel-sgx-root.ts'
import { DEFAULT_TDX_POLICY } from '../../attestation/appraiser/quote/tdx-policy.ts'
import { createCollateralClient } from '../../attestation/collateral/collateral-client.ts'
import { readPlatform } from '../../attestation/collateral/read-platform.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import type { DcapCollateral } from '../../attestation/protocol/dcap-collateral.ts'
import { createIntelPki } from '../../attestation/simulator/intel/create-intel-pki.ts'
import { makeQuote } from '../../attestation/simulator/intel/make-quote.ts'
import {
  fixtureBytes,
  fixtureCollateral,
  hasFixtures,
  startIntelServer,
} from './intel-server.helpers.ts'
import type { IntelServer } from './intel-server.helpers.ts'

const NOW = new Date('2026-11-26T12:00:00Z')
const start = NOW.getTime() / 1000
const pki = createIntelPki({ now: NOW })
const stranger = createIntelPki({ now: NOW }).collateral
const zero = new Uint8Array(48)
const quote = makeQuote({
  pki,
  reportData: new Uint8Array(64),
  mrTd: zero,
  rtmrs: [zero, zero, zero, zero],
})

let server: IntelServer
beforeAll(async () => {
  server = await startIntelServer(pki.collateral)
})
afterEach(() => {
  server.serve = () => pki.collateral
})
afterAll(() => server.close())

interface Case {
  readonly quote: Uint8Array
  readonly at: number
  readonly rootSha256: Uint8Array
  readonly allowSimulated: boolean
}

const SIMULATED: Case = { quote, at: start, rootSha256: pki.rootSha256, allowSimulated: true }

/** Fetches what the quote in hand needs, and appraises. */
async function fetchAndAppraise(given: Case): Promise<readonly Check[]> {
  const read = readPlatform(given.quote)
  if (!read.ok) throw new Error(read.detail)
  const client = createCollateralClient({
    service: server.pcs,
    transport: { tlsCa: server.tlsCa, proxy: null },
    now: () => given.at,
  })
  const { collateral } = await client.get({ ...read.platform, channel: 'standard' })
  return appraiseQuote({
    ...given,
    collateral,
    crypto: nodeCrypto,
    policy: DEFAULT_TDX_POLICY,
    rootSha256: [given.rootSha256],
  }).checks
}

const failures = (checks: readonly Check[]): string[] =>
  checks.filter(({ status }) => status === 'fail').map(({ code }) => code)

describe('what was fetched, before the appraiser', () => {
  test('genuine collateral of the simulated platform is accepted', async () => {
    const checks = await fetchAndAppraise(SIMULATED)
    expect(failures(checks)).toEqual([])
    expect(checks.find(({ id }) => id === 'quote.tcb_status')).toMatchObject({
      status: 'pass',
      detail: 'UpToDate',
    })
  })

  const lies: readonly (readonly [string, Partial<DcapCollateral>, string])[] = [
    [
      'a TCB info signed by another key',
      { tcb_info_signature: stranger.tcb_info_signature },
      'tcb_info_signature_invalid',
    ],
    [
      'a QE identity signed by another key',
      { qe_identity_signature: stranger.qe_identity_signature },
      'qe_identity_signature_invalid',
    ],
    [
      'a better status than was signed',
      { tcb_info: pki.collateral.tcb_info.replace('OutOfDate', 'UpToDate') },
      'tcb_info_signature_invalid',
    ],
    [
      'TCB info with the issuer chain of another PKI in the header',
      { tcb_info_issuer_chain: stranger.tcb_info_issuer_chain },
      'collateral_chain_untrusted_root',
    ],
    [
      'a PCK CRL with the issuer chain of another PKI in the header',
      { pck_crl_issuer_chain: stranger.pck_crl_issuer_chain },
      'collateral_chain_untrusted_root',
    ],
    [
      'a QE identity with the chain of the PCK authority in the header',
      { qe_identity_issuer_chain: pki.collateral.pck_crl_issuer_chain },
      'collateral_chain_not_signer',
    ],
    ['the PCK CRL of another authority', { pck_crl: stranger.pck_crl }, 'crl_signature_invalid'],
    [
      'the root CRL in place of the PCK CRL',
      { pck_crl: pki.collateral.root_ca_crl },
      'crl_issuer_mismatch',
    ],
    [
      'the root CRL of another root',
      { root_ca_crl: stranger.root_ca_crl },
      'crl_signature_invalid',
    ],
  ]
  test.each(lies)('%s is delivered as it came, and refused', async (_what, lie, code) => {
    server.serve = () => ({ ...pki.collateral, ...lie })
    expect(failures(await fetchAndAppraise(SIMULATED))).toEqual([code])
  })

  test('everything of another PKI is refused', async () => {
    server.serve = () => stranger
    expect(failures(await fetchAndAppraise(SIMULATED))).not.toEqual([])
  })

  test('by a clock before the issue date, and one after nextUpdate, it does not count', async () => {
    expect(failures(await fetchAndAppraise({ ...SIMULATED, at: start - 7200 }))).toContain(
      'crl_not_yet_valid',
    )
    expect(failures(await fetchAndAppraise({ ...SIMULATED, at: start + 31 * 86_400 }))).toContain(
      'crl_expired',
    )
  })
})

describe.skipIf(!hasFixtures)('recorded answers of Intel', () => {
  const real = (name: string, at: number): Case => ({
    quote: fixtureBytes(name),
    at,
    rootSha256: INTEL_SGX_ROOT_SHA256,
    allowSimulated: false,
  })
  test.each([
    ['v4-td10.quote.bin', 'v4-td10.collateral.json', 1_751_328_000, 'b0c06f000000'],
    ['v5-td15.quote.bin', 'v5-td15-outdated.collateral.json', 1_772_600_000, '90c06f000000'],
  ] as const)('%s is accepted with them', async (name, collateral, at, fmspc) => {
    const given = real(name, at)
    server.serve = (asked) =>
      asked === null || asked === fmspc ? fixtureCollateral(collateral) : null
    expect(readPlatform(given.quote)).toMatchObject({
      ok: true,
      platform: { fmspc, ca: 'platform' },
    })
    const checks = await fetchAndAppraise(given)
    expect(failures(checks)).toEqual([])
    expect(checks.find(({ id }) => id === 'quote.tcb_status')?.status).toBe('pass')
  })

  test('a platform below all levels is refused', async () => {
    server.serve = () => fixtureCollateral('v5-td15-outdated.collateral.json')
    const checks = await fetchAndAppraise(real('v5-td15-outdated.quote.bin', 1_772_600_000))
    expect(failures(checks)).toContain('tcb_level_missing')
  })
})

describe('whose collateral a quote needs', () => {
  test('is read from its PCK certificate and nothing else of it', () => {
    const [, authority = ''] = pki.pckChain.match(/-----BEGIN[^]+?-----END CERTIFICATE-----/g) ?? []
    const key = new X509Certificate(authority).publicKey.export({ format: 'der', type: 'spki' })
    const read = readPlatform(quote)
    expect(read).toEqual({
      ok: true,
      platform: { fmspc: '53494d000000', ca: 'platform' },
      pckIssuer: expect.stringMatching(
        new RegExp(`^30[0-9a-f]+:${key.toString('hex')}$`),
      ) as string,
    })
  })

  test.each([0, 10, 700, 1500])('cannot be read from %i bytes of one', (length) => {
    expect(readPlatform(quote.subarray(0, length)).ok).toBe(false)
  })
})
