/**
 * The gate's policy as it is attested: what keeps the service from serving, and what is only warned about.
 *
 * @module
 */
import { POLICIES } from '../../attestation/appraiser/policies.ts'
import type { AppraisalPolicy } from '../../attestation/appraiser/policy.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { toSha256Digest } from '../../attestation/protocol/hex.ts'
import { canonicalBytes } from '../../attestation/protocol/jcs.ts'
import type { JsonObject } from '../../attestation/protocol/json.ts'

function named(name: keyof typeof POLICIES, also: readonly string[]): JsonObject {
  const policy: AppraisalPolicy = POLICIES[name]
  const digest = toSha256Digest(nodeCrypto.sha256(canonicalBytes(policy)))
  return { policy: name, policy_digest: digest, also: [...also] }
}

/**
 * `hard`: whatever that policy refuses, and the causes beside it. `soft`: whatever that policy refuses and the hard one does
 * not. Digests are of the JCS of the policies, so that two versions of one name are told apart.
 */
export function attestedGate(intervalMs: number): JsonObject {
  return {
    interval_ms: intervalMs,
    hard: named('node', [
      'attestation_unavailable',
      'clock_set_back',
      'gpu_count_vm_config',
      'gpu_count_compose',
    ]),
    soft: named('relying-party', [
      ...['staple_pending', 'staple_unreachable', 'staple_refused', 'staple_rolled_back'],
      'staple_stale',
    ]),
  }
}
