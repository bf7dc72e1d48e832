/**
 * Reads text deltas without parsing them. The events of a stream differ, as a rule, in one text alone: where all other
 * bytes are those of an event that was parsed, parsing could only give the same event with the other text.
 *
 * @module
 */
import { MAX_CHOICES, isTextMember } from '../../attestation/protocol/chat-content.ts'
import type { TextMember } from '../../attestation/protocol/chat-content.ts'
import { isIndex } from '../../attestation/protocol/content.ts'
import { isJsonObject } from '../../attestation/protocol/json.ts'

/** Longest event that becomes a template: one is kept for each stream. */
const MAX_TEMPLATE_BYTES = 4096

export interface DeltaTemplate {
  readonly index: number
  readonly member: TextMember
  /** All bytes before the text and all after it, one character each (latin1). */
  readonly before: string
  readonly after: string
}

/**
 * The template of an event, or null where it has more than a text to say.
 *
 * Its delta must hold one text and nothing else, and the finish reason must not be given: such an event changes nothing but
 * that text when it comes a second time. A backslash anywhere could spell a member's name in another way, so that the place
 * of the text would be in doubt.
 *
 * @param text the event's bytes, one character each (latin1)
 * @param event what they were parsed to
 */
export function deltaTemplate(text: string, event: unknown): DeltaTemplate | null {
  if (text.length > MAX_TEMPLATE_BYTES || !isJsonObject(event)) return null
  const choices = event['choices']
  if (!Array.isArray(choices) || choices.length !== 1) return null
  const choice: unknown = choices[0]
  if (!isJsonObject(choice) || !isIndex(choice['index'], MAX_CHOICES)) return null
  if ((choice['finish_reason'] ?? null) !== null || !isJsonObject(choice['delta'])) return null
  const { delta } = choice
  const names = Object.keys(delta)
  const member = names[0]
  if (names.length !== 1 || member === undefined || !isTextMember(member)) return null
  if (typeof delta[member] !== 'string' || text.includes('\\')) return null
  const name = `"${member}"`
  const key = text.indexOf(name)
  // Once in the whole event, so that this is the name of that very member; `"name":"` as all servers write it.
  if (key === -1 || text.includes(name, key + 1)) return null
  const start = key + name.length + 2
  if (text[start - 2] !== ':' || text[start - 1] !== '"') return null
  const end = text.indexOf('"', start)
  return {
    index: choice['index'],
    member,
    before: text.slice(0, start),
    after: text.slice(end),
  }
}

/** What a JSON string cannot hold as it is, or what would end it: RFC 8259 §7. */
const SPECIAL = /["\\\u0000-\u001f]/
const BEYOND_ASCII = /[\u0080-\u00ff]/

/**
 * The text of the event in `[start, end)` of `all`, where it is one of the template's.
 *
 * @param bytes the bytes behind `all`, which has one character for each (latin1)
 * @returns null where the event has to be parsed
 */
export function readDelta(
  template: DeltaTemplate,
  all: string,
  bytes: Buffer,
  start: number,
  end: number,
): string | null {
  const { before, after } = template
  const from = start + before.length
  const to = end - after.length
  if (from > to || !all.startsWith(before, start) || !all.startsWith(after, to)) return null
  const text = all.slice(from, to)
  if (SPECIAL.test(text)) return null
  return BEYOND_ASCII.test(text) ? bytes.toString('utf8', from, to) : text
}
