/**
 * Token buckets, one for each client: a burst, and so many a minute after it.
 *
 * @module
 */

/** Clients that are remembered; who came longest ago is forgotten first, which gives it its burst back and no more. */
export const MAX_BUCKETS = 16_384

export interface TokenBuckets {
  /** @returns null where one was taken, else the seconds until there is one, at least 1 */
  take(client: string): number | null
}

export interface TokenBucketOptions {
  readonly burst: number
  readonly perMinute: number
  /** Milliseconds of a clock that nobody sets. */
  readonly monotonicMs?: () => number
}

interface Bucket {
  tokens: number
  atMs: number
}

export function createTokenBuckets(options: TokenBucketOptions): TokenBuckets {
  const { burst, perMinute, monotonicMs = () => performance.now() } = options
  const buckets = new Map<string, Bucket>()
  return {
    take(client) {
      const atMs = monotonicMs()
      const known = buckets.get(client)
      const tokens =
        known === undefined
          ? burst
          : Math.min(burst, known.tokens + ((atMs - known.atMs) * perMinute) / 60_000)
      const taken = tokens >= 1
      buckets.delete(client)
      buckets.set(client, { tokens: taken ? tokens - 1 : tokens, atMs })
      if (buckets.size > MAX_BUCKETS) {
        for (const oldest of buckets.keys()) {
          buckets.delete(oldest)
          break
        }
      }
      return taken ? null : Math.max(1, Math.ceil(((1 - tokens) * 60) / perMinute))
    },
  }
}
