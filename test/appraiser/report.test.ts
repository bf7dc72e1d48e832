/** Reports made for other clients: each kind accepted as it is, and refused when it is made to say something else. */
import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { appraiseReport } from '../../attestation/appraiser/report/appraise-report.ts'
import { parseReport, REPORT_LAYOUTS } from '../../attestation/appraiser/report/parse-report.ts'
import { DEFAULT_POLICY } from '../../attestation/appraiser/policy.ts'
import { DEFAULT_TDX_POLICY } from '../../attestation/appraiser/quote/tdx-policy.ts'
import type { TdxPolicy } from '../../attestation/appraiser/quote/tdx-policy.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { parseCollateral } from '../../attestation/protocol/dcap-collateral.ts'
import { toHex, toHex32 } from '../../attestation/protocol/hex.ts'
import type { JsonObject } from '../../attestation/protocol/json.ts'
import { collectSimulatedGpuEvidence } from '../../attestation/simulator/nvidia/collect-simulated-gpu-evidence.ts'
import { makeWorld, NOW } from './document.helpers.ts'
import {
  aci,
  dstackReport,
  failures,
  isAccepted,
  judge,
  NONCE,
  POLICY,
  vllmReport,
  world,
} from './report.helpers.ts'
import { fixtureBytes, fixtureText, haveFixtures, hex } from './x509.helpers.ts'

const OTHER_NONCE = toHex32(new Uint8Array(32).fill(0x5b))

/** An object inside a report, for changing it. */
function inside(report: JsonObject, ...path: readonly string[]): Record<string, unknown> {
  return path.reduce<Record<string, unknown>>(
    (here, name) => here[name] as Record<string, unknown>,
    report as Record<string, unknown>,
  )
}

describe('a dstack report', () => {
  const genuine = dstackReport(hex(NONCE))

  test('is accepted for the nonce that was quoted, padded as the guest agent does', () => {
    const appraisal = judge(genuine)
    expect(failures(appraisal)).toEqual([])
    expect(appraisal.layout).toBe('dstack')
    expect(appraisal.verdict.sentence).toMatch(/^Accepted as a SIMULATION/)
    const all = new Uint8Array(64).fill(7)
    expect(isAccepted(judge(dstackReport(all), { nonce: null, reportData: all }))).toBe(true)
  })

  test('for another nonce, or with another stated one, is refused', () => {
    expect(failures(judge(genuine, { nonce: OTHER_NONCE }))).toEqual([
      'report.nonce report_data_mismatch',
    ])
    expect(failures(judge({ ...genuine, report_data: OTHER_NONCE }))).toEqual([
      'report.binding report_data_mismatch',
    ])
  })

  test('without a nonce is told to prove no freshness, and can be made to need one', () => {
    const appraisal = judge(genuine, { nonce: null })
    expect(isAccepted(appraisal)).toBe(true)
    expect(appraisal.verdict.checks.find(({ id }) => id === 'report.nonce')).toMatchObject({
      status: 'info',
      code: 'report_data_unstated',
    })
    const policy = { ...POLICY, require: ['report.nonce'] }
    expect(isAccepted(judge(genuine, { nonce: null, policy }))).toBe(false)
  })

  test('takes the compose text that the caller has, byte for byte', () => {
    const policy = { ...POLICY, require: ['compose.hash'] }
    expect(isAccepted(judge(genuine, { policy, appCompose: world.guest.composeText }))).toBe(true)
    expect(isAccepted(judge(genuine, { policy }))).toBe(false)
    const again = JSON.stringify(JSON.parse(world.guest.composeText), null, 1)
    expect(failures(judge(genuine, { appCompose: again }))).toEqual([
      'compose.hash compose_hash_mismatch',
    ])
  })

  test('of a simulation is refused unless simulations were asked for, roots or no roots', () => {
    const policy = { ...POLICY, allowSimulated: false }
    const appraisal = judge(genuine, { policy })
    expect(failures(appraisal)[0]).toBe('evidence.simulation simulation_not_allowed')
    expect(appraisal.verdict.verdict).toBe('rejected')
    const other = { ...POLICY, sgxRoots: ['11'.repeat(32)] }
    expect(failures(judge(genuine, { policy: other }))).toContain(
      'quote.pck_chain pck_chain_untrusted_root',
    )
    const any = { ...other, simulatedRoots: 'any' as const }
    expect(isAccepted(judge(genuine, { policy: any }))).toBe(true)
  })

  test.each<[string, JsonObject, string]>([
    ['a second piece of evidence', { attestation: '00' }, 'report_unsupported'],
    ['a member that is not known', { debug: true }, 'report_malformed'],
    ['a quote that is no text', { quote: null }, 'report_malformed'],
    ['an event log that is a list', { event_log: [] }, 'report_malformed'],
    ['report data in base64', { report_data: 'AAAA' }, 'report_malformed'],
    ['65 bytes of report data', { report_data: '00'.repeat(65) }, 'report_malformed'],
  ])('with %s is not read', (_, change, code) => {
    expect(failures(judge({ ...genuine, ...change }))).toEqual([`report.structure ${code}`])
  })

  test('whose quote is not hex is malformed and judges nothing else', () => {
    const appraisal = judge({ ...genuine, quote: 'AAAA' })
    expect(failures(appraisal)).toEqual(['quote.structure quote_malformed'])
    expect(appraisal.verdict.verdict).toBe('malformed')
  })

  test('with a log of another guest is refused', () => {
    const other = makeWorld().guest
    expect(failures(judge({ ...genuine, event_log: other.quotedEventLog }))).toEqual([
      'eventlog.rtmr3 rtmr_mismatch',
    ])
  })
})

