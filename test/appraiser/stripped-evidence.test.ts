/** Evidence that would be refused, left out or shown as something else: leaving it out is no way round the refusal. */
import { describe, expect, test } from 'vitest'
import { DEFAULT_POLICY } from '../../attestation/appraiser/policy.ts'
import type { AppraisalPolicy } from '../../attestation/appraiser/policy.ts'
import { appraiseRaTls } from '../../attestation/appraiser/ratls/appraise-ratls.ts'
import { appraiseReport } from '../../attestation/appraiser/report/appraise-report.ts'
import type { ReportAppraisal } from '../../attestation/appraiser/report/appraise-report.ts'
import { appraiseTdx } from '../../attestation/appraiser/report/appraise-tdx.ts'
import type { Verdict } from '../../attestation/appraiser/verdict.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { parseCollateral } from '../../attestation/protocol/dcap-collateral.ts'
import type { DcapCollateral } from '../../attestation/protocol/dcap-collateral.ts'
import { toUtf8 } from '../../attestation/protocol/utf8.ts'
import { NOW } from './document.helpers.ts'
import { aci, dstackReport, failures, judge, POLICY, vllmReport, world } from './report.helpers.ts'
import { fixtureBytes, fixtureText, haveFixtures } from './x509.helpers.ts'

function find(verdict: Verdict, id: string): Verdict['checks'][number] | undefined {
  return verdict.checks.find((check) => check.id === id)
}

describe('compose text or vm_config beside a quote without its log', () => {
  const { quote, event_log: eventLog, vm_config: vmConfig } = dstackReport(new Uint8Array(32))
  const input = { quote, at: NOW, policy: POLICY }
  const run = (more: object): Verdict =>
    appraiseTdx(toUtf8(JSON.stringify({ ...input, ...more })), nodeCrypto).verdict

  test('is named and refused, true or false', () => {
    expect(run({}).verdict).toBe('accepted-as-of')
    expect(run({ event_log: eventLog, vm_config: vmConfig }).verdict).toBe('accepted-as-of')
    const texts = [world.guest.composeText, '{"evil":true}', '']
    for (const compose of texts) {
      const verdict = run({ event_log: null, app_compose: compose })
      expect(verdict.sentence).toBe('Rejected: compose.hash is required and did not pass.')
      expect(find(verdict, 'compose.hash')?.status).toBe('skip')
    }
    const verdict = run({ vm_config: vmConfig })
    expect(verdict.sentence).toBe('Rejected: vm_config.structure is required and did not pass.')
  })
})

describe('a forged member of a report', () => {
  test('all_attestations with another signing address over the same quote is told', async () => {
    const report = await vllmReport('ecdsa')
    const { all_attestations: _, ...own } = report
    expect(find(judge(report).verdict, 'report.others')).toBeUndefined()
    const stranger = { ...own, signing_address: `0x${'de'.repeat(20)}` }
    const { verdict } = judge({ ...report, all_attestations: [own, stranger] })
    expect(find(verdict, 'report.others')?.detail).toBe('1 beside the one judged')
  })

  test('that nothing is compared with is named', async () => {
    const report = await vllmReport('ecdsa')
    const info = {
      ...(report['info'] as Record<string, unknown>),
      ...{ mr_aggregated: 'ff'.repeat(32), key_provider_info: '{"name":"kms","id":"00"}' },
    }
    const forged = { ...report, info, model_name: 'EVIL', ohttp_key_config: 'evil' }
    const appraisal = judge(forged)
    expect(failures(appraisal)).toEqual([])
    const told = find(appraisal.verdict, 'report.uncompared')
    expect(told).toMatchObject({ status: 'info', code: 'report_claims_uncompared' })
    for (const name of ['model_name', 'ohttp_key_config', 'info.mr_aggregated']) {
      expect(told?.detail.split(', ')).toContain(name)
    }
    expect(told?.detail).toContain('info.key_provider_info')
    const report2 = structuredClone(await aci()) as { attestation: { evidence: object } }
    Object.assign(report2.attestation.evidence, { downstream_tls_binding: { spki: 'evil' } })
    expect(find(judge(report2).verdict, 'report.uncompared')?.detail).toBe('downstream_tls_binding')
  })
})

