/**
 * The key set of NVIDIA's attestation service (`GET /.well-known/jwks.json`), kept for as long as NVIDIA's own SDK keeps it.
 *
 * It is returned as the bytes that came, certificate chains (`x5c`) included: the signing keys live for days, and who
 * archives a token has to archive the set that it was judged by.
 *
 * @module
 */
import { MAX_JWKS_BYTES, parseJwks } from '../../appraiser/gpu/nras/parse-jwks.ts'
import { CollateralError } from '../collateral-error.ts'
import { httpRequest } from '../http-request.ts'
import type { Transport } from '../http-request.ts'
import { JWKS_FRESH_S, JWKS_REFETCH_S } from '../limits.ts'
import { NVIDIA_SERVICES } from './nvidia-services.ts'

export interface JwksClientOptions {
  /** Origin and path of the attestation service; default: NVIDIA's. */
  readonly service?: string
  readonly transport?: Transport
  /** Unix seconds; default: the system's clock. */
  readonly now?: () => number
  readonly signal?: AbortSignal
}

export interface FetchedJwks {
  /** JSON as received. */
  readonly bytes: Uint8Array
  /** Key ids in it. */
  readonly kids: ReadonlySet<string>
  /** Unix seconds. */
  readonly fetchedAt: number
}

export interface JwksClient {
  /**
   * @param kids ids that tokens name. Where the kept set lacks one it is fetched anew, at most once in
   * {@link JWKS_REFETCH_S}: strangers write these names
   * @returns a set that may still lack them
   * @throws CollateralError where there is no set younger than {@link JWKS_FRESH_S}
   */
  get(kids?: readonly string[]): Promise<FetchedJwks>
}

const WHAT = 'key set of the attestation service'
const JSON_TYPES: ReadonlySet<string> = new Set(['application/json', 'application/jwk-set+json'])

/** Nothing that the appraiser could not read takes the place of what it can. */
function kidsOf(bytes: Uint8Array): ReadonlySet<string> {
  const parsed = parseJwks(bytes)
  // The reader's detail may quote what the server sent.
  if (!parsed.ok)
    throw new CollateralError('collateral_malformed', `${WHAT}: not one of P-384 keys`)
  return new Set(parsed.keys.keys())
}

export function createJwksClient(options: JwksClientOptions = {}): JwksClient {
  const { service = NVIDIA_SERVICES.nras, transport = {}, signal } = options
  const now = options.now ?? (() => Math.floor(Date.now() / 1000))
  let kept: FetchedJwks | null = null
  let lastAsked: number | null = null
  let running: Promise<FetchedJwks> | null = null

  const ask = async (): Promise<FetchedJwks> => {
    lastAsked = now()
    const { body } = await httpRequest(
      {
        url: `${service}/.well-known/jwks.json`,
        what: WHAT,
        maxBytes: MAX_JWKS_BYTES,
        contentTypes: JSON_TYPES,
      },
      transport,
      signal,
    )
    kept = { bytes: body, kids: kidsOf(body), fetchedAt: now() }
    return kept
  }

  /** A time before this one is also where the clock was set back. */
  const within = (since: number, seconds: number): boolean => {
    const age = now() - since
    return age >= 0 && age < seconds
  }

  return {
    async get(kids = []) {
      const known = kept
      const fresh = known !== null && within(known.fetchedAt, JWKS_FRESH_S)
      if (fresh && kids.every((kid) => known.kids.has(kid))) return known
      const asked = lastAsked !== null && within(lastAsked, JWKS_REFETCH_S)
      if (running === null && fresh && asked) return known
      running ??= ask().finally(() => {
        running = null
      })
      try {
        return await running
      } catch (error) {
        // The set at hand is not worse for the failed attempt at a newer one.
        if (fresh && error instanceof CollateralError) return known
        throw error
      }
    },
  }
}
