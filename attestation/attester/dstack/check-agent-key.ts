/**
 * Whether what GetKey answers is a key of the app, as far as that can be seen from inside: by its signature chain.
 *
 * One chain alone says nothing, because recovery finds some app key for every pair of key and signature. So a second key is
 * asked for under another path: the app key that both lead to is the same only where whoever signed both held it, and a
 * key that was put in the place of another, with whatever chain, leads elsewhere. Which root stands behind the app key
 * nobody knows here; a verifier pins it (`kmsRoots` of its policy).
 *
 * @module
 */
import { ed25519 } from '@noble/curves/ed25519.js'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { recoverAppKey, recoverKmsRoot } from '../../appraiser/custody/recover-custody.ts'
import type { SystemIdentity } from '../../appraiser/eventlog/read-system-events.ts'
import { nodeCrypto } from '../../crypto/node.ts'
import type { AgentKey, AgentKeyRequest } from './guest-agent.ts'
import { GuestAgentError } from './guest-agent-error.ts'

/** Path and purpose of the key that others are held against; it is used for nothing. */
export const PROBE_KEY_PATH = 'countersign/probe/v1'
/** As the event log names it. */
const KMS_PROVIDER = 'kms'

/** An answer with what was asked. */
export interface AskedKey {
  readonly request: AgentKeyRequest
  readonly answer: AgentKey
}

function wrong(detail: string): GuestAgentError {
  return new GuestAgentError('agent_wrong_key', `GetKey: ${detail}`)
}

function publicKeyOf({ request, answer }: AskedKey): Uint8Array {
  if (request.algorithm === 'ed25519') return ed25519.getPublicKey(answer.key)
  if (!secp256k1.utils.isValidSecretKey(answer.key)) {
    throw new GuestAgentError('agent_malformed', 'GetKey.key is no secp256k1 private key')
  }
  return secp256k1.getPublicKey(answer.key, true)
}

function appKeyOf(asked: AskedKey): Uint8Array {
  const appKey = recoverAppKey(
    {
      publicKey: publicKeyOf(asked),
      purpose: asked.request.purpose,
      signature: asked.answer.signatureChain[0] ?? new Uint8Array(0),
    },
    nodeCrypto,
  )
  if (appKey === null) throw wrong('the first signature of the chain belongs to no key')
  return appKey
}

/**
 * @param probe under {@link PROBE_KEY_PATH}
 * @param again the same request as the first
 * @throws GuestAgentError `agent_malformed` for a key outside the group, `agent_wrong_key` for one of another app key, or
 *   one that is another at each call: an address that was registered would sign nothing
 */
export function checkAgentKeys(first: AskedKey, again: AskedKey, probe: AskedKey): void {
  const appKey = appKeyOf(probe)
  for (const asked of [first, again]) {
    if (!nodeCrypto.equal(appKeyOf(asked), appKey)) {
      throw wrong('the signature chain is not that of the key')
    }
  }
  if (!nodeCrypto.equal(first.answer.key, again.answer.key)) {
    throw wrong('the key is another at the second call')
  }
}

/**
 * Under a KMS the chain must lead on from the app key, over the measured app id, to a root; under other providers no KMS signed.
 *
 * @throws GuestAgentError `agent_wrong_key`
 */
export function checkKmsLink(
  asked: AskedKey,
  { appId, keyProvider }: Pick<SystemIdentity, 'appId' | 'keyProvider'>,
): void {
  if (keyProvider?.name !== KMS_PROVIDER) return
  const signature = asked.answer.signatureChain[1] ?? new Uint8Array(0)
  if (recoverKmsRoot({ appKey: appKeyOf(asked), appId, signature }, nodeCrypto) === null) {
    throw wrong('a KMS is measured, and the chain leads to none')
  }
}
