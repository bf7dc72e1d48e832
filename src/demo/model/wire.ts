/**
 * The chat wire format of vLLM, as the demo model speaks it: member sets, member order, nulls and JSON spelling.
 *
 * Read on 2026-11-23 in stored copies of github.com/vllm-project/vllm (main of September to November 2026, the line of
 * 0.30; the commit is that of the copy):
 *
 * - vllm/entrypoints/openai/chat_completion/protocol.py @002032ee: ChatCompletionResponse, ChatMessage (an empty
 *   `tool_calls` is dropped, every other null is kept), ChatCompletionStreamResponse, log probabilities.
 * - vllm/entrypoints/openai/chat_completion/serving.py @006c49d4: order of the stream (a role chunk for every choice,
 *   deltas, the usage chunk, `[DONE]`), `exclude_unset=True` for chunks and `exclude_none=True` beside it for the usage
 *   chunk, `prompt_token_ids` and `prompt_text` set (to null) in role chunks only, `token_ids` in all others,
 *   `stop_reason` in the finishing chunk, `system_fingerprint` there or in the usage chunk, error event then `[DONE]`.
 * - vllm/entrypoints/generate/base/protocol.py @022e555d: DeltaMessage, DeltaToolCall (order id, type, index, function).
 * - vllm/entrypoints/generate/base/serving.py @62effaee: an error event is Python's `json.dumps` with its default
 *   separators and escapes, unlike every other line of the stream.
 * - vllm/entrypoints/serve/engine/protocol.py @f1bf7bd0: UsageInfo (total before completion), ModelCard, ErrorInfo.
 * - vllm/entrypoints/serve/engine/serving.py @4b5c627c: the id is `chatcmpl-` and the `X-Request-Id` header if any.
 * - vllm/entrypoints/openai/chat_completion/api_router.py @c0bc5965: buffered bodies are Starlette JSONResponses of
 *   `model_dump()` (compact separators, UTF-8 not escaped), streams are `text/event-stream; charset=utf-8`.
 * - vllm/parser/engine/parser_engine.py @b1595918: a tool call starts with a delta of id, type, index and name, its
 *   arguments follow by index.
 * - vllm/entrypoints/serve/utils/tool_calls_utils.py (copy without a commit): `tool_calls` as finish reason for auto
 *   and required tools, `stop` for a named one.
 * - `reasoning` replaced `reasoning_content` by pull requests 27752 (2025-10-29) and 33402 (January 2026); other
 *   servers still send the old name, hence the switch.
 * - Issue 57082 (2026-09-15): an engine abort ends as finish_reason `abort` and `[DONE]`; pull request 57089
 *   (2026-09-16, open then) would turn that into an error event without `[DONE]`.
 *
 * @module
 */
import type { JsonValue } from '../../../attestation/protocol/json.ts'

/** Shape `vllm-<version>-<hash8>` (vllm/entrypoints/openai/fingerprint.py @362c535e), with a version nobody released. */
export const DEMO_FINGERPRINT = 'vllm-0.0.0+demo-5eedc0de'

/** Context length that `/v1/models` states and the request is held to, in tokens. */
export const DEMO_MAX_MODEL_LEN = 32_768

/** `Content-Type` of streams; Starlette appends the charset to every `text/*` media type. */
export const EVENT_STREAM = 'text/event-stream; charset=utf-8'

/** Name under which the reasoning of a model is sent. */
export type ReasoningField = 'reasoning' | 'reasoning_content'

/** What every chunk and body of one answer has in common. `created` is in seconds. */
export interface AnswerIdentity {
  readonly id: string
  readonly created: number
  readonly model: string
  readonly reasoningField: ReasoningField
}

export interface TokenLogprob {
  readonly token: string
  readonly logprob: number
  readonly bytes: readonly number[]
}

export interface TokenLogprobs extends TokenLogprob {
  readonly top_logprobs: readonly TokenLogprob[]
}

/** One event of a stream: `data: <JSON>` and a blank line. */
export function sseEvent(json: string): Buffer {
  return Buffer.from(`data: ${json}\n\n`)
}

/** The terminator, sent whatever came before. */
export const DONE_EVENT: Buffer = sseEvent('[DONE]')

/** Token counts of a `usage` object; vLLM has the total in the middle. */
export function countMembers(
  promptTokens: number,
  completionTokens: number,
): {
  readonly prompt_tokens: number
  readonly total_tokens: number
  readonly completion_tokens: number
} {
  return {
    prompt_tokens: promptTokens,
    total_tokens: promptTokens + completionTokens,
    completion_tokens: completionTokens,
  }
}

/** The last member of a `usage` object; a server with a reasoning parser sends it even when the count is zero. */
export function reasoningMembers(reasoningTokens: number): {
  readonly completion_tokens_details: { readonly reasoning_tokens: number }
} {
  return { completion_tokens_details: { reasoning_tokens: reasoningTokens } }
}

/** `json.dumps(value)` of Python: a space after comma and colon, everything beyond ASCII escaped. */
export function pythonJson(value: JsonValue): string {
  if (Array.isArray(value)) return `[${value.map(pythonJson).join(', ')}]`
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value).map(
      ([name, member]: [string, JsonValue]) => `${pythonJson(name)}: ${pythonJson(member)}`,
    )
    return `{${members.join(', ')}}`
  }
  return JSON.stringify(value).replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
