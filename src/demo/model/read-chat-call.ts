/**
 * From the bytes of a chat request to what the generator needs, or to the error vLLM would answer with.
 *
 * Only the members that the demo model acts on are checked (check-chat-request.ts); all others are accepted, as vLLM
 * accepts unknown ones.
 *
 * @module
 */
import { createHash, randomInt } from 'node:crypto'
import type { JsonObject, JsonValue } from '../../../attestation/protocol/json.ts'
import { isJsonObject } from '../../../attestation/protocol/json.ts'
import type { DemoError } from './error-body.ts'
import { checkChatRequest, tooLong } from './check-chat-request.ts'
import { badShape, UNREACHABLE_MEDIA } from './error-body.ts'
import { functionName, integer, list } from './members.ts'
import { DEMO_MAX_MODEL_LEN } from './wire.ts'

/** Length that `[[tokens=N]]` may ask for. */
export const MAX_ASKED_TOKENS = 16_384
/** `seed` is drawn below this when the request names none. */
const SEED_BOUND = 2 ** 47

export interface DemoTool {
  readonly name: string
  readonly parameters: JsonObject
}

export type ToolChoice =
  | { readonly kind: 'none' | 'auto' | 'required' }
  | { readonly kind: 'named'; readonly name: string }

/** A valid request. `seed` is the hex digest that all generated text depends on. */
export interface ChatCall {
  readonly seed: string
  readonly n: number
  readonly maxTokens: number
  readonly stop: readonly string[]
  readonly stream: boolean
  readonly includeUsage: boolean
  readonly continuousUsage: boolean
  readonly logprobs: boolean
  readonly topLogprobs: number
  readonly tools: readonly DemoTool[]
  readonly toolChoice: ToolChoice
  readonly parallelToolCalls: boolean
  readonly includeReasoning: boolean
  readonly promptTokens: number
  readonly markers: Markers
}

/** What the text of the last user message asks for. */
export interface Markers {
  /** Tool calls to make when the request has tools: `[[tool]]` one, `[[tools]]` two. */
  readonly toolCalls: 0 | 1 | 2
  /** `[[reasoning]]` */
  readonly reasoning: boolean
  /** `[[abort]]`: the engine aborts half way. */
  readonly abort: boolean
  /** `[[error]]`: the engine fails half way. */
  readonly error: boolean
  /** `[[tokens=N]]`: exactly N content tokens. */
  readonly tokens: number | null
}

export type ChatCallResult =
  { readonly ok: true; readonly call: ChatCall } | { readonly ok: false; readonly error: DemoError }

/** Reads and checks a chat request for a server that serves `models`. */
export function readChatCall(body: Buffer, models: readonly string[]): ChatCallResult {
  const parsed = parseBody(body)
  if ('error' in parsed) return { ok: false, error: parsed.error }
  const { request } = parsed
  const error = checkChatRequest(request, models)
  if (error !== null) return { ok: false, error }
  const messages = list(request['messages'])
  const parts = messages.flatMap((message) =>
    isJsonObject(message) ? list(message['content']) : [],
  )
  if (parts.some((part) => isJsonObject(part) && part['image_url'] !== undefined)) {
    return { ok: false, error: UNREACHABLE_MEDIA }
  }
  const promptTokens = countPromptTokens(messages)
  const asked = integer(request['max_completion_tokens']) ?? integer(request['max_tokens'])
  if (promptTokens + (asked ?? 1) > DEMO_MAX_MODEL_LEN) {
    return { ok: false, error: tooLong(promptTokens, asked ?? 1) }
  }
  const maxTokens = asked ?? DEMO_MAX_MODEL_LEN - promptTokens
  return { ok: true, call: toCall(request, messages, promptTokens, maxTokens) }
}

function parseBody(body: Buffer): { readonly request: JsonObject } | { readonly error: DemoError } {
  let value: unknown
  try {
    value = JSON.parse(body.toString('utf8'))
  } catch (error) {
    const position = /position (\d+)/.exec(String(error))?.[1] ?? '0'
    return {
      error: badShape(
        'json_invalid',
        `body.${position}`,
        'JSON decode error',
        {},
        'Expecting value',
      ),
    }
  }
  if (isJsonObject(value)) return { request: value }
  const msg = 'Input should be a valid dictionary or object to extract fields from'
  return { error: badShape('model_attributes_type', 'body', msg, Array.isArray(value) ? [] : null) }
}

