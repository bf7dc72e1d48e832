import { X509Certificate } from 'node:crypto'
import { verify as oracleVerify } from '@phala/dcap-qvl'
import { describe, expect, test } from 'vitest'
import {
  INTEL_SGX_ROOT_PEM,
  INTEL_SGX_ROOT_SHA256,
} from '../../attestation/appraiser/quote/intel-sgx-root.ts'
import { GENUINE_QUOTE } from '../../attestation/appraiser/quote/only-if-genuine.ts'
import { nobleCrypto } from '../../attestation/crypto/noble.ts'
import { toHex } from '../../attestation/protocol/hex.ts'
import { createIntelPki } from '../../attestation/simulator/intel/create-intel-pki.ts'
import { makeQuote } from '../../attestation/simulator/intel/make-quote.ts'
import { makePlatform, PCK_LINKS, SGX_EXTENSION } from './quote.helpers.ts'
import { forged, judge, outcome, platform } from './quote-outcome.helpers.ts'
import { AT, fixtureBytes, fixtureText, haveFixtures, hex, keyPair, PORTS } from './x509.helpers.ts'
import type { Link } from './x509.helpers.ts'

describe('a quote that is signed as it must be', () => {
  test.each(PORTS)('passes in every layout (%s)', (_, crypto) => {
    expect(forged({}, { crypto })).toBe('ok')
    expect(forged({ version: 5 }, { crypto })).toBe('ok')
    expect(forged({ version: 5, body: 'td15' }, { crypto })).toBe('ok')
    expect(forged({ qeAuth: new Uint8Array(0) }, { crypto })).toBe('ok')
  })

  test('fails as soon as one signature is of another key', () => {
    const { privateKey } = keyPair()
    expect(forged({ signer: privateKey })).toBe('quote.signature quote_signature_invalid')
    expect(forged({ qeSigner: privateKey })).toBe('quote.qe_report qe_report_signature_invalid')
  })

  test('fails where the QE report endorses something else', () => {
    expect(forged({ endorsed: new Uint8Array(32) })).toBe('quote.qe_binding qe_binding_mismatch')
    const qeReportTail = Uint8Array.of(...new Uint8Array(31), 1)
    expect(forged({ qeReportTail })).toBe('quote.qe_binding qe_binding_mismatch')
  })

  test('fails where the QE report is signed with a P-384 PCK key', () => {
    const links: Link[] = [{ ...PCK_LINKS[0], curve: 'P-384' }, PCK_LINKS[1], PCK_LINKS[2]]
    expect(forged({ platform: makePlatform(links), qeSigner: keyPair().privateKey })).toBe(
      'quote.qe_report qe_report_signature_invalid',
    )
  })
})