describe('a vllm-proxy report', () => {
  test.each(['ecdsa', 'ed25519'] as const)(
    'over an %s key is accepted, and names it',
    async (algo) => {
      const appraisal = judge(await vllmReport(algo))
      expect(failures(appraisal)).toEqual([])
      expect(appraisal.signer).toEqual(
        algo === 'ecdsa'
          ? { algo, address: world.keys.address.address.toLowerCase() }
          : { algo, publicKey: toHex(world.keys.legacy.publicKey) },
      )
      const ids = appraisal.verdict.checks
        .filter(({ status }) => status === 'pass')
        .map(({ id }) => id)
      expect(ids).toEqual(
        expect.arrayContaining([
          ...['report.binding', 'report.nonce', 'report.signing_key', 'report.claims'],
          ...['compose.hash', 'gpu.0.nonce', 'gpu.1.signature'],
        ]),
      )
    },
  )

  test('never says that its GPUs answered a nonce which commits to the key', async () => {
    const { verdict } = judge(await vllmReport('ecdsa'))
    expect(verdict.checks.find(({ id }) => id === 'gpu.rung')?.detail).toBe('vendor-signed')
  })

  test('without a nonce of the caller is accepted as of no known time, and says so', async () => {
    const { verdict } = judge(await vllmReport('ecdsa'), {
      nonce: null,
      policy: { ...POLICY, allowSimulated: true },
    })
    expect(verdict.checks.find(({ id }) => id === 'report.nonce')?.status).toBe('skip')
  })

  const stranger = '0x' + '42'.repeat(20)
  test.each<[string, (report: Record<string, unknown>) => void, string]>([
    [
      'another address',
      (r) => (r['signing_address'] = stranger),
      'report.binding report_data_mismatch',
    ],
    ['another nonce', (r) => (r['request_nonce'] = OTHER_NONCE), 'report.nonce nonce_mismatch'],
    [
      'the key of another address',
      (r) => (r['signing_public_key'] = '11'.repeat(64)),
      'report.signing_key signing_key_mismatch',
    ],
    [
      'a TLS key that was not quoted',
      (r) => (r['tls_cert_fingerprint'] = '11'.repeat(32)),
      'report.binding report_data_mismatch',
    ],
    [
      'another app id beside the evidence',
      (r) => (inside(r as JsonObject, 'info')['app_id'] = '00'.repeat(20)),
      'report.claims report_contradicts_evidence',
    ],
    [
      'another register beside the evidence',
      (r) => (inside(r as JsonObject, 'info', 'tcb_info')['rtmr0'] = '00'.repeat(48)),
      'report.claims report_contradicts_evidence',
    ],
    [
      'another compose text',
      (r) => (inside(r as JsonObject, 'info', 'tcb_info')['app_compose'] = '{}'),
      'compose.hash compose_hash_mismatch',
    ],
    [
      'GPU evidence that is no object',
      (r) => (r['nvidia_payload'] = '[]'),
      'report.gpu_payload gpu_payload_malformed',
    ],
    ['two different quotes', (r) => (r['quote'] = '00'), 'report.structure report_malformed'],
    [
      'an unknown algorithm',
      (r) => (r['signing_algo'] = 'rsa'),
      'report.structure report_malformed',
    ],
    ['an unknown member', (r) => (r['verified'] = true), 'report.structure report_malformed'],
  ])('with %s is refused', async (_, change, failure) => {
    const report = { ...(await vllmReport('ecdsa')) }
    change(report)
    expect(failures(judge(report))).toContain(failure)
    expect(judge(report).signer).toBeNull()
  })

  test('with the GPU evidence of another nonce is refused', async () => {
    const report = await vllmReport('ecdsa')
    const list = collectSimulatedGpuEvidence(world.nvidia, hex(OTHER_NONCE))
    const payload = (nonce: string): string =>
      JSON.stringify({ nonce, evidence_list: list, arch: 'HOPPER' })
    const swapped = { ...report, nvidia_payload: payload(NONCE) }
    expect(failures(judge(swapped))).toEqual(
      expect.arrayContaining(['gpu.0.nonce gpu_nonce_mismatch', 'gpu.1.nonce gpu_nonce_mismatch']),
    )
    const honest = { ...report, nvidia_payload: payload(OTHER_NONCE) }
    expect(failures(judge(honest))).toEqual(['report.gpu_payload gpu_payload_malformed'])
  })

  test('covers a TLS key where it states one', async () => {
    const report = await vllmReport('ecdsa')
    const fingerprint = '77'.repeat(32)
    const address = hex(world.keys.address.address.slice(2))
    const first = createHash('sha256').update(address).update(fingerprint, 'hex').digest()
    const quote = toHex(world.guest.quote(Uint8Array.of(...first, ...hex(NONCE))))
    const bound = { ...report, quote, intel_quote: quote, tls_cert_fingerprint: fingerprint }
    expect(failures(judge(bound))).toEqual([])
    // Without the member the same bytes would name an address that nobody has.
    const { tls_cert_fingerprint: _, ...hidden } = bound
    expect(failures(judge(hidden))).toEqual(['report.binding report_data_mismatch'])
  })

  test('tells that attestations of other machines were not judged', async () => {
    const report = await vllmReport('ecdsa')
    const all = [...(report['all_attestations'] as JsonObject[]), { intel_quote: '00' }]
    const { verdict } = judge({ ...report, all_attestations: all })
    expect(verdict.checks.find(({ id }) => id === 'report.others')?.code).toBe(
      'report_others_unjudged',
    )
  })
})

