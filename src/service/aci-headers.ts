/**
 * The headers of ACI that go with every answer: a version, and a hint which keyset is in force.
 *
 * @module
 */
import { ACI_VERSION } from '../../attestation/protocol/aci-statement.ts'
import type { BootKeys } from '../../enclave/keys/boot-keys.ts'

/** @returns names and values in turn; put together once for each keyset, and not for each answer */
export function createAciHeaders(keys: Pick<BootKeys, 'keysetDigest'>): () => readonly string[] {
  let named = ''
  let headers: readonly string[] = []
  return () => {
    const { keysetDigest: digest } = keys
    if (named !== digest) {
      named = digest
      headers = ['X-ACI-Version', ACI_VERSION, 'X-ACI-Keyset-Digest', digest]
    }
    return headers
  }
}
