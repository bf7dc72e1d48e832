/**
 * Which checks a policy makes necessary by naming what they compare with, or where a connection must end.
 *
 * @module
 */
import { CHANNEL_CHECK } from './channel/judge-channel.ts'
import { WEIGHTS_CHECK } from './document/verify-weights.ts'
import type { AppraisalPolicy } from './policy.ts'

type Pins = Pick<
  AppraisalPolicy,
  'composeHashes' | 'weightsDigests' | 'appIds' | 'keyProviderIds' | 'kmsRoots' | 'channel'
>

/**
 * Ids of the checks that must pass since the policy pins their value. Evidence that could not be compared with a pin does not
 * meet it: otherwise whoever sends the evidence would lift the pin by leaving out the part that it is about.
 */
export function pinnedChecks(policy: Pins): string[] {
  const { composeHashes, weightsDigests, appIds, keyProviderIds, kmsRoots, channel } = policy
  return [
    ...(composeHashes === null ? [] : ['compose.accepted']),
    ...(weightsDigests === null ? [] : [WEIGHTS_CHECK]),
    ...(appIds === null ? [] : ['app.id']),
    ...(keyProviderIds === null ? [] : ['app.key_provider']),
    ...(kmsRoots.length === 0 ? [] : ['custody.app_key', 'custody.kms_root']),
    ...(channel === 'bound' ? [CHANNEL_CHECK] : []),
  ]
}
