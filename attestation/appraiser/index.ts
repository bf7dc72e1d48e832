/**
 * The verifier: attestation documents, quotes, reports of other kinds, receipts and signatures. No I/O, no clock, any JavaScript runtime.
 *
 * @module
 */
export { nobleCrypto } from '../crypto/noble.ts'
export { isHex32 } from '../protocol/hex.ts'
export { contentOfChunks, contentOfCompletion } from '../protocol/chat-content.ts'
export { contentDigest } from '../protocol/content.ts'
export { contentKindOf, contentOfBody, contentOfEvents } from '../protocol/content-kinds.ts'
export { CORE_CHECKS, appraiseDocument } from './appraise-document.ts'
export { CHECK_CODES } from './codes.ts'
export { appraiseCustody } from './custody/appraise-custody.ts'
export { unwrapDocument } from './document/parse-document.ts'
export { appraiseEvidence } from './evidence/appraise-evidence.ts'
export { appraiseEventLog } from './eventlog/appraise-event-log.ts'
export { appraiseGpu } from './gpu/appraise-gpu.ts'
export { GPU_RUNGS } from './gpu/gpu-ladder.ts'
export { DEFAULT_GPU_POLICY, GPU_MODES } from './gpu/gpu-policy.ts'
export { CORE_GPU_CHECKS } from './gpu/judge-gpus.ts'
export { CORE_NRAS_CHECKS, appraiseNras } from './gpu/nras/appraise-nras.ts'
export { createGpuCache } from './gpu/gpu-cache.ts'
export { buildNrasRequest } from './gpu/nras/build-nras-request.ts'
export { DEFAULT_NRAS_POLICY, readNrasPolicy } from './gpu/nras/nras-policy.ts'
export { appraiseNrasAnswer } from './gpu/nras/appraise-nras-answer.ts'
export { verifyHttpSignature } from './http-signature/verify-http-signature.ts'
export { judgeContinuity } from './log/judge-continuity.ts'
export { formatLogState, parseLogState } from './log/log-state.ts'
export { trustedCheckpoint, verifyInclusion } from './log/verify-inclusion.ts'
export { POLICIES, POLICY_NAMES } from './policies.ts'
export { DEFAULT_POLICY, PLATFORMS, parsePolicy } from './policy.ts'
export { COLLATERAL_CHECKS, QUOTE_PROVES, appraiseQuote } from './quote/appraise-quote.ts'
export { isGenuine } from './quote/only-if-genuine.ts'
export { createCollateralCache } from './quote/collateral-cache.ts'
export { INTEL_SGX_ROOT_PEM, INTEL_SGX_ROOT_SHA256 } from './quote/intel-sgx-root.ts'
export { DEFAULT_TDX_POLICY } from './quote/tdx-policy.ts'
export { parseCollateral, readCollateral } from '../protocol/dcap-collateral.ts'
export { parseGpuCollateral, readGpuCollateral } from '../protocol/gpu-collateral.ts'
export { appraiseRaTls } from './ratls/appraise-ratls.ts'
export { verifyLegacySignature } from './receipt/verify-legacy.ts'
export { RECEIPT_LEVELS, verifyReceipt } from './receipt/verify-receipt.ts'
export { appraiseReport } from './report/appraise-report.ts'
export { REPORT_LAYOUTS } from './report/parse-report.ts'
export { DEFAULT_TAPP_POLICY } from './tapp/tapp-policy.ts'
export { VERDICT_EXIT_CODES } from './verdict.ts'

