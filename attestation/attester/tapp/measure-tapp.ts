/**
 * What evidence measured of the app it is asked for, read from its event log. Not an appraisal: whether the quote is genuine is
 * judged by the gate and by whoever verifies. It keeps the service from serving another app's evidence as its own.
 *
 * @module
 */
import { findRunningApp } from '../../appraiser/tapp/find-running-app.ts'
import { readTappOperations } from '../../appraiser/tapp/read-tapp-operations.ts'
import { replayTcg2Log } from '../../appraiser/tapp/replay-tcg2-log.ts'
import { parseQuote } from '../../appraiser/quote/parse-quote.ts'
import { nodeCrypto } from '../../crypto/node.ts'
import type { TappApp } from './open-tapp.ts'
import type { TappEvidence } from './parse-tapp-evidence.ts'
import { TappError } from './tapp-error.ts'

/** @throws TappError `tapp_other_machine`, `tapp_start_unmeasured`, `tapp_other_app` */
export function measureTapp(evidence: TappEvidence, appId: string, app: TappApp): void {
  const parsed = parseQuote(evidence.quote)
  if (!parsed.ok) throw new TappError('tapp_malformed', `quote: ${parsed.code}`)
  const { checks, entries } = replayTcg2Log(evidence.eventLog, parsed.quote.rtmrs, nodeCrypto)
  const fault = checks.find(({ status }) => status === 'fail')
  if (fault !== undefined || entries === null) {
    throw new TappError('tapp_other_machine', `event log: ${fault?.code ?? 'unknown'}`)
  }
  const read = readTappOperations(entries)
  if (!read.ok) throw new TappError('tapp_start_unmeasured', `event log: ${read.code}`)
  const running = findRunningApp(read.operations, appId)
  if (!running.ok) throw new TappError('tapp_start_unmeasured', running.code)
  if (running.app.composeHash !== app.composeHash) {
    throw new TappError('tapp_other_app', 'the measured compose hash')
  }
}