function toCall(
  request: JsonObject,
  messages: readonly JsonValue[],
  promptTokens: number,
  maxTokens: number,
): ChatCall {
  const options = isJsonObject(request['stream_options']) ? request['stream_options'] : {}
  const includeUsage = options['include_usage'] === true
  const stop = request['stop']
  const effort = request['reasoning_effort']
  const markers = readMarkers(lastUserText(messages))
  return {
    seed: seedOf(request, messages),
    n: integer(request['n']) ?? 1,
    maxTokens,
    stop: (typeof stop === 'string' ? [stop] : list(stop))
      .filter((entry) => typeof entry === 'string')
      .filter((entry) => entry !== ''),
    stream: request['stream'] === true,
    includeUsage,
    // should_include_usage: continuous statistics only come together with the usage chunk.
    continuousUsage: includeUsage && options['continuous_usage_stats'] === true,
    logprobs: request['logprobs'] === true,
    topLogprobs: integer(request['top_logprobs']) ?? 0,
    tools: list(request['tools']).map(toTool),
    toolChoice: toToolChoice(request),
    parallelToolCalls: request['parallel_tool_calls'] !== false,
    includeReasoning: request['include_reasoning'] !== false,
    promptTokens,
    markers: {
      ...markers,
      reasoning: markers.reasoning || (typeof effort === 'string' && effort !== 'none'),
    },
  }
}

/** One seed for equal requests that name a `seed` or are greedy (`temperature` 0); a fresh one otherwise. */
function seedOf(request: JsonObject, messages: readonly JsonValue[]): string {
  const named = integer(request['seed']) ?? (request['temperature'] === 0 ? 0 : null)
  const seed = named ?? randomInt(SEED_BOUND)
  return createHash('sha256')
    .update(`${String(seed)}\0${JSON.stringify(messages)}`)
    .digest('hex')
}

function toTool(tool: JsonValue): DemoTool {
  const declared = isJsonObject(tool) ? tool['function'] : undefined
  const parameters = isJsonObject(declared) ? declared['parameters'] : undefined
  return { name: functionName(tool), parameters: isJsonObject(parameters) ? parameters : {} }
}

function toToolChoice(request: JsonObject): ToolChoice {
  const choice = request['tool_choice']
  if (isJsonObject(choice)) return { kind: 'named', name: functionName(choice) }
  if (choice === 'auto' || choice === 'required' || choice === 'none') return { kind: choice }
  return { kind: choice === undefined && list(request['tools']).length > 0 ? 'auto' : 'none' }
}

function readMarkers(message: string): Markers {
  const tokens = /\[\[tokens=(\d{1,5})\]\]/.exec(message)?.[1]
  return {
    toolCalls: message.includes('[[tools]]') ? 2 : message.includes('[[tool]]') ? 1 : 0,
    reasoning: message.includes('[[reasoning]]'),
    abort: message.includes('[[abort]]'),
    error: message.includes('[[error]]'),
    tokens: tokens === undefined ? null : Math.min(Number(tokens), MAX_ASKED_TOKENS),
  }
}

function lastUserText(messages: readonly JsonValue[]): string {
  const last = messages.findLast((message) => isJsonObject(message) && message['role'] === 'user')
  const content = isJsonObject(last) ? last['content'] : undefined
  if (typeof content === 'string') return content
  return list(content)
    .map((part) => (isJsonObject(part) && typeof part['text'] === 'string' ? part['text'] : ''))
    .join('')
}

/** A plausible count: about four bytes a token and a few for the template around each message. */
function countPromptTokens(messages: readonly JsonValue[]): number {
  return messages.reduce<number>(
    (sum, message) => sum + 4 + Math.ceil(Buffer.byteLength(JSON.stringify(message)) / 4),
    3,
  )
}
