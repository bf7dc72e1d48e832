/**
 * Appraises one attestation document: everything that can be said of it without a network, as a list of checks and one
 * verdict. On acceptance it hands out the keys that receipts may be checked with.
 *
 * @module
 */
import type { CryptoPort } from '../crypto/port.ts'
import type { DcapCollateral } from '../protocol/dcap-collateral.ts'
import type { GpuCollateral } from '../protocol/gpu-collateral.ts'
import { fromHex } from '../protocol/hex.ts'
import type { Hex32, Sha256Digest } from '../protocol/hex.ts'
import type { JsonObject } from '../protocol/json.ts'
import type { Keyset } from '../protocol/keyset.ts'
import { judgeChannel } from './channel/judge-channel.ts'
import type { ObservedChannel } from './channel/judge-channel.ts'
import type { LogHead } from '../protocol/statement.ts'
import { fail, info, pass } from './check.ts'
import type { Check } from './check.ts'
import { judgeDocumentGpus } from './document/judge-document-gpus.ts'
import { CORE_LOG_CHECKS, CORE_QUOTE_CHECKS } from './core-tdx-checks.ts'
import { judgeQuote } from './document/judge-quote.ts'
import { judgeSoftware } from './document/judge-software.ts'
import { MAX_DOCUMENT_BYTES, parseDocument } from './document/parse-document.ts'
import type { AttestationDocument } from './document/parse-document.ts'
import { readConfig } from './document/read-config.ts'
import { verifyAddressKey } from './document/verify-address-key.ts'
import { readChains, simulationCheck, upstreamsCheck } from './document/verify-config.ts'
import { verifyKeyset } from './document/verify-keyset.ts'
import { verifyStatement } from './document/verify-statement.ts'
import { weightsCheck } from './document/verify-weights.ts'
import type { GpuBinding } from './gpu/gpu-ladder.ts'
import { CORE_GPU_CHECKS } from './gpu/judge-gpus.ts'
import type { GpuCache } from './gpu/gpu-cache.ts'
import type { GpuDevice } from './gpu/read-gpu-devices.ts'
import { pinnedChecks } from './pinned-checks.ts'
import { PLATFORM_CHECK, platformCheck } from './platform-check.ts'
import type { AppraisalPolicy } from './policy.ts'
import type { CollateralCache } from './quote/collateral-cache.ts'
import type { TcbVerdict } from './quote/judge-collateral.ts'
import { isGenuine, onlyIfGenuine } from './quote/only-if-genuine.ts'
import { parseQuote } from './quote/parse-quote.ts'
import type { Quote } from './quote/parse-quote.ts'
import { requireBytes, requireNonce, requireOptions } from './required-options.ts'
import { decideVerdict } from './verdict.ts'
import type { Verdict } from './verdict.ts'

export interface AppraisalOptions {
  readonly crypto: CryptoPort
  /** Unix seconds at which everything must hold. */
  readonly at: number
  /** `at` is not the present; the verdict then says so, and the document's age is not judged. Default: false. */
  readonly asOf?: boolean
  /** The nonce that the caller chose for this document; null where it chose none. */
  readonly nonce: Hex32 | null
  readonly policy: AppraisalPolicy
  /** The connection that the document came on. Default: nobody looked. */
  readonly channel?: ObservedChannel | null
  /** Collateral from the caller's own source. It counts before any that is stapled to the document. Default: none. */
  readonly collateral?: DcapCollateral | null
  /** The same of NVIDIA's: RIMs and OCSP responses. */
  readonly gpuCollateral?: GpuCollateral | null
  /** See `createCollateralCache`. */
  readonly cache?: CollateralCache
  /** See `createGpuCache`. */
  readonly gpuCache?: GpuCache
}

/** What receipts are checked against. Exists only for an accepted document. */
export interface TrustedKeyset {
  readonly keyset: Keyset
  readonly keysetDigest: Sha256Digest
  readonly bootId: Hex32
  readonly configDigest: Sha256Digest
  readonly config: JsonObject
  readonly simulated: boolean
  /** Unix seconds. */
  readonly notAfter: number
  /** Lower-case `0x` address of the address key; null where the keyset has none. */
  readonly address: string | null
  /** The head of the log that the statement names; null where the configuration says that there is none. */
  readonly log: LogHead | null
}

export interface Appraisal {
  readonly verdict: Verdict
  /** State of the platform where the collateral says it; null without collateral. */
  readonly tcb: TcbVerdict | null
  /** GPUs and switches of the document, as their signed reports describe them. */
  readonly devices: readonly GpuDevice[]
  /** How far the GPU evidence reaches; null where the document could not be read or holds none. */
  readonly binding: GpuBinding | null
  /** Unix seconds: the newest date of NVIDIA's revocation answers by which devices and RIMs were judged; null: none counted. */
  readonly revocationDate: number | null
  readonly trusted: TrustedKeyset | null
}

/** Checks that no policy can do without. */
export const CORE_CHECKS: readonly string[] = Object.freeze([
  'document.structure',
  PLATFORM_CHECK,
  'config.structure',
  'config.simulation',
  'keyset.roles',
  'keyset.valid',
  ...CORE_QUOTE_CHECKS,
  ...CORE_LOG_CHECKS,
  'compose.hash',
  'compose.mr_config_id',
  'statement.gpu',
  'statement.collateral',
  'statement.log',
  'statement.binding',
  'statement.fresh',
])

