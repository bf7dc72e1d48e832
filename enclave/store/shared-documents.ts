/**
 * Attestation documents of other replicas' keysets, from the place that they share. Anybody may ask for one and each is large, so few are fetched at
 * once, one once for all who wait for it, and what was opened is kept: it never changes.
 *
 * @module
 */
import { SharedStoreError } from './shared-place.ts'

/** Fetched at once. */
export const MAX_DOCUMENT_LOOKUPS = 2
/** Documents, and bytes of them, that are kept in memory; the ones that were asked for last. */
export const MAX_CACHED_DOCUMENTS = 128
export const MAX_CACHED_DOCUMENT_BYTES = 16 * 1024 * 1024

export interface SharedDocuments {
  /** Null where there is none. Rejects with SharedStoreError, shared_store_busy among them. */
  get(keysetDigest: string): Promise<string | null>
}

/** @param fetch opened, so that nobody but a replica made it; null where there is none */
export function createSharedDocuments(
  fetch: (keysetDigest: string) => Promise<string | null>,
): SharedDocuments {
  const kept = new Map<string, string>()
  let keptBytes = 0
  const fetched = new Map<string, Promise<string | null>>()

  const keep = (digest: string, document: string): void => {
    // A document is ASCII.
    if (document.length > MAX_CACHED_DOCUMENT_BYTES) return
    kept.set(digest, document)
    keptBytes += document.length
    for (const [oldest, { length }] of kept) {
      if (kept.size <= MAX_CACHED_DOCUMENTS && keptBytes <= MAX_CACHED_DOCUMENT_BYTES) return
      kept.delete(oldest)
      keptBytes -= length
    }
  }
  const ask = async (digest: string): Promise<string | null> => {
    try {
      const document = await fetch(digest)
      if (document !== null) keep(digest, document)
      return document
    } finally {
      fetched.delete(digest)
    }
  }
  return {
    async get(digest) {
      const own = kept.get(digest)
      if (own !== undefined) {
        kept.delete(digest)
        kept.set(digest, own)
        return own
      }
      const under = fetched.get(digest)
      if (under !== undefined) return under
      if (fetched.size >= MAX_DOCUMENT_LOOKUPS) throw new SharedStoreError('shared_store_busy')
      const asked = ask(digest)
      fetched.set(digest, asked)
      return asked
    },
  }
}
