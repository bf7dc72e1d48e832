/**
 * A report of the vllm-proxy family: report data are the signing key, padded with zeros to 32 bytes (or the SHA-256 of it
 * and a TLS key), and the client's nonce; GPUs answer the same nonce.
 *
 * @module
 */
import type { CryptoPort } from '../../crypto/port.ts'
import { fromHex, hex32Bytes, toHex } from '../../protocol/hex.ts'
import type { Hex32 } from '../../protocol/hex.ts'
import { parseJsonText } from '../../protocol/json.ts'
import { addressOf } from '../../protocol/legacy-text.ts'
import { fail, info, pass, skip } from '../check.ts'
import type { Check } from '../check.ts'
import { counted } from '../counted.ts'
import type { SystemIdentity } from '../eventlog/read-system-events.ts'
import type { GpuBinding } from '../gpu/gpu-ladder.ts'
import { CORE_GPU_CHECKS, isSimulatedList, judgeGpus, readGpuList } from '../gpu/judge-gpus.ts'
import { parseNrasPayload } from '../gpu/parse-nras-payload.ts'
import type { GpuDevice } from '../gpu/read-gpu-devices.ts'
import { appraiseTdxEvidence } from './appraise-tdx-evidence.ts'
import type { ReportOptions, TdxEvidenceAppraisal } from './appraise-tdx-evidence.ts'
import type { ReportFindings } from './appraise-report.ts'
import type { SigningIdentity, VllmProxyReport } from './read-vllm-proxy-report.ts'
import { slotOf, verifyReportData } from './verify-report-data.ts'

const PROVES = {
  binding: 'The enclave put forward this signing key, for this nonce.',
  nonce: 'The report was made after the nonce was chosen.',
  key: 'The public key is that of the signing address.',
  claims: 'What the report says and the evidence shows too is the same in both.',
  payload: 'The GPU evidence can be read in one way only.',
  uncompared: 'Which members of the report nothing was compared with.',
  others: 'Which attestations of the report were judged.',
} as const

/** Layouts of others end in eight zero bytes; with such a nonce a quote of theirs would read as one of this layout. */
const AMBIGUOUS_ENDING = '0'.repeat(16)
/** An address is padded with these to the length of an Ed25519 key. */
const ADDRESS_PADDING = '00'.repeat(12)
const NONCE_OFFSET = 32
const POINT_BYTES = 64
/** Characters of a member's name that are shown. */
const MAX_SHOWN_NAME = 64

function identityBytes(signer: SigningIdentity): Uint8Array {
  const text = signer.algo === 'ecdsa' ? signer.address.slice(2) : signer.publicKey
  return fromHex(text) ?? new Uint8Array(0)
}

function expectedReportData(report: VllmProxyReport, crypto: CryptoPort): Uint8Array {
  const identity = identityBytes(report.signer)
  const fingerprint = report.tlsFingerprint === null ? null : fromHex(report.tlsFingerprint)
  const slot = slotOf(
    fingerprint === null ? identity : crypto.sha256(Uint8Array.of(...identity, ...fingerprint)),
  )
  slot.set(hex32Bytes(report.nonce), NONCE_OFFSET)
  return slot
}

function bindingChecks(
  report: VllmProxyReport,
  evidence: TdxEvidenceAppraisal,
  crypto: CryptoPort,
): Check[] {
  if (report.nonce.endsWith(AMBIGUOUS_ENDING)) {
    return [fail('report.binding', 'report_nonce_ambiguous', PROVES.binding)]
  }
  // Chance gives no key this ending: it is somebody's address, shown as a key that signs under another algorithm.
  if (report.signer.algo === 'ed25519' && report.signer.publicKey.endsWith(ADDRESS_PADDING)) {
    return [fail('report.binding', 'report_key_ambiguous', PROVES.binding)]
  }
  return verifyReportData(expectedReportData(report, crypto), evidence, PROVES.binding, crypto)
}

function nonceCheck(report: VllmProxyReport, nonce: Hex32 | null, crypto: CryptoPort): Check {
  const id = 'report.nonce'
  if (nonce === null) return skip(id, 'not_provided', PROVES.nonce, 'no nonce was given')
  return crypto.equal(hex32Bytes(nonce), hex32Bytes(report.nonce))
    ? pass(id, PROVES.nonce)
    : fail(id, 'nonce_mismatch', PROVES.nonce)
}

function keyCheck({ signer, publicKey }: VllmProxyReport, crypto: CryptoPort): Check {
  const id = 'report.signing_key'
  if (publicKey === null) return skip(id, 'not_provided', PROVES.key, 'the report states none')
  const bytes = fromHex(publicKey) ?? new Uint8Array(0)
  const point = bytes.length === POINT_BYTES + 1 && bytes[0] === 4 ? bytes.subarray(1) : bytes
  const matches =
    signer.algo === 'ed25519'
      ? publicKey === signer.publicKey
      : point.length === POINT_BYTES && addressOf(point, crypto) === signer.address
  return matches ? pass(id, PROVES.key) : fail(id, 'signing_key_mismatch', PROVES.key)
}