describe('the PCK chain', () => {
  const [leaf, ca, root] = PCK_LINKS
  const expired = new Date((AT - 1) * 1000)
  const future = new Date((AT + 1) * 1000)
  test.each<[string, string, readonly Link[]]>([
    ['length', 'certificates are missing', [leaf, root]],
    [
      'signature',
      'the leaf is signed by another key',
      [{ ...leaf, issuerKey: keyPair().privateKey }, ca, root],
    ],
    ['names', 'issuer and subject differ', [{ ...leaf, issuer: { commonName: 'x' } }, ca, root]],
    [
      'key_usage',
      'the intermediate may not sign certificates',
      [leaf, { ...ca, keyUsage: ['crlSign'] }, root],
    ],
    ['path_length', 'the root allows no intermediate', [leaf, ca, { ca: { pathLength: 0 } }]],
    ['expired', 'the intermediate has expired', [leaf, { ...ca, notAfter: expired }, root]],
    ['not_yet_valid', 'the leaf is not yet valid', [{ ...leaf, notBefore: future }, ca, root]],
    [
      'unknown_critical_extension',
      'the leaf has an unknown critical extension',
      [
        { extensions: [SGX_EXTENSION, { oid: '1.2.3.4', critical: true, value: hex('0500') }] },
        ca,
        root,
      ],
    ],
    ['not_pck', 'the leaf certifies no platform', [{}, ca, root]],
  ])('fails with pck_chain_%s where %s', (name, _, links) => {
    expect(forged({ platform: makePlatform(links) })).toBe(`quote.pck_chain pck_chain_${name}`)
  })

  test('fails where a certificate that is no authority certifies a platform', () => {
    const links: Link[] = [leaf, { noCa: true }, root]
    expect(forged({ platform: makePlatform(links) })).toBe('quote.pck_chain pck_chain_not_ca')
  })

  test('fails where an authority stands in the place of a platform, or a platform cannot be read', () => {
    const authority: Link = { ...leaf, ca: { pathLength: null }, keyUsage: ['keyCertSign'] }
    const wide: Link = { ca: { pathLength: 1 } }
    expect(forged({ platform: makePlatform([authority, wide, root]) })).toBe(
      'quote.pck_chain pck_chain_not_pck',
    )
    const empty: Link = { extensions: [{ ...SGX_EXTENSION, value: hex('3000') }] }
    expect(forged({ platform: makePlatform([empty, ca, root]) })).toBe(
      'quote.pck_chain pck_extension_malformed',
    )
  })

  test("fails under any root that was not given, Intel's included", () => {
    expect(forged({}, { rootSha256: [INTEL_SGX_ROOT_SHA256] })).toBe(
      'quote.pck_chain pck_chain_untrusted_root',
    )
    expect(forged({}, { rootSha256: [] })).toBe('quote.pck_chain pck_chain_untrusted_root')
  })

  test.each([
    ['no certificates', '\0'],
    ['text', 'certificates'],
    [
      'a fourth certificate',
      platform.pem + platform.pem.slice(0, platform.pem.indexOf('-----BEGIN', 10)),
    ],
  ])('is malformed where it holds %s', (_, pem) => {
    expect(forged({ pem })).toBe('quote.pck_chain pck_chain_malformed')
  })
})

describe('simulated quotes', () => {
  const pki = createIntelPki({ now: new Date(AT * 1000) })
  const zero = new Uint8Array(48)
  const quote = makeQuote({
    pki,
    reportData: new Uint8Array(64),
    mrTd: zero,
    rtmrs: [zero, zero, zero, zero],
  })

  test('are refused with their own root given, unless simulation is allowed', () => {
    expect(outcome(judge(quote, { rootSha256: [pki.rootSha256] }))).toBe(
      'quote.pck_chain pck_chain_unknown_critical_extension',
    )
    const checks = judge(quote, { rootSha256: [pki.rootSha256], allowSimulated: true })
    expect(outcome(checks)).toBe('ok')
    expect(checks[1]?.detail).toContain('SIMULATED')
  })

  test("are refused under Intel's root even where simulation is allowed", () => {
    expect(outcome(judge(quote, { allowSimulated: true }))).toBe(
      'quote.pck_chain pck_chain_untrusted_root',
    )
  })
})

