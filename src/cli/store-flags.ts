/**
 * The store and the log as the flags of `serve` name them: where receipts are kept, where replicas find them, how long, and the name by which
 * verifiers remember the log. A measured compose text says all of it in flags.
 *
 * @module
 */
import { resolve } from 'node:path'
import { isJsonObject } from '../../attestation/protocol/json.ts'
import type { JsonObject } from '../../attestation/protocol/json.ts'
import { Refusal } from './refusal.ts'

export interface StoreFlags {
  readonly store?: string
  /** `group` or `async`. */
  readonly storeDurability?: string
  readonly storeDays?: string
  readonly sharedStore?: string
  readonly sharedStoreCa?: string
}

export interface LogFlags {
  readonly logName?: string
  /** Milliseconds. */
  readonly logInterval?: string
}

function membersOf(value: unknown): JsonObject {
  return isJsonObject(value) ? value : {}
}

/** What was given, under the name that the configuration file has for it. */
function given(members: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined))
}

/** NaN, which the schema refuses by the member's name, for what is no number. */
function numberOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN
}

/**
 * @param file the member `store` of the configuration file
 * @returns the member with the flags on top; nothing where there are none
 * @throws Refusal for flags about a store that no flag and no file names
 */
export function storeMember(flags: StoreFlags, file: unknown): { readonly store?: object } {
  const { store, storeDurability, storeDays, sharedStore, sharedStoreCa } = flags
  const about = {
    '--store-durability': storeDurability,
    '--store-days': storeDays,
    '--shared-store': sharedStore,
    '--shared-store-ca': sharedStoreCa,
  }
  const [first] = Object.keys(given(about))
  if (store === undefined && first === undefined) return {}
  const members = membersOf(file)
  if (store === undefined && members['path'] === undefined) {
    throw new Refusal(
      `${first ?? ''} stands beside --store, the folder on this machine's own disk (store.path in a file).`,
    )
  }
  const nested = (name: string, flagged: Readonly<Record<string, unknown>>) =>
    Object.keys(flagged).length === 0 ? {} : { [name]: { ...membersOf(members[name]), ...flagged } }
  return {
    store: {
      ...members,
      ...given({
        path: store === undefined ? undefined : resolve(store),
        durability: storeDurability,
      }),
      ...nested('retention', given({ days: numberOf(storeDays) })),
      ...nested(
        'shared',
        given({
          url: sharedStore,
          ca: sharedStoreCa === undefined ? undefined : resolve(sharedStoreCa),
        }),
      ),
    },
  }
}

/**
 * @param file the member `log` of the configuration file
 * @returns the member with the flags on top; nothing where there are none
 */
export function logMember(
  { logName, logInterval }: LogFlags,
  file: unknown,
): { readonly log?: object } {
  const flagged = given({ name: logName, interval_ms: numberOf(logInterval) })
  return Object.keys(flagged).length === 0 ? {} : { log: { ...membersOf(file), ...flagged } }
}
