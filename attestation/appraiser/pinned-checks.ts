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
  | 'platform'
  | 'composeHashes'
  | 'weightsDigests'
  | 'appIds'
  | 'keyProviderIds'
  | 'kmsRoots'
  | 'channel'
  | 'tapp'
>

/**
 * Ids of the checks that must pass since the policy pins their value. Evidence that could not be compared with a pin does not
 * meet it: otherwise whoever sends the evidence would lift the pin by leaving out the part that it is about.
 */
export function pinnedChecks(policy: Pins): string[] {
  const { composeHashes, weightsDigests, appIds, keyProviderIds, kmsRoots, channel } = policy
  const tapp = policy.platform === 'tapp' ? policy.tapp : null
  return [
    ...(composeHashes === null ? [] : ['compose.accepted']),
    ...(weightsDigests === null ? [] : [WEIGHTS_CHECK]),
    // A compose text takes programs and variables from what is mounted beside it: pinned alone it pins little.
    ...(tapp !== null && composeHashes !== null ? ['tapp.files'] : []),
    ...((appIds ?? tapp?.appIds ?? null) === null ? [] : ['app.id']),
    ...(keyProviderIds === null ? [] : ['app.key_provider']),
    ...(kmsRoots.length === 0 ? [] : ['custody.app_key', 'custody.kms_root']),
    ...(channel === 'bound' ? [CHANNEL_CHECK] : []),
  ]
}
