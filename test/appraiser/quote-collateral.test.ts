import { sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { COLLATERAL_CHECKS } from '../../attestation/appraiser/quote/appraise-quote.ts'
import type { DcapCollateral } from '../../attestation/protocol/dcap-collateral.ts'
import { createIntelPki } from '../../attestation/simulator/intel/create-intel-pki.ts'
import { buildCertificate, toPem } from '../../attestation/x509/build-certificate.ts'
import type { CertificateTemplate } from '../../attestation/x509/build-certificate.ts'
import { DAY, edit, failed, issueUnder, makeIntelWorld } from './collateral.helpers.ts'
import type { WorldChange } from './collateral.helpers.ts'
import { AT, hex, keyPair, PORTS } from './x509.helpers.ts'

const world = makeIntelWorld()
const { pki } = world
const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const judge = (change: WorldChange = {}): string => failed(world.appraise(change))
const withCollateral = (collateral: Partial<DcapCollateral>): string => judge({ collateral })

describe('a quote with all of its collateral', () => {
  test.each(PORTS)('passes every check that has something to compare with (%s)', (_, crypto) => {
    for (const parts of [{}, { version: 5 }, { version: 5, body: 'td15' }] as const) {
      const { checks, tcb } = world.appraise({ parts, input: { crypto } })
      const open = checks.filter(({ status }) => status !== 'pass')
      expect(open.map(({ id, status, code }) => [id, status, code])).toEqual([
        ['quote.platform', 'info', 'platform_not_pinned'],
        ['quote.measurements', 'info', 'measurements_not_pinned'],
        ['quote.image', 'skip', 'image_references_not_given'],
      ])
      expect(tcb).toMatchObject({ status: 'UpToDate', advisories: [], fmspc: '53494d000000' })
    }
  })

  test('without it, what needs it is skipped and not passed', () => {
    const { checks, tcb } = world.appraise({ collateral: null })
    for (const id of COLLATERAL_CHECKS) {
      expect(checks.find((check) => check.id === id)).toMatchObject({
        status: 'skip',
        code: 'collateral_not_given',
      })
    }
    expect(tcb).toBeNull()
  })
})

function signedBy(text: string, key: KeyObject): string {
  return sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' }).toString('hex')
}

describe.each([
  ['tcb_info', 'tcb_info_issuer_chain', 'tcb_info_signature', 'tcb_info_signature_invalid'],
  [
    'qe_identity',
    'qe_identity_issuer_chain',
    'qe_identity_signature',
    'qe_identity_signature_invalid',
  ],
] as const)('the signature over %s', (name, chain, signature, broken) => {
  const text = pki.collateral[name]
  const check = `quote.${name}`
  const root = pki.issuers.root

  test('is over the exact text: the same JSON written otherwise is refused', () => {
    for (const other of [` ${text}`, `${text}\n`, JSON.stringify(JSON.parse(text), null, 1)]) {
      expect(withCollateral({ [name]: other })).toBe(`${check} ${broken}`)
    }
    expect(withCollateral({ [signature]: '00'.repeat(64) })).toBe(`${check} ${broken}`)
  })

  test('by any certificate under the root that is not for it is refused', () => {
    const issue = (change: Partial<CertificateTemplate>): Partial<DcapCollateral> => {
      const { der, key } = issueUnder(pki, change)
      return { [chain]: toPem(der) + toPem(pki.root), [signature]: signedBy(text, key) }
    }
    const { ca: _, ...leaf } = {
      ca: undefined,
      subject: { commonName: 'Simulated SGX TCB Signing' },
      keyUsage: ['digitalSignature'] as const,
    }
    const signer = (change: Partial<CertificateTemplate> = {}): Partial<DcapCollateral> => {
      const { publicKey, privateKey } = keyPair()
      const der = buildCertificate({
        issuer: root.name,
        serial: Uint8Array.of(9),
        notBefore: new Date((AT - DAY) * 1000),
        notAfter: new Date((AT + DAY) * 1000),
        publicKey,
        issuerKey: root.key,
        ...leaf,
        ...change,
      })
      return { [chain]: toPem(der) + toPem(pki.root), [signature]: signedBy(text, privateKey) }
    }
    const not = `${check} collateral_chain_not_signer`
    expect(withCollateral(signer())).toBe('ok')
    expect(withCollateral(signer({ subject: { commonName: 'Another signer' } }))).toBe(not)
    expect(withCollateral(issue(leaf))).toBe(not)
    expect(withCollateral(signer({ keyUsage: ['crlSign'] }))).toBe(
      `${check} collateral_chain_key_usage`,
    )
    expect(withCollateral(signer({ notAfter: new Date((AT - 1) * 1000) }))).toBe(
      `${check} collateral_chain_expired`,
    )
    expect(withCollateral(signer({ notBefore: new Date((AT + 1) * 1000) }))).toBe(
      `${check} collateral_chain_not_yet_valid`,
    )
    expect(withCollateral(signer({ issuerKey: keyPair().privateKey }))).toBe(
      `${check} collateral_chain_signature`,
    )
    expect(withCollateral(signer({ issuer: { commonName: 'y' } }))).toBe(
      `${check} collateral_chain_names`,
    )
    expect(
      withCollateral(
        signer({ extensions: [{ oid: '1.2.3', critical: true, value: hex('0500') }] }),
      ),
    ).toBe(`${check} collateral_chain_unknown_critical_extension`)
  })

  test('needs exactly the signer and the root', () => {
    const [signer = '', rootPem = ''] = pki.collateral[chain].split(
      /(?<=-----END CERTIFICATE-----\n)/,
    )
    expect(withCollateral({ [chain]: signer })).toBe(`${check} collateral_chain_length`)
    expect(withCollateral({ [chain]: '' })).toBe(`${check} collateral_chain_malformed`)
    expect(withCollateral({ [chain]: signer + signer + rootPem })).toBe(
      `${check} collateral_chain_malformed`,
    )
    expect(withCollateral({ [chain]: rootPem + signer })).toBe(
      `${check} collateral_chain_untrusted_root`,
    )
  })

  test('under another accepted root than the quote is refused', () => {
    const other = createIntelPki({ now: new Date(AT * 1000) })
    const input = { rootSha256: [pki.rootSha256, other.rootSha256] }
    const collateral = {
      [name]: other.collateral[name],
      [chain]: other.collateral[chain],
      [signature]: other.collateral[signature],
    }
    expect(judge({ collateral, input })).toBe(`${check} collateral_chain_other_root`)
  })
})

describe('the signed documents', () => {
  const tcbInfo = (change: (document: Record<string, unknown>) => void): string =>
    failed(makeIntelWorld({ editTcbInfo: edit(change) }).appraise())
  const qeIdentity = (change: (document: Record<string, unknown>) => void): string =>
    failed(makeIntelWorld({ editQeIdentity: edit(change) }).appraise())
  const instant = (seconds: number): string =>
    new Date(seconds * 1000).toISOString().replace('.000Z', 'Z')

  test.each<[string, Record<string, unknown>, string]>([
    ['a processor of another family', { fmspc: '00806F050000' }, 'fmspc_mismatch'],
    ['another provisioning enclave', { pceId: '0001' }, 'pce_id_mismatch'],
    ['SGX', { id: 'SGX' }, 'tcb_info_unsupported'],
    ['another version', { version: 4 }, 'tcb_info_unsupported'],
    ['another kind of rules', { tcbType: 1 }, 'tcb_info_unsupported'],
    ['no levels', { tcbLevels: undefined }, 'tcb_info_malformed'],
    ['an issue date to come', { issueDate: instant(AT + 1) }, 'tcb_info_not_yet_valid'],
    ['an update that is due', { nextUpdate: instant(AT - 1) }, 'tcb_info_expired'],
    ['a day that does not exist', { issueDate: '2025-02-30T00:00:00Z' }, 'tcb_info_malformed'],
    ['half a number', { tcbEvaluationDataNumber: 17.5 }, 'tcb_info_malformed'],
    ['a short identifier', { fmspc: '5349' }, 'tcb_info_malformed'],
  ])('TCB info with %s: %s', (_, members, code) => {
    expect(tcbInfo((document) => Object.assign(document, members))).toBe(`quote.tcb_info ${code}`)
  })

  test('TCB info with a member that is not known is read for what is known', () => {
    expect(tcbInfo((document) => Object.assign(document, { note: 'x' }))).toBe('ok')
  })

  test.each<[string, Record<string, unknown>, string]>([
    ['the SGX enclave', { id: 'QE' }, 'qe_identity_unsupported'],
    ['another version', { version: 3 }, 'qe_identity_unsupported'],
    ['an issue date to come', { issueDate: instant(AT + 1) }, 'qe_identity_not_yet_valid'],
    ['an update that is due', { nextUpdate: instant(AT - 1) }, 'qe_identity_expired'],
    ['another signer', { mrsigner: 'AB'.repeat(32) }, 'qe_identity_mismatch'],
    ['another product', { isvprodid: 1 }, 'qe_identity_mismatch'],
    ['another misc select', { miscselect: '01000000' }, 'qe_identity_mismatch'],
    ['other attributes', { attributes: `01${'00'.repeat(15)}` }, 'qe_identity_mismatch'],
    ['no level low enough', { tcbLevels: [] }, 'qe_level_missing'],
    ['a mask that is too short', { attributesMask: 'FF' }, 'qe_identity_malformed'],
  ])('QE identity of %s: %s', (_, members, code) => {
    expect(qeIdentity((document) => Object.assign(document, members))).toBe(
      `quote.qe_identity ${code}`,
    )
  })

  test('an enclave of the same platform that is not the quoting enclave is refused', () => {
    const put = (putQe: Record<number, Uint8Array>): string => judge({ parts: { putQe } })
    const mismatch = 'quote.qe_identity qe_identity_mismatch'
    expect(put({ 128: new Uint8Array(32) })).toBe(mismatch)
    expect(put({ 256: Uint8Array.of(1, 0) })).toBe(mismatch)
    expect(put({ 16: Uint8Array.of(1) })).toBe(mismatch)
    expect(put({ 49: Uint8Array.of(1) })).toBe(mismatch)
    expect(put({ 48: Uint8Array.of(0x17) })).toBe('quote.qe_identity qe_debug')
    expect(put({ 258: Uint8Array.of(1, 0) })).toBe('quote.qe_identity qe_level_missing')
    // Outside the mask: the bit of 64-bit mode.
    expect(put({ 48: Uint8Array.of(0x11) })).toBe('ok')
  })

  test('a TDX module that is not listed, or has another signer or attributes, is refused', () => {
    expect(judge({ parts: { put: { 1: Uint8Array.of(7) } } })).toBe(
      'quote.tdx_module tdx_module_unknown',
    )
    expect(judge({ parts: { put: { 64: Uint8Array.of(1) } } })).toBe(
      'quote.tdx_module tdx_module_mismatch, quote.seam seam_not_production',
    )
    expect(judge({ parts: { put: { 112: Uint8Array.of(1) } } })).toBe(
      'quote.tdx_module tdx_module_mismatch, quote.seam seam_not_production',
    )
    const { tdxModuleIdentities: _, ...old } = JSON.parse(pki.collateral.tcb_info) as Record<
      string,
      unknown
    >
    expect(failed(makeIntelWorld({ editTcbInfo: () => JSON.stringify(old) }).appraise())).toBe(
      'quote.tdx_module tdx_module_unknown',
    )
  })
})

describe('policy over platforms', () => {
  test('floor of the evaluation number and age of the collateral', () => {
    const age = (policy: WorldChange['policy']): string => judge({ policy: policy ?? {} })
    expect(age({ minTcbEvaluationDataNumber: 18 })).toBe('ok')
    expect(age({ minTcbEvaluationDataNumber: 19 })).toBe(
      'quote.collateral_age tcb_evaluation_too_old',
    )
    expect(age({ maxCollateralAgeS: 3600 })).toBe('ok')
    expect(age({ maxCollateralAgeS: 3599 })).toBe('quote.collateral_age collateral_too_old')
  })

  test('families and single platforms can be named', () => {
    const { ppid } = pki.platform
    const named = { fmspcs: ['53494d000000'], ppids: [hexOf(ppid)] }
    expect(judge({ policy: named })).toBe('ok')
    const not = 'quote.platform platform_not_accepted'
    expect(judge({ policy: { fmspcs: ['00806f050000'] } })).toBe(not)
    expect(judge({ policy: { ...named, ppids: ['00'.repeat(16)] } })).toBe(not)
    expect(judge({ policy: { fmspcs: [] } })).toBe(not)
  })

  test('measurements and images can be named, and two images do not make a third', () => {
    const measure = (byte: number): Uint8Array => new Uint8Array(48).fill(byte)
    const parts = { put: { 136: measure(1), 328: measure(2), 376: measure(3), 424: measure(4) } }
    const hexOfByte = (byte: number): string => hexOf(measure(byte))
    const image = (mrtd: number, rtmr1: number, rtmr2: number, ...rtmr0: number[]) => ({
      osImageHash: '11'.repeat(32),
      mrtd: hexOfByte(mrtd),
      rtmr0: rtmr0.map(hexOfByte),
      rtmr1: hexOfByte(rtmr1),
      rtmr2: hexOfByte(rtmr2),
    })
    const booted = (...images: ReturnType<typeof image>[]): string =>
      judge({ parts, policy: { images } })
    expect(booted(image(1, 3, 4, 9, 2))).toBe('ok')
    expect(booted(image(1, 3, 4, 9), image(1, 3, 4, 2))).toBe('ok')
    const not = 'quote.image image_not_accepted'
    expect(booted()).toBe(not)
    expect(booted(image(1, 3, 4, 9))).toBe(not)
    expect(booted(image(1, 3, 5, 2), image(1, 5, 4, 2), image(5, 3, 4, 2))).toBe(not)
    for (const [member, byte] of [
      ['mrtds', 1],
      ['rtmr0s', 2],
      ['rtmr1s', 3],
      ['rtmr2s', 4],
      ['rtmr3s', 0],
    ] as const) {
      expect(judge({ parts, policy: { [member]: [hexOfByte(byte)] } })).toBe('ok')
      expect(judge({ parts, policy: { [member]: [hexOfByte(9)] } })).toBe(
        'quote.measurements measurement_not_accepted',
      )
    }
  })
})
