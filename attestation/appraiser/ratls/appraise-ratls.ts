/**
 * Appraises an RA-TLS certificate of dstack: a TLS certificate whose key a quote vouches for, quote and event log inside.
 *
 * Only the key is trusted on acceptance. Subject and names are nobody's word but the app's, and dates can only narrow what
 * is accepted; since the evidence answers no nonce, it is as old as the certificate, for which dstack's default is ten years. Binding: report data are
 * SHA-512("ratls-cert:" ‖ SubjectPublicKeyInfo). Source: dstack 0.5.11 (2026-05-11), `ra-tls`.
 *
 * @module
 */
import { toHex } from '../../protocol/hex.ts'
import { toUtf8 } from '../../protocol/utf8.ts'
import { fail, pass, skip } from '../check.ts'
import type { Check } from '../check.ts'
import { counted } from '../counted.ts'
import type { SystemIdentity } from '../eventlog/read-system-events.ts'
import { pinnedChecks } from '../pinned-checks.ts'
import { onlyIfGenuine } from '../quote/only-if-genuine.ts'
import { Unreadable } from '../read-members.ts'
import { appraiseTdxEvidence, CORE_TDX_CHECKS } from '../report/appraise-tdx-evidence.ts'
import type { ReportOptions, TdxEvidenceAppraisal } from '../report/appraise-tdx-evidence.ts'
import { requireOptions } from '../required-options.ts'
import { decideVerdict } from '../verdict.ts'
import type { Verdict } from '../verdict.ts'
import type { Certificate } from '../x509/parse-certificate.ts'
import { parsePemChain } from '../x509/parse-pem-chain.ts'
import { verifyChain } from '../x509/verify-chain.ts'
import { readAppId, readRaTlsEvidence, readSpecialUsage } from './read-ratls-certificate.ts'
import type { Gunzip, RaTlsEvidence } from './read-ratls-certificate.ts'

/** Leaf, app CA, KMS root; one more than any release writes. */
const MAX_CHAIN_CERTIFICATES = 4
const BINDING_PREFIX = toUtf8('ratls-cert:')
const LEAF_USAGE = 'app:custom'
const CA_USAGE = 'app:ca'
const KMS_PROVIDER = 'kms'

export interface RaTlsOptions extends ReportOptions {
  /** Raw app-compose.json where the caller has it. Default: null. */
  readonly appCompose?: string | null
  /** For event logs that are compressed; without it such a certificate is unsupported. */
  readonly gunzip?: Gunzip
}

export interface RaTlsAppraisal {
  readonly verdict: Verdict
  /** DER SubjectPublicKeyInfo of the key that may be believed; null unless accepted. */
  readonly spki: Uint8Array | null
  /** What the guest measured about itself; null unless accepted. */
  readonly system: SystemIdentity | null
}

const PROVES = {
  structure: 'The certificate and the evidence in it can be read in one way only.',
  usage: 'The certificate was made for connections of an app.',
  binding: 'The enclave put forward exactly the key of this certificate.',
  validity: 'The certificate is valid at this time.',
  app: 'The app that the certificates name is the one that was measured.',
  chain: 'The key provider that the guest measured issued the certificate.',
} as const

type Read =
  | {
      readonly ok: true
      readonly chain: readonly [Certificate, ...Certificate[]]
      readonly evidence: RaTlsEvidence
      /** App ids that the certificates name, and what they are for, leaf first. */
      readonly appIds: readonly (Uint8Array | null)[]
      readonly usages: readonly (string | null)[]
    }
  | { readonly ok: false; readonly check: Check }

function read(pem: string, gunzip: Gunzip | null): Read {
  const id = 'ratls.structure'
  const refuse = (code: 'ratls_malformed' | 'ratls_unsupported', detail: string): Read => ({
    ok: false,
    check: fail(id, code, PROVES.structure, detail),
  })
  const parsed = parsePemChain(pem, MAX_CHAIN_CERTIFICATES)
  if (!parsed.ok) return refuse('ratls_malformed', parsed.detail)
  const [leaf, ...issuers] = parsed.certificates
  if (leaf === undefined) return refuse('ratls_malformed', 'no certificate')
  try {
    const evidence = readRaTlsEvidence(leaf, gunzip)
    if (evidence === null) {
      return { ok: false, check: fail(id, 'ratls_no_evidence', PROVES.structure) }
    }
    return {
      ok: true,
      chain: [leaf, ...issuers],
      evidence,
      appIds: parsed.certificates.map(readAppId),
      usages: parsed.certificates.map(readSpecialUsage),
    }
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error
    return refuse(`ratls_${error.kind}`, error.message)
  }
}

function usageCheck({ chain, usages }: Extract<Read, { ok: true }>): Check {
  const id = 'ratls.usage'
  const [leaf] = chain
  const [own = null, ...issuers] = usages
  if (own !== null && own !== LEAF_USAGE) {
    return fail(id, 'ratls_usage_unexpected', PROVES.usage, own)
  }
  // A key that may issue certificates could be anybody's by now: whoever it certified.
  if (leaf.isCa) return fail(id, 'ratls_usage_unexpected', PROVES.usage, 'a CA')
  const odd = issuers.find((usage) => usage !== null && usage !== CA_USAGE)
  return odd === undefined || odd === null
    ? pass(id, PROVES.usage, own ?? 'not stated')
    : fail(id, 'ratls_usage_unexpected', PROVES.usage, `an issuer for ${odd}`)
}

