/**
 * One line for each request: how it ended and what was shown. Nothing of what was asked, answered or shown as a credential.
 *
 * @module
 */
import type { ServiceLog } from '../../operations/open-log.ts'
import type { ClientVerdict } from '../verification-error.ts'

/** As in the service's own log: enough to find the line to a given id, too little to be the capability that the id is. */
const LOGGED_ID = /^(?:sim-)?rcpt-[0-9a-f]{12}/

export type CallEnding =
  /** Verified, and handed out. */
  | 'verified'
  /** Not verified, and not handed out; or of a route that cannot be verified, and nothing was sent. */
  | 'refused'
  /** An error answer, or a route of `--pass-unverified`. */
  | 'unverified'
  /** Nothing to verify: the service was not reached or broke off, or the request could not be read. */
  | 'failed'
  /** The client closed its connection before the end. */
  | 'client_left'

export interface CallSummary {
  readonly ending: CallEnding
  /** Operation, or entry of `--pass-unverified`; null where no route was found. */
  readonly route: string | null
  readonly status: number
  /** Of the proxy or of a check. */
  readonly code: string
  readonly verdict: ClientVerdict | null
  readonly streamed: boolean
  readonly requestBytes: number
  readonly answerBytes: number
  readonly startedMs: number
}

export function logCall(log: ServiceLog, call: CallSummary): void {
  const { ending, verdict } = call
  const fields = {
    ending,
    route: call.route,
    status: call.status,
    code: call.code,
    shown: verdict?.level ?? 'none',
    outcome: verdict?.outcome ?? null,
    receipt: LOGGED_ID.exec(verdict?.receiptId ?? '')?.[0] ?? null,
    keyset: verdict?.keysetDigest ?? null,
    ...(verdict?.simulated === true ? { simulated: true } : {}),
    streamed: call.streamed,
    request_bytes: call.requestBytes,
    answer_bytes: call.answerBytes,
    ms: Math.round(performance.now() - call.startedMs),
  }
  if (ending === 'verified' || ending === 'unverified') log.info(fields, 'request')
  else log.warn(fields, 'request')
}
