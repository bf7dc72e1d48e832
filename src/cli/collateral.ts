/**
 * `countersign collateral fetch` and `countersign collateral show`: Intel's collateral on disk, before it is needed.
 *
 * @module
 */
import { stat } from 'node:fs/promises'
import { openDiskCache } from '../../attestation/collateral/cache/disk-cache.ts'
import { isFmspc, UPDATE_CHANNELS } from '../../attestation/collateral/collateral-service.ts'
import type {
  CollateralRequest,
  PckCa,
  UpdateChannel,
} from '../../attestation/collateral/collateral-service.ts'
import { describeCollateral } from '../../attestation/collateral/describe-collateral.ts'
import type { CollateralDescription } from '../../attestation/collateral/describe-collateral.ts'
import type { QuotedPlatform } from '../../attestation/collateral/read-platform.ts'
import { parseCollateral } from '../../attestation/protocol/dcap-collateral.ts'
import type { DcapCollateral } from '../../attestation/protocol/dcap-collateral.ts'
import { EXIT } from './exit-codes.ts'
import {
  channelOf,
  defaultCacheFolder,
  openClient,
  platformOf,
  refuseFetch,
} from './obtain-collateral.ts'
import type { ServiceOptions } from './obtain-collateral.ts'
import { printable, printableJson } from './printable.ts'
import { readBounded } from './read-bounded.ts'
import { readQuote } from './read-quote.ts'
import { Refusal } from './refusal.ts'

export interface FetchOptions extends ServiceOptions {
  readonly fmspc?: string
  readonly ca?: string
  readonly channel?: string
  readonly dir?: string
  readonly json?: boolean
}

export interface ShowOptions {
  readonly json?: boolean
}

/** Unix seconds as a person reads them. */
export function instant(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace('.000Z', 'Z')
}

const print = (line: string): void => {
  process.stdout.write(`${line}\n`)
}

/** One set as plain data. */
interface Line {
  readonly fmspc: string
  readonly ca: PckCa | null
  readonly channel: UpdateChannel | null
  readonly tcbEvaluationDataNumber: number
  readonly validFrom: number
  readonly expiresAt: number
  /** By the clock of this machine. Signatures are not looked at here. */
  readonly state: 'current' | 'not_yet_valid' | 'expired'
}

function lineOf(
  description: CollateralDescription,
  request: CollateralRequest | null,
  at: number,
): Line {
  const { fmspc, tcbEvaluationDataNumber, validFrom, expiresAt } = description
  const state = at < validFrom ? 'not_yet_valid' : at >= expiresAt ? 'expired' : 'current'
  return {
    fmspc,
    ca: request?.ca ?? null,
    channel: request?.channel ?? null,
    tcbEvaluationDataNumber,
    validFrom,
    expiresAt,
    state,
  }
}

function render(line: Line): string {
  const { fmspc, ca, channel, tcbEvaluationDataNumber, validFrom, expiresAt, state } = line
  const whose = [fmspc, ca, channel].filter((part) => part !== null).join(' ')
  const when = `${instant(validFrom)} to ${instant(expiresAt)}`
  return `${whose}: evaluation ${tcbEvaluationDataNumber}, ${when}, ${state}`
}

async function platformsOf(
  file: string | undefined,
  options: FetchOptions,
): Promise<QuotedPlatform> {
  if (file !== undefined) {
    if (options.fmspc !== undefined || options.ca !== undefined) {
      throw new Refusal('A file says whose collateral it needs; --fmspc and --ca are for none.')
    }
    return platformOf(await readQuote(file))
  }
  const { ca = 'platform' } = options
  const fmspc = options.fmspc?.toLowerCase()
  if (!isFmspc(fmspc)) throw new Refusal('Name a file with a quote, or --fmspc with 12 hex digits.')
  if (ca !== 'platform' && ca !== 'processor')
    throw new Refusal('--ca takes platform or processor.')
  return { fmspc, ca }
}

/**
 * Always asks the service, and keeps what it gives.
 *
 * @returns the exit code: 0, or 1 where a set could not be had or kept
 */
export async function collateralFetch(
  file: string | undefined,
  options: FetchOptions,
): Promise<number> {
  const platform = await platformsOf(file, options)
  const channels = options.channel === undefined ? UPDATE_CHANNELS : [channelOf(options.channel)]
  const folder = options.dir ?? defaultCacheFolder()
  const client = await openClient(options, folder)
  const at = Math.floor(Date.now() / 1000)
  const results = await Promise.all(
    channels.map(async (channel) => {
      const request = { ...platform, channel }
      return { request, fetched: await client.get(request, { refresh: true }) }
    }),
  ).catch(refuseFetch)
  const lines = results.map(({ request, fetched }) => lineOf(fetched.description, request, at))
  if (options.json === true) print(printableJson({ folder, sets: lines }))
  else for (const line of lines) print(render(line))
  const failed = results.find(({ fetched }) => fetched.failure !== null || fetched.notKept !== null)
  if (failed === undefined) return EXIT.accepted
  const { failure, notKept } = failed.fetched
  const why = failure === null ? `not kept in ${folder}: ${String(notKept)}` : failure.message
  process.stderr.write(`${printable(`${failed.request.channel}: ${why}`)}\n`)
  return EXIT.internal
}

interface Found {
  readonly name: string
  readonly request: CollateralRequest | null
  readonly collateral: DcapCollateral | null
}

async function setsOf(path: string): Promise<readonly Found[]> {
  const found = await stat(path).catch(() => null)
  if (found === null) throw new Refusal(`${path} cannot be read.`)
  if (!found.isDirectory()) {
    const parsed = parseCollateral(await readBounded(path))
    if (!parsed.ok) throw new Refusal(`${path}: ${parsed.detail}.`, EXIT.malformed)
    return [{ name: path, request: null, collateral: parsed.collateral }]
  }
  const cache = openDiskCache(path)
  const requests = await cache.list()
  return Promise.all(
    requests.map(async (request) => ({
      name: `${request.fmspc} ${request.ca} ${request.channel}`,
      request,
      collateral: (await cache.read(request))?.collateral ?? null,
    })),
  )
}

/**
 * What a folder or a file holds, by what it says of itself.
 *
 * @returns the exit code: 0, or 30 where a set is not whole
 */
export async function collateralShow(
  path: string | undefined,
  options: ShowOptions,
): Promise<number> {
  const sets = await setsOf(path ?? defaultCacheFolder())
  const at = Math.floor(Date.now() / 1000)
  const lines: Line[] = []
  let broken = 0
  for (const { name, request, collateral } of sets) {
    const described = collateral === null ? null : describeCollateral(collateral)
    if (described?.ok === true) {
      lines.push(lineOf(described.description, request, at))
    } else {
      broken++
      process.stderr.write(
        `${printable(`${name}: ${described?.detail ?? 'not whole, will be fetched anew'}`)}\n`,
      )
    }
  }
  if (options.json === true) print(printableJson({ sets: lines }))
  else for (const line of lines) print(render(line))
  if (sets.length === 0) process.stderr.write('Nothing is kept here.\n')
  return broken === 0 ? EXIT.accepted : EXIT.malformed
}