const AT = 1772600000

function recorded(): {
  readonly report: Record<string, unknown>
  readonly collateral: DcapCollateral
} {
  const collateral = parseCollateral(fixtureBytes('tdx/v5-td15-outdated.collateral.json'))
  if (!collateral.ok) throw new Error(collateral.detail)
  const report = JSON.parse(fixtureText('0g/llm_attestation_report.json')) as Record<
    string,
    unknown
  >
  return { report, collateral: collateral.collateral }
}

/** The firmware of that machine was out of date when the collateral was issued. */
function policyFor(...acceptUnchecked: readonly string[]): AppraisalPolicy {
  return {
    ...DEFAULT_POLICY,
    tdx: { ...DEFAULT_POLICY.tdx, acceptedStatuses: ['OutOfDate'], acceptedAdvisories: null },
    acceptUnchecked: ['quote.image', ...acceptUnchecked],
  }
}

const live = haveFixtures('0g') && haveFixtures('tdx')

describe.runIf(live)('a recorded vllm-proxy report', () => {
  const run = (change: object, ...unchecked: readonly string[]): ReportAppraisal => {
    const { report, collateral } = recorded()
    return appraiseReport(toUtf8(JSON.stringify({ ...report, ...change })), {
      ...{ crypto: nodeCrypto, at: AT, asOf: true, nonce: null, collateral },
      policy: policyFor(...unchecked),
    })
  }

  test('whose GPU evidence was dropped is not accepted, and where it may be, that is said', () => {
    expect(run({}, 'gpu.*.*').verdict.verdict).toBe('accepted-as-of')
    for (const payload of [null, undefined]) {
      const dropped = run({ nvidia_payload: payload }, 'gpu.*.*')
      expect(find(dropped.verdict, 'report.gpu_payload')?.code).toBe('gpu_evidence_not_given')
      expect(dropped.verdict.verdict).toBe('unsupported')
      expect(dropped.verdict.sentence).toContain('report.gpu_payload')
      expect(dropped.signer).toBeNull()
      const allowed = run({ nvidia_payload: payload }, 'report.gpu_payload')
      expect(allowed.verdict.verdict).toBe('accepted-as-of')
      expect(allowed.verdict.sentence).toMatch(/without the checks .*report\.gpu_payload/)
    }
    expect(run({ nvidia_payload: '' }, 'report.gpu_payload').signer).toBeNull()
  })
})

describe.runIf(live)('a recorded RA-TLS certificate', () => {
  const run = (pem: (chain: string) => string, ...unchecked: readonly string[]) => {
    const { report, collateral } = recorded()
    const info = report['info'] as { readonly app_cert: string }
    return appraiseRaTls(pem(info.app_cert), {
      ...{ crypto: nodeCrypto, at: AT, asOf: true, collateral, policy: policyFor(...unchecked) },
    })
  }
  const END = '-----END CERTIFICATE-----\n'
  const leafOf = (chain: string): string => `${chain.split(END)[0] ?? ''}${END}`

  test('whose issuers were dropped is not accepted, and where it may be, that is said', () => {
    expect(run((chain) => chain).verdict.verdict).toBe('accepted-as-of')
    const alone = run(leafOf)
    expect(find(alone.verdict, 'ratls.chain')?.code).toBe('ratls_issuers_not_given')
    expect(alone.verdict.verdict).toBe('unsupported')
    expect(alone.verdict.sentence).toContain('ratls.chain')
    expect(alone.spki).toBeNull()
    const allowed = run(leafOf, 'ratls.chain')
    expect(allowed.spki).not.toBeNull()
    expect(allowed.verdict.sentence).toContain('without the checks quote.image, ratls.chain')
  })
})
