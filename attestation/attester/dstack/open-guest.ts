/**
 * The guest agent as a source of CPU evidence, with the facts of the guest read once and held against what each quote
 * measured: after a socket was mounted anew, or moved, another guest's evidence must not be served as this one's.
 *
 * @module
 */
import { createHash, randomBytes } from 'node:crypto'
import type { SystemIdentity } from '../../appraiser/eventlog/read-system-events.ts'
import { toHex } from '../../protocol/hex.ts'
import type { CpuEvidenceSource } from '../evidence-source.ts'
import type { AgentRelease } from './agent-release.ts'
import type { AgentInfo, AgentQuote, GuestAgent } from './guest-agent.ts'
import { GuestAgentError } from './guest-agent-error.ts'
import { measureGuest } from './measure-guest.ts'

/** Prefix of what the first quote is over, so that it can stand for nothing else. */
const START_PURPOSE = 'countersign.start.v1'

export interface OpenedGuest {
  readonly cpu: CpuEvidenceSource
  readonly release: AgentRelease
  /** As measured in RTMR3, not as the agent says. */
  readonly system: SystemIdentity
}

/** @throws GuestAgentError where the agent does not say what the guest is, or says other than what was measured */
export async function openGuest(agent: GuestAgent): Promise<OpenedGuest> {
  const release = await agent.release()
  const info = await agent.info()
  const reportData = createHash('sha512').update(START_PURPOSE).update(randomBytes(32)).digest()
  const system = measureAs(await agent.getQuote(reportData), info)
  return {
    release,
    system,
    cpu: {
      facts: {
        platform: 'dstack',
        appId: info.appId,
        instanceId: info.instanceId,
        appCompose: info.appCompose,
        keyProvider: system.keyProvider,
        tcbInfo: info.tcbInfo,
        info: info.raw,
      },
      async quote(data) {
        const quote = await agent.getQuote(data)
        measureAs(quote, info)
        return quote
      },
    },
  }
}

/**
 * What a quote measured, where that is the guest that the agent names.
 *
 * @throws GuestAgentError `agent_other_guest`, or `agent_unsupported` for a release that measures no such thing
 */
export function measureAs(quote: AgentQuote, info: AgentInfo): SystemIdentity {
  const system = measureGuest(quote)
  const composeHash = createHash('sha256').update(info.appCompose).digest('hex')
  const other = [
    ...(toHex(system.appId) === info.appId ? [] : ['app id']),
    ...(toHex(system.composeHash) === composeHash ? [] : ['compose hash']),
    ...(system.instanceId === null || toHex(system.instanceId) === info.instanceId
      ? []
      : ['instance id']),
  ]
  if (other.length === 0) return system
  const message = `measured otherwise than the agent says: ${other.join(', ')}`
  throw new GuestAgentError('agent_other_guest', message)
}
