/**
 * RIMs and OCSP responses: from the cache while they are fresh, else from NVIDIA's services, each asked for once however many
 * wait for it, and where the service fails from the cache for as long as that is sound.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import type { IssuedCertificate } from '../../appraiser/gpu/ocsp/build-ocsp-request.ts'
import { createMemoryGpuCache } from '../cache/gpu-cache.ts'
import type { GpuCache, GpuCacheEntry } from '../cache/gpu-cache.ts'
import { CollateralError } from '../collateral-error.ts'
import { httpRequest } from '../http-request.ts'
import type { Answer, HttpRequest, Transport } from '../http-request.ts'
import { MAX_GPU_REQUESTS, OCSP_FRESH_S, RIM_FRESH_S, RIM_KEPT_S } from '../limits.ts'
import { createTurns } from './create-turns.ts'
import { ocspRequest, readOcspAnswer } from './fetch-ocsp.ts'
import { readRimAnswer, rimRequest } from './fetch-rim.ts'
import { NVIDIA_SERVICES } from './nvidia-services.ts'
import type { NvidiaServices } from './nvidia-services.ts'

export interface GpuCollateralClientOptions {
  /** Default: {@link NVIDIA_SERVICES}. */
  readonly services?: Pick<NvidiaServices, 'rim' | 'ocsp'>
  /** Bearer token for the RIM service, which answers without one too. Never in an error. */
  readonly serviceKey?: string | null
  readonly transport?: Transport
  /** Default: one in memory; null: nothing is kept. */
  readonly cache?: GpuCache | null
  /** Unix seconds; default: the system's clock. */
  readonly now?: () => number
  readonly signal?: AbortSignal
  /** Ask nobody: what is kept is given whatever its age, which is for the appraiser to judge. Default: false. */
  readonly offline?: boolean
}

export interface FetchedFile {
  /** As received: no signature was looked at. */
  readonly bytes: Uint8Array
  /** `cache_after_failure`: the service did not give it, and what is kept still counts. */
  readonly from: 'network' | 'cache' | 'cache_after_failure'
  /** What made the service's answer unusable; null unless `cache_after_failure`. */
  readonly failure: CollateralError | null
  /** Why it was not kept, as the system calls it; null where it was, or nobody asked to. */
  readonly notKept: string | null
}

export interface GpuCollateralClient {
  /** @param id of the RIM service, e.g. `NV_GPU_DRIVER_GH100_550.144.03` @throws CollateralError */
  rim(id: string): Promise<FetchedFile>
  /**
   * What the responder says of one certificate, without a nonce: to be kept, stapled and judged by its window.
   * @throws CollateralError
   */
  ocsp(asked: IssuedCertificate): Promise<FetchedFile>
  /**
   * The same of several, asked anew and never kept.
   * @param nonce 32 random bytes that every answer must repeat, which the appraiser checks
   * @throws CollateralError
   */
  ocspNow(asked: readonly IssuedCertificate[], nonce: Uint8Array): Promise<Uint8Array>
}

/** A kind of file: whom to ask, how to read the answer, and for how long it is good. */
interface Source {
  readonly key: string
  readonly service: string
  readonly request: HttpRequest
  readonly read: (answer: Answer) => Uint8Array
  /** Unix seconds after which a file is asked for anew, and after which it is not used at all. */
  readonly ends: (entry: GpuCacheEntry) => { readonly fresh: number; readonly kept: number } | null
}

export function createGpuCollateralClient(
  options: GpuCollateralClientOptions = {},
): GpuCollateralClient {
  const { services = NVIDIA_SERVICES, serviceKey = null, transport = {}, signal } = options
  const { offline = false } = options
  const cache = options.cache === undefined ? createMemoryGpuCache() : options.cache
  const now = options.now ?? (() => Math.floor(Date.now() / 1000))
  const turn = createTurns(MAX_GPU_REQUESTS)
  const running = new Map<string, Promise<FetchedFile>>()

  const ask = (request: HttpRequest): Promise<Answer> =>
    turn(() => httpRequest(request, transport, signal))

  const resolve = async (source: Source): Promise<FetchedFile> => {
    const { key, service } = source
    const entry = (await cache?.read(key)) ?? null
    if (offline) {
      if (entry !== null) return { bytes: entry.bytes, from: 'cache', failure: null, notKept: null }
      throw new CollateralError('collateral_not_found', `${source.request.what}: none is kept`)
    }
    const at = now()
    // What was kept at a later time than this was kept by another clock: nobody knows how old it is.
    const known = entry !== null && entry.service === service && entry.fetchedAt <= at
    const ends = known ? source.ends(entry) : null
    if (known && ends !== null && at < ends.fresh) {
      return { bytes: entry.bytes, from: 'cache', failure: null, notKept: null }
    }
    try {
      const bytes = source.read(await ask(source.request))
      const notKept = (await cache?.write({ key, service, fetchedAt: now(), bytes })) ?? null
      return { bytes, from: 'network', failure: null, notKept }
    } catch (error) {
      const usable = known && ends !== null && now() < ends.kept
      if (!(error instanceof CollateralError) || !usable) throw error
      return { bytes: entry.bytes, from: 'cache_after_failure', failure: error, notKept: null }
    }
  }

  const once = (source: Source): Promise<FetchedFile> => {
    const found = running.get(source.key)
    if (found !== undefined) return found
    const started = resolve(source).finally(() => running.delete(source.key))
    running.set(source.key, started)
    return started
  }

  return {
    rim: async (id) =>
      once({
        key: `rim-${id}`,
        service: services.rim,
        request: rimRequest(services.rim, id, serviceKey),
        read: (answer) => readRimAnswer(answer, id),
        ends: ({ fetchedAt }) => ({ fresh: fetchedAt + RIM_FRESH_S, kept: fetchedAt + RIM_KEPT_S }),
      }),
    async ocsp(asked) {
      const request = ocspRequest(services.ocsp, [asked], null)
      const name = createHash('sha256').update(request.post.body).digest('hex')
      return once({
        key: `ocsp-${name}`,
        service: services.ocsp,
        request,
        read: ({ body }) => {
          readOcspAnswer(body, [asked])
          return body
        },
        ends: ({ bytes, fetchedAt }) => {
          const kept = endOf(bytes, asked)
          return kept === null ? null : { fresh: Math.min(kept, fetchedAt + OCSP_FRESH_S), kept }
        },
      })
    },
    async ocspNow(asked, nonce) {
      if (offline) throw new CollateralError('collateral_not_found', 'nobody is asked')
      const { body } = await ask(ocspRequest(services.ocsp, asked, nonce))
      readOcspAnswer(body, asked)
      return body
    },
  }
}

/** Of what is kept; null where it cannot be read, so that it is fetched anew. */
function endOf(bytes: Uint8Array, asked: IssuedCertificate): number | null {
  try {
    return readOcspAnswer(bytes, [asked])
  } catch (error) {
    if (error instanceof CollateralError) return null
    throw error
  }
}
