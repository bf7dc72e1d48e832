/**
 * The address key from the guest agent: the 32 bytes of its answer are the key.
 *
 * @module
 */
import type { GuestAgent } from '../../attestation/attester/dstack/guest-agent.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { ADDRESS_KEY_PATH, createAddressKey } from '../../enclave/keys/address-key.ts'
import type { AddressKey } from '../../enclave/keys/address-key.ts'

/** The algorithm is in the path: for one path the agent gives the same bytes whatever algorithm is asked for. */
export async function deriveAddressKey(agent: GuestAgent): Promise<AddressKey> {
  const { key, signatureChain } = await agent.getKey({
    path: ADDRESS_KEY_PATH,
    purpose: ADDRESS_KEY_PATH,
    algorithm: 'secp256k1',
  })
  return createAddressKey(key, 'derived', signatureChain, nodeCrypto)
}