const PROVES = {
  structure: 'The document can be read in one way only.',
  config: 'The configuration says what the appraisal needs to know.',
  warnings: 'What the service warns about. Not covered by the quote.',
} as const

function passed(checks: readonly Check[], id: string): boolean {
  return checks.some((check) => check.id === id && check.status === 'pass')
}

function quoteOf(document: AttestationDocument): Quote | null {
  const bytes = fromHex(document.quote)
  const parsed = bytes === null ? null : parseQuote(bytes)
  return parsed?.ok === true ? parsed.quote : null
}

/** Ends an appraisal whose document is not read any further. */
function refused(checks: readonly Check[]): Appraisal {
  const none = { required: [], asOf: false, simulated: false, acceptUnchecked: [] }
  const verdict = decideVerdict(checks, none)
  return { verdict, trusted: null, tcb: null, devices: [], binding: null, revocationDate: null }
}

function judge(document: AttestationDocument, options: AppraisalOptions): Appraisal {
  const { crypto, at, asOf = false, nonce, policy } = options
  const structure = pass('document.structure', PROVES.structure)
  const platform = platformCheck(document.tapp === null ? 'dstack' : 'tapp', policy)
  // What stands in members of another platform's form is not read by the rules of this one.
  if (platform.status === 'fail') return refused([structure, platform])
  const read = readConfig(document.config)
  const config = typeof read === 'string' ? null : read
  const checks: Check[] = [
    structure,
    platform,
    typeof read === 'string'
      ? fail('config.structure', 'config_malformed', PROVES.config, read)
      : pass('config.structure', PROVES.config),
  ]
  for (const { code, detail } of document.warnings) {
    checks.push(info('document.warning', 'document_warned', PROVES.warnings, `${code}: ${detail}`))
  }
  const quote = quoteOf(document)
  const chains = readChains(document, quote)
  // First of all, so that who meets a simulation is told that and not that some root is unknown.
  checks.push(simulationCheck(config, { cpu: chains.cpu, gpu: chains.gpu.chains }, policy))
  const appraised = judgeQuote(document, chains, options)
  checks.push(...appraised.checks)
  const genuine = isGenuine(checks)
  const software = judgeSoftware(document, quote, { crypto, policy, genuine })
  checks.push(...software.checks)

  const statement = verifyStatement(document, software.quoted, config, {
    crypto,
    at,
    asOf,
    nonce,
    policy,
  })
  checks.push(...onlyIfGenuine(statement.checks, genuine))
  const keyset = verifyKeyset(document.keyset, document.issuedAt, { crypto, at, policy })
  checks.push(...keyset.checks)
  checks.push(upstreamsCheck(config, policy), weightsCheck(document.config, policy))
  const bound = genuine && passed(checks, 'statement.binding')
  checks.push(judgeChannel(options.channel ?? null, document.keyset, bound, policy))
  const gpus = judgeDocumentGpus(document, {
    ...options,
    list: chains.gpu,
    required: config?.gpuRequired ?? null,
    nvswitches: config?.nvswitches ?? null,
    nonce: statement.gpuNonce,
    digestInQuote: passed(checks, 'statement.binding'),
    checks,
    quote,
    composeHash: software.composeHash,
  })
  checks.push(...gpus.checks)
  checks.push(...verifyAddressKey(document, software.system, { crypto, policy }))

  const required = [...CORE_CHECKS, ...pinnedChecks(policy), ...policy.require]
  if (document.tapp !== null) required.push('tapp.runtime_data', 'tapp.signature', 'tapp.address')
  if (nonce !== null) required.push('statement.nonce')
  if (config?.gpuRequired !== 0) required.push('gpu.count')
  if ((config?.nvswitches ?? 0) > 0) required.push('switch.count')
  if (config?.gpuRequired !== 0 || (document.gpu?.length ?? 0) > 0) {
    required.push(...CORE_GPU_CHECKS)
  }
  const simulated = config?.simulation === true
  const verdict = decideVerdict(checks, {
    required,
    asOf,
    simulated,
    acceptUnchecked: policy.acceptUnchecked,
  })
  const { devices, binding, revocationDate } = gpus
  const facts = { tcb: appraised.tcb, devices, binding, revocationDate }
  if (verdict.verdict !== 'accepted' && verdict.verdict !== 'accepted-as-of') {
    return { verdict, ...facts, trusted: null }
  }
  return {
    verdict,
    ...facts,
    trusted: Object.freeze({
      keyset: document.keyset,
      keysetDigest: statement.keysetDigest,
      bootId: document.bootId,
      configDigest: statement.configDigest,
      config: document.config,
      simulated,
      notAfter: document.keyset.not_after,
      address: keyset.address,
      log: document.log,
    }),
  }
}

/**
 * Appraises a document.
 *
 * @param bytes its exact text, unwrapped
 * @returns the verdict with every check that was made, and the keyset where it was accepted. Never throws on any bytes
 * @throws TypeError for bytes that are none, a time that is no finite number, a nonce that is neither 64 hex digits nor null, or
 *   a policy that `parsePolicy` refuses
 */
export function appraiseDocument(bytes: Uint8Array, given: AppraisalOptions): Appraisal {
  const options = requireOptions(given)
  requireNonce(options.nonce)
  const parsed = parseDocument(requireBytes(bytes, 'bytes', MAX_DOCUMENT_BYTES))
  if (parsed.ok) return judge(parsed.document, options)
  return refused([fail('document.structure', parsed.code, PROVES.structure, parsed.detail)])
}
