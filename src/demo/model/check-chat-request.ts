/**
 * What vLLM refuses in a chat request, in vLLM's order (vllm/entrypoints/openai/chat_completion/protocol.py @002032ee):
 * the validators that run before pydantic, pydantic's types, then the model name and the sampling parameters.
 *
 * @module
 */
import type { JsonObject } from '../../../attestation/protocol/json.ts'
import { isJsonObject } from '../../../attestation/protocol/json.ts'
import type { DemoError } from './error-body.ts'
import { badParameter, badShape, unknownModel } from './error-body.ts'
import { functionName, integer, isList, isTruthy, list } from './members.ts'
import { DEMO_MAX_MODEL_LEN } from './wire.ts'

/** Choices the demo model generates for one request; vLLM allows 16,384. */
export const MAX_DEMO_CHOICES = 128
/** vLLM's default for `--max-logprobs`. */
export const MAX_TOP_LOGPROBS = 20
/** The first fault of a request to a server that serves `models`, or null. */
export function checkChatRequest(request: JsonObject, models: readonly string[]): DemoError | null {
  return (
    checkCombinations(request) ??
    checkTypes(request) ??
    checkModel(request, models) ??
    checkSampling(request)
  )
}

/** The `mode="before"` validators: combinations that no single type can express. */
function checkCombinations(request: JsonObject): DemoError | null {
  const { stream_options: streamOptions, stream, tools, tool_choice: choice } = request
  if (isTruthy(streamOptions) && !isTruthy(stream)) {
    const message = 'Stream options can only be defined when `stream=True`.'
    return badParameter(message, 'stream_options')
  }
  const top = request['top_logprobs']
  if (top !== undefined && top !== null) {
    if (typeof top !== 'number') {
      return badParameter('`top_logprobs` must be an integer.', 'top_logprobs')
    }
    if (top < 0) {
      return badParameter('`top_logprobs` must be a positive value or -1.', 'top_logprobs', top)
    }
    if (top > 0 && !isTruthy(request['logprobs'])) {
      const message = 'when using `top_logprobs`, `logprobs` must be set to true.'
      return badParameter(message, 'top_logprobs')
    }
  }
  if (isList(tools) && tools.length === 0) {
    const message =
      '`tools` must not be an empty array. Either provide at least one tool or omit the field entirely.'
    return badParameter(message, 'tools')
  }
  if (choice === undefined || choice === null || choice === 'none') return null
  if (tools === undefined || tools === null) {
    return badParameter('When using `tool_choice`, `tools` must be set.', 'tool_choice')
  }
  if (choice === 'auto' || choice === 'required') return null
  if (!isJsonObject(choice)) {
    const message = `Invalid value for \`tool_choice\`: ${JSON.stringify(choice)}! Only named tools, "none", "auto" or "required" are supported.`
    return badParameter(message, 'tool_choice')
  }
  const name = functionName(choice)
  if (list(tools).some((tool) => name !== '' && functionName(tool) === name)) return null
  const message = 'The tool specified in `tool_choice` does not match any of the specified `tools`'
  return badParameter(message, 'tool_choice')
}

/** Pydantic's types, for the members that are read below. */
function checkTypes(request: JsonObject): DemoError | null {
  const messages = request['messages']
  if (messages === undefined) {
    return badShape('missing', 'body.messages', 'Field required', request)
  }
  if (!isList(messages)) {
    return badShape('list_type', 'body.messages', 'Input should be a valid list', messages)
  }
  const odd = messages.findIndex((message) => !isJsonObject(message))
  if (odd !== -1) {
    const msg = 'Input should be a valid dictionary'
    return badShape('dict_type', `body.messages.${String(odd)}`, msg, list(messages)[odd])
  }
  const model = request['model']
  if (model !== undefined && model !== null && typeof model !== 'string') {
    return badShape('string_type', 'body.model', 'Input should be a valid string', model)
  }
  for (const name of ['max_tokens', 'max_completion_tokens', 'n', 'seed']) {
    const value = request[name]
    if (value !== undefined && value !== null && !Number.isInteger(value)) {
      return badShape('int_type', `body.${name}`, 'Input should be a valid integer', value)
    }
  }
  for (const name of ['stream', 'logprobs', 'parallel_tool_calls']) {
    const value = request[name]
    if (value !== undefined && value !== null && typeof value !== 'boolean') {
      return badShape('bool_type', `body.${name}`, 'Input should be a valid boolean', value)
    }
  }
  const tools = request['tools']
  if (tools !== undefined && tools !== null && !isList(tools)) {
    return badShape('list_type', 'body.tools', 'Input should be a valid list', tools)
  }
  const nameless = list(tools).findIndex((tool) => functionName(tool) === '')
  if (nameless !== -1) {
    const loc = `body.tools.${String(nameless)}.function.name`
    return badShape('missing', loc, 'Field required', list(tools)[nameless])
  }
  return null
}

function checkModel(request: JsonObject, models: readonly string[]): DemoError | null {
  const model = request['model']
  if (typeof model !== 'string' || model === '' || models.includes(model)) return null
  return unknownModel(model)
}

/** `SamplingParams`: ranges. */
function checkSampling(request: JsonObject): DemoError | null {
  const n = integer(request['n'])
  if (n !== null && n < 1) return badParameter(`n must be at least 1, got ${String(n)}.`, 'n', n)
  if (n !== null && n > MAX_DEMO_CHOICES) {
    const message = `n must be at most ${String(MAX_DEMO_CHOICES)}, got ${String(n)}.`
    return badParameter(message, 'n', n)
  }
  for (const name of ['max_completion_tokens', 'max_tokens']) {
    const value = integer(request[name])
    if (value !== null && value < 1) {
      const message = `max_tokens must be at least 1, got ${String(value)}.`
      return badParameter(message, 'max_tokens', value)
    }
  }
  const top = integer(request['top_logprobs']) ?? 0
  if (top > MAX_TOP_LOGPROBS) {
    const message = `Requested sample logprobs of ${String(top)}, which is greater than max allowed: ${String(MAX_TOP_LOGPROBS)}`
    return badParameter(message, 'logprobs', top)
  }
  return null
}

/** 400 when prompt and answer together exceed the context length. */
export function tooLong(promptTokens: number, asked: number): DemoError {
  const message =
    `This model's maximum context length is ${String(DEMO_MAX_MODEL_LEN)} tokens. However, you requested ` +
    `${String(asked)} output tokens and your prompt contains ${String(promptTokens)} input tokens, for a total of ` +
    `${String(promptTokens + asked)} tokens. Please reduce the length of the input prompt or the number of requested output tokens.`
  return badParameter(message, 'input_tokens', promptTokens)
}
