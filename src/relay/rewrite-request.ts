/**
 * The changes that are made to a request on its way to the model server, none of them unless it is asked for: ACI's
 * constraints by the client, the others by the attested configuration. Each that was made is named in the record, beside
 * the hashes of the body as it was received and as it was forwarded.
 *
 * @module
 */
import { isJsonObject } from '../../attestation/protocol/json.ts'
import type { JsonObject, JsonValue } from '../../attestation/protocol/json.ts'
import type { RewriteName } from '../../attestation/protocol/record.ts'
import {
  applyEdits,
  documentStart,
  elementSpans,
  findMember,
  memberSpans,
  removal,
} from './json-spans.ts'
import type { Edit } from './json-spans.ts'

/** What the configuration asks for. */
export interface RequestRewrites {
  /**
   * Takes `"tool_calls": []` out of messages. Clients send it for an assistant's message without calls, and vLLM before its
   * PR 14054, as some chat templates still do, fails on it; the sidecars of the vllm-proxy family do the same.
   */
  readonly stripEmptyToolCalls: boolean
  /** Sets `stream_options.include_usage` on streams, so that each ends with what it cost. */
  readonly includeUsage: boolean
}

export const NO_REWRITES: RequestRewrites = Object.freeze({
  stripEmptyToolCalls: false,
  includeUsage: false,
})

export interface RewriteOptions {
  readonly endpoint: string
  readonly rewrites: RequestRewrites
  /** The client put constraints for the service itself into `provider`. */
  readonly constraints: boolean
}

export interface Rewritten {
  readonly bytes: Buffer
  /** Sorted; empty where the bytes are those received. */
  readonly applied: readonly RewriteName[]
}

const CHAT = '/v1/chat/completions'
/** The routes whose streams take `stream_options`. */
const WITH_STREAM_OPTIONS: ReadonlySet<string> = new Set([CHAT, '/v1/completions'])

const isEmptyArray = (value: JsonValue | undefined) => Array.isArray(value) && value.length === 0

function hasEmptyToolCalls(request: JsonObject): boolean {
  const { messages } = request
  return (
    Array.isArray(messages) &&
    messages.some((message) => isJsonObject(message) && isEmptyArray(message['tool_calls']))
  )
}

function stripEmptyToolCalls(bytes: Buffer, start: number, request: JsonObject): Edit[] {
  const { messages } = request
  const member = findMember(bytes, start, 'messages')
  if (member === null || !Array.isArray(messages)) return []
  const edits: Edit[] = []
  let index = 0
  for (const element of elementSpans(bytes, member.value.from)) {
    const message = (messages as readonly JsonValue[])[index++]
    if (!isJsonObject(message) || !isEmptyArray(message['tool_calls'])) continue
    const calls = findMember(bytes, element.from, 'tool_calls')
    if (calls !== null) edits.push(removal(calls))
  }
  return edits
}

/** What is not an object there is left for the model server to refuse. */
function includeUsage(bytes: Buffer, start: number, request: JsonObject): Edit[] {
  const options = request['stream_options']
  if (options === undefined) {
    // The body asks for a stream, so there is a member for the comma to stand before.
    const at = start + 1
    return [{ from: at, to: at, text: '"stream_options":{"include_usage":true},' }]
  }
  const member = findMember(bytes, start, 'stream_options')
  if (member === null) return []
  if (options === null) return [{ ...member.value, text: '{"include_usage":true}' }]
  if (!isJsonObject(options) || options['include_usage'] === true) return []
  const inside = findMember(bytes, member.value.from, 'include_usage')
  if (inside !== null) return [{ ...inside.value, text: 'true' }]
  const at = member.value.from + 1
  const comma = memberSpans(bytes, member.value.from).next().done === true ? '' : ','
  return [{ from: at, to: at, text: `"include_usage":true${comma}` }]
}

/** @param bytes the text of `request`, as a strict parse accepted it */
export function rewriteRequest(
  bytes: Buffer,
  request: JsonObject,
  options: RewriteOptions,
): Rewritten {
  const { endpoint, rewrites } = options
  const start = documentStart(bytes)
  const edits: Edit[] = []
  const applied: RewriteName[] = []
  const add = (name: RewriteName, more: readonly Edit[]) => {
    if (more.length === 0) return
    edits.push(...more)
    applied.push(name)
  }
  if (options.constraints) {
    const provider = findMember(bytes, start, 'provider')
    add('aci_constraints', provider === null ? [] : [removal(provider)])
  }
  if (rewrites.includeUsage && request['stream'] === true && WITH_STREAM_OPTIONS.has(endpoint)) {
    add('include_usage', includeUsage(bytes, start, request))
  }
  if (rewrites.stripEmptyToolCalls && endpoint === CHAT && hasEmptyToolCalls(request)) {
    add('strip_empty_tool_calls', stripEmptyToolCalls(bytes, start, request))
  }
  return edits.length === 0 ? { bytes, applied } : { bytes: applyEdits(bytes, edits), applied }
}
