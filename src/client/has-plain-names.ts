/**
 * Whether no two names of an answer's members are one name for a reader.
 *
 * Go's `encoding/json` takes `Choices` for `choices`, and the last of both: `"Choices":null` behind the choices empties the answer for
 * its readers, and the content digest does not speak of members that are null. Model servers write no such names. Free-form objects (a
 * tool's input) may have any.
 *
 * @module
 */
import { isJsonObject } from '../../attestation/protocol/json.ts'
import type { JsonObject } from '../../attestation/protocol/json.ts'
import { foldName } from './answer-members.ts'
import type { Member, Members } from './answer-members.ts'

function areNamesPlain(object: JsonObject, { named, folded }: Members): boolean {
  // Made when there is an unknown name: most events have none.
  let seen: Set<string> | null = null
  for (const name in object) {
    if (named.has(name)) continue
    const fold = foldName(name)
    // Also where the member it looks like is absent: a reader would find it.
    if (folded.has(fold) || seen?.has(fold) === true) return false
    seen = (seen ?? new Set<string>()).add(fold)
  }
  return true
}

/** @param value one event, or one buffered answer; of other values than objects and lists of them nothing is said */
export function hasPlainNames(value: unknown, of: Member): boolean {
  if (of === 'said' || of === 'other') return true
  if (Array.isArray(value)) return value.every((entry) => hasPlainNames(entry, of))
  if (!isJsonObject(value)) return true
  if (!areNamesPlain(value, of)) return false
  for (const [name, member] of of.named) {
    if (Object.hasOwn(value, name) && !hasPlainNames(value[name], member)) return false
  }
  return true
}
