/**
 * Follows the address key to the key management service that derived it, where the document says how.
 *
 * @module
 */
import type { CryptoPort } from '../../crypto/port.ts'
import { fromHex } from '../../protocol/hex.ts'
import { isJsonObject } from '../../protocol/json.ts'
import type { JsonObject } from '../../protocol/json.ts'
import { EIP191_ALGO, keyOfRole } from '../../protocol/keyset.ts'
import type { Keyset } from '../../protocol/keyset.ts'
import { fail, skip } from '../check.ts'
import type { Check } from '../check.ts'
import { appraiseCustody } from '../custody/appraise-custody.ts'
import type { KeyCustodyEvidence } from '../custody/read-key-custody.ts'
import type { SystemIdentity } from '../eventlog/read-system-events.ts'
import type { AppraisalPolicy } from '../policy.ts'

/** Path and purpose of the address key; another purpose is another program's key. */
export const ADDRESS_KEY_PURPOSE = 'countersign/address/secp256k1/v1'

const PROVES = 'The address key was derived for this app and this purpose.'

/** Document or report, as far as it speaks of the address key. */
export interface AddressKeyEvidence {
  /** The attested configuration, where the layout has one. */
  readonly config?: JsonObject
  readonly keyset: Keyset
  /** `unread`: of a form that this version does not read. */
  readonly keyCustody: KeyCustodyEvidence | 'unread' | null
}

/** What can be concluded where nothing leads further: the measured code's own word, as far as there is one. */
function withoutCustody(config: JsonObject | undefined): string {
  const claim = config?.['address_key']
  const source = isJsonObject(claim) ? claim['source'] : undefined
  const generation = isJsonObject(claim) ? claim['generation'] : undefined
  if (source === 'sealed' && typeof generation === 'number') {
    return `sealed, generation ${String(generation)}, by the word of the attested code: this boot held the key, who else does is not shown`
  }
  return source === 'ephemeral'
    ? 'ephemeral, by the word of the attested code: a key of this boot alone'
    : 'the address key has no custody evidence'
}

/** @param system from the verified event log; null where that failed */
export function verifyAddressKey(
  document: AddressKeyEvidence,
  system: SystemIdentity | null,
  options: { readonly crypto: CryptoPort; readonly policy: AppraisalPolicy },
): Check[] {
  const custody = document.keyCustody
  const key = keyOfRole(document.keyset, EIP191_ALGO)
  if (custody === null) {
    return [skip('custody.key', 'not_provided', PROVES, withoutCustody(document.config))]
  }
  if (custody === 'unread') {
    // Under a pinned root no form of custody but the one that leads there will do.
    const judge = options.policy.kmsRoots.length === 0 ? skip : fail
    const code = options.policy.kmsRoots.length === 0 ? 'custody_unread' : 'custody_malformed'
    return [judge('custody.key', code, PROVES, 'of a form that is not read here')]
  }
  const publicKey = fromHex(custody.public_key)
  const chain = custody.signature_chain.map((link) => fromHex(link))
  if (
    publicKey === null ||
    custody.public_key !== key?.public_key ||
    custody.purpose !== ADDRESS_KEY_PURPOSE ||
    custody.path !== ADDRESS_KEY_PURPOSE ||
    custody.algorithm !== 'secp256k1'
  ) {
    return [fail('custody.key', 'custody_key_mismatch', PROVES)]
  }
  return appraiseCustody(
    {
      publicKey,
      purpose: custody.purpose,
      // A link that is no hex stays in the list as one that fits nothing.
      signatureChain: chain.map((link) => link ?? Uint8Array.of(0)),
    },
    {
      crypto: options.crypto,
      system,
      kmsRoots: options.policy.kmsRoots
        .map((root) => fromHex(root))
        .filter((root) => root !== null),
    },
  )
}
