/**
 * What a document proves of the software that runs, by the rules of the platform that it comes from.
 *
 * @module
 */
import type { CryptoPort } from '../../crypto/port.ts'
import type { Check } from '../check.ts'
import { appraiseEventLog } from '../eventlog/appraise-event-log.ts'
import type { SystemIdentity } from '../eventlog/read-system-events.ts'
import { verifySystemPolicy } from '../eventlog/verify-system-policy.ts'
import type { AppraisalPolicy } from '../policy.ts'
import { onlyIfGenuine } from '../quote/only-if-genuine.ts'
import type { Quote } from '../quote/parse-quote.ts'
import { addressCheck } from '../tapp/address-check.ts'
import { appraiseTapp } from '../tapp/appraise-tapp.ts'
import { verifyRuntimeData } from '../tapp/verify-runtime-data.ts'
import type { AttestationDocument } from './parse-document.ts'

export interface SoftwareFindings {
  readonly checks: readonly Check[]
  /** dstack's guest as it measured itself; null under TAPP, and where the log was not verified under a genuine quote. */
  readonly system: SystemIdentity | null
  /** SHA-256 of the measured compose text; null where that does not stand. */
  readonly composeHash: Uint8Array | null
  /** 64 bytes that the quote was asked to be over; null where they could not be read. */
  readonly quoted: Uint8Array | null
}

/** @param quote null where it could not be read */
export function judgeSoftware(
  document: AttestationDocument,
  quote: Quote | null,
  options: {
    readonly crypto: CryptoPort
    readonly policy: AppraisalPolicy
    readonly genuine: boolean
  },
): SoftwareFindings {
  const { tapp } = document
  if (tapp !== null) {
    const runtime = verifyRuntimeData(tapp, quote, options.crypto)
    const found = appraiseTapp({ ...document, appId: tapp.appId }, quote, options)
    return {
      checks: [
        ...onlyIfGenuine(runtime.checks, options.genuine),
        addressCheck(document.config),
        ...found.checks,
      ],
      system: null,
      composeHash: found.composeHash,
      quoted: runtime.nonce,
    }
  }
  const log =
    quote === null
      ? { checks: verifySystemPolicy(null, options.policy), system: null }
      : appraiseEventLog(document, quote, options)
  return {
    checks: log.checks,
    system: log.system,
    composeHash: log.system?.composeHash ?? null,
    quoted: quote?.reportData ?? null,
  }
}
