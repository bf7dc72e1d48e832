/**
 * Appraises what a dstack guest says about its software: event log, compose text and description of the machine, held
 * against the registers of a quote and against a policy.
 *
 * @module
 */
import type { CryptoPort } from '../../crypto/port.ts'
import { skip } from '../check.ts'
import type { Check } from '../check.ts'
import { requirePolicy } from '../policy.ts'
import { requireFlag } from '../required-options.ts'
import type { Quote } from '../quote/parse-quote.ts'
import type { TdxPolicy } from '../quote/tdx-policy.ts'
import { onlyIfGenuine } from '../quote/only-if-genuine.ts'
import type { SystemIdentity } from './read-system-events.ts'
import { replayEventLog } from './replay-event-log.ts'
import { verifyCompose } from './verify-compose.ts'
import { verifySystemPolicy } from './verify-system-policy.ts'
import type { SystemPolicy } from './verify-system-policy.ts'
import { verifyVmConfig } from './verify-vm-config.ts'

export interface EventLogEvidence {
  /** JSON text exactly as the guest agent gave it. */
  readonly eventLog: string
  /** app-compose.json exactly as served, never parsed and written again; null where it is not at hand. */
  readonly appCompose: string | null
  /** JSON text; null where it is not at hand. */
  readonly vmConfig: string | null
}

/** An `AppraisalPolicy` will do; where `tdx.images` is null the image hash is only a claim. */
export interface EventLogPolicy extends SystemPolicy {
  readonly tdx: Pick<TdxPolicy, 'images'>
}

export interface EventLogOptions {
  readonly crypto: CryptoPort
  readonly policy: EventLogPolicy
  /**
   * Whether the quote's signatures were verified, up to an accepted root. Without that the registers are only what somebody
   * wrote: a log that matches them is skipped, never passed.
   */
  readonly genuine: boolean
}

export interface EventLogAppraisal {
  /**
   * eventlog.structure, .digests, .rtmr0 to .rtmr3, .system_events; compose.hash, .mr_config_id, .accepted; app.id,
   * app.key_provider; vm_config.structure, .os_image.
   */
  readonly checks: Check[]
  /** What the guest measured about itself; null unless the log was verified under a genuine quote. */
  readonly system: SystemIdentity | null
}

const UNREAD = {
  'compose.hash': 'The compose text is the one that the guest measured.',
  'compose.mr_config_id': 'The TD was not started for another app or configuration.',
  'vm_config.structure': 'The description of the virtual machine can be read in one way only.',
  'vm_config.os_image': 'The image that the guest names is the one whose registers were measured.',
} as const

function unread(ids: readonly (keyof typeof UNREAD)[]): Check[] {
  return ids.map((id) => skip(id, 'depends_on_failed', UNREAD[id]))
}

/**
 * Never throws on any text.
 *
 * @param quote parsed; whether it is genuine is said by the options
 * @throws TypeError for a policy that `parsePolicy` refuses, and for `genuine` that is no boolean
 */
export function appraiseEventLog(
  evidence: EventLogEvidence,
  quote: Quote,
  options: EventLogOptions,
): EventLogAppraisal {
  const { crypto } = options
  const genuine = requireFlag(options.genuine, 'genuine')
  const policy = requirePolicy(options.policy)
  const { checks, system: replayed } = replayEventLog(evidence.eventLog, quote.rtmrs, crypto)
  const compose =
    replayed === null
      ? unread(['compose.hash', 'compose.mr_config_id'])
      : verifyCompose(evidence.appCompose, replayed, quote.mrConfigId, crypto)
  const system = genuine ? replayed : null
  const vmConfig =
    system === null
      ? unread(['vm_config.structure', 'vm_config.os_image'])
      : verifyVmConfig(evidence.vmConfig, system, quote, policy.tdx.images)
  return {
    checks: [
      ...onlyIfGenuine([...checks, ...compose], genuine),
      ...verifySystemPolicy(system, policy),
      ...vmConfig,
    ],
    system,
  }
}
