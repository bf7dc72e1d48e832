import { appraiseReport } from '../../attestation/appraiser/report/appraise-report.ts'
import type {
  AppraiseReportOptions,
  ReportAppraisal,
} from '../../attestation/appraiser/report/appraise-report.ts'
import { DEFAULT_POLICY } from '../../attestation/appraiser/policy.ts'
import type { AppraisalPolicy } from '../../attestation/appraiser/policy.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { toHex, toHex32 } from '../../attestation/protocol/hex.ts'
import type { JsonObject } from '../../attestation/protocol/json.ts'
import { answer } from '../../attestation/simulator/dstack/agent-methods.ts'
import { aciReport } from '../../enclave/attestation/aci-report.ts'
import { vllmProxyReport } from '../../enclave/attestation/vllm-proxy-report.ts'
import type { LegacyAlgo, VllmProxyRequest } from '../../enclave/attestation/vllm-proxy-report.ts'
import { makeWorld, NOW } from './document.helpers.ts'
import type { World } from './document.helpers.ts'

export const NONCE = toHex32(new Uint8Array(32).fill(0x5a))

export const world: World = makeWorld()
const { guest, nvidia, keys, attestor } = world
const caller = { client: 'a', hasLeft: () => false }

/** Accepts this one simulation and nothing else. */
export const POLICY: AppraisalPolicy = {
  ...DEFAULT_POLICY,
  allowSimulated: true,
  sgxRoots: [toHex(guest.pki.rootSha256)],
  nvidiaRoots: [toHex(nvidia.rootSha256)],
}

function parse(text: string): JsonObject {
  return JSON.parse(text) as JsonObject
}

export function dstackReport(reportData: Uint8Array): JsonObject {
  return answer(guest, 'dstack', 'GetQuote', { report_data: toHex(reportData) })
}

/** As our own door serves it. */
export async function vllmReport(
  algo: LegacyAlgo,
  nonce = NONCE,
  tls: VllmProxyRequest['tls'] = null,
): Promise<JsonObject> {
  const info = answer(guest, 'dstack', 'Info', {})
  const facts = {
    platform: 'dstack' as const,
    appId: toHex(guest.appId),
    instanceId: toHex(guest.instanceId),
    appCompose: guest.composeText,
    keyProvider: guest.keyProvider,
    tcbInfo: String(info['tcb_info']),
    info: JSON.stringify(info),
  }
  return parse(await vllmProxyReport(attestor, keys, facts, { algo, nonce, tls }, caller))
}

/** As our own door serves it. */
export async function aci(nonce: typeof NONCE | null = NONCE): Promise<JsonObject> {
  return parse(await aciReport(attestor, keys, nonce, caller))
}

export function judge(
  report: unknown,
  options: Partial<AppraiseReportOptions> = {},
): ReportAppraisal {
  const text = typeof report === 'string' ? report : JSON.stringify(report)
  return appraiseReport(Buffer.from(text), {
    crypto: nodeCrypto,
    at: NOW,
    nonce: NONCE,
    policy: POLICY,
    collateral: null,
    ...options,
  })
}

/** What failed, or the first thing that speaks against acceptance. */
export function failures({ verdict }: ReportAppraisal): string[] {
  const failed = verdict.checks.filter(({ status }) => status === 'fail')
  return failed.map(({ id, code }) => `${id} ${code}`)
}

export function isAccepted({ verdict }: ReportAppraisal): boolean {
  return verdict.verdict === 'accepted' || verdict.verdict === 'accepted-as-of'
}
