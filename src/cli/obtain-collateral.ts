/**
 * Collateral as the command line asks for it: from a file, from a cache folder, or from the network. The last only where it
 * was asked for in words: a verifier that talks to somebody by itself tells them what it verifies.
 *
 * @module
 */
import { stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { openDiskCache } from '../../attestation/collateral/cache/disk-cache.ts'
import { CollateralError } from '../../attestation/collateral/collateral-error.ts'
import { createCollateralClient } from '../../attestation/collateral/collateral-client.ts'
import type { CollateralClient } from '../../attestation/collateral/collateral-client.ts'
import {
  INTEL_PCS,
  parsePccsUrl,
  UPDATE_CHANNELS,
} from '../../attestation/collateral/collateral-service.ts'
import type {
  CollateralService,
  UpdateChannel,
} from '../../attestation/collateral/collateral-service.ts'
import type { Transport } from '../../attestation/collateral/http-request.ts'
import { readPlatform } from '../../attestation/collateral/read-platform.ts'
import type { QuotedPlatform } from '../../attestation/collateral/read-platform.ts'
import { parseCollateral } from '../../attestation/protocol/dcap-collateral.ts'
import type { DcapCollateral } from '../../attestation/protocol/dcap-collateral.ts'
import { fromUtf8 } from '../../attestation/protocol/utf8.ts'
import { EXIT } from './exit-codes.ts'
import { readBounded } from './read-bounded.ts'
import { Refusal } from './refusal.ts'

/** Whom to ask, and how. */
export interface ServiceOptions {
  readonly pccs?: string
  readonly proxy?: string
  readonly tlsCa?: string
}

export interface CollateralOptions extends ServiceOptions {
  /** A file with one set, or a cache folder. */
  readonly collateral?: string
  readonly fetchCollateral?: boolean
  readonly channel?: string
}

/** `$XDG_CACHE_HOME/countersign/collateral`, by default below `~/.cache`. */
export function defaultCacheFolder(environment: NodeJS.ProcessEnv = process.env): string {
  const base = environment['XDG_CACHE_HOME']
  // The XDG base directory specification: a path that is not absolute is ignored.
  const root = base?.startsWith('/') === true ? base : join(homedir(), '.cache')
  return join(root, 'countersign', 'collateral')
}

export function channelOf(text: string | undefined): UpdateChannel {
  const channel = UPDATE_CHANNELS.find((each) => each === (text ?? 'standard'))
  if (channel === undefined) throw new Refusal(`--channel takes ${UPDATE_CHANNELS.join(' or ')}.`)
  return channel
}

export function platformOf(quote: Uint8Array): QuotedPlatform {
  const read = readPlatform(quote)
  if (!read.ok) throw new Refusal(`No collateral can be chosen: ${read.detail}.`, EXIT.malformed)
  return read.platform
}

export function serviceOf({ pccs }: ServiceOptions): CollateralService {
  if (pccs === undefined) return INTEL_PCS
  const service = parsePccsUrl(pccs)
  if (service === null) throw new Refusal('--pccs takes the https URL of a caching service.')
  return service
}

function proxyOf(text: string | undefined): URL | 'environment' | null {
  if (text === undefined) return 'environment'
  if (text === 'none') return null
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new Refusal('--proxy takes an http or https URL, or none.')
  }
  return url
}

async function caOf(path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined
  const text = fromUtf8(await readBounded(path))
  if (text === null) throw new Refusal(`${path} is not UTF-8.`)
  return text
}

export async function transportOf({
  proxy,
  tlsCa: path,
}: Pick<ServiceOptions, 'proxy' | 'tlsCa'>): Promise<Transport> {
  const tlsCa = await caOf(path)
  return { proxy: proxyOf(proxy), ...(tlsCa === undefined ? {} : { tlsCa }) }
}

/** @param folder of the cache */
export async function openClient(
  options: ServiceOptions,
  folder: string,
): Promise<CollateralClient> {
  return createCollateralClient({
    service: serviceOf(options),
    cache: openDiskCache(folder),
    transport: await transportOf(options),
  })
}

