import { describe, expect, test } from 'vitest'
import type { DcapCollateral } from '../../attestation/protocol/dcap-collateral.ts'
import { createIntelPki } from '../../attestation/simulator/intel/create-intel-pki.ts'
import { toPem } from '../../attestation/x509/build-certificate.ts'
import { buildRevocationList } from '../../attestation/simulator/x509/build-revocation-list.ts'
import type { RevocationListTemplate } from '../../attestation/simulator/x509/build-revocation-list.ts'
import { DAY, failed, issueUnder, makeIntelWorld } from './collateral.helpers.ts'
import type { WorldChange } from './collateral.helpers.ts'
import { AT, keyPair } from './x509.helpers.ts'

const world = makeIntelWorld()
const { pki } = world
const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const judge = (change: WorldChange = {}): string => failed(world.appraise(change))
const withCollateral = (collateral: Partial<DcapCollateral>): string => judge({ collateral })

describe('revocation lists', () => {
  const list = (
    change: Partial<RevocationListTemplate> = {},
    by = pki.issuers.platformCa,
  ): string =>
    hexOf(
      buildRevocationList({
        issuer: by.name,
        issuerKey: by.key,
        thisUpdate: new Date((AT - 3600) * 1000),
        nextUpdate: new Date((AT + DAY) * 1000),
        revoked: [],
        ...change,
      }),
    )
  const { root, platformCa, pck, signer } = pki.issuers
  const revoke = ({
    serial,
  }: {
    readonly serial: Uint8Array
  }): Partial<RevocationListTemplate> => ({
    revoked: [{ serial, at: new Date((AT - 3600) * 1000) }],
  })
  const flipped = (text: string, at: number): string => {
    const bytes = Buffer.from(text, 'hex')
    const index = at < 0 ? bytes.length + at : at
    bytes[index] = (bytes[index] ?? 0) ^ 1
    return bytes.toString('hex')
  }

  test.each<[string, string, () => Partial<DcapCollateral>]>([
    ['an own list is as good', 'ok', () => ({ pck_crl: list(), root_ca_crl: list({}, root) })],
    ['garbage', 'crl_malformed', () => ({ pck_crl: 'deadbeef' })],
    ['an empty sequence', 'crl_malformed', () => ({ root_ca_crl: '3000' })],
    ['a cut list', 'crl_malformed', () => ({ pck_crl: pki.collateral.pck_crl.slice(0, -2) })],
    ['trailing bytes', 'crl_malformed', () => ({ pck_crl: `${pki.collateral.pck_crl}00` })],
    ['a broken signature', 'crl_signature_invalid', () => ({ pck_crl: flipped(list(), -1) })],
    [
      'a signature of another key',
      'crl_signature_invalid',
      () => ({ pck_crl: list({ issuerKey: keyPair().privateKey }) }),
    ],
    ['another issuer', 'crl_issuer_mismatch', () => ({ pck_crl: list({}, root) })],
    ['the other list', 'crl_issuer_mismatch', () => ({ root_ca_crl: pki.collateral.pck_crl })],
    [
      'an end that is past',
      'crl_expired',
      () => ({ pck_crl: list({ nextUpdate: new Date((AT - 1) * 1000) }) }),
    ],
    [
      'a beginning to come',
      'crl_not_yet_valid',
      () => ({ root_ca_crl: list({ thisUpdate: new Date((AT + 1) * 1000) }, root) }),
    ],
    ['the platform revoked', 'pck_revoked', () => ({ pck_crl: list(revoke(pck)) })],
    [
      'its authority revoked',
      'pck_ca_revoked',
      () => ({ root_ca_crl: list(revoke(platformCa), root) }),
    ],
    [
      'the TCB signer revoked',
      'tcb_signer_revoked',
      () => ({ root_ca_crl: list(revoke(signer), root) }),
    ],
    [
      'the platform revoked where nobody asked',
      'ok',
      () => ({ root_ca_crl: list(revoke(pck), root) }),
    ],
  ])('%s: %s', (_, code, change) => {
    const expected = code === 'ok' ? 'ok' : `quote.crl ${code}`
    expect(withCollateral(change())).toBe(expected)
  })

  test('count to the last second of their window, and longer only by the grace of the policy', () => {
    const nextUpdate = new Date((AT - 10) * 1000)
    const collateral = { pck_crl: list({ nextUpdate }) }
    const at = (seconds: number, collateralGraceS = 0): string =>
      judge({ collateral, policy: { collateralGraceS }, input: { at: seconds } })
    expect(at(AT - 10)).toBe('ok')
    expect(at(AT - 9)).toBe('quote.crl crl_expired')
    expect(at(AT, 10)).toBe('ok')
    expect(at(AT, 9)).toBe('quote.crl crl_expired')
    expect(at(AT - 3600)).toBe('ok')
    expect(at(AT - 3601)).toContain('quote.crl crl_not_yet_valid')
  })

  test('of another authority than the one that certified the platform say nothing of it', () => {
    const other = createIntelPki({ now: new Date(AT * 1000) })
    const spare = issueUnder(pki, {
      subject: { commonName: 'Simulated SGX PCK Processor CA' },
    })
    expect(
      withCollateral({
        pck_crl_issuer_chain: toPem(spare.der) + toPem(pki.root),
        pck_crl: list({
          issuer: { commonName: 'Simulated SGX PCK Processor CA' },
          issuerKey: spare.key,
        }),
      }),
    ).toBe('quote.crl crl_issuer_mismatch')
    expect(
      withCollateral({
        pck_crl_issuer_chain: other.collateral.pck_crl_issuer_chain,
        pck_crl: other.collateral.pck_crl,
        root_ca_crl: other.collateral.root_ca_crl,
      }),
    ).toBe('quote.crl collateral_chain_untrusted_root')
  })

  test('an issuer that is no authority speaks for no platform', () => {
    const { der, key } = issueUnder(pki, {
      subject: platformCa.name,
      keyUsage: ['crlSign', 'digitalSignature'],
      noCa: true,
    })
    expect(
      withCollateral({
        pck_crl_issuer_chain: toPem(der) + toPem(pki.root),
        pck_crl: list({ issuerKey: key }),
      }),
    ).toBe('quote.crl collateral_chain_not_ca')
  })

  test('an issuer that may not sign lists signs none', () => {
    const spare = issueUnder(pki, {
      subject: platformCa.name,
      keyUsage: ['keyCertSign'],
    })
    expect(
      withCollateral({
        pck_crl_issuer_chain: toPem(spare.der) + toPem(pki.root),
        pck_crl: list({ issuerKey: spare.key }),
      }),
    ).toBe('quote.crl collateral_chain_key_usage')
  })
})
