/**
 * Collateral for a platform: from the cache while it counts, else from the service, each document asked for once however many
 * wait for it.
 *
 * @module
 */
import type { DcapCollateral } from '../protocol/dcap-collateral.ts'
import type { DiskCache } from './cache/disk-cache.ts'
import { CollateralError } from './collateral-error.ts'
import { INTEL_PCS } from './collateral-service.ts'
import type { CollateralRequest, CollateralService } from './collateral-service.ts'
import { describeCollateral } from './describe-collateral.ts'
import type { CollateralDescription } from './describe-collateral.ts'
import { fetchCollateral } from './fetch-collateral.ts'
import { httpRequest } from './http-request.ts'
import type { Transport } from './http-request.ts'
import { REFRESH_MARGIN_S } from './limits.ts'
import { shareGets } from './share-gets.ts'

export interface CollateralClientOptions {
  /** Default: {@link INTEL_PCS}. */
  readonly service?: CollateralService
  readonly transport?: Transport
  /** Null (default): nothing is kept. */
  readonly cache?: DiskCache | null
  /** Unix seconds; default: the system's clock. Collateral is kept and taken from the cache by this clock. */
  readonly now?: () => number
  readonly signal?: AbortSignal
}

export interface GetOptions {
  /** Ask the service even where the cache has what counts. Default: false. */
  readonly refresh?: boolean
  /** Seconds since TCB info was issued beyond which a kept set is fetched anew. Default: until its nextUpdate. */
  readonly maxAgeS?: number
}

export interface FetchedCollateral {
  /** As received: no signature was looked at. */
  readonly collateral: DcapCollateral
  readonly description: CollateralDescription
  /** `cache_after_failure`: the service did not give it, and what is kept still counts. */
  readonly from: 'network' | 'cache' | 'cache_after_failure'
  /** Why it was not kept: how the system calls it, or `not_current` by the clock; null where it was, or nobody asked to. */
  readonly notKept: string | null
  /** What made the service's answer unusable; null unless `cache_after_failure`. */
  readonly failure: CollateralError | null
}

export interface CollateralClient {
  /** @throws CollateralError */
  get(request: CollateralRequest, options?: GetOptions): Promise<FetchedCollateral>
}

interface Kept {
  readonly collateral: DcapCollateral
  readonly description: CollateralDescription
}

/**
 * Runs `make` for a key unless it runs already; whoever asks meanwhile gets the same result. Nothing is remembered beyond
 * that.
 */
function once<T>(): (key: string, make: () => Promise<T>) => Promise<T> {
  const open = new Map<string, Promise<T>>()
  return (key, make) => {
    const running = open.get(key)
    if (running !== undefined) return running
    const started = make().finally(() => open.delete(key))
    open.set(key, started)
    return started
  }
}

export function createCollateralClient(options: CollateralClientOptions = {}): CollateralClient {
  const { service = INTEL_PCS, transport = {}, cache = null, signal } = options
  const now = options.now ?? (() => Math.floor(Date.now() / 1000))
  const results = once<FetchedCollateral>()
  const get = shareGets((request, left) =>
    httpRequest(request, transport, signal === undefined ? left : AbortSignal.any([signal, left])),
  )

  const counts = ({ description }: Kept, at: number): boolean =>
    description.validFrom <= at && at < description.expiresAt

  const kept = async (request: CollateralRequest): Promise<Kept | null> => {
    const entry = (await cache?.read(request)) ?? null
    const described = entry === null ? null : describeCollateral(entry.collateral)
    if (entry === null || described === null || !described.ok) return null
    const { description } = described
    return description.fmspc === request.fmspc
      ? { collateral: entry.collateral, description }
      : null
  }

  const fetched = async (request: CollateralRequest): Promise<FetchedCollateral> => {
    const collateral = await fetchCollateral(service, request, get)
    const described = describeCollateral(collateral)
    if (!described.ok) throw new CollateralError('collateral_malformed', described.detail)
    const { description } = described
    if (description.fmspc !== request.fmspc) {
      throw new CollateralError('collateral_malformed', 'TCB info: of another platform')
    }
    const result = { collateral, description, from: 'network', failure: null } as const
    if (cache === null) return { ...result, notKept: null }
    // What the clock says does not count would never be read again, and may take the place of what does once it is right.
    if (!counts(result, now())) return { ...result, notKept: 'not_current' }
    const entry = { request, collateral, fetchedAt: now(), service: service.api }
    return { ...result, notKept: await cache.write(entry) }
  }

  const resolve = async (
    request: CollateralRequest,
    { refresh = false, maxAgeS }: GetOptions,
  ): Promise<FetchedCollateral> => {
    const found = await kept(request)
    const at = now()
    if (found !== null && !refresh && counts(found, at)) {
      const { expiresAt, tcbInfo } = found.description
      const young = maxAgeS === undefined || at - tcbInfo.issuedAt <= maxAgeS
      if (young && at < expiresAt - REFRESH_MARGIN_S) {
        return { ...found, from: 'cache', notKept: null, failure: null }
      }
    }
    try {
      return await fetched(request)
    } catch (error) {
      if (!(error instanceof CollateralError) || found === null || !counts(found, now()))
        throw error
      return { ...found, from: 'cache_after_failure', notKept: null, failure: error }
    }
  }

  return {
    get(request, getOptions = {}) {
      const { fmspc, ca, channel } = request
      const key = [fmspc, ca, channel, getOptions.refresh, getOptions.maxAgeS].join()
      return results(key, () => resolve(request, getOptions))
    },
  }
}
