/**
 * `countersign serve --print-config`: the configuration as it would be attested, and its digest, without starting anything.
 *
 * @module
 */
import type { Platform } from '../../attestation/attester/evidence-source.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { toSha256Digest } from '../../attestation/protocol/hex.ts'
import { canonicalBytes } from '../../attestation/protocol/jcs.ts'
import { attestedConfig } from '../config/attested-config.ts'
import type { AttestedFacts } from '../config/attested-config.ts'
import type { Config } from '../config/config.ts'
import type { PrincipalConfig } from '../relay/principals.ts'
import { VERSION } from '../version.ts'

/** One JSON document: `config` as it stands in the attestation document, and the `config_digest` of the statement. */
export function printConfig(config: Config, facts: AttestedFacts): string {
  const document = attestedConfig(config, facts)
  const digest = toSha256Digest(nodeCrypto.sha256(canonicalBytes(document)))
  return `${JSON.stringify({ config: document, config_digest: digest }, null, 2)}\n`
}

/** Facts that need no machine, where the configuration states them all; null where it leaves some to the machine. */
export function statedFacts(
  config: Config,
  platform: Platform,
  principals: readonly PrincipalConfig[],
): Omit<AttestedFacts, 'weights'> | null {
  const { address_key: addressKeySource, gpu } = config
  if (addressKeySource === undefined || gpu === undefined) return null
  // Its generation stands in a file of the machine.
  if (addressKeySource === 'sealed') return null
  return {
    version: VERSION,
    simulated: false,
    platform,
    addressKeySource,
    addressKeyGeneration: 0,
    gpuRequired: gpu.required,
    stapled: config.collateral.staple,
    principals,
  }
}
