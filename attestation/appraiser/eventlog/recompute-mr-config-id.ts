/**
 * What `mr_config_id` of a TD would be if it had been started for exactly what its guest measured.
 *
 * The field is the host's statement of purpose, which the guest compares at boot. Version 1: the compose hash. Version 2:
 * keccak256(compose hash ‖ app id ‖ kind of key provider ‖ its id). Version 3: SHA-256("dstack-mr-config-v3:" ‖ 00 ‖ JCS of
 * a document that pins the compose hash and key provider, and any of the rest). A host may leave out what it does not pin, so
 * versions 2 and 3 have several right values; each of them says nothing but what the log says too.
 * Source: dstack, `dstack-types/src/mr_config.rs` (0.5.11 of 2026-05-11 for 1 and 2, the branch for 0.6 for 3).
 *
 * @module
 */
import type { CryptoPort } from '../../crypto/port.ts'
import { fromHex, toHex } from '../../protocol/hex.ts'
import { canonicalBytes } from '../../protocol/jcs.ts'
import { toUtf8 } from '../../protocol/utf8.ts'
import type { SystemIdentity } from './read-system-events.ts'

export const MR_CONFIG_ID_BYTES = 48
const DIGEST_BYTES = 32
const V3_DOMAIN = toUtf8('dstack-mr-config-v3:\0')

interface ProviderKind {
  /** In version 2. */
  readonly byte: number
  /** In version 3. */
  readonly word: string
}

/** Names of key providers as the event log has them. */
const PROVIDER_KINDS: ReadonlyMap<string, ProviderKind> = new Map([
  ['none', { byte: 0, word: 'none' }],
  ['local-sgx', { byte: 1, word: 'local' }],
  ['kms', { byte: 2, word: 'kms' }],
  ['tpm', { byte: 3, word: 'tpm' }],
])

function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let offset = 0
  for (const part of parts) {
    out.set(part, offset)
    offset += part.length
  }
  return out
}

function versioned(version: number, digest: Uint8Array): Uint8Array {
  return concat(
    Uint8Array.of(version),
    digest,
    new Uint8Array(MR_CONFIG_ID_BYTES - 1 - DIGEST_BYTES),
  )
}

function version2(system: SystemIdentity, kind: ProviderKind, crypto: CryptoPort): Uint8Array[] {
  const id = fromHex(system.keyProvider?.id ?? '') ?? new Uint8Array(0)
  return [id, new Uint8Array(0)].map((pinned) =>
    versioned(
      2,
      crypto.keccak256(concat(system.composeHash, system.appId, Uint8Array.of(kind.byte), pinned)),
    ),
  )
}

/** Every document that pins some of what was measured and nothing else: 32 at most. */
function version3(system: SystemIdentity, kind: ProviderKind, crypto: CryptoPort): Uint8Array[] {
  const optional: readonly (readonly [string, string | readonly string[] | null])[] = [
    ['app_id', toHex(system.appId)],
    ['gpu_policy_hash', system.gpuPolicyHash === null ? null : toHex(system.gpuPolicyHash)],
    ['instance_id', system.instanceId === null ? null : toHex(system.instanceId)],
    [
      'key_provider_id',
      (system.keyProvider?.id ?? '') === '' ? null : (system.keyProvider?.id ?? null),
    ],
    ['init_script_hashes', system.initScriptHashes.map(toHex)],
  ]
  const known = optional.filter(([, value]) => value !== null)
  return Array.from({ length: 2 ** known.length }, (_, chosen) => {
    const document = {
      compose_hash: toHex(system.composeHash),
      key_provider: kind.word,
      version: 3,
      ...Object.fromEntries(known.filter((_entry, index) => (chosen & (1 << index)) !== 0)),
    }
    return versioned(3, crypto.sha256(concat(V3_DOMAIN, canonicalBytes(document))))
  })
}

/**
 * @param version first byte of the field: 1, 2 or 3
 * @param system what the verified log says
 * @returns the right values of 48 bytes each; none for another version, and for a key provider that is not known
 */
export function recomputeMrConfigId(
  version: number,
  system: SystemIdentity,
  crypto: CryptoPort,
): Uint8Array[] {
  if (version === 1) return [versioned(1, system.composeHash)]
  const kind = PROVIDER_KINDS.get(system.keyProvider?.name ?? '')
  if (kind === undefined) return []
  if (version === 2) return version2(system, kind, crypto)
  return version === 3 ? version3(system, kind, crypto) : []
}
