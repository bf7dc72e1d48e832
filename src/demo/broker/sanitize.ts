/**
 * The answer as 0G's broker hands it on (0gfoundation/0g-serving-broker, `api/inference/internal/ctrl/sanitize.go`,
 * read 2026): what could name an upstream aggregator is removed, the id is replaced, and what was touched is encoded
 * anew with sorted members. What was not touched keeps its bytes.
 *
 * @module
 */
import {
  decodeGoJson,
  encodeGoJson,
  NumberLiteral,
  toGoValue,
  type GoObject,
  type GoValue,
} from './go-json.ts'
import { stripMembers, tamperAnswer, type BrokerHostility } from './hostility.ts'

const LEAKS: ReadonlySet<string> = new Set([
  'provider',
  'is_byok',
  'cost',
  'cost_details',
  'native_finish_reason',
  'reasoning_details',
])
const LEAKS_WHEN_ZERO: ReadonlySet<string> = new Set([
  'audio_tokens',
  'video_tokens',
  'image_tokens',
  'cache_write_tokens',
])
/** Payload of the user and of its tools: never looked into. */
const OPAQUE: ReadonlySet<string> = new Set(['content', 'arguments'])

const CLAMPS = [
  ['completion_tokens', 'completion_tokens_details', 'reasoning_tokens'],
  ['output_tokens', 'output_tokens_details', 'thinking_tokens'],
] as const

function numberOf(value: GoValue | undefined): number | null {
  return value instanceof NumberLiteral ? Number(value.text) : null
}

function stripLeaks(value: GoValue): boolean {
  if (Array.isArray(value)) return value.map(stripLeaks).includes(true)
  if (!(value instanceof Map)) return false
  let changed = false
  for (const [name, member] of value) {
    if (LEAKS.has(name) || (LEAKS_WHEN_ZERO.has(name) && numberOf(member) === 0)) {
      value.delete(name)
      changed = true
    } else if (!OPAQUE.has(name) && stripLeaks(member)) {
      changed = true
    }
  }
  return changed
}

/** A part of the tokens is never reported larger than their total. */
function clampReasoningTokens(body: GoObject): boolean {
  const usage = body.get('usage')
  if (!(usage instanceof Map)) return false
  let changed = false
  for (const [totalName, detailsName, partName] of CLAMPS) {
    const details = usage.get(detailsName)
    const total = numberOf(usage.get(totalName))
    if (total === null || !(details instanceof Map)) continue
    const part = numberOf(details.get(partName))
    if (part === null || part <= total) continue
    details.set(partName, new NumberLiteral(String(Math.trunc(total))))
    changed = true
  }
  return changed
}

/** One answer, whole or streamed; `started` remembers across the events of a stream what was already replaced. */
export interface SanitizeContext {
  /** What the answer's top-level `id` becomes; null on the read-only routes, where ids stay. */
  readonly newId: string | null
  readonly hostile: BrokerHostility
  readonly started: Set<string>
}

/**
 * @param body one JSON text
 * @returns the text for the client, the same object when nothing had to change or the text is no JSON object
 */
export function sanitizeJson(body: Buffer, context: SanitizeContext): Buffer {
  const value = decodeGoJson(body, 'literal')
  if (!(value instanceof Map)) return body
  const { hostile, newId } = context
  let changed = stripLeaks(value)
  if (clampReasoningTokens(value)) changed = true
  if (newId !== null && value.has('id')) {
    value.set('id', newId)
    changed = true
  }
  if (hostile.stripBodyMembers !== undefined && stripMembers(value, hostile.stripBodyMembers)) {
    changed = true
  }
  if (newId !== null) {
    if (tamperAnswer(value, hostile, context.started)) changed = true
  } else {
    for (const [name, member] of Object.entries(hostile.changeReads ?? {})) {
      value.set(name, toGoValue(member))
      changed = true
    }
    if (hostile.reencodeReads === true) changed = true
  }
  if (!changed) return body
  return Buffer.from(encodeGoJson(value, { escapeHtml: false }))
}

/**
 * One line of an event stream, its line feed included.
 *
 * @returns the line for the client, or null for a comment, which the broker drops (its blank line stays)
 */
export function sanitizeLine(line: Buffer, context: SanitizeContext): Buffer | null {
  const text = line.toString('utf8').trim()
  if (text === '') return line
  if (text.startsWith(':')) return null
  if (!text.startsWith('data:')) return line
  const payload = text.slice('data:'.length).trim()
  if (!payload.startsWith('{')) return line
  const before = Buffer.from(payload)
  const after = sanitizeJson(before, context)
  return after === before ? line : Buffer.concat([Buffer.from('data: '), after, Buffer.from('\n')])
}