/** What a service did not give. */
export class FailedFetch extends Refusal {
  readonly failure: CollateralError
  constructor(failure: CollateralError) {
    super(`No collateral: ${failure.code}: ${failure.message}.`, EXIT.internal)
    this.failure = failure
  }
}

/** Turns a failure to fetch into one sentence. */
export function refuseFetch(error: unknown): never {
  throw error instanceof CollateralError ? new FailedFetch(error) : error
}

export async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  )
}

async function fromFile(path: string): Promise<DcapCollateral> {
  const parsed = parseCollateral(await readBounded(path))
  if (!parsed.ok) throw new Refusal(`${path}: ${parsed.detail}.`)
  return parsed.collateral
}

/** A folder without the set that was wanted. */
export class MissingCollateral extends Refusal {}

async function fromFolder(
  folder: string,
  platform: QuotedPlatform,
  channel: UpdateChannel,
): Promise<DcapCollateral> {
  const entry = await openDiskCache(folder).read({ ...platform, channel })
  if (entry === null) {
    const { fmspc, ca } = platform
    throw new MissingCollateral(
      `${folder} holds no ${channel} collateral of ${fmspc} (${ca}) that is whole. A folder holds what ` +
        '`countersign collateral fetch` keeps; a set of your own is named as a file.',
    )
  }
  return entry.collateral
}

/** Gives the collateral of the platform that made a quote, or null where nobody asked for any. */
export type CollateralSource = (
  quote: Uint8Array,
  channel: UpdateChannel,
  /** How old the TCB info may be, in seconds; null: until its nextUpdate. */
  maxAgeS: number | null,
) => Promise<DcapCollateral | null>

/**
 * What the options name; nothing is read or asked yet.
 *
 * @throws Refusal where they contradict each other. The source throws it where there is no such collateral
 */
export async function openCollateralSource(options: CollateralOptions): Promise<CollateralSource> {
  const { collateral: path, fetchCollateral = false } = options
  const exists = path !== undefined && (await stat(path).catch(() => null)) !== null
  const folder = path !== undefined && (await isFolder(path))
  if (!fetchCollateral) {
    if (path === undefined) return () => Promise.resolve(null)
    if (!folder) return () => fromFile(path)
    return (quote, channel) => fromFolder(path, platformOf(quote), channel)
  }
  if (exists && !folder) {
    throw new Refusal(
      '--fetch-collateral keeps what it gets in a folder; --collateral names a file.',
    )
  }
  const client = await openClient(options, path ?? defaultCacheFolder())
  return async (quote, channel, maxAgeS) => {
    const request = { ...platformOf(quote), channel }
    const fetched = await client
      .get(request, maxAgeS === null ? {} : { maxAgeS })
      .catch(refuseFetch)
    return fetched.collateral
  }
}

const NETWORK_FLAGS = [
  ['pccs', 'pccs'],
  ['rimUrl', 'rim-url'],
  ['ocspUrl', 'ocsp-url'],
  ['proxy', 'proxy'],
  ['tlsCa', 'tls-ca'],
] as const

/** A setting that nothing reads may have been meant as a condition. */
export async function refuseUnreadSettings(
  options: CollateralOptions & { readonly rimUrl?: string; readonly ocspUrl?: string },
): Promise<void> {
  if (options.fetchCollateral === true) return
  const unread = NETWORK_FLAGS.find(([name]) => options[name] !== undefined)?.[1]
  if (unread !== undefined) {
    throw new Refusal(`--${unread} says nothing without --fetch-collateral.`)
  }
  if (options.channel === undefined) return
  if (options.collateral === undefined || !(await isFolder(options.collateral))) {
    throw new Refusal('--channel is for --fetch-collateral, or a folder named by --collateral.')
  }
}

/** {@link openCollateralSource} for one quote. */
export async function obtainCollateral(
  quote: Uint8Array,
  options: CollateralOptions,
  maxAgeS: number | null,
): Promise<DcapCollateral | null> {
  const channel = channelOf(options.channel)
  const source = await openCollateralSource(options)
  return source(quote, channel, maxAgeS)
}
