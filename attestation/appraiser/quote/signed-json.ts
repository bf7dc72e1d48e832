/**
 * Readers for the JSON documents that Intel signs. Members that are not known are passed over, unlike everywhere else: see
 * docs/decisions/0008-unknown-members-of-signed-collateral.md.
 *
 * @module
 */
import { fromHex } from '../../protocol/hex.ts'
import { isJsonObject, parseJsonText } from '../../protocol/json.ts'
import type { JsonObject } from '../../protocol/json.ts'
import { isTcbStatus } from './tcb-status.ts'
import type { TcbStatus } from './tcb-status.ts'

/** Levels of one list, identities of modules, advisories of one level. Intel's documents have about 20 of each at most. */
export const MAX_TCB_ENTRIES = 256

const INSTANT = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)Z$/
const ADVISORY = /^[A-Z0-9][A-Z0-9-]{0,63}$/

/** Thrown by the readers, caught by {@link readSigned} alone. */
export class UnreadableCollateral extends Error {
  readonly kind: 'malformed' | 'unsupported'
  constructor(detail: string, kind: UnreadableCollateral['kind'] = 'malformed') {
    super(detail)
    this.kind = kind
  }
}

export type SignedResult<T> =
  | { readonly ok: true; readonly value: T }
  | {
      readonly ok: false
      readonly kind: UnreadableCollateral['kind']
      readonly detail: string
    }

/** Parses a signed text and hands its object to `read`. Never throws. */
export function readSigned<T>(text: string, read: (document: JsonObject) => T): SignedResult<T> {
  const parsed = parseJsonText(text)
  if (!parsed.ok) {
    return { ok: false, kind: 'malformed', detail: `not strict JSON: ${parsed.fault}` }
  }
  try {
    return { ok: true, value: read(objectAt(parsed.value, 'the document')) }
  } catch (error) {
    if (!(error instanceof UnreadableCollateral)) throw error
    return { ok: false, kind: error.kind, detail: error.message }
  }
}

export function objectAt(value: unknown, what: string): JsonObject {
  if (!isJsonObject(value)) throw new UnreadableCollateral(`${what} is not an object`)
  return value
}

export function listAt(value: unknown, what: string): readonly unknown[] {
  if (!Array.isArray(value) || value.length > MAX_TCB_ENTRIES) {
    throw new UnreadableCollateral(`${what} is no list, or too long`)
  }
  return value
}

export function integerAt(value: unknown, what: string, max: number): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > max) {
    throw new UnreadableCollateral(`${what} is no whole number up to ${max}`)
  }
  return value
}

/** Intel writes hex in upper case, PCCS implementations sometimes in lower case. */
export function bytesAt(value: unknown, what: string, length: number): Uint8Array {
  const bytes =
    typeof value === 'string' && value.length === 2 * length ? fromHex(value.toLowerCase()) : null
  if (bytes === null) throw new UnreadableCollateral(`${what} is not ${length} bytes of hex`)
  return bytes
}

/** Unix seconds. */
export function instantAt(value: unknown, what: string): number {
  const milliseconds =
    typeof value === 'string' && INSTANT.test(value) ? Date.parse(value) : Number.NaN
  // Date.parse rolls 31 February over in some engines: only what prints back as it came is an instant.
  if (
    Number.isNaN(milliseconds) ||
    new Date(milliseconds).toISOString() !== String(value).replace('Z', '.000Z')
  ) {
    throw new UnreadableCollateral(`${what} is no time in UTC`)
  }
  return milliseconds / 1000
}

export function statusAt(value: unknown, what: string, allowed: readonly TcbStatus[]): TcbStatus {
  if (!isTcbStatus(value) || !allowed.includes(value)) {
    throw new UnreadableCollateral(`${what} is no status of its kind`)
  }
  return value
}

/** Absent where there are none. */
export function advisoriesAt(value: unknown, what: string): readonly string[] {
  if (value === undefined) return []
  return listAt(value, what).map((item) => {
    if (typeof item !== 'string' || !ADVISORY.test(item)) {
      throw new UnreadableCollateral(`${what} has an entry of another form`)
    }
    return item
  })
}
