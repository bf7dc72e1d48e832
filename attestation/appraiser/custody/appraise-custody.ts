/**
 * Who else can hold a key that a dstack guest obtained by GetKey: its signature chain, up to a root of a key management
 * service (KMS).
 *
 * The app key signs keccak256("<purpose>:<hex of the public key>"), the KMS root signs keccak256("dstack-kms-issued:" ‖
 * app id ‖ compressed app key); both signatures are r ‖ s ‖ recovery id. Source: dstack 0.5.11 (2026-05-11), guest agent
 * and kms/crypto. The chain proves "some instance of this app under this KMS", not which compose text, nor freshness.
 *
 * @module
 */
import type { CryptoPort } from '../../crypto/port.ts'
import { toHex } from '../../protocol/hex.ts'
import { fail, pass, skip } from '../check.ts'
import type { Check } from '../check.ts'
import type { SystemIdentity } from '../eventlog/read-system-events.ts'
import { APP_ID_BYTES, recoverAppKey, recoverKmsRoot } from './recover-custody.ts'

/** As the event log names it. */
const KMS_PROVIDER = 'kms'

const PROVES_APP_KEY = 'The key was derived from the app key that the KMS issued to this app id.'
const PROVES_ROOT = 'An accepted KMS issued the app key.'

export interface CustodyEvidence {
  /** Public key of the derived key: secp256k1, compressed, 33 bytes; or Ed25519, 32 bytes. */
  readonly publicKey: Uint8Array
  /** The `purpose` that GetKey was asked with. */
  readonly purpose: string
  /** Two signatures of 65 bytes; without a KMS the second is empty. */
  readonly signatureChain: readonly Uint8Array[]
}

export interface CustodyOptions {
  readonly crypto: CryptoPort
  /** Accepted roots, secp256k1, compressed, 33 bytes each. Empty: nothing can pass. */
  readonly kmsRoots: readonly Uint8Array[]
  /**
   * What the verified event log says of the guest; null where it was not verified. App id and key provider are taken from
   * here and never from the document that is judged: with its own app id anybody's chain would lead to the root.
   */
  readonly system: Pick<SystemIdentity, 'appId' | 'keyProvider'> | null
}

function skipBoth(code: 'not_provided' | 'depends_on_failed', detail: string): Check[] {
  return [
    skip('custody.app_key', code, PROVES_APP_KEY, detail),
    skip('custody.kms_root', code, PROVES_ROOT, detail),
  ]
}

/**
 * Follows a GetKey signature chain to a pinned KMS root. Never throws.
 *
 * Recovery finds some key for nearly every signature, so the first signature says nothing until the second leads the
 * recovered app key to an accepted root: both checks pass together or not at all.
 *
 * @returns the checks custody.app_key and custody.kms_root; skipped where no KMS signed, no root is pinned, or the log is
 *   not verified. Who pins a root must demand a pass of both, or deleting the chain lifts the pin (`pinnedChecks`)
 */
export function appraiseCustody(evidence: CustodyEvidence, options: CustodyOptions): Check[] {
  const { publicKey, purpose, signatureChain } = evidence
  const { crypto, kmsRoots, system } = options
  const [appSignature, rootSignature, ...rest] = signatureChain
  if (system?.appId.length !== APP_ID_BYTES) {
    return skipBoth('depends_on_failed', 'the app id is not verified')
  }
  if (rootSignature === undefined || rootSignature.length === 0) {
    return skipBoth('not_provided', 'no KMS signed the app key')
  }
  const provider = system.keyProvider?.name ?? 'none named'
  // A chain that a KMS once gave this app says nothing about a guest that got its keys elsewhere.
  if (provider !== KMS_PROVIDER) {
    return [
      skip('custody.app_key', 'depends_on_failed', PROVES_APP_KEY),
      fail('custody.kms_root', 'custody_provider_mismatch', PROVES_ROOT, `measured: ${provider}`),
    ]
  }
  if (kmsRoots.length === 0) return skipBoth('not_provided', 'no KMS root is pinned')

  const appKey =
    appSignature === undefined || rest.length !== 0
      ? null
      : recoverAppKey({ publicKey, purpose, signature: appSignature }, crypto)
  if (appKey === null) {
    return [
      fail('custody.app_key', 'custody_malformed', PROVES_APP_KEY, 'first signature'),
      skip('custody.kms_root', 'depends_on_failed', PROVES_ROOT),
    ]
  }
  const root = recoverKmsRoot({ appKey, appId: system.appId, signature: rootSignature }, crypto)
  const trusted = root !== null && kmsRoots.some((accepted) => crypto.equal(accepted, root))
  if (trusted) {
    return [
      pass('custody.app_key', PROVES_APP_KEY, `app key ${toHex(appKey)}`),
      pass('custody.kms_root', PROVES_ROOT, `root ${toHex(root)}`),
    ]
  }
  const rootFault =
    root === null
      ? fail('custody.kms_root', 'custody_malformed', PROVES_ROOT, 'second signature')
      : fail('custody.kms_root', 'custody_root_untrusted', PROVES_ROOT, `leads to ${toHex(root)}`)
  const detail = 'nobody accepted vouches for the recovered app key'
  return [skip('custody.app_key', 'depends_on_failed', PROVES_APP_KEY, detail), rootFault]
}