describe.runIf(haveFixtures('tdx'))('recorded quotes', () => {
  const report = JSON.parse(fixtureText('tdx/dstack-quote-report.json')) as { quote: string }
  const combined = JSON.parse(fixtureText('0g/llm_attestation_report.json')) as {
    intel_quote: string
  }
  const v4 = fixtureBytes('tdx/v4-td10.quote.bin')
  const recorded: [string, Uint8Array, number][] = [
    ['v4-td10', v4, 1751328000],
    ['v5-td15', fixtureBytes('tdx/v5-td15.quote.bin'), 1772600000],
    ['v5-td15-outdated', fixtureBytes('tdx/v5-td15-outdated.quote.bin'), 1772600000],
    ['dstack-quote-report', hex(report.quote), 1772600000],
    ['0g llm_attestation_report', hex(combined.intel_quote), 1772600000],
  ]
  const cases = recorded.flatMap((one) =>
    PORTS.map(([name, port]) => [...one, name, port] as const),
  )

  test.each(cases)("%s is genuine under Intel's root", (_, bytes, at, __, crypto) => {
    expect(outcome(judge(bytes, { at, crypto }))).toBe('ok')
  })

  test('are refused before and after their certificates are valid', () => {
    expect(outcome(judge(v4, { at: 1738884351 }))).toBe('ok')
    expect(outcome(judge(v4, { at: 1738884350 }))).toBe('quote.pck_chain pck_chain_not_yet_valid')
    expect(outcome(judge(v4, { at: 1959722751 }))).toBe('ok')
    expect(outcome(judge(v4, { at: 1959722752 }))).toBe('quote.pck_chain pck_chain_expired')
  })

  test('a flipped bit anywhere before the padding is refused, sampled', () => {
    const end = v4.findLastIndex((byte) => byte !== 0) + 1
    const reached = new Set<string>()
    // Coprime to 8, so that every bit position is met.
    for (let i = 0; i < end; i += 11) {
      const flipped = new Uint8Array(v4)
      flipped[i] = (flipped[i] ?? 0) ^ (1 << (i % 8))
      const result = outcome(judge(flipped, { at: 1751328000 }))
      expect(result, `byte ${i}`).not.toBe('ok')
      reached.add(result)
    }
    expect([...reached]).toEqual(
      expect.arrayContaining([
        'quote_malformed',
        'quote_unsupported',
        'quote.signature quote_signature_invalid',
        'quote.qe_report qe_report_signature_invalid',
        'quote.qe_binding qe_binding_mismatch',
        'quote.pck_chain pck_chain_malformed',
      ]),
    )
  })

  test('noble refuses a flipped bit in each signed region too', () => {
    const offsets = [28, 48, 200, 568, 631, 636, 700, 770, 1100, 1170, 1230, 3000, 4000]
    for (const offset of offsets) {
      const flipped = new Uint8Array(v4)
      flipped[offset] = (flipped[offset] ?? 0) ^ 1
      const result = outcome(judge(flipped, { at: 1751328000, crypto: nobleCrypto }))
      expect(result, `byte ${offset}`).not.toBe('ok')
    }
  })

  test('dcap-qvl accepts and refuses the same signatures', () => {
    const collateral = JSON.parse(fixtureText('tdx/v4-td10.collateral.json')) as Parameters<
      typeof oracleVerify
    >[1]
    const oracle = (bytes: Uint8Array): boolean => {
      try {
        return oracleVerify(Buffer.from(bytes), collateral, 1751328000).status === 'UpToDate'
      } catch {
        return false
      }
    }
    expect(oracle(v4)).toBe(true)
    for (const offset of [60, 300, 600, 640, 720, 1000, 1160, 1230]) {
      const flipped = new Uint8Array(v4)
      flipped[offset] = (flipped[offset] ?? 0) ^ 1
      const checks = judge(flipped, { at: 1751328000 })
      const genuine = checks.filter(
        ({ id, status }) => GENUINE_QUOTE.includes(id) && status === 'pass',
      )
      expect([offset, genuine.length === GENUINE_QUOTE.length]).toEqual([offset, oracle(flipped)])
    }
  })

  test('the pinned digest is that of the root in the quotes, and of the embedded one', () => {
    const digest = '44a0196b2b99f889b8e149e95b807a350e7424964399e885a7cbb8ccfab674d3'
    expect(toHex(INTEL_SGX_ROOT_SHA256)).toBe(digest)
    const { raw, fingerprint256 } = new X509Certificate(INTEL_SGX_ROOT_PEM)
    expect(fingerprint256.replaceAll(':', '').toLowerCase()).toBe(digest)
    expect(Buffer.from(v4).toString('latin1')).toContain(
      // The last line of the PEM differs in nothing but its end.
      raw.toString('base64').slice(-40),
    )
  })
})
