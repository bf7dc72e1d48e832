/**
 * Whether characters at which some readers end a line stand in nothing but what the model said.
 *
 * WHATWG HTML §9.2.6 ends lines at CR and LF alone. Python's `str.splitlines` also does at U+0085, U+2028 and U+2029, and readers built on it
 * (httpx `iter_lines` up to 0.28.1, httpx-sse 0.4.0) with it. JSON lets these three stand in a text as they are, so an `id` could hold
 * an `event: message_stop` or a `data: [DONE]` of an intermediary's own. In the model's words they are the model's.
 *
 * @module
 */
import { isJsonObject } from '../../attestation/protocol/json.ts'
import type { Member } from './answer-members.ts'

const BREAK = /[\u0085\u2028\u2029]/

/** @param value one event that came with such a character in it, escaped or not */
export function hasPlainBreaks(value: unknown, of: Member): boolean {
  if (of === 'said') return true
  if (typeof value === 'string') return !BREAK.test(value)
  if (Array.isArray(value)) return value.every((entry) => hasPlainBreaks(entry, of))
  if (!isJsonObject(value)) return true
  return Object.entries(value).every(([name, member]) => {
    const within = of === 'other' ? undefined : of.named.get(name)
    return !BREAK.test(name) && hasPlainBreaks(member, within ?? 'other')
  })
}

/** @param text of a data line */
export function hasBreak(text: string): boolean {
  return BREAK.test(text)
}
