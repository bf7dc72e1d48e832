/**
 * The address key of this guest: derived by its agent, sealed in a folder under a key of the agent, or of this boot alone.
 *
 * @module
 */
import { hkdfSync } from 'node:crypto'
import type { SystemIdentity } from '../../attestation/appraiser/eventlog/read-system-events.ts'
import type { AgentCallOptions } from '../../attestation/attester/dstack/call-guest-agent.ts'
import { checkKmsLink } from '../../attestation/attester/dstack/check-agent-key.ts'
import type { GuestAgent } from '../../attestation/attester/dstack/guest-agent.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { checkExpectedAddress } from '../../enclave/keys/address-error.ts'
import {
  ADDRESS_KEY_PATH,
  createAddressKey,
  createEphemeralAddressKey,
} from '../../enclave/keys/address-key.ts'
import type { AddressKey } from '../../enclave/keys/address-key.ts'
import type { AddressKeySource } from '../../enclave/keys/key-providers.ts'
import { openSealedKey } from '../../enclave/keys/sealed/sealed-key-folder.ts'

/** Path and purpose of the key that sealing keys are made from; no signature is ever made with it. */
export const SEALING_KEY_PATH = 'countersign/sealing/v1'
/** What the sealing key of the address key is for, so that no other file can be opened with it (RFC 5869 info). */
export const SEALING_KEY_INFO = 'countersign.sealing-key.v1:address-key:aes-256-gcm'
const SEALING_KEY_BYTES = 32

export interface OpenAddressKey {
  readonly address: AddressKey
  /** Lets another process have the folder of a sealed key. */
  close(): void
}

/** What the guest measured of itself, by which a chain of keys is judged. */
export type KeyIssuer = Pick<SystemIdentity, 'appId' | 'keyProvider'>

/**
 * @param source as `chooseAddressKeySource` allowed it
 * @param folder of the sealed key
 * @param expected `0x` and 40 lower-case hex digits: any other address is refused, and no sealed key is made; null: any
 * @throws GuestAgentError
 * @throws SealedKeyError
 * @throws AddressError
 */
export async function openAddressKey(
  agent: GuestAgent,
  issuer: KeyIssuer,
  source: AddressKeySource,
  folder: string,
  expected: string | null = null,
): Promise<OpenAddressKey> {
  const opened = await openOf(agent, issuer, source, { folder, create: expected === null })
  try {
    checkExpectedAddress(opened.address.address, expected)
    return opened
  } catch (error) {
    opened.close()
    throw error
  }
}

async function openOf(
  agent: GuestAgent,
  issuer: KeyIssuer,
  source: AddressKeySource,
  { folder, create }: { readonly folder: string; readonly create: boolean },
): Promise<OpenAddressKey> {
  switch (source) {
    case 'derived':
      return { address: await deriveAddressKey(agent, issuer), close: () => {} }
    case 'ephemeral':
      return { address: createEphemeralAddressKey(nodeCrypto), close: () => {} }
    case 'sealed': {
      const sealingKey = await deriveSealingKey(agent)
      const { key, generation, release } = await openSealedKey(folder, sealingKey, create)
      return {
        address: createAddressKey(key, { source, generation }, nodeCrypto),
        close: release,
      }
    }
  }
}

/** The algorithm is in the path: for one path the agent gives the same bytes whatever algorithm is asked for. */
export async function deriveAddressKey(
  agent: GuestAgent,
  issuer: KeyIssuer,
  options?: AgentCallOptions,
): Promise<AddressKey> {
  const request = {
    path: ADDRESS_KEY_PATH,
    purpose: ADDRESS_KEY_PATH,
    algorithm: 'secp256k1',
  } as const
  const answer = await agent.getKey(request, options)
  // The chain is published: one that no verifier could follow must not stand in the document.
  checkKmsLink({ request, answer }, issuer)
  const { key, signatureChain } = answer
  return createAddressKey(key, { source: 'derived', chain: signatureChain }, nodeCrypto)
}

/** @returns 32 bytes: HKDF-SHA256 over the agent's key, so that its raw bytes encrypt nothing themselves */
export async function deriveSealingKey(
  agent: GuestAgent,
  options?: AgentCallOptions,
): Promise<Uint8Array> {
  const { key } = await agent.getKey(
    { path: SEALING_KEY_PATH, purpose: SEALING_KEY_PATH, algorithm: 'secp256k1' },
    options,
  )
  return new Uint8Array(hkdfSync('sha256', key, '', SEALING_KEY_INFO, SEALING_KEY_BYTES))
}
