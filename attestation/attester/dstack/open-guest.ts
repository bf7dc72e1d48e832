/**
 * The guest agent as a source of CPU evidence, with the facts of the guest read once.
 *
 * @module
 */
import type { CpuEvidenceSource } from '../evidence-source.ts'
import type { GuestAgent } from './guest-agent.ts'

/** @throws GuestAgentError where the agent does not say what the guest is */
export async function openGuest(agent: GuestAgent): Promise<CpuEvidenceSource> {
  const info = await agent.info()
  return {
    facts: {
      appId: info.appId,
      instanceId: info.instanceId,
      appCompose: info.appCompose,
      keyProvider: info.keyProvider,
      tcbInfo: info.tcbInfo,
      info: info.raw,
    },
    quote: (reportData) => agent.getQuote(reportData),
  }
}