describe('an ACI report', () => {
  test('of our own door is accepted, with the document inside', async () => {
    const appraisal = judge(await aci())
    expect(failures(appraisal)).toEqual([])
    expect(appraisal.layout).toBe('aci')
    const told = appraisal.verdict.checks.filter(({ status }) => status === 'info')
    expect(told.map(({ code }) => code)).toEqual(
      expect.arrayContaining(['report_layout_told', 'aci_provenance_absent']),
    )
    const passed = appraisal.verdict.checks.filter(({ status }) => status === 'pass')
    expect(passed.map(({ id }) => id)).toEqual(
      expect.arrayContaining([
        'report.binding',
        'report.nonce',
        'aci.keyset_digest',
        'aci.document',
      ]),
    )
    expect(isAccepted(judge(await aci(null), { nonce: null }))).toBe(true)
    expect(isAccepted(judge({ document: JSON.stringify(await aci()) }))).toBe(true)
  })

  test('for another nonce, or none, is refused', async () => {
    expect(failures(judge(await aci(), { nonce: OTHER_NONCE }))).toContain(
      'report.binding report_data_mismatch',
    )
    expect(failures(judge(await aci(), { nonce: null }))).toContain(
      'report.binding report_data_mismatch',
    )
    expect(failures(judge(await aci(null)))).toContain('report.binding report_data_mismatch')
  })

  const evidence = ['attestation', 'evidence'] as const
  test.each<[string, (report: JsonObject) => void, string]>([
    [
      'another keyset',
      (r) => (inside(r, 'attestation', 'workload_keyset')['not_after'] = NOW + 100),
      'report.binding report_data_mismatch',
    ],
    [
      'the digest of another keyset',
      (r) => (inside(r)['workload_keyset_digest'] = `sha256:${'00'.repeat(32)}`),
      'aci.keyset_digest aci_keyset_mismatch',
    ],
    [
      'other stated report data',
      (r) => (inside(r, 'attestation')['report_data'] = '00'.repeat(32)),
      'report.claims report_contradicts_evidence',
    ],
    [
      'another stated slot',
      (r) => (inside(r, ...evidence)['quote_report_data'] = '00'.repeat(64)),
      'report.claims report_contradicts_evidence',
    ],
    [
      'another compose text',
      (r) => (inside(r, ...evidence)['app_compose'] = '{}'),
      'compose.hash compose_hash_mismatch',
    ],
    [
      'a broken document inside',
      (r) => (inside(r, ...evidence)['countersign'] = '{}'),
      'aci.document aci_document_mismatch',
    ],
    [
      'an aggregator behind it',
      (r) => (inside(r, 'service_capabilities')['serving'] = 'aggregator'),
      'report.structure report_unsupported',
    ],
    [
      'another version',
      (r) => (inside(r)['api_version'] = 'aci/2'),
      'report.structure report_layout_unclear',
    ],
    [
      'another enclave',
      (r) => (inside(r, 'attestation')['tee_type'] = 'sev'),
      'report.structure report_unsupported',
    ],
    [
      'an unknown member',
      (r) => (inside(r, 'attestation')['verified'] = true),
      'report.structure report_malformed',
    ],
  ])('with %s is refused', async (_, change, failure) => {
    const report = await aci()
    change(report)
    expect(failures(judge(report))).toContain(failure)
  })

  test('with the genuine document of another boot inside is refused', async () => {
    const report = await aci()
    const other = makeWorld()
    inside(report, ...evidence)['countersign'] = await other.attestor.document(NONCE)
    expect(failures(judge(report))).toEqual(['aci.document aci_document_mismatch'])
    const any = { ...POLICY, simulatedRoots: 'any' as const }
    expect(failures(judge(report, { policy: any }))).toEqual(['aci.document aci_document_mismatch'])
  })

  test('whose keyset lives too long is refused', async () => {
    const policy = { ...POLICY, maxKeysetLifetimeS: 60 }
    expect(failures(judge(await aci(), { policy }))).toContain(
      'keyset.valid keyset_lifetime_too_long',
    )
  })

  test.runIf(haveFixtures('aci'))(
    'with the keyset and nonce of the specification quotes its vector',
    () => {
      const vectors = JSON.parse(fixtureText('aci/vectors.json')) as Record<string, string>
      const { guest } = world
      const report = {
        api_version: 'aci/1',
        workload_keyset_digest: vectors['workload_keyset_digest'],
        attestation: {
          tee_type: 'tdx',
          workload_keyset: JSON.parse(vectors['keyset_jcs'] ?? '') as unknown,
          report_data: vectors['report_data_32'],
          source_provenance: {
            ...{ repo_url: 'https://example.com/repo', repo_commit: null },
            ...{ image_digest: null, image_provenance: null },
          },
          evidence: {
            quote: toHex(guest.quote(hex(vectors['report_data_64'] ?? ''))),
            quote_report_data: vectors['report_data_64'],
            event_log: guest.quotedEventLog,
            app_compose: guest.composeText,
            vm_config: guest.vmConfig,
            key_custody: { kind: 'of another service' },
            downstream_tls_binding: null,
          },
        },
        service_capabilities: { supported_e2ee_versions: [], serving: 'direct' },
      }
      const policy = { ...POLICY, maxKeysetLifetimeS: 10 * 365 * 86_400 }
      const appraisal = judge(report, { nonce: toHex32(hex(vectors['nonce'] ?? '')), policy })
      expect(failures(appraisal)).toEqual([])
      const provenance = appraisal.verdict.checks.find(({ id }) => id === 'aci.provenance')
      expect(provenance).toMatchObject({ status: 'skip', detail: 'repo_url' })
      const document = appraisal.verdict.checks.find(({ id }) => id === 'aci.document')
      expect(document?.status).toBe('skip')
    },
  )
})

