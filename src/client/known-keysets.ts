/**
 * What a client knows of the keysets of each base URL: the one in force, those of the replicas beside it, and archived ones.
 *
 * @module
 */
import type { TrustedKeyset } from '../../attestation/appraiser/appraise-document.ts'
import type { Check } from '../../attestation/appraiser/check.ts'
import type { Sha256Digest } from '../../attestation/protocol/hex.ts'
import { parseLogOrigin } from '../../attestation/protocol/log/log-origin.ts'

/** Base URLs remembered; the oldest go first. */
export const MAX_BASES = 256
/** Replicas remembered of one base. */
export const MAX_REPLICAS = 64
/** Keysets remembered that were in force before the one that was attested. */
export const MAX_ARCHIVED = 64

export interface Attested {
  readonly ok: true
  readonly trusted: TrustedKeyset
  readonly checks: readonly Check[]
}

export interface Archived {
  readonly attested: Attested
  /** The keysets in force beside which it counts: where heads are remembered, those whose log leads back to it, or is another one. */
  readonly provedBy: WeakMap<TrustedKeyset, Attested>
}

/** What replaces the oldest where there are too many. */
export function remember<T>(map: Map<string, T>, key: string, value: T, limit: number): void {
  map.delete(key)
  map.set(key, value)
  const oldest = map.keys().next().value
  if (map.size > limit && oldest !== undefined) map.delete(oldest)
}

export interface KnownKeysets {
  /** What a base attested to last. */
  inForce(base: string): Attested | null
  /** Takes the place of what was in force, and of what that name of a log had attested to. */
  attested(base: string, attested: Attested): void
  forget(base: string): void
  archived(digest: Sha256Digest): Archived | null
  archive(digest: Sha256Digest, archived: Archived): void
  /** One that answers of that base may be of besides the one in force: attested there under another log's name, or proved by it. */
  beside(base: string, digest: Sha256Digest): Attested | null
}

/** @param now unix seconds */
export function createKnownKeysets(now: () => number): KnownKeysets {
  const known = new Map<string, Attested>()
  /** By base and name of the log: replicas that share an address answer in turn. */
  const replicas = new Map<string, Map<string, Attested>>()
  /** By digest: whoever served the document, it vouches for those keys and no others. */
  const earlier = new Map<string, Archived>()
  return {
    inForce: (base) => known.get(base) ?? null,
    attested(base, attested) {
      remember(known, base, attested, MAX_BASES)
      const { log } = attested.trusted
      const name = log === null ? undefined : parseLogOrigin(log.origin)?.name
      if (name === undefined) return
      const named = replicas.get(base) ?? new Map<string, Attested>()
      remember(named, name, attested, MAX_REPLICAS)
      remember(replicas, base, named, MAX_BASES)
    },
    forget(base) {
      known.delete(base)
      replicas.delete(base)
    },
    archived: (digest) => earlier.get(digest) ?? null,
    archive: (digest, archived) => remember(earlier, digest, archived, MAX_ARCHIVED),
    beside(base, digest) {
      const inForce = known.get(base)
      if (inForce === undefined) return null
      const attested = [...(replicas.get(base)?.values() ?? [])]
      const found =
        attested.find(({ trusted }) => trusted.keysetDigest === digest) ??
        earlier.get(digest)?.provedBy.get(inForce.trusted)
      return found !== undefined && now() <= found.trusted.notAfter ? found : null
    },
  }
}
