/**
 * One part of a policy, read strictly: copied once, frozen throughout, unknown members refused, defaults for the others.
 *
 * @module
 */
import { isJsonObject } from '../protocol/json.ts'
import { snapshot } from './plain-data.ts'

/** Entries of one list. */
export const MAX_PART_ENTRIES = 1024

export type Reader = (value: unknown) => boolean

export const isBoolean: Reader = (value) => typeof value === 'boolean'
/** A whole number that is not negative. */
export const isCount: Reader = (value) => Number.isSafeInteger(value) && Number(value) >= 0
/** Lower-case hex of so many bytes. */
export const isHex =
  (bytes: number): Reader =>
  (value) =>
    typeof value === 'string' && value.length === 2 * bytes && /^[0-9a-f]*$/.test(value)
export const isText =
  (form: RegExp): Reader =>
  (value) =>
    typeof value === 'string' && form.test(value)
export const isListOf =
  (item: Reader): Reader =>
  (value) =>
    Array.isArray(value) && value.length <= MAX_PART_ENTRIES && value.every(item)
export const isNullOr =
  (reader: Reader): Reader =>
  (value) =>
    value === null || reader(value)

export type PartResult<T> =
  { readonly ok: true; readonly policy: T } | { readonly ok: false; readonly detail: string }

export interface PolicyPart<T> {
  /** Members that are not given have their default. */
  read(this: void, value: unknown): PartResult<T>
  /**
   * The policy that a verb judges by: read now where it was not read before.
   *
   * @throws TypeError for one that `read` refuses
   */
  require(this: void, value: unknown): T
}

/**
 * @param name of the part, for details
 * @param defaults frozen throughout
 */
export function createPolicyPart<T extends object>(
  name: string,
  defaults: T,
  readers: Readonly<Record<keyof T, Reader>>,
): PolicyPart<T> {
  /** Policies that were read here and are frozen throughout: they need not be read again. */
  const known = new WeakSet<object>([defaults])
  const isMember = (member: string): member is keyof T & string => Object.hasOwn(readers, member)
  const isKnown = (value: unknown): value is T =>
    typeof value === 'object' && value !== null && known.has(value)

  function read(value: unknown): PartResult<T> {
    const copied = snapshot(value, name)
    if (!copied.ok) return copied
    if (!isJsonObject(copied.value)) return { ok: false, detail: `${name} is not an object` }
    for (const [member, given] of Object.entries(copied.value)) {
      if (!isMember(member)) {
        return { ok: false, detail: `unknown member ${name}.${member.slice(0, 64)}` }
      }
      if (!readers[member](given)) {
        return { ok: false, detail: `${name}.${member} is malformed` }
      }
    }
    const policy = Object.freeze({ ...defaults, ...copied.value })
    known.add(policy)
    return { ok: true, policy }
  }

  return {
    read,
    require: (value) => {
      if (isKnown(value)) return value
      const result = read(value)
      if (!result.ok) throw new TypeError(`policy: ${result.detail}`)
      return result.policy
    },
  }
}
