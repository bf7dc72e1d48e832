/**
 * The key that the store is sealed under: it has to outlive the boot, so it is the machine's and not the boot's.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import type { GuestAgent } from '../../attestation/attester/dstack/guest-agent.ts'
import { STORE_KEY_BYTES } from '../../enclave/store/sealer.ts'

/** For one path the agent gives the same bytes after each start, as long as its key provider does. */
export const STORE_KEY_PATH = 'countersign/store/aes-256-gcm/v1'

export interface StoreKey {
  /** 32 secret bytes. */
  readonly rootKey: Uint8Array
  /** It ends with this process, and with it whatever is sealed under it. */
  readonly ephemeral: boolean
}

/** @param provider name of the machine's key provider; with `none`, or null, nothing that it derives would outlive the process */
export function storeKeyOf(provider: string | null, agent: GuestAgent): Promise<StoreKey> {
  return (provider ?? 'none') === 'none'
    ? Promise.resolve(ephemeralStoreKey())
    : deriveStoreKey(agent)
}

/** The algorithm only says which call of the agent's is meant: what it answers are 32 bytes, used for HKDF alone. */
async function deriveStoreKey(agent: GuestAgent): Promise<StoreKey> {
  const { key } = await agent.getKey({
    path: STORE_KEY_PATH,
    purpose: STORE_KEY_PATH,
    algorithm: 'secp256k1',
  })
  return { rootKey: key, ephemeral: false }
}

/** For a simulation, whose seals are worth nothing to the next run, or a machine without a key provider. */
export function ephemeralStoreKey(): StoreKey {
  return { rootKey: randomBytes(STORE_KEY_BYTES), ephemeral: true }
}
