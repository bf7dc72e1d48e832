/**
 * Holds what the guest measured about itself against what the policy names: which software, which app, whose keys.
 *
 * @module
 */
import { toHex } from '../../protocol/hex.ts'
import { fail, info, pass, skip } from '../check.ts'
import type { Check } from '../check.ts'
import type { AppraisalPolicy } from '../policy.ts'
import type { SystemIdentity } from './read-system-events.ts'

export type SystemPolicy = Pick<AppraisalPolicy, 'composeHashes' | 'appIds' | 'keyProviderIds'>

const PROVES = {
  compose: 'The measured software is one that the policy names.',
  app: 'The app is one that the policy names.',
  keyProvider: 'The guest took its keys from a provider that the policy names.',
} as const

function composeCheck(system: SystemIdentity, { composeHashes }: SystemPolicy): Check {
  const id = 'compose.accepted'
  const hash = toHex(system.composeHash)
  if (composeHashes === null) return info(id, 'compose_not_pinned', PROVES.compose, hash)
  return composeHashes.includes(hash)
    ? pass(id, PROVES.compose, hash)
    : fail(id, 'compose_not_accepted', PROVES.compose, hash)
}

function appCheck(system: SystemIdentity, { appIds }: SystemPolicy): Check {
  const id = 'app.id'
  const appId = toHex(system.appId)
  if (appIds === null) return info(id, 'app_not_pinned', PROVES.app, appId)
  return appIds.includes(appId)
    ? pass(id, PROVES.app, appId)
    : fail(id, 'app_not_accepted', PROVES.app, appId)
}

function keyProviderCheck(system: SystemIdentity, { keyProviderIds }: SystemPolicy): Check {
  const id = 'app.key_provider'
  const provider = system.keyProvider
  const detail = provider === null ? 'none named' : `${provider.name} ${provider.id}`.trimEnd()
  if (keyProviderIds === null) {
    return info(id, 'key_provider_not_pinned', PROVES.keyProvider, detail)
  }
  return provider !== null && keyProviderIds.includes(provider.id)
    ? pass(id, PROVES.keyProvider, detail)
    : fail(id, 'key_provider_not_accepted', PROVES.keyProvider, detail)
}

/**
 * @param system from the replayed log; null where it was not verified
 * @returns compose.accepted, app.id and app.key_provider: skipped without a system, `info` for what the policy leaves open
 */
export function verifySystemPolicy(system: SystemIdentity | null, policy: SystemPolicy): Check[] {
  if (system === null) {
    return [
      skip('compose.accepted', 'depends_on_failed', PROVES.compose),
      skip('app.id', 'depends_on_failed', PROVES.app),
      skip('app.key_provider', 'depends_on_failed', PROVES.keyProvider),
    ]
  }
  return [composeCheck(system, policy), appCheck(system, policy), keyProviderCheck(system, policy)]
}
