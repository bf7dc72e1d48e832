/**
 * What a platform lacks: each security version number that is below the level it should reach, and by how much.
 *
 * Source: PCS API v4, "Get TDX TCB Info", the comparison of TCB levels.
 *
 * @module
 */
import { toHex } from '../../protocol/hex.ts'
import { appraiseQuote } from './appraise-quote.ts'
import type { QuoteAppraisal, QuoteInput } from './appraise-quote.ts'
import { certifyCached, verifyCached } from './collateral-cache.ts'
import { moduleVersion } from './evaluate-tcb.ts'
import { qeIsvSvn } from './judge-collateral.ts'
import type { Quote } from './parse-quote.ts'
import type { LevelState, TcbInfo } from './parse-tcb-info.ts'
import type { QeIdentity } from './parse-qe-identity.ts'
import type { PckPlatform } from './read-sgx-extension.ts'

export type SvnPart = 'sgx_component' | 'pce' | 'tdx_component' | 'tdx_module' | 'quoting_enclave'

/** One number that is too low. */
export interface SvnShortfall {
  readonly part: SvnPart
  /** Of a component, from 0, in Intel's order; null for parts that have one number. */
  readonly index: number | null
  readonly have: number
  /** What the level to reach asks for. */
  readonly want: number
}

export interface TcbExplanation {
  readonly appraisal: QuoteAppraisal
  /** Null where quote or collateral are not good enough to say. Empty: nothing is short. */
  readonly shortfalls: readonly SvnShortfall[] | null
}

/** Checks without which the numbers are only what somebody wrote. */
const GROUND: readonly string[] = [
  'quote.pck_chain',
  'quote.signature',
  'quote.crl',
  'quote.tcb_info',
  'quote.qe_identity',
]

/** The newest level that is up to date, else the newest: Intel lists them newest first. */
function targetOf<T extends LevelState>(levels: readonly T[]): T | undefined {
  return levels.find(({ status }) => status === 'UpToDate') ?? levels[0]
}

function shortfallsOf(
  quote: Quote,
  platform: PckPlatform,
  info: TcbInfo,
  identity: QeIdentity,
): SvnShortfall[] {
  const out: SvnShortfall[] = []
  const compare = (
    part: SvnPart,
    index: number | null,
    have: number | undefined,
    want: number | undefined,
  ): void => {
    if (have !== undefined && want !== undefined && have < want)
      out.push({ part, index, have, want })
  }
  const level = targetOf(info.levels)
  const version = moduleVersion(quote.teeTcbSvn)
  level?.sgxComponents.forEach((want, index) =>
    compare('sgx_component', index, platform.components[index], want),
  )
  compare('pce', null, platform.pceSvn, level?.pceSvn)
  level?.tdxComponents.forEach((want, index) => {
    // From version 1 on the first two bytes are the module's own, which has its own levels.
    if (version === 0 || index >= 2) compare('tdx_component', index, quote.teeTcbSvn[index], want)
  })
  const module = info.modules.find((each) => each.version === version)
  compare('tdx_module', null, quote.teeTcbSvn[0], targetOf(module?.levels ?? [])?.isvSvn)
  compare('quoting_enclave', null, qeIsvSvn(quote.qeReport), targetOf(identity.levels)?.isvSvn)
  return out
}

/** Appraises a quote and says what its platform is short of. Never throws on any bytes. */
export function explainTcb(given: QuoteInput): TcbExplanation {
  const input = { ...given }
  const appraisal = appraiseQuote(input)
  const { checks, report } = appraisal
  const passed = (id: string): boolean =>
    checks.some((check) => check.id === id && check.status === 'pass')
  if (report === null || input.collateral === null || !GROUND.every(passed)) {
    return { appraisal, shortfalls: null }
  }
  const verified = verifyCached(input.collateral, input, input.cache)
  const { tcbInfo, qeIdentity } = verified
  const certified = certifyCached(report, input, verified, input.cache)
  if (!tcbInfo.ok || !qeIdentity.ok || 'code' in certified) return { appraisal, shortfalls: null }
  const { platform } = certified
  return { appraisal, shortfalls: shortfallsOf(report, platform, tcbInfo.value, qeIdentity.value) }
}

/** The numbers of a platform as one line, e.g. for a level that nobody lists. */
export function describeSvns(quote: Quote): string {
  return `TEE TCB SVN ${toHex(quote.teeTcbSvn)}, quoting enclave SVN ${qeIsvSvn(quote.qeReport)}`
}