describe('one layout shown as another', () => {
  const zeros = toHex32(new Uint8Array(32))

  test('a report is read under the layout it was told, and fails where it is another', async () => {
    const reports = [
      ['dstack', dstackReport(hex(NONCE))],
      ['vllm-proxy', await vllmReport('ecdsa')],
      ['aci', await aci()],
    ] as const
    for (const [name, report] of reports) {
      expect(judge(report).layout).toBe(name)
      for (const layout of REPORT_LAYOUTS) {
        const appraisal = judge(report, { layout })
        expect([name, layout, isAccepted(appraisal)]).toEqual([name, layout, layout === name])
      }
    }
  })

  test('a quote of ACI is no vllm-proxy report over an Ed25519 key and a nonce of zeros', async () => {
    const report = await aci()
    const attestation = inside(report, 'attestation')
    const { quote, event_log, vm_config } = inside(attestation as JsonObject, 'evidence')
    const forged = {
      signing_address: attestation['report_data'],
      signing_algo: 'ed25519',
      request_nonce: zeros,
      ...{ intel_quote: quote, event_log, vm_config },
    }
    for (const nonce of [null, zeros]) {
      expect(failures(judge(forged, { nonce }))).toEqual(['report.binding report_nonce_ambiguous'])
    }
  })

  test('0G’s legacy quote, and the one with an encryption key, are no vllm-proxy report', () => {
    const { address } = world.keys.address
    const legacy = Buffer.alloc(64)
    legacy.write(address, 'ascii')
    const version = Buffer.concat([
      Buffer.alloc(32, 9),
      hex(address.slice(2)),
      hex('00000001'),
      Buffer.alloc(8),
    ])
    for (const slot of [legacy, version]) {
      const { quote, event_log } = dstackReport(slot)
      const forged = {
        signing_address: toHex(slot.subarray(0, 32)),
        signing_algo: 'ed25519',
        request_nonce: toHex(slot.subarray(32)),
        ...{ intel_quote: quote, event_log },
      }
      expect(failures(judge(forged, { nonce: null }))).toEqual([
        'report.binding report_nonce_ambiguous',
      ])
    }
  })

  test('an address is no Ed25519 key, nor the other way round', async () => {
    const ecdsa = await vllmReport('ecdsa')
    const padded = `${world.keys.address.address.slice(2).toLowerCase()}${'00'.repeat(12)}`
    const relabelled = { ...ecdsa, signing_algo: 'ed25519', signing_address: padded }
    expect(failures(judge(relabelled))).toEqual([
      'report.binding report_key_ambiguous',
      'report.signing_key signing_key_mismatch',
    ])
    const bare: JsonObject = { ...relabelled, signing_public_key: null }
    expect(failures(judge(bare))).toEqual(['report.binding report_key_ambiguous'])
    const ed25519 = await vllmReport('ed25519')
    const key = String(ed25519['signing_address'])
    const cut: JsonObject = {
      ...ed25519,
      ...{ signing_algo: 'ecdsa', signing_address: `0x${key.slice(0, 40)}` },
      signing_public_key: null,
    }
    expect(failures(judge(cut))).toEqual(['report.binding report_data_mismatch'])
  })

  test('a statement of Countersign’s is neither', async () => {
    const document = JSON.parse(await world.attestor.document(NONCE)) as JsonObject
    const { quote, event_log, vm_config } = inside(document, 'evidence')
    const dstack = judge({ quote, event_log, vm_config })
    expect(failures(dstack)).toEqual(['report.nonce report_data_mismatch'])
  })

  test.each<[string, JsonObject]>([
    ['no mark', { quote: '' }],
    ['an empty object', {}],
    ['the marks of ACI and vllm-proxy', { api_version: 'aci/1', intel_quote: '' }],
    [
      'the marks of a document and vllm-proxy',
      { api_version: 'countersign/1', signing_address: '' },
    ],
    ['those of 0G', { quote: '', event_log: '', report_data: '', vm_config: '', tcb_info: '' }],
    ['an unknown version', { api_version: 'aci/9', quote: '', vm_config: '' }],
  ])('a report with %s is refused until the layout is told', (_, report) => {
    expect(failures(judge(report))).toEqual(['report.structure report_layout_unclear'])
    expect(judge(report).verdict.verdict).toBe('malformed')
  })

  test('an attestation document is judged as one', async () => {
    const appraisal = judge(await world.attestor.document(NONCE))
    expect(appraisal.layout).toBe('countersign')
    expect(isAccepted(appraisal)).toBe(true)
  })
})