function bindingCheck(
  leaf: Certificate,
  { quote, genuine }: TdxEvidenceAppraisal,
  { crypto }: ReportOptions,
): Check[] {
  const id = 'ratls.binding'
  if (quote === null) return [skip(id, 'depends_on_failed', PROVES.binding)]
  const bound = crypto.sha512(Uint8Array.of(...BINDING_PREFIX, ...leaf.spki))
  const check = crypto.equal(quote.reportData, bound)
    ? pass(id, PROVES.binding, `SHA-256 of the key: ${toHex(crypto.sha256(leaf.spki))}`)
    : fail(id, 'ratls_binding_mismatch', PROVES.binding)
  return onlyIfGenuine([check], genuine)
}

function validityCheck({ notBefore, notAfter }: Certificate, at: number): Check {
  const id = 'ratls.validity'
  return at >= notBefore && at <= notAfter
    ? pass(id, PROVES.validity, `until ${notAfter}`)
    : fail(id, 'ratls_not_in_time', PROVES.validity, `from ${notBefore} until ${notAfter}`)
}

function appCheck(
  appIds: readonly (Uint8Array | null)[],
  system: SystemIdentity | null,
  { crypto }: ReportOptions,
): Check {
  const id = 'ratls.app_id'
  if (system === null) return skip(id, 'depends_on_failed', PROVES.app)
  const named = appIds.filter((appId) => appId !== null)
  if (named.length === 0) return skip(id, 'not_provided', PROVES.app, 'none is named')
  const other = named.find((appId) => !crypto.equal(appId, system.appId))
  return other === undefined
    ? pass(id, PROVES.app, toHex(system.appId))
    : fail(id, 'ratls_app_mismatch', PROVES.app, `named ${toHex(other)}`)
}

function chainCheck(
  chain: readonly Certificate[],
  system: SystemIdentity | null,
  { crypto, at, policy }: ReportOptions,
): Check {
  const id = 'ratls.chain'
  if (system === null) return skip(id, 'depends_on_failed', PROVES.chain)
  const root = chain.at(-1)
  const provider = system.keyProvider
  if (provider?.name !== KMS_PROVIDER) {
    const detail = `the key provider is ${provider?.name ?? 'not named'}, which issues none`
    return skip(id, 'not_provided', PROVES.chain, detail)
  }
  // Leaving out a chain that would be refused must not be a way round the refusal.
  if (root === undefined || chain.length === 1) {
    return skip(id, 'ratls_issuers_not_given', PROVES.chain, 'the certificate came alone')
  }
  // The root is pinned by its key, through the measured log; its certificate may be renewed.
  if (toHex(root.spki) !== provider.id) return fail(id, 'ratls_root_mismatch', PROVES.chain)
  const fault = verifyChain(chain, {
    crypto,
    at,
    rootSha256: [crypto.sha256(root.der)],
    length: chain.length,
    allowSimulated: policy.allowSimulated,
  })
  return fault === null
    ? pass(id, PROVES.chain, counted(chain.length, 'certificate'))
    : fail(id, 'ratls_chain_invalid', PROVES.chain, `${fault.code}: ${fault.detail}`)
}

/**
 * Never throws on any text.
 *
 * @param pem the certificate, alone or followed by its issuers up to the root
 * @throws TypeError for a time that is no finite number or a policy that `parsePolicy` refuses
 */
export function appraiseRaTls(pem: string, given: RaTlsOptions): RaTlsAppraisal {
  const options = requireOptions(given)
  const { asOf = false, policy, appCompose = null, gunzip = null } = options
  const found = read(pem, gunzip)
  if (!found.ok) {
    const none = { required: [], asOf, simulated: false, acceptUnchecked: [] }
    return { verdict: decideVerdict([found.check], none), spki: null, system: null }
  }
  const { chain, evidence: inside, appIds } = found
  const [leaf] = chain
  const evidence = appraiseTdxEvidence(
    { quote: toHex(inside.quote), eventLog: inside.eventLog, appCompose, vmConfig: null },
    options,
  )
  const issuers = chainCheck(chain, evidence.system, options)
  const checks = [
    pass('ratls.structure', PROVES.structure, counted(chain.length, 'certificate')),
    usageCheck(found),
    validityCheck(leaf, options.at),
    ...evidence.checks,
    ...bindingCheck(leaf, evidence, options),
    appCheck(appIds, evidence.system, options),
    issuers,
  ]
  const verdict = decideVerdict(checks, {
    required: [
      ...[...CORE_TDX_CHECKS, 'ratls.usage', 'ratls.validity', 'ratls.binding'],
      ...[...pinnedChecks(policy), ...policy.require],
    ],
    asOf,
    simulated: evidence.simulated,
    acceptUnchecked: policy.acceptUnchecked,
    meaning: `the key of this certificate was put forward by the measured software that the evidence describes; nothing shows when${
      issuers.status === 'pass' ? '' : '; who issued the certificate was not checked (ratls.chain)'
    }`,
  })
  const accepted = verdict.verdict === 'accepted' || verdict.verdict === 'accepted-as-of'
  return {
    verdict,
    spki: accepted ? leaf.spki : null,
    system: accepted ? evidence.system : null,
  }
}
