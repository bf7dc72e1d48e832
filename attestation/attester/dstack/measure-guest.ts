/**
 * What a quote measured of the guest it was made in, read from its event log. Not an appraisal: whether the quote is
 * genuine is judged by the gate and by whoever verifies. It keeps the service from building on what the agent merely
 * says: app, key provider and compose text decide which keys it takes.
 *
 * @module
 */
import { replayEventLog } from '../../appraiser/eventlog/replay-event-log.ts'
import type { SystemIdentity } from '../../appraiser/eventlog/read-system-events.ts'
import { parseQuote } from '../../appraiser/quote/parse-quote.ts'
import { nodeCrypto } from '../../crypto/node.ts'
import type { AgentQuote } from './guest-agent.ts'
import { GuestAgentError } from './guest-agent-error.ts'

/** Codes that say "this release does not measure it" where others say "this is forged". */
const TOO_OLD: ReadonlySet<string> = new Set(['system_ready_missing'])

/**
 * @throws GuestAgentError `agent_other_guest` where the log does not replay to the quote, `agent_unsupported` where the
 *   release measures no end of the system part, as 0.3
 */
export function measureGuest(quote: AgentQuote): SystemIdentity {
  const parsed = parseQuote(quote.quote)
  if (!parsed.ok) throw new GuestAgentError('agent_malformed', `quote: ${parsed.code}`)
  const { checks, system } = replayEventLog(quote.eventLog, parsed.quote.rtmrs, nodeCrypto)
  if (system !== null) return system
  const code = checks.find(({ status }) => status === 'fail')?.code ?? 'unknown'
  throw new GuestAgentError(
    TOO_OLD.has(code) ? 'agent_unsupported' : 'agent_other_guest',
    `event log: ${code}`,
  )
}