/** What verified evidence has to say to each claim; a claim that it says nothing to is left alone. */
function measuredFacts(
  { quote }: TdxEvidenceAppraisal,
  system: SystemIdentity,
): ReadonlyMap<string, Uint8Array | null> {
  return new Map([
    ['app_id', system.appId],
    ['instance_id', system.instanceId],
    ['compose_hash', system.composeHash],
    ['os_image_hash', system.osImageHash],
    ['mrtd', quote?.mrtd ?? null],
    ['rtmr0', quote?.rtmrs[0] ?? null],
    ['rtmr1', quote?.rtmrs[1] ?? null],
    ['rtmr2', quote?.rtmrs[2] ?? null],
    ['rtmr3', quote?.rtmrs[3] ?? null],
  ])
}

function claimsCheck(report: VllmProxyReport, evidence: TdxEvidenceAppraisal): Check {
  const id = 'report.claims'
  const { system } = evidence
  if (system === null) return skip(id, 'depends_on_failed', PROVES.claims)
  const facts = measuredFacts(evidence, system)
  for (const [name, claim] of report.claims) {
    const fact = facts.get(name.slice(name.lastIndexOf('.') + 1)) ?? null
    // People and older clients read these members in place of the evidence.
    if (fact !== null && claim !== toHex(fact)) {
      return fail(id, 'report_contradicts_evidence', PROVES.claims, name)
    }
  }
  return pass(id, PROVES.claims, counted(report.claims.size, 'claim'))
}

/** A forged member that is passed over in silence would be read under the verdict of the rest. */
function uncomparedCheck(report: VllmProxyReport, evidence: TdxEvidenceAppraisal): Check[] {
  const { system } = evidence
  if (system === null) return []
  const facts = measuredFacts(evidence, system)
  const unmeasured = [...report.claims.keys()].filter(
    (name) => (facts.get(name.slice(name.lastIndexOf('.') + 1)) ?? null) === null,
  )
  const names = [...unmeasured, ...report.uncompared]
  if (names.length === 0) return []
  const detail = names.map((name) => name.slice(0, MAX_SHOWN_NAME)).join(', ')
  return [info('report.uncompared', 'report_claims_uncompared', PROVES.uncompared, detail)]
}

interface GpuFindings {
  readonly checks: readonly Check[]
  readonly devices: readonly GpuDevice[]
  readonly binding: GpuBinding | null
  readonly simulated: boolean
}

function gpuFindings(report: VllmProxyReport, options: ReportOptions): GpuFindings {
  const id = 'report.gpu_payload'
  const alone = (check: Check): GpuFindings => ({
    checks: [check],
    devices: [],
    binding: null,
    simulated: false,
  })
  if (report.nvidiaPayload === null || report.nvidiaPayload === '') {
    return alone(skip(id, 'gpu_evidence_not_given', PROVES.payload, 'none in the report'))
  }
  const malformed = (detail: string): GpuFindings =>
    alone(fail(id, 'gpu_payload_malformed', PROVES.payload, detail))
  const parsed = parseJsonText(report.nvidiaPayload)
  const payload = parsed.ok ? parseNrasPayload(parsed.value) : null
  if (payload?.ok !== true) return malformed(payload?.detail ?? 'not JSON')
  const { nonce } = payload
  const { crypto } = options
  const asked = hex32Bytes(report.nonce)
  // The devices are held against the report's nonce in any case; another one here would be what NVIDIA's service is told.
  if (!crypto.equal(nonce, asked)) return malformed('another nonce than the report’s')
  const list = readGpuList(payload.evidence)
  const expected = {
    nonce: asked,
    count: null,
    switches: null,
    // The nonce is the client's own: unlike Countersign's it commits to no key, so anybody's GPUs can have answered it.
    nonceCommits: false,
    digestInQuote: false,
    checkedByMeasuredGuest: false,
  }
  const source = { ...options, gpuCollateral: options.gpuCollateral ?? null }
  const findings = judgeGpus(list, expected, source)
  return {
    ...findings,
    checks: [pass(id, PROVES.payload, counted(list.elements.length, 'device')), ...findings.checks],
    simulated: isSimulatedList(list),
  }
}

/**
 * @param appCompose raw text that the caller has, for a report without one
 * @param nonce that the caller chose; null: it has none, and the report may be old
 */
export function judgeVllmProxyReport(
  report: VllmProxyReport,
  appCompose: string | null,
  nonce: Hex32 | null,
  options: ReportOptions,
): ReportFindings {
  const { crypto } = options
  const evidence = appraiseTdxEvidence(
    { ...report, appCompose: report.appCompose ?? appCompose },
    options,
  )
  const gpu = gpuFindings(report, options)
  const checks = [
    ...evidence.checks,
    ...bindingChecks(report, evidence, crypto),
    nonceCheck(report, nonce, crypto),
    keyCheck(report, crypto),
    claimsCheck(report, evidence),
    ...uncomparedCheck(report, evidence),
    ...gpu.checks,
  ]
  if (report.others > 0) {
    const detail = `${report.others} beside the one judged`
    checks.push(info('report.others', 'report_others_unjudged', PROVES.others, detail))
  }
  const required = ['report.binding', 'report.claims']
  if (nonce !== null) required.push('report.nonce')
  if (report.nvidiaPayload !== null) required.push('report.gpu_payload', ...CORE_GPU_CHECKS)
  if (report.publicKey !== null) required.push('report.signing_key')
  return {
    checks,
    required,
    simulated: evidence.simulated || gpu.simulated,
    signer: report.signer,
    devices: gpu.devices,
    binding: gpu.binding,
    meaning: `the signing key was put forward by the measured software that the evidence describes${
      nonce === null ? '; nothing shows when' : ''
    }`,
  }
}
