/**
 * One file of the cache, as text: the collateral, of which platform it is, from where and when it came, and a digest of all
 * that.
 *
 * The digest finds files that were cut or damaged, so that they are fetched anew. It stops nobody who may write to the cache;
 * what they can put there is refused by the appraiser, which checks signatures whatever the collateral's way was.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import { readCollateral } from '../../protocol/dcap-collateral.ts'
import type { DcapCollateral } from '../../protocol/dcap-collateral.ts'
import { isJsonObject, parseJson } from '../../protocol/json.ts'
import { isFmspc, UPDATE_CHANNELS } from '../collateral-service.ts'
import type { CollateralRequest } from '../collateral-service.ts'

export interface CacheEntry {
  readonly request: CollateralRequest
  readonly collateral: DcapCollateral
  /** Unix seconds. */
  readonly fetchedAt: number
  /** Origin and path of the service. */
  readonly service: string
}

const FORM = 'countersign.collateral-cache.v1'
const MEMBERS = ['ca', 'channel', 'collateral', 'digest', 'fetched_at', 'fmspc', 'form', 'service']
const NAME = /^([0-9a-f]{12})-(platform|processor)-(standard|early)\.json$/
const MAX_SERVICE_LENGTH = 2048

/** `<fmspc>-<ca>-<channel>.json`. */
export function entryName({ fmspc, ca, channel }: CollateralRequest): string {
  return `${fmspc}-${ca}-${channel}.json`
}

/** @returns null for the name of something else */
export function parseEntryName(name: string): CollateralRequest | null {
  const [, fmspc, ca, channel] = NAME.exec(name) ?? []
  if (!isFmspc(fmspc) || (ca !== 'platform' && ca !== 'processor')) return null
  const known = UPDATE_CHANNELS.find((each) => each === channel)
  return known === undefined ? null : { fmspc, ca, channel: known }
}

/** Over a list, so that every part has its place; the members of the collateral have the order that its reader gives. */
function digestOf({ request, collateral, fetchedAt, service }: CacheEntry): string {
  const { fmspc, ca, channel } = request
  const text = JSON.stringify([FORM, fmspc, ca, channel, fetchedAt, service, collateral])
  return createHash('sha256').update(text, 'utf8').digest('hex')
}

export function renderEntry(entry: CacheEntry): string {
  const { request, fetchedAt, service } = entry
  const read = readCollateral(entry.collateral)
  if (!read.ok) throw new TypeError(read.detail)
  const collateral = read.collateral
  return `${JSON.stringify({
    form: FORM,
    ...request,
    fetched_at: fetchedAt,
    service,
    digest: digestOf({ request, collateral, fetchedAt, service }),
    collateral,
  })}\n`
}

/**
 * @param request what the file's name says that it holds
 * @returns null for a file that is not whole, was changed, or is of something else
 */
export function parseEntry(bytes: Uint8Array, request: CollateralRequest): CacheEntry | null {
  const parsed = parseJson(bytes)
  if (!parsed.ok || !isJsonObject(parsed.value)) return null
  const { value } = parsed
  if (Object.keys(value).toSorted().join() !== MEMBERS.join()) return null
  const { form, fmspc, ca, channel, fetched_at: fetchedAt, service, digest } = value
  const read = readCollateral(value['collateral'])
  if (!read.ok || form !== FORM || typeof fetchedAt !== 'number') return null
  if (typeof service !== 'string' || service.length > MAX_SERVICE_LENGTH) return null
  if (fmspc !== request.fmspc || ca !== request.ca || channel !== request.channel) return null
  const entry = { request, collateral: read.collateral, fetchedAt, service }
  return digest === digestOf(entry) ? entry : null
}