export type { CryptoPort } from '../crypto/port.ts'
export type { ChatContent } from '../protocol/chat-content.ts'
export type { Content, ContentKind, ContentStatus, ContentSummary } from '../protocol/content.ts'
export type { Hex32 } from '../protocol/hex.ts'
export type { Keyset } from '../protocol/keyset.ts'
export type { LogHead } from '../protocol/statement.ts'
export type { Outcome, ReceiptRecord } from '../protocol/record.ts'
export type { Appraisal, AppraisalOptions, TrustedKeyset } from './appraise-document.ts'
export type { ObservedChannel } from './channel/judge-channel.ts'
export type { Check, CheckStatus } from './check.ts'
export type { CheckCode, CodeFamily } from './codes.ts'
export type {
  EvidenceAppraisal,
  EvidenceOptions,
  ReceiptToJudge,
} from './evidence/appraise-evidence.ts'
export type { SignedDate, VouchedTime } from './evidence/vouched-time.ts'
export type { CustodyEvidence, CustodyOptions } from './custody/appraise-custody.ts'
export type {
  EventLogAppraisal,
  EventLogEvidence,
  EventLogOptions,
  EventLogPolicy,
} from './eventlog/appraise-event-log.ts'
export type { KeyProvider, SystemIdentity } from './eventlog/read-system-events.ts'
export type { AppraiseGpuOptions, GpuAppraisal } from './gpu/appraise-gpu.ts'
export type { DeviceKind } from './gpu/device-rules.ts'
export type { GpuBinding, GpuRung } from './gpu/gpu-ladder.ts'
export type { GpuMode, GpuPolicy } from './gpu/gpu-policy.ts'
export type { GpuCache } from './gpu/gpu-cache.ts'
export type { NrasAppraisal, NrasOptions } from './gpu/nras/appraise-nras.ts'
export type { NrasRequest, NrasRequestOptions } from './gpu/nras/build-nras-request.ts'
export type { NrasDevice } from './gpu/nras/device-claims.ts'
export type { NrasLocalDevice } from './gpu/nras/judge-same-device.ts'
export type { NrasPolicy } from './gpu/nras/nras-policy.ts'
export type { NrasKind } from './gpu/nras/parse-nras-answer.ts'
export type { NrasAnswerAppraisal, NrasAnswerOptions } from './gpu/nras/appraise-nras-answer.ts'
export type { GpuDevice } from './gpu/read-gpu-devices.ts'
export type {
  HttpSignatureOptions,
  SignedAnswer,
  SignedRequest,
} from './http-signature/verify-http-signature.ts'
export type { Continuity, LogEvidence } from './log/judge-continuity.ts'
export type { LogState, RememberedLog } from './log/log-state.ts'
export type { LogTrust, LoggedRecord } from './log/verify-inclusion.ts'
export type { PolicyName } from './policies.ts'
export type { AppraisalPolicy, Platform, PolicyResult } from './policy.ts'
export type { QuoteAppraisal, QuoteCheckId, QuoteInput } from './quote/appraise-quote.ts'
export type { CollateralCache } from './quote/collateral-cache.ts'
export type { TcbLevelVerdict, TcbVerdict } from './quote/judge-collateral.ts'
export type { Quote } from './quote/parse-quote.ts'
export type { TcbStatus } from './quote/tcb-status.ts'
export type { ImageReference, MrConfigIdKind, TdxPolicy } from './quote/tdx-policy.ts'
export type { CollateralResult, DcapCollateral } from '../protocol/dcap-collateral.ts'
export type { GpuCollateral, GpuCollateralResult, NamedRim } from '../protocol/gpu-collateral.ts'
export type { RaTlsAppraisal, RaTlsOptions } from './ratls/appraise-ratls.ts'
export type { Gunzip } from './ratls/read-ratls-certificate.ts'
export type {
  LegacyOptions,
  LegacyRung,
  LegacySignatureInput,
  LegacyVerdict,
} from './receipt/verify-legacy.ts'
export type {
  ExpectedExchange,
  ReceiptLevel,
  ReceiptOptions,
  ReceiptVerdict,
} from './receipt/verify-receipt.ts'
export type { AppraiseReportOptions, ReportAppraisal } from './report/appraise-report.ts'
export type { ReportLayout } from './report/parse-report.ts'
export type { SigningIdentity } from './report/read-vllm-proxy-report.ts'
export type { MountFileReference, TappPolicy } from './tapp/tapp-policy.ts'
export type { Verdict, VerdictName } from './verdict.ts'
