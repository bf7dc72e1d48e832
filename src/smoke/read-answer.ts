/**
 * What probes read out of answers of `POST /chat/completions`.
 *
 * @module
 */
import { isJsonObject, parseJsonText } from '../../attestation/protocol/json.ts'
import type { JsonObject, JsonValue } from '../../attestation/protocol/json.ts'
import { fromUtf8 } from '../../attestation/protocol/utf8.ts'
import type { SmokeCode } from './smoke-codes.ts'

export interface ToolCall {
  readonly id: string
  readonly name: string
  readonly args: string
}

export interface ReadAnswer {
  readonly role: string | null
  readonly content: string
  readonly reasoning: string
  readonly finish: string | null
  readonly toolCalls: readonly ToolCall[]
  readonly usage: JsonObject | null
}

export type Reading =
  | { readonly ok: true; readonly answer: ReadAnswer }
  | { readonly ok: false; readonly code: SmokeCode; readonly seen: string }

function textOf(value: JsonValue | undefined): string {
  return typeof value === 'string' ? value : ''
}

function objectOf(value: JsonValue | undefined): JsonObject | null {
  return isJsonObject(value) ? value : null
}

function firstOf(value: JsonValue | undefined): JsonObject | null {
  return Array.isArray(value) ? objectOf((value as readonly JsonValue[])[0]) : null
}

function callsOf(value: JsonValue | undefined): readonly JsonObject[] {
  return Array.isArray(value) ? (value as readonly JsonValue[]).filter(isJsonObject) : []
}

function reasoningOf(part: JsonObject): string {
  return textOf(part['reasoning']) || textOf(part['reasoning_content'])
}

/** A whole answer. */
export function readCompletion(body: JsonObject | null): Reading {
  const choice = firstOf(body?.['choices'])
  const message = objectOf(choice?.['message'])
  if (body === null || choice === null || message === null) {
    return { ok: false, code: 'answer_malformed', seen: 'no choices[0].message' }
  }
  const finish = choice['finish_reason']
  return {
    ok: true,
    answer: {
      role: typeof message['role'] === 'string' ? message['role'] : null,
      content: textOf(message['content']),
      reasoning: reasoningOf(message),
      finish: typeof finish === 'string' ? finish : null,
      toolCalls: callsOf(message['tool_calls']).map((call) => {
        const called = objectOf(call['function'])
        return {
          id: textOf(call['id']),
          name: textOf(called?.['name']),
          args: textOf(called?.['arguments']),
        }
      }),
      usage: objectOf(body['usage']),
    },
  }
}

type Events =
  | { readonly ok: true; readonly events: readonly JsonObject[] }
  | { readonly ok: false; readonly code: SmokeCode; readonly seen: string }

/** Blocks of one `data: ` line each, comments aside, the last of them `[DONE]`. */
function readEvents(bytes: Uint8Array): Events {
  const malformed = (seen: string): Events => ({ ok: false, code: 'stream_malformed', seen })
  const text = fromUtf8(bytes)
  if (text === null) return malformed('not UTF-8')
  if (!text.endsWith('\n\n')) return malformed('does not end with an empty line')
  const events: JsonObject[] = []
  let done = false
  for (const [index, block] of text.slice(0, -2).split('\n\n').entries()) {
    const lines = block.split('\n').filter((line) => !line.startsWith(':'))
    const [line] = lines
    if (line === undefined) continue
    if (lines.length > 1 || !line.startsWith('data: ')) return malformed(`event ${index}`)
    if (done) return malformed('events after [DONE]')
    const data = line.slice('data: '.length)
    if (data === '[DONE]') {
      done = true
      continue
    }
    const parsed = parseJsonText(data)
    if (!parsed.ok || !isJsonObject(parsed.value))
      return malformed(`event ${index} is no JSON object`)
    events.push(parsed.value)
  }
  return done ? { ok: true, events } : { ok: false, code: 'stream_unfinished', seen: 'no [DONE]' }
}

/** A stream, its deltas put together. */
export function readStream(bytes: Uint8Array): Reading {
  const read = readEvents(bytes)
  if (!read.ok) return read
  let role: string | null = null
  let first = true
  let content = ''
  let reasoning = ''
  let finish: string | null = null
  let usage: JsonObject | null = null
  const calls = new Map<number, { id: string; name: string; args: string }>()
  for (const event of read.events) {
    usage = objectOf(event['usage']) ?? usage
    const choice = firstOf(event['choices'])
    const delta = objectOf(choice?.['delta'])
    if (choice === null || delta === null) continue
    if (first && typeof delta['role'] === 'string') role = delta['role']
    first = false
    content += textOf(delta['content'])
    reasoning += reasoningOf(delta)
    if (typeof choice['finish_reason'] === 'string') finish = choice['finish_reason']
    for (const piece of callsOf(delta['tool_calls'])) {
      const index = typeof piece['index'] === 'number' ? piece['index'] : 0
      const call = calls.get(index) ?? { id: '', name: '', args: '' }
      const called = objectOf(piece['function'])
      call.id ||= textOf(piece['id'])
      call.name += textOf(called?.['name'])
      call.args += textOf(called?.['arguments'])
      calls.set(index, call)
    }
  }
  const toolCalls = [...calls.values()]
  return { ok: true, answer: { role, content, reasoning, finish, toolCalls, usage } }
}