describe('the parser', () => {
  test('never throws, and reads no random JSON as a report', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.json(), fc.string()),
        fc.constantFrom(null, 'dstack' as const, 'vllm-proxy' as const, 'aci' as const),
        (text, layout) => {
          expect(parseReport(Buffer.from(text), layout).ok).toBe(false)
        },
      ),
      { numRuns: 500 },
    )
  })

  test('never throws on a member of another type', async () => {
    const reports = [dstackReport(hex(NONCE)), await vllmReport('ecdsa'), await aci()]
    const junk = fc.oneof(fc.jsonValue(), fc.constant(undefined))
    fc.assert(
      fc.property(fc.constantFrom(...reports), fc.nat(), junk, (report, pick, value) => {
        const names = Object.keys(report)
        const name = names[pick % names.length] ?? ''
        const changed = { ...report, [name]: value as never }
        expect(() => judge(changed)).not.toThrow()
        if (JSON.stringify(changed) !== JSON.stringify(report)) {
          // What may be left out without a loss: what the evidence says better.
          const optional = ['info', 'all_attestations', 'quote', 'vm_config', 'report_data']
          const more = ['signing_public_key', 'nvidia_payload', 'attestation']
          if (![...optional, ...more].includes(name)) expect(isAccepted(judge(changed))).toBe(false)
        }
      }),
      { numRuns: 150 },
    )
  })
})

