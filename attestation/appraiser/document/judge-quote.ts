/**
 * Appraises the quote of a document under the collateral at hand.
 *
 * @module
 */
import type { CryptoPort } from '../../crypto/port.ts'
import { DCAP_ENTRY_TYPE, readCollateral } from '../../protocol/dcap-collateral.ts'
import type { DcapCollateral } from '../../protocol/dcap-collateral.ts'
import { fromHex } from '../../protocol/hex.ts'
import { isJsonObject } from '../../protocol/json.ts'
import { acceptedRoots } from '../accepted-roots.ts'
import { fail, pass } from '../check.ts'
import type { Check } from '../check.ts'
import type { AppraisalPolicy } from '../policy.ts'
import { appraiseQuote } from '../quote/appraise-quote.ts'
import type { QuoteAppraisal } from '../quote/appraise-quote.ts'
import type { CollateralCache } from '../quote/collateral-cache.ts'
import type { AttestationDocument } from './parse-document.ts'
import type { EvidenceChains } from './verify-config.ts'

const PROVES_COLLATERAL = 'The collateral can be read in one way only.'

export interface QuoteSource {
  readonly crypto: CryptoPort
  readonly at: number
  readonly policy: AppraisalPolicy
  readonly collateral?: DcapCollateral | null
  readonly cache?: CollateralCache
}

/** The collateral to judge by: the caller's own, else the document's. */
function collateralOf(
  document: AttestationDocument,
  options: QuoteSource,
): { readonly checks: readonly Check[]; readonly collateral: DcapCollateral | null } {
  const id = 'quote.collateral'
  if (options.collateral !== undefined && options.collateral !== null) {
    const check = pass(id, PROVES_COLLATERAL, 'given by the caller')
    return { checks: [check], collateral: options.collateral }
  }
  const stapled = (document.collateral ?? []).filter(
    (entry) => isJsonObject(entry) && entry['type'] === DCAP_ENTRY_TYPE,
  )
  if (stapled.length === 0) return { checks: [], collateral: null }
  const [entry] = stapled
  const read =
    stapled.length === 1 && isJsonObject(entry) && Object.keys(entry).length === 2
      ? readCollateral(entry['value'])
      : { ok: false as const, detail: 'not exactly one entry with a type and a value' }
  return read.ok
    ? { checks: [pass(id, PROVES_COLLATERAL, 'stapled')], collateral: read.collateral }
    : {
        checks: [fail(id, 'collateral_malformed', PROVES_COLLATERAL, read.detail)],
        collateral: null,
      }
}

/** {@link appraiseQuote} with what document, caller and policy say. */
export function judgeQuote(
  document: AttestationDocument,
  chains: EvidenceChains,
  options: QuoteSource,
): QuoteAppraisal {
  const { crypto, at, policy, cache } = options
  const { checks, collateral } = collateralOf(document, options)
  const appraisal = appraiseQuote({
    // Text that is not hex is no quote, as no bytes are.
    quote: fromHex(document.quote) ?? new Uint8Array(0),
    collateral,
    at,
    policy: policy.tdx,
    crypto,
    rootSha256: acceptedRoots(policy.sgxRoots, [chains.cpu], policy, crypto),
    allowSimulated: policy.allowSimulated,
    ...(cache === undefined ? {} : { cache }),
  })
  return { ...appraisal, checks: [...appraisal.checks, ...checks] }
}