describe('recorded reports', () => {
  const collateral = (): NonNullable<Parameters<typeof appraiseReport>[1]['collateral']> => {
    const parsed = parseCollateral(fixtureBytes('tdx/v5-td15-outdated.collateral.json'))
    if (!parsed.ok) throw new Error(parsed.detail)
    return parsed.collateral
  }
  const options = (nonce: typeof NONCE | null) => ({
    crypto: nodeCrypto,
    at: 1772600000,
    asOf: true,
    nonce,
    policy: { ...DEFAULT_POLICY, acceptUnchecked: ['quote.image', 'gpu.*.*'] },
    collateral: collateral(),
  })

  test.runIf(haveFixtures('tdx'))('of dstack is accepted as of its time', () => {
    const appraisal = appraiseReport(fixtureBytes('tdx/dstack-quote-report.json'), options(null))
    expect(failures(appraisal)).toEqual([])
    expect(appraisal.verdict.verdict).toBe('accepted-as-of')
    // The host says that there is a GPU; nothing in the report is evidence of it.
    const notice = appraisal.verdict.checks.find(({ id }) => id === 'report.gpus')
    expect(notice).toMatchObject({ status: 'info', code: 'report_gpus_unevidenced' })
    expect(notice?.detail).toMatch(/^1 in vm_config/)
    expect(appraisal).toMatchObject({ devices: [], binding: null })
    const forged = fixtureText('tdx/dstack-quote-report.json').replace(
      /"report_data":\s*"12/,
      '"report_data": "13',
    )
    expect(failures(appraiseReport(Buffer.from(forged), options(null)))).toEqual([
      'report.binding report_data_mismatch',
    ])
  })

  test.runIf(haveFixtures('0g') && haveFixtures('tdx'))(
    'of a vllm-proxy on an H200 is accepted for its nonce and no other',
    () => {
      const bytes = fixtureBytes('0g/llm_attestation_report.json')
      const { request_nonce, signing_address } = JSON.parse(
        Buffer.from(bytes).toString(),
      ) as Record<string, string>
      const nonce = toHex32(hex(request_nonce ?? ''))
      // The firmware of that machine was out of date when the collateral was issued.
      expect(failures(appraiseReport(bytes, options(nonce)))).toEqual([
        'quote.tcb_status tcb_status_not_accepted',
      ])
      const outdated = (value: typeof nonce): ReturnType<typeof options> => {
        const given = options(value)
        const tdx: TdxPolicy = {
          ...DEFAULT_TDX_POLICY,
          acceptedStatuses: ['OutOfDate'],
          acceptedAdvisories: null,
        }
        return { ...given, policy: { ...given.policy, tdx } }
      }
      const appraisal = appraiseReport(bytes, outdated(nonce))
      expect(failures(appraisal)).toEqual([])
      expect(appraisal.verdict.verdict).toBe('accepted-as-of')
      expect(appraisal.signer).toEqual({ algo: 'ecdsa', address: signing_address?.toLowerCase() })
      const passed = appraisal.verdict.checks.filter(({ status }) => status === 'pass')
      expect(passed.map(({ id }) => id)).toEqual(
        expect.arrayContaining(['report.nonce', 'compose.hash', 'gpu.0.nonce', 'gpu.0.signature']),
      )
      expect(failures(appraiseReport(bytes, outdated(NONCE)))).toEqual([
        'report.nonce nonce_mismatch',
      ])
    },
  )
})
